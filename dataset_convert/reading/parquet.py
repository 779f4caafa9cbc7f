"""Rows of a Parquet file, a bounded number of bytes at a time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dataset_convert.problems import ConversionError, Problems

BATCH = 1024
"""Rows in memory at once, at most."""
PIECE = 2**24
"""Bytes of rows in memory at once, at most, unless a single row has more."""
MAX_ROW = 2**26
"""Bytes of a row, as long as a line of text may be; a longer one would fill the memory."""
FREE_BYTES = 2**26
"""Unpacked bytes of a column in a row group that are read whatever the next two limits say, and of
one that repeats its values at once."""
MAX_RATIO = 200
"""How many times its size in the file a column may have when unpacked."""
MAX_MEAN = 2**16
"""Bytes of a column's mean value: several times what is kept of a caption."""

_BLOCK = 2**20
_DELTA = "DELTA"
_BYTES_OF_A_VALUE = 8


def read_parquet(
    path: Path,
    file: str,
    *,
    columns: Sequence[str],
    check_header: Callable[[Sequence[str]], None],
    problems: Problems,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields row number, from 1, and column -> value of every row.

    Memory is bounded by what the file says of its own sizes, which is believed. Text that repeats
    stands once in the file: the longer it is, the fewer rows are unpacked at once.

    Args:
        path: The file.
        file: Its name for messages.
        columns: Those that are wanted, also as paths into nested columns; others are left out.
        check_header: Called with the names of all columns; raises where some are missing.
        problems: Of the conversion.

    Raises:
        ConversionError: No Parquet, a column twice, a column or row that is far larger than text
            ever is, or the package pyarrow is missing.
    """
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError:
        raise ConversionError("Parquet files need a package: pip install pyarrow") from None
    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            names, metadata = table.schema_arrow.names, table.metadata
        if len(set(names)) < len(names):
            problems.refuse(file, value=", ".join(names), wanted="every column once")
        check_header(names)
        wanted = [name for name in names if any(_within(path, name) for path in columns)]
        lists = _lists_of_text(metadata)
        with parquet.ParquetFile(path, read_dictionary=lists, buffer_size=_BLOCK) as table:
            for group in range(metadata.num_row_groups):
                chunks = _chunks(metadata.row_group(group), wanted)
                n_rows = metadata.row_group(group).num_rows
                _refuse_large(chunks, n_rows, file, problems)
                longest = _longest_text(path, metadata, group, chunks)
                mean = sum(map(_size, chunks)) // max(1, n_rows)
                size = max(1, min(BATCH, PIECE // max(1, mean), FREE_BYTES // max(1, longest)))
                for batch in table.iter_batches(size, row_groups=[group], columns=wanted):
                    for piece in _pieces(batch, number, file, problems):
                        for values in piece.to_pylist():
                            number += 1
                            yield number, values
    except ConversionError:
        raise
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        problems.refuse(file, value=f"after row {number}: {error}", wanted="a Parquet file")


def _within(path: str, column: str) -> bool:
    return path == column or path.startswith(f"{column}.")


def _lists_of_text(metadata: Any) -> list[str]:
    """Returns the columns to keep as dictionaries: one row may hold a long text a million times."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    columns = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    return [
        column.path
        for i, column in enumerate(columns)
        if column.physical_type == "BYTE_ARRAY"
        and column.max_repetition_level
        and not any(_is_delta(group.column(i)) for group in groups)
    ]


def _is_delta(chunk: Any) -> bool:
    return any(encoding.startswith(_DELTA) for encoding in chunk.encodings)


def _chunks(group: Any, wanted: Sequence[str]) -> list[Any]:
    """Returns what a row group says of the wanted columns."""
    chunks = [group.column(i) for i in range(group.num_columns)]
    return [one for one in chunks if any(_within(one.path_in_schema, name) for name in wanted)]


def _size(chunk: Any) -> int:
    """Returns the bytes of a column in a row group, where text that repeats counts once."""
    return max(int(chunk.total_uncompressed_size), _BYTES_OF_A_VALUE * int(chunk.num_values))


