"""Who is who in tables: several platforms, facts beside the data, collaborations from captions."""

import unicodedata
from typing import Final

import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.common.words import plural
from dataset_convert.engine import Engine
from dataset_convert.handles import platform
from dataset_convert.problems import Problems
from dataset_convert.sources.table_settings import (
    ACCOUNT_TABLES,
    COLUMNS,
    Captions,
    Settings,
    TableOptions,
)
from dataset_convert.values import in_one_line, missing

FACT: Final = "fact_"
"""Before the columns of facts."""
FACT_NUMBERS: Final = tuple(FACT + x for x, kind in schema.FACT_TYPES.items() if kind == "float")
FACT_COLUMNS: Final = [FACT + x for x in schema.FACT_TYPES]
_SQL_OF: Final = {"token": "VARCHAR", "float": "DOUBLE"}
_WORD: Final = "[\\pL\\pN_]+"
_AFTER: Final = "[|:/*\\])\u2013\u2014-]"
"""Signs that part a tag at the beginning from the rest."""
_LAST_POST: Final = "last_post"

# --- several platforms


def set_apart(engine: Engine, problems: Problems) -> bool:
    """Gives accounts of `all_accounts` one id a person, or else one a platform.

    Rows with the same `person` are one account, called as the row with the most followers. Other
    rows of one name on several platforms are several accounts, `name@platform`.

    Returns:
        Whether any id has changed, so that other tables need `use_aliases`.
    """
    several = (
        "SELECT id FROM all_accounts WHERE person IS NULL GROUP BY id "
        "HAVING count(DISTINCT platform) > 1"
    )
    persons = "SELECT id FROM all_accounts WHERE person IS NOT NULL"
    if not engine.query(f"({several}) UNION ALL ({persons}) LIMIT 1"):
        return False
    engine.query(
        "CREATE TEMP TABLE alias AS SELECT id, platform, max(followers) AS followers, max(person) "
        "AS person, any_value(final) AS final FROM (SELECT *, CASE WHEN person IS NOT NULL THEN "
        "first_value(id) OVER (PARTITION BY role, person ORDER BY followers DESC NULLS LAST, id) "
        f"WHEN platform IS NOT NULL AND id IN ({several}) THEN id || '@' || platform ELSE id END "
        "AS final FROM all_accounts) GROUP BY id, platform"
    )
    engine.query(
        "UPDATE all_accounts SET id = alias.final FROM alias WHERE alias.id = all_accounts.id "
        "AND alias.platform IS NOT DISTINCT FROM all_accounts.platform"
    )
    # Of the rows of a person the fullest will stay; the larger number of followers counts.
    engine.query(
        "UPDATE all_accounts SET followers = most FROM (SELECT id AS of_id, max(followers) AS most "
        "FROM all_accounts WHERE person IS NOT NULL GROUP BY id) WHERE id = of_id"
    )
    for person, what in (
        ("NULL", "names stand for accounts on several platforms, kept apart as name@platform; a "
                 "column 'person' would join them"),
        ("NOT NULL", "accounts are joined with another one of the same person"),
    ):  # fmt: skip
        found = engine.query(
            "SELECT count(DISTINCT id), min(id) FROM alias WHERE final <> id "
            f"AND person IS {person}"
        )
        if found[0][0]:
            problems.say(f"{found[0][0]:,} {what}.", f"e.g. {found[0][1]}")
    return True


def use_aliases(engine: Engine, table: str, column: str, problems: Problems) -> None:
    """Gives a table's accounts the ids that `set_apart` has chosen.

    A row that does not say the platform is taken for the account with the most followers.
    """
    given = "t.platform" if "platform" in COLUMNS[table] else "NULL::VARCHAR"
    unclear = f"{column} IN (SELECT id FROM alias WHERE person IS NULL AND final <> id)"
    n = engine.query(f"SELECT count(*) FROM {table} AS t WHERE {given} IS NULL AND {unclear}")[0][0]
    if n and "platform" in COLUMNS[table]:
        problems.say(
            f"{n:,} rows of {table} name an account of several platforms and not which: the one "
            "with the most followers is meant."
        )
    by_platform = (
        "SELECT id, platform, final FROM alias UNION ALL SELECT id, NULL, arg_max(final, "
        "(coalesce(followers, -1), final)) FROM alias WHERE id NOT IN (SELECT id FROM alias "
        "WHERE platform IS NULL) GROUP BY id"
    )
    engine.query(
        f"UPDATE {table} AS t SET {column} = a.final FROM ({by_platform}) AS a "
        f"WHERE a.id = t.{column} AND a.platform IS NOT DISTINCT FROM {given}"
    )


# --- accounts that are not called by their id

_LOOSE: Final = "regexp_replace(lower({0}), '[^\\pL\\pN]', '', 'g')"
"""Letters and digits alone."""


