"""What must hold between the parts of a split and the interactions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_convert import schema
from dataset_convert.checks import check_unique_pair, pair_index, shown_pair
from dataset_convert.errors import AtomicFileError
from dataset_convert.tables import CONVERT_AGAIN, Table


def find_splits(folder: Path, name: str, manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Finds the parts of each protocol: those in the folder and those the manifest declares.

    Raises:
        AtomicFileError: A file of an unknown protocol or part, or a protocol without training
            part.
    """
    names = {
        schema.split_file(name, protocol, part): (protocol, part)
        for protocol in schema.PROTOCOLS
        for part in schema.PARTS
    }
    there = sorted(path.name for path in folder.glob(f"{name}.*.inter"))
    for file in there:
        if file not in names:
            raise AtomicFileError(
                folder / file,
                found="a split file of an unknown protocol or part",
                wanted=f"one of {', '.join(names)}",
                remedy="Remedy: rename or remove the file.",
            )
    rows = manifest.get("rows", {})
    parts: dict[str, list[str]] = {}
    for file, (protocol, part) in names.items():
        if file in there or f"{protocol}.{part}" in rows:
            parts.setdefault(protocol, []).append(part)
    for protocol, found in parts.items():
        if schema.TRAIN not in found:
            raise AtomicFileError(
                folder / schema.split_file(name, protocol, schema.TRAIN),
                found=f"no '{schema.TRAIN}' part beside the other parts of '{protocol}'",
                wanted="a training part in every protocol",
                remedy=CONVERT_AGAIN,
            )
    return parts


def check_split(protocol: str, parts: Mapping[str, Table], interactions: Table) -> None:
    """Checks one protocol's parts against the interactions and each other.

    Raises:
        AtomicFileError: A pair twice or not in the interactions, a pair in two parts, or, under
            `new-brand`, a brand in two parts.
    """
    all_pairs = pair_index(interactions.frame)
    seen: list[tuple[Table, pd.Index]] = []
    by_brand = protocol == schema.NEW_BRAND
    for table in parts.values():
        check_unique_pair(table)
        pairs = pair_index(table.frame)
        _refuse(
            table,
            ~pairs.isin(all_pairs),
            field=schema.INFLUENCER_ID,
            found=f"a pair that is not in {interactions.path.name}",
            wanted="pairs of that file only",
        )
        units = pd.Index(table.frame[schema.BRAND_ID]) if by_brand else pairs
        for other, other_units in seen:
            _refuse(
                table,
                units.isin(other_units),
                field=schema.BRAND_ID if by_brand else schema.INFLUENCER_ID,
                found=f"a {'brand' if by_brand else 'pair'} that stands in {other.path.name} too",
                wanted=f"a '{protocol}' split whose parts share none",
            )
        seen.append((table, units))


def _refuse(table: Table, wrong: Any, *, field: str, found: str, wanted: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        pair = shown_pair(pair_index(table.frame), row)
        raise table.error(
            row=row,
            field=field,
            found=f"{found} ({pair})",
            wanted=wanted,
            remedy="Remedy: split again with `dataset_convert.splits`.",
        )