def _refuse_large(chunks: Sequence[Any], n_rows: int, file: str, problems: Problems) -> None:
    """Raises ConversionError for a column that is too large to be unpacked."""
    for chunk in chunks:
        size = _size(chunk)
        is_dense = chunk.total_uncompressed_size > MAX_RATIO * chunk.total_compressed_size
        if size > FREE_BYTES and (is_dense or size > MAX_MEAN * n_rows):
            problems.refuse(
                file,
                column=chunk.path_in_schema,
                value=f"{size:,} bytes in {n_rows:,} rows",
                wanted=f"at most {MAX_MEAN:,} bytes a row, packed up to {MAX_RATIO}-fold",
            )


def _longest_text(path: Path, metadata: Any, group: int, chunks: Sequence[Any]) -> int:
    """Returns the bytes of the longest text of a row group that may stand in many rows."""
    from pyarrow import parquet

    texts = [chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"]
    # Such a value may repeat all that stands before it.
    longest = max((_size(chunk) for chunk in texts if _is_delta(chunk)), default=0)
    packed = [
        chunk.path_in_schema
        for chunk in texts
        if chunk.has_dictionary_page and not _is_delta(chunk)
    ]
    if packed:
        with parquet.ParquetFile(
            path, metadata=metadata, read_dictionary=packed, buffer_size=_BLOCK
        ) as table:
            # With the first row comes the whole dictionary.
            for batch in table.iter_batches(1, row_groups=[group], columns=packed):
                return max(longest, *map(_longest, batch.columns))
    return longest


def _longest(values: Any) -> int:
    from pyarrow import compute, types

    if types.is_dictionary(values.type):
        lengths = _lengths(values.dictionary)
        return 0 if lengths is None else compute.max(lengths).as_py() or 0
    if types.is_nested(values.type):
        return max(map(_longest, _parts(values)), default=0)
    return 0


def _parts(values: Any) -> list[Any]:
    """Returns what nested values consist of: the fields of objects, the members of lists."""
    from pyarrow import types

    if types.is_map(values.type):
        begin, end = values.offsets[0].as_py(), values.offsets[-1].as_py()
        return [values.keys[begin:end], values.items[begin:end]]
    parts = values.flatten()
    return parts if isinstance(parts, list) else [parts]


def _pieces(batch: Any, n_before: int, file: str, problems: Problems) -> Iterator[Any]:
    """Yields the rows of a batch in pieces of bounded size, with their text unpacked.

    Raises:
        ConversionError: A single row is too large.
    """
    n_rows = batch.num_rows
    n_bytes = sum(map(_n_bytes, batch.columns))
    if n_rows > 1 and n_bytes > PIECE:
        half = n_rows // 2
        yield from _pieces(batch.slice(0, half), n_before, file, problems)
        yield from _pieces(batch.slice(half), n_before + half, file, problems)
    elif n_bytes > MAX_ROW:
        problems.refuse(
            file,
            row=n_before + 1,
            value=f"{n_bytes:,} bytes",
            wanted=f"rows of up to {MAX_ROW:,} bytes",
        )
    else:
        yield _unpacked(batch)


def _unpacked(batch: Any) -> Any:
    """Returns a batch without dictionaries: Python takes those value by value, far more slowly."""
    from pyarrow import RecordBatch, types

    packed = [types.is_dictionary(column.type) for column in batch.columns]
    if not any(packed):
        return batch
    columns = [
        column.dictionary_decode() if is_packed else column
        for column, is_packed in zip(batch.columns, packed, strict=True)
    ]
    return RecordBatch.from_arrays(columns, names=batch.schema.names)


def _n_bytes(values: Any) -> int:
    """Returns how many bytes values have when every one of them stands for itself."""
    from pyarrow import compute, types

    kind, n_bytes = values.type, _BYTES_OF_A_VALUE * len(values)
    if types.is_dictionary(kind):
        lengths = _lengths(values.dictionary)
        if lengths is not None:
            n_bytes += compute.sum(lengths.take(values.indices)).as_py() or 0
    elif types.is_nested(kind):
        n_bytes += sum(map(_n_bytes, _parts(values)))
    else:
        lengths = _lengths(values)
        if lengths is not None:
            n_bytes += compute.sum(lengths).as_py() or 0
    return int(n_bytes)


def _lengths(values: Any) -> Any:
    """Returns the length in bytes of every text; None where the values are of one size."""
    from pyarrow import compute, types

    kind = values.type
    is_text = types.is_string(kind) or types.is_large_string(kind)
    is_binary = types.is_binary(kind) or types.is_large_binary(kind)
    return compute.binary_length(values).cast("int64") if is_text or is_binary else None
