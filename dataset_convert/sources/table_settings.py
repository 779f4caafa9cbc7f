"""The options of the source `tables`: which files and columns are which table, and how read."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dataset_convert import schema
from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.common.settings import problems_of
from dataset_convert.engine import How
from dataset_convert.problems import ConversionError

TableName = Literal[
    "accounts", "brands", "influencers", "collaborations", "posts", "audience", "splits"
]
Fact = Literal["platform", "country", "city", "language", "price", "engagement", "last_post"]
Modality = Literal[
    "content_topics", "content_visual", "audience_topics", "audience_visual", "attribute_vector",
    "content_text", "profile_text", "audience_text",
]  # fmt: skip

ACCOUNT_TABLES: Final[dict[str, str | None]] = {
    "accounts": None,
    "brands": schema.BRAND,
    "influencers": schema.INFLUENCER,
}
"""Tables of accounts -> the role of all their rows; None where a column tells it."""

_ACCOUNT_COLUMNS = ("id", "name", "biography", "category", "followers", "platform", "person")
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "accounts": ("id", "role", *_ACCOUNT_COLUMNS[1:]),
    "brands": _ACCOUNT_COLUMNS,
    "influencers": _ACCOUNT_COLUMNS,
    "posts": ("account", "text", "timestamp", "likes", "comments", "labels", "image", "platform"),
    "audience": ("account", "member", "text", "timestamp", "labels", "image", "platform"),
    "collaborations": ("brand", "influencer", "competence", "timestamp", "platform"),
    "splits": ("brand", "part"),
}
IDS: Final = ("id", "account", "member", "brand", "influencer")
REQUIRED: Final = {
    table: frozenset(columns) & {*IDS, "role", "part"} for table, columns in COLUMNS.items()
}
PROFILE, FROM_COLLABORATIONS = "profile", "collaborations"


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class VectorFiles(_Checked):
    """A matrix and the accounts of its rows.

    Attributes:
        matrix: Name of a `.npy` file; a list of names: their numbers stand side by side.
        ids: Name of a table, or of a `.txt` file with one account a line.
        column: Of the table.
    """

    matrix: tuple[str, ...]
    ids: str
    column: str = "id"

    @field_validator("matrix", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else (value,)


class TableOptions(How):
    """One table.

    Attributes:
        files: Names or glob patterns; None: the table's own name with any suffix.
        decimal: The sign of rates, where the column does not tell it.
        dates: The order of day and month, where the column does not tell it.
        handles: `exact`: letters of ids keep their case.
        from_: The table whose file names the accounts, where they have none of their own.
        facts: Fact -> their column, of accounts: side files that no model sees.
        separators: Our column of collaborations -> the sign between the accounts that a cell names.
    """

    files: tuple[str, ...] | None = None
    decimal: Literal[".", ","] | None = None
    dates: Literal["dmy", "mdy"] | None = None
    handles: Literal["exact"] | None = None
    from_: Literal["collaborations", "posts"] | None = Field(default=None, alias="from")
    facts: dict[Fact, str] | None = None
    separators: Mapping[str, str] = {}

    @field_validator("separators")
    @classmethod
    def _signs(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if not all(value.values()) or value.keys() - {*schema.SIDES}:
            raise ValueError("be a mapping of brand or influencer to a sign, such as {brand: ','}")
        return value

    @field_validator("files", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = tuple(value) if isinstance(value, list) else (value,)
        if not names or not all(isinstance(name, str) and name for name in names):
            raise ValueError("be a file's name, a pattern, or a list of them")
        return names


class Captions(_Checked):
    """Collaborations from captions that name a brand and carry a tag.

    Attributes:
        tags: Words behind `#`, or at the beginning of a caption, in any case.
        mentions: Whom the captions name behind `@`.
    """

    tags: tuple[str, ...]
    mentions: Literal["brands"] = "brands"

    @field_validator("tags", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        tags = tuple(value) if isinstance(value, list) else (value,)
        if not tags or not all(isinstance(tag, str) and tag.strip("# ") for tag in tags):
            raise ValueError("be a list of words such as [ad, sponsored]")
        return tuple(tag.strip("# ").lower() for tag in tags)


class Settings(_Checked):
    """The mapping `source` of the configuration.

    Attributes:
        tables: Table -> how it is read.
        category_of_influencers: `profile` or `collaborations`: where it comes from.
        synthetic: Whether the material is synthetic.
        vectors: Modality -> its matrices.
        from_captions: How captions tell of collaborations; None: they do not.
        memory: Of the database, e.g. `2GB`; None: half of what is free.
        encoding, delimiter, decimal, dates, handles: Of tables that say nothing else.
    """

    tables: dict[TableName, TableOptions]
    category_of_influencers: Literal["profile", "collaborations"] = "collaborations"
    synthetic: bool = False
    vectors: dict[Modality, tuple[VectorFiles, ...]] = {}
    from_captions: Captions | None = None
    memory: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    dates: str | None = None
    handles: str | None = None

    @field_validator("vectors", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if not all(value.values()):
            raise ValueError("be a mapping of matrix and ids, or a list of them")
        return {name: tuple(x) if isinstance(x, list) else (x,) for name, x in value.items()}


_SHORT = ("files", "columns", "facts")
_OF_ALL = ("encoding", "delimiter", "decimal", "dates", "handles")


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Checks the options.

    `files: {posts: x}`, `columns` and `facts` are short for `tables: {posts: ...}`;
    `encoding`, `delimiter`, `decimal`, `dates` and `handles` beside them hold for every table that
    says nothing else.

    Args:
        options: The mapping `source` of the configuration, without the source's name.

    Raises:
        ConversionError: An unknown key, of which the nearest is named, or a value that is none.
    """
    known = [*Settings.model_fields, *_SHORT]
    rest = {key: value for key, value in options.items() if key not in _SHORT}
    of_all = {key: options[key] for key in _OF_ALL if key in options}
    given = _mapping("tables", rest.get("tables", {}))
    short = {key: _mapping(key, options.get(key, {})) for key in _SHORT}
    tables: dict[str, Any] = {name: dict(of_all) for name in COLUMNS}
    for key, value in short.items():
        for name, part in value.items():
            tables.setdefault(name, {})[key] = part
    for name, part in given.items():
        tables[name] = {**tables.get(name, {}), **_mapping(f"tables: {name}", part)}
    try:
        TableOptions.model_validate(of_all)
        settings = Settings.model_validate({**rest, "tables": tables})
    except ValidationError as error:
        parts = {
            "tables": [*TableOptions.model_fields, *COLUMNS],
            "vectors": VectorFiles.model_fields,
        }
        lines = problems_of(error, known=known, parts=parts)
        raise ConversionError(f"Option 'source': {' '.join(' '.join(lines).split())}") from None
    for name, table in settings.tables.items():
        for ours in table.columns:
            if ours not in COLUMNS[name]:
                raise _refusal(f"tables: {name}: columns", ours, COLUMNS[name])
        for key, asked in (("facts", table.facts), ("from", table.from_)):
            if asked is not None and name not in ACCOUNT_TABLES:
                raise _refusal(f"tables: {key}", name, tuple(ACCOUNT_TABLES))
    named = {name: _named_by_others(name, settings) for name in settings.tables}
    return settings.model_copy(update={"tables": named})


def _named_by_others(name: TableName, settings: Settings) -> TableOptions:
    """A table's options; those of the table that its accounts come from, where there is one."""
    mine = settings.tables[name]
    if mine.from_ is None:
        return mine
    other = settings.tables[mine.from_]
    of_side = schema.INFLUENCER if name == "influencers" else schema.BRAND
    theirs = "account" if mine.from_ == "posts" else of_side
    columns = {"id": other.columns.get(theirs, theirs), **mine.columns}
    given = {"columns": columns, "from_": mine.from_, "facts": mine.facts}
    separators = {"id": other.separators.get(of_side, "")}
    return other.model_copy(update={**given, "separators": separators})


def _mapping(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConversionError(f"Option '{key}': found {shown(value)}; wanted a mapping.")
    return value


def _refusal(key: str, found: str, valid: tuple[str, ...]) -> ConversionError:
    return ConversionError(f"Option '{key}': found '{found}'; wanted {wanted_word(found, valid)}.")