def use_names(
    engine: Engine, table: str, column: str, role: str | None, problems: Problems
) -> None:
    """Takes accounts that are called by a name for those that have it, where only one has."""
    of_role = f"role = '{role}'" if role else "true"
    called = _LOOSE.format("name")
    engine.query(
        f"CREATE OR REPLACE TEMP TABLE called AS SELECT t.rowid AS place, {column}_given AS given, "
        f"id FROM {table} AS t JOIN (SELECT {called} AS called, min(id) AS id FROM account WHERE "
        f"{called} <> '' AND {of_role} GROUP BY 1 HAVING count(*) = 1) AS a ON a.called = "
        f"{_LOOSE.format(column)} WHERE {column} NOT IN (SELECT id FROM account WHERE {of_role})"
    )
    n, given, id_ = engine.query("SELECT count(*), min(given), min_by(id, given) FROM called")[0]
    if n:
        called = f"{n:,} {plural('row', n)} of {table} call{'s' * (n == 1)} accounts by name."
        problems.say(called, f"e.g. {given} is {id_}")
        engine.query(f"UPDATE {table} SET {column} = id FROM called WHERE {table}.rowid = place")


# --- what would mend a loss


def remedy(engine: Engine, table: str, column: str, condition: str) -> str:
    """What would let more rows in whose account is unknown; "" where nothing cheap would."""
    total = engine.query(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0]
    if not total:
        return ""
    unknown = _LOOSE.format(f"{table}.{column}")
    tries = {
        "are known in the other role: are the columns of brands and influencers swapped?":
            f"{column} IN (SELECT id FROM account)",
        "would match in small letters: leave out 'handles: exact'":
            f"lower({column}) IN (SELECT lower(id) FROM account)",
        "would match by the accounts' names, which several have: write ids in both tables":
            f"{unknown} IN (SELECT {_LOOSE.format('name')} FROM account WHERE name <> '')",
        "would match without dots, lines and spaces: write them alike in both tables":
            f"{unknown} IN (SELECT {_LOOSE.format('id')} FROM account)",
    }  # fmt: skip
    for words, test in tries.items():
        n = engine.query(f"SELECT count(*) FROM {table} WHERE {condition} AND {test}")[0][0]
        if n:
            return f"{n:,} of {total:,} {words}."
    one = engine.query(f"SELECT min({column}) FROM {table} WHERE {condition}")[0][0]
    if str(one).isdigit() and not engine.query(
        "SELECT 1 FROM account WHERE regexp_full_match(id, '\\d+') LIMIT 1"
    ):
        return "Here are numbers, there names: is another column the account's name?"
    return (
        "Add these accounts to the tables of accounts, or choose the column that names known ones."
    )


# --- facts


def fact_columns(options: TableOptions) -> str:
    """The columns of facts in SQL, NULL where a table does not say them."""
    has = options.facts or {}
    return ", ".join(
        FACT + name if name in has else f"NULL::{_SQL_OF[kind]} AS {FACT}{name}"
        for name, kind in schema.FACT_TYPES.items()
    )


def kind_of_fact(column: str) -> str:
    """The column of posts or pairs whose cells are read like those of a fact; or `word`."""
    name = column.removeprefix(FACT)
    if name == _LAST_POST:
        return "timestamp"
    return "competence" if schema.FACT_TYPES[name] == "float" else name


def platform_word(cell: str) -> str | None:
    """The platform that a cell names; None where it says nothing."""
    return None if missing(cell) else platform(cell)


def fact_word(cell: str) -> str | None:
    """What a cell says of any other fact."""
    return None if missing(cell) else in_one_line(cell)[:80]


def note_last_posts(engine: Engine) -> None:
    """Keeps when every account posted last, before captions are left out."""
    engine.query(
        "CREATE OR REPLACE TEMP TABLE last_posts AS SELECT account, max(timestamp) AS moment "
        "FROM posts WHERE timestamp IS NOT NULL GROUP BY account"
    )


