"""The options of the source `feature-arrays`, checked and with their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataset_convert import schema
from dataset_convert.reading import options as o
from dataset_convert.reading.delimited import DELIMITERS
from dataset_convert.reading.pair_arrays import PARTS, PATTERNS

PAIRS, CATEGORIES, ATTRIBUTES = "pairs", "categories", "attributes"
COLUMNS = {
    PAIRS: ("brand", "influencer"),
    CATEGORIES: ("brand", "category"),
    ATTRIBUTES: ("account", "attributes"),
}
POSITIVES = {"first": 0, "second": 1}

_OPTIONS = ("arrays", "positive", *COLUMNS, "columns", "encoding", "delimiter", "synthetic")


@dataclass(frozen=True)
class AttributeFiles:
    """What attribute vectors are made from.

    Attributes:
        table: Name of a table of accounts and their attributes.
        embedding: Name of a file of node embeddings.
    """

    table: str
    embedding: str


@dataclass(frozen=True)
class ArraySettings:
    """How the arrays are read.

    Attributes:
        arrays: Modality -> pattern; None for a modality that is left out.
        positive: Which row of a pair is the positive one, 0 or 1.
        pairs: Part -> name of a table of the positive pairs in order.
        categories: Name of a table of brands and categories; None without.
        attributes: Instead of arrays of attribute vectors; None without.
        columns: Table -> our column -> theirs.
        encoding: Of CSV files.
        delimiter: Of CSV files; None finds it.
        synthetic: Whether the material is synthetic.
    """

    arrays: Mapping[str, str | None]
    positive: int
    pairs: Mapping[str, str]
    categories: str | None
    attributes: AttributeFiles | None
    columns: Mapping[str, Mapping[str, str]]
    encoding: str
    delimiter: str | None
    synthetic: bool


def read_array_settings(options: Mapping[str, Any]) -> ArraySettings:
    """Checks the options.

    Args:
        options: The mapping `source` of the configuration, without the source's name.

    Raises:
        ConversionError: An unknown key, of which the nearest is named, or a value that is none.
    """
    o.keyed("source", options, _OPTIONS)
    arrays = {
        modality: None if pattern is None else _pattern(f"arrays.{modality}", pattern)
        for modality, pattern in o.keyed("arrays", options.get("arrays", {}), PATTERNS).items()
    }
    attributes = _attribute_files(options.get(ATTRIBUTES))
    # What is made from the attributes takes the place of the arrays.
    if attributes is not None and arrays.setdefault(schema.ATTRIBUTE_VECTOR, None) is not None:
        wanted = f"either this or 'arrays.{schema.ATTRIBUTE_VECTOR}'"
        o.refuse_option(ATTRIBUTES, attributes.table, wanted)
    categories, delimiter = options.get(CATEGORIES), options.get("delimiter")
    mapped = o.keyed("columns", options.get("columns", {}), COLUMNS)
    pairs = o.keyed(PAIRS, options.get(PAIRS, {}), PARTS)
    return ArraySettings(
        arrays=arrays,
        positive=POSITIVES[o.one_of("positive", options.get("positive", "first"), POSITIVES)],
        pairs={part: o.name(f"{PAIRS}.{part}", file) for part, file in pairs.items()},
        categories=None if categories is None else o.name(CATEGORIES, categories),
        attributes=attributes,
        columns={table: _columns(table, mapped.get(table, {})) for table in COLUMNS},
        encoding=o.encoding(options.get("encoding", "utf-8")),
        delimiter=None if delimiter is None else o.one_of("delimiter", delimiter, DELIMITERS),
        synthetic=o.truth("synthetic", options.get("synthetic", False)),
    )


def _pattern(option: str, value: object) -> str:
    pattern = o.name(option, value)
    if "{side}" not in pattern or "{part}" not in pattern:
        o.refuse_option(option, pattern, "a name with {side} and {part} in it, or ~")
    return pattern


def _attribute_files(value: object) -> AttributeFiles | None:
    if value is None:
        return None
    keys = o.keyed(ATTRIBUTES, value, ("table", "embedding"))
    return AttributeFiles(
        **{key: o.name(f"{ATTRIBUTES}.{key}", keys.get(key)) for key in ("table", "embedding")}
    )


def _columns(table: str, value: object) -> dict[str, str]:
    mapped = o.keyed(f"columns.{table}", value, COLUMNS[table])
    return {
        ours: o.name(f"columns.{table}.{ours}", mapped.get(ours, ours)) for ours in COLUMNS[table]
    }
