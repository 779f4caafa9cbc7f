"""The options of the source `tables`, checked and with their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataset_convert import schema
from dataset_convert.reading import options as o
from dataset_convert.reading.delimited import DELIMITERS

ACCOUNTS, POSTS, AUDIENCE = "accounts", "posts", "audience"
COLLABORATIONS, SPLITS = "collaborations", "splits"
ACCOUNT_TABLES: dict[str, str | None] = {
    ACCOUNTS: None,
    "brands": schema.BRAND,
    "influencers": schema.INFLUENCER,
}
"""Tables of accounts -> the role of all their rows; None where a column tells it."""

_ACCOUNT_COLUMNS = ("id", "name", "biography", "category", "followers")
COLUMNS: dict[str, tuple[str, ...]] = {
    ACCOUNTS: ("id", "role", *_ACCOUNT_COLUMNS[1:]),
    "brands": _ACCOUNT_COLUMNS,
    "influencers": _ACCOUNT_COLUMNS,
    POSTS: ("account", "text", "timestamp", "likes", "comments", "labels", "image"),
    AUDIENCE: ("account", "member", "text", "timestamp", "labels", "image"),
    COLLABORATIONS: ("brand", "influencer", "competence", "timestamp"),
    SPLITS: ("brand", "part"),
}
REQUIRED: dict[str, frozenset[str]] = {
    ACCOUNTS: frozenset({"id", "role"}),
    "brands": frozenset({"id"}),
    "influencers": frozenset({"id"}),
    POSTS: frozenset({"account"}),
    AUDIENCE: frozenset({"account", "member"}),
    COLLABORATIONS: frozenset({"brand", "influencer"}),
    SPLITS: frozenset({"brand", "part"}),
}
PROFILE, FROM_COLLABORATIONS = "profile", "collaborations"
VECTOR_MODALITIES = tuple(name for name in schema.MODALITIES if name != schema.ATTRIBUTES)

_OPTIONS = (
    "files",
    "columns",
    "encoding",
    "delimiter",
    "category_of_influencers",
    "synthetic",
    "vectors",
)


@dataclass(frozen=True)
class VectorFiles:
    """A matrix and the accounts of its rows.

    Attributes:
        matrix: Name of a `.npy` file.
        ids: Name of a table, or of a `.txt` file with one account a line.
        column: Of the table.
    """

    matrix: str
    ids: str
    column: str


@dataclass(frozen=True)
class Settings:
    """How the tables are read.

    Attributes:
        files: Table -> names or glob patterns; a table that is absent has its default name.
        columns: Table -> our column -> theirs, as far as they differ.
        encoding: Of CSV files and lists of ids; JSON lines are UTF-8.
        delimiter: Of CSV files; None finds it.
        category_of_influencers: `profile` or `collaborations`: where it comes from.
        synthetic: Whether the material is synthetic.
        vectors: Modality -> its matrices.
    """

    files: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, Mapping[str, str]]
    encoding: str
    delimiter: str | None
    category_of_influencers: str
    synthetic: bool
    vectors: Mapping[str, tuple[VectorFiles, ...]]


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Checks the options.

    Args:
        options: The mapping `source` of the configuration, without the source's name.

    Raises:
        ConversionError: An unknown key, of which the nearest is named, or a value that is none.
    """
    o.keyed("source", options, _OPTIONS)
    delimiter = options.get("delimiter")
    return Settings(
        files={
            table: _names(f"files.{table}", names)
            for table, names in o.keyed("files", options.get("files", {}), COLUMNS).items()
        },
        columns={
            table: _columns(table, columns)
            for table, columns in o.keyed("columns", options.get("columns", {}), COLUMNS).items()
        },
        encoding=o.encoding(options.get("encoding", "utf-8")),
        delimiter=None if delimiter is None else o.one_of("delimiter", delimiter, DELIMITERS),
        category_of_influencers=o.one_of(
            "category_of_influencers",
            options.get("category_of_influencers", FROM_COLLABORATIONS),
            (PROFILE, FROM_COLLABORATIONS),
        ),
        synthetic=o.truth("synthetic", options.get("synthetic", False)),
        vectors={
            modality: _vector_files(f"vectors.{modality}", files)
            for modality, files in o.keyed(
                "vectors", options.get("vectors", {}), VECTOR_MODALITIES
            ).items()
        },
    )


def _names(option: str, value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    return tuple(o.name(option, name) for name in names) or o.refuse_option(
        option, "[]", "file names"
    )


def _columns(table: str, value: object) -> dict[str, str]:
    option = f"columns.{table}"
    columns = o.keyed(option, value, COLUMNS[table])
    return {ours: o.name(f"{option}.{ours}", theirs) for ours, theirs in columns.items()}


def _vector_files(option: str, value: object) -> tuple[VectorFiles, ...]:
    files = []
    for one in value if isinstance(value, list) else [value]:
        keys = o.keyed(option, one, ("matrix", "ids", "column"))
        files.append(
            VectorFiles(
                matrix=o.name(f"{option}.matrix", keys.get("matrix")),
                ids=o.name(f"{option}.ids", keys.get("ids")),
                column=o.name(f"{option}.column", keys.get("column", "id")),
            )
        )
    return tuple(files) or o.refuse_option(option, "[]", "a mapping of matrix and ids")