def facts(engine: Engine, settings: Settings) -> dict[str, pd.DataFrame]:
    """Returns side -> what tables of accounts say beside what models learn from.

    Where they do not say when an account posted last, its posts do.
    """
    asked = [
        ACCOUNT_TABLES[name]
        for name, table in settings.tables.items()
        if name in ACCOUNT_TABLES and table.facts is not None
    ]
    sides = schema.SIDES if None in asked else [side for side in schema.SIDES if side in asked]
    if not sides:
        return {}
    if not engine.query("SELECT 1 FROM duckdb_tables() WHERE table_name = 'last_posts'"):
        engine.query("CREATE TEMP TABLE last_posts (account VARCHAR, moment DOUBLE)")
    columns = ", ".join(FACT_COLUMNS).replace(
        FACT + _LAST_POST, f"coalesce({FACT}{_LAST_POST}, moment) AS {_LAST_POST}"
    )
    found: dict[str, pd.DataFrame] = {}
    for side in sides:
        rows = engine.query(
            f"SELECT id, {columns} FROM account LEFT JOIN last_posts ON id = last_posts.account "
            f"WHERE role = '{side}' ORDER BY id"
        )
        frame = pd.DataFrame(rows, columns=[raw.ACCOUNT, *schema.FACT_TYPES], dtype=object)
        known = frame.drop(columns=raw.ACCOUNT).notna()
        frame = frame.loc[known.any(axis=1), [raw.ACCOUNT, *known.columns[known.any()]]]
        if len(frame):
            found[side] = frame.reset_index(drop=True)
    return found


# --- collaborations from captions


def add_pairs(engine: Engine, captions: Captions, problems: Problems) -> None:
    """Adds pairs of influencers and the brands that their tagged captions name to `pair`.

    Such a caption tells who worked with whom, so that its post is left out of all features.

    Raises:
        ConversionError: No caption has both, and there are no other pairs.
    """
    tags = [_bare(tag) for tag in captions.tags]
    # A word at the very beginning, as in "Anzeige | ...", is a tag too; elsewhere it is a word.
    tags_of = (
        f"list_distinct(list_filter(regexp_extract_all(plain, '#({_WORD})', 1) || "
        f"[regexp_extract(plain, '^[^\\pL\\pN#@]*({_WORD})[^\\pL\\pN]*?{_AFTER}', 1)], "
        "lambda word: list_contains(?, word)))"
    )
    named = (
        "list_transform(regexp_extract_all(lower(text), '@([\\pL\\pN_.-]+)', 1), "
        "lambda word: rtrim(word, '.-'))"
    )
    plain = "SELECT rowid, *, strip_accents(lower(text)) AS plain FROM posts"
    engine.query(
        "CREATE OR REPLACE TEMP TABLE tagged AS SELECT * FROM (SELECT p.rowid AS post, account, "
        f"timestamp, {tags_of} AS tags, {named} AS named FROM ({plain}) AS p "
        f"JOIN account ON account = id WHERE role = '{schema.INFLUENCER}') WHERE len(tags) > 0",
        [tags],
    )
    engine.query(
        "CREATE OR REPLACE TEMP TABLE caption_pair AS SELECT post, tagged.account AS influencer, "
        "account.id AS brand, timestamp, tags FROM (SELECT *, unnest(named) AS called FROM tagged) "
        f"AS tagged JOIN account ON lower(account.id) = called WHERE role = '{schema.BRAND}'"
    )
    n_pairs, n_posts = engine.query(
        "SELECT count(DISTINCT (brand, influencer)), count(DISTINCT post) FROM caption_pair"
    )[0]
    n_tagged = engine.query("SELECT count(*) FROM tagged")[0][0]
    has_others = engine.query("SELECT 1 FROM duckdb_tables() WHERE table_name = 'pair'")
    if not n_pairs and not has_others:
        problems.refuse(
            "option 'from_captions'",
            value=f"{n_tagged:,} tagged captions, no known brand",
            wanted="captions such as 'new shoes by @brand #ad', and brands by those names",
        )
    if not has_others:
        engine.query(
            "CREATE TEMP TABLE pair (brand VARCHAR, influencer VARCHAR, competence DOUBLE, "
            "timestamp DOUBLE)"
        )
    engine.query(
        "INSERT INTO pair BY NAME SELECT brand, influencer, min(timestamp) AS timestamp FROM "
        "caption_pair ANTI JOIN pair USING (brand, influencer) GROUP BY brand, influencer"
    )
    engine.query("DELETE FROM posts WHERE rowid IN (SELECT post FROM caption_pair)")
    counts = engine.query(
        "SELECT tag, count(DISTINCT post) AS n FROM (SELECT post, unnest(tags) AS tag FROM "
        "caption_pair) GROUP BY tag ORDER BY n DESC, tag"
    )
    told = ", ".join(f"#{tag} {n:,}" for tag, n in counts)
    example = engine.query("SELECT influencer, brand FROM caption_pair ORDER BY ALL LIMIT 1")
    problems.say(
        f"{n_pairs:,} collaborations are taken from {n_posts:,} captions ({told}), which make no "
        f"features; {n_tagged - n_posts:,} captions with a tag name no known brand.",
        "".join(f"e.g. {influencer} with {brand}" for influencer, brand in example),
    )


def _bare(tag: str) -> str:
    """In small letters without accents, as the database strips them."""
    plain = unicodedata.normalize("NFKD", tag.lower())
    return "".join(c for c in plain if not unicodedata.combining(c))
