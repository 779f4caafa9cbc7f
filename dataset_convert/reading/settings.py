"""The options of the source `tables`, checked and with their defaults."""

import difflib
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from dataset_convert import schema
from dataset_convert.errors import shown
from dataset_convert.problems import ConversionError
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
    _keyed("source", options, _OPTIONS)
    delimiter = options.get("delimiter")
    return Settings(
        files={
            table: _names(f"files.{table}", names)
            for table, names in _keyed("files", options.get("files", {}), COLUMNS).items()
        },
        columns={
            table: _columns(table, columns)
            for table, columns in _keyed("columns", options.get("columns", {}), COLUMNS).items()
        },
        encoding=_encoding(options.get("encoding", "utf-8")),
        delimiter=None if delimiter is None else _one_of("delimiter", delimiter, DELIMITERS),
        category_of_influencers=_one_of(
            "category_of_influencers",
            options.get("category_of_influencers", FROM_COLLABORATIONS),
            (PROFILE, FROM_COLLABORATIONS),
        ),
        synthetic=_truth("synthetic", options.get("synthetic", False)),
        vectors={
            modality: _vector_files(f"vectors.{modality}", files)
            for modality, files in _keyed(
                "vectors", options.get("vectors", {}), VECTOR_MODALITIES
            ).items()
        },
    )


def _refuse(option: str, found: object, wanted: str) -> NoReturn:
    text = " ".join(f"Option '{option}': found {shown(str(found))}; wanted {wanted}.".split())
    raise ConversionError(text)


def _keyed(option: str, value: object, valid: Collection[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _refuse(option, value, f"a mapping of {', '.join(valid)}")
    for key in value:
        if key not in valid:
            near = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.5)
            _refuse(option, key, f"'{near[0]}'" if near else f"one of {', '.join(valid)}")
    return value


def _names(option: str, value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    return tuple(_name(option, name) for name in names) or _refuse(option, "[]", "file names")


def _name(option: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        _refuse(option, value, "a name in quotes")
    return value


def _columns(table: str, value: object) -> dict[str, str]:
    option = f"columns.{table}"
    columns = _keyed(option, value, COLUMNS[table])
    return {ours: _name(f"{option}.{ours}", theirs) for ours, theirs in columns.items()}


def _one_of(option: str, value: object, valid: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in valid:
        _refuse(option, value, f"one of {', '.join(map(repr, valid))}")
    return value


def _truth(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        _refuse(option, value, "true or false")
    return value


def _encoding(value: object) -> str:
    name = _name("encoding", value)
    try:
        with io.TextIOWrapper(io.BytesIO(), encoding=name) as stream:
            stream.write("a")
    except (LookupError, ValueError):
        _refuse("encoding", value, "the name of an encoding, e.g. 'utf-8' or 'cp1252'")
    return name


def _vector_files(option: str, value: object) -> tuple[VectorFiles, ...]:
    files = []
    for one in value if isinstance(value, list) else [value]:
        keys = _keyed(option, one, ("matrix", "ids", "column"))
        files.append(
            VectorFiles(
                matrix=_name(f"{option}.matrix", keys.get("matrix")),
                ids=_name(f"{option}.ids", keys.get("ids")),
                column=_name(f"{option}.column", keys.get("column", "id")),
            )
        )
    return tuple(files) or _refuse(option, "[]", "a mapping of matrix and ids")
