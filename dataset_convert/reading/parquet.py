"""Rows of a Parquet file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dataset_convert.problems import ConversionError, Problems

BATCH = 1024
"""Rows in memory at once."""


def read_parquet(
    path: Path,
    file: str,
    *,
    check_header: Callable[[Sequence[str]], None],
    problems: Problems,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields row number, from 1, and column -> value of every row.

    Args:
        path: The file.
        file: Its name for messages.
        check_header: Called with the column names; raises where some are missing.
        problems: Of the conversion.

    Raises:
        ConversionError: No Parquet, a column twice, or the package pyarrow is missing.
    """
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError:
        raise ConversionError("Parquet files need a package: pip install pyarrow") from None
    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            names = table.schema_arrow.names
            if len(set(names)) < len(names):
                problems.refuse(file, value=", ".join(names), wanted="every column once")
            check_header(names)
            for batch in table.iter_batches(batch_size=BATCH):
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except ConversionError:
        raise
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        problems.refuse(file, value=f"after row {number}: {error}", wanted="a Parquet file")
