"""What an atomic file is checked for: what must hold between accounts, pairs, splits, manifest."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, shown

CONVERT_AGAIN = "Remedy: convert the data set again."
FILL_OR_DROP = "Remedy: fill it in or drop the column."


class AtomicFileError(UsageError):
    """An atomic file is missing or wrong: says where, what was found, what was wanted, what to do.

    The message is one line, fit to be printed alone.

    Attributes:
        path: The file.
        line: The line in the file, counted from 1 (the header), where one line is to blame.
        field: The field's name, where one field is to blame.
    """

    def __init__(
        self,
        path: Path,
        *,
        found: str,
        wanted: str,
        remedy: str,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.path = path
        self.line = line
        self.field = field
        self._said = {"found": found, "wanted": wanted, "remedy": remedy}
        where = str(path)
        if line is not None:
            where += f", line {line}"
        if field is not None:
            where += f", field '{field}'"
        super().__init__(" ".join(f"{where}: found {found}; wanted {wanted}. {remedy}".split()))

    def moved_to(self, path: Path) -> "AtomicFileError":
        """Returns the same error about the same file in another place."""
        return AtomicFileError(path, line=self.line, field=self.field, **self._said)


@dataclass(frozen=True, eq=False)
class Table:
    """One file's rows with what an error message needs to point at them."""

    path: Path
    frame: pd.DataFrame

    def error(
        self,
        *,
        found: str,
        wanted: str,
        remedy: str,
        row: int | None = None,
        field: str | None = None,
    ) -> AtomicFileError:
        """Returns an error about this file; `row` counts from 0 below the header."""
        line = None if row is None else row + 2
        return AtomicFileError(
            self.path, line=line, field=field, found=found, wanted=wanted, remedy=remedy
        )

    def refuse(
        self,
        wrong: npt.ArrayLike,
        field: str,
        *,
        found: Callable[[int], str] | str,
        wanted: str,
        remedy: str,
    ) -> None:
        """Raises about the first wrong row, of which `found` tells; nothing where none is.

        Raises:
            AtomicFileError: A row is wrong.
        """
        rows = np.flatnonzero(wrong)
        if len(rows):
            row = int(rows[0])
            told = found if isinstance(found, str) else found(row)
            raise self.error(row=row, field=field, found=told, wanted=wanted, remedy=remedy)

    def cell(self, field: str) -> Callable[[int], str]:
        """Returns row -> the field's value for a message."""
        return lambda row: shown(str(self.frame[field].iloc[row]))

    def pairs(self) -> pd.MultiIndex:
        """Returns the (brand id, influencer id) of every row."""
        return pd.MultiIndex.from_frame(self.frame[[schema.BRAND_ID, schema.INFLUENCER_ID]])


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads `manifest.json`.

    Raises:
        AtomicFileError: It is missing, not JSON, does not say whether the data is synthetic, or its
            `rows` are no object.
    """
    path = folder / schema.MANIFEST_FILE
    if not path.is_file():
        raise AtomicFileError(
            path,
            found="no such file",
            wanted="the manifest of a data set",
            remedy="Remedy: check the folder, or write the data set with `dataset_convert`.",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AtomicFileError(
            path, found=f"no JSON ({error})", wanted="a JSON object", remedy=CONVERT_AGAIN
        ) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("synthetic"), bool):
        raise AtomicFileError(
            path,
            field="synthetic",
            found="no such key",
            wanted="true or false",
            remedy="Remedy: say '\"synthetic\": false' in the manifest of real data.",
        )
    if not isinstance(manifest.get("rows", {}), dict):
        raise AtomicFileError(
            path,
            field="rows",
            found=shown(json.dumps(manifest["rows"])),
            wanted="an object that maps files to numbers of rows, or no such key",
            remedy=CONVERT_AGAIN,
        )
    return manifest


def check_rows(manifest: Mapping[str, Any], key: str, table: Table) -> None:
    """Checks a file's number of rows against the count that the manifest may declare.

    Raises:
        AtomicFileError: They differ.
    """
    n_rows = len(table.frame)
    declared = manifest.get("rows", {}).get(key, n_rows)
    if declared != n_rows:
        raise table.error(
            found=f"{n_rows} rows",
            wanted=f"{json.dumps(declared)}, as {schema.MANIFEST_FILE} says for '{key}'",
            remedy="Remedy: convert the data set again, or correct the manifest where the file was "
            "edited on purpose.",
        )


def check_accounts(table: Table, side: schema.Side) -> None:
    """Checks what one side's account file says by itself.

    Raises:
        AtomicFileError: A duplicate id, a negative value, or labels and weights that do not
            belong together.
    """
    _check_unique_id(table, schema.ACCOUNT_ID[side])
    _check_non_negative(table, schema.account_field(side, schema.FOLLOWERS))
    for modality in schema.VISUAL_MODALITIES:
        _check_labels_and_weights(table, side, modality)


def _check_unique_id(table: Table, field: str) -> None:
    ids = table.frame[field]
    table.refuse(
        ids.duplicated(),
        field,
        found=lambda row: _again(table.cell(field)(row), ids == ids.iloc[row]),
        wanted="every id once",
        remedy="Remedy: remove one of the rows or rename the id.",
    )


def _again(what: str, same: npt.ArrayLike) -> str:
    return f"{what} again (first in line {int(np.argmax(same)) + 2})"


def _check_non_negative(table: Table, field: str) -> None:
    if field in table.frame:
        values = table.frame[field]
        table.refuse(
            [value is not None and bool(np.any(np.asarray(value) < 0)) for value in values],
            field,
            found=lambda row: f"{np.min(values.iloc[row]):g}",
            wanted="numbers of 0 or more",
            remedy="Remedy: correct the value or leave the cell empty.",
        )


def _check_labels_and_weights(table: Table, side: schema.Side, modality: str) -> None:
    fields = schema.labels_field(side, modality), schema.weights_field(side, modality)
    present = [field for field in fields if field in table.frame]
    if not present:
        return
    if len(present) == 1:
        raise table.error(
            field=present[0],
            found="the column alone",
            wanted=f"'{fields[0]}' and '{fields[1]}' together",
            remedy="Remedy: add the other column or remove this one.",
        )
    if schema.account_field(side, modality) in table.frame:
        raise table.error(
            field=schema.account_field(side, modality),
            found="the modality both dense and as labels with weights",
            wanted="one of the two forms",
            remedy="Remedy: remove the dense column or the labels and weights.",
        )
    _check_non_negative(table, fields[1])
    n_labels, n_weights = (_lengths(table, field) for field in fields)
    table.refuse(
        n_labels != n_weights,
        fields[1],
        found=lambda row: f"{n_weights[row]} weights for {n_labels[row]} labels",
        wanted="one weight per label",
        remedy="Remedy: write both lists in the same order with the same length.",
    )


def _lengths(table: Table, field: str) -> npt.NDArray[np.int64]:
    return np.array([0 if value is None else len(value) for value in table.frame[field]], np.int64)


def check_facts(table: Table, side: schema.Side, accounts: Table) -> None:
    """Checks that every row of a side file of facts is of a known account, and stands once.

    Raises:
        AtomicFileError: An unknown account, or one twice.
    """
    _check_unique_id(table, schema.ACCOUNT_ID[side])
    _check_known(table, schema.ACCOUNT_ID[side], accounts)


def check_sides(brands: Table, influencers: Table) -> None:
    """Checks that both sides carry the same modalities in the same form and length.

    Raises:
        AtomicFileError: A modality on one side only, or a vector of another length.
    """
    tables = {schema.BRAND: brands, schema.INFLUENCER: influencers}
    for modality in schema.MODALITIES:
        forms = [schema.account_field, schema.labels_field]
        for form in forms if modality in schema.VISUAL_MODALITIES else forms[:1]:
            fields = {side: form(side, modality) for side in schema.SIDES}
            present = [side for side in schema.SIDES if fields[side] in tables[side].frame]
            if len(present) == 1:
                here, other = sorted(schema.SIDES, key=lambda side: side != present[0])
                raise tables[here].error(
                    field=fields[here],
                    found="the modality on one side only",
                    wanted=f"'{fields[other]}' in {tables[other].path.name}, in the same form",
                    remedy="Remedy: add it there or remove it here; one side alone cannot be "
                    "compared.",
                )
    for modality in schema.MODALITIES:
        if modality != schema.ATTRIBUTES:
            _check_lengths(tables, modality)


def _check_lengths(tables: Mapping[schema.Side, Table], modality: str) -> None:
    fields = {side: schema.account_field(side, modality) for side in schema.SIDES}
    lengths = {
        side: _lengths(table, fields[side])
        for side, table in tables.items()
        if fields[side] in table.frame
    }
    counts = Counter(int(n) for found in lengths.values() for n in found if n > 0)
    if len(counts) <= 1:
        return
    usual = counts.most_common(1)[0][0]
    for side, found in lengths.items():
        tables[side].refuse(
            (found > 0) & (found != usual),
            fields[side],
            found=lambda row, found=found: f"{found[row]} values",  # type: ignore[misc]
            wanted=f"{usual}, as in most rows of both sides",
            remedy="Remedy: write vectors of one length on both sides; empty where missing.",
        )


def check_interactions(interactions: Table, brands: Table, influencers: Table) -> None:
    """Checks that every pair is of known accounts, stands once, and has its numbers.

    Raises:
        AtomicFileError: An unknown account, a pair twice, or an empty number.
    """
    _check_known(interactions, schema.BRAND_ID, brands)
    _check_known(interactions, schema.INFLUENCER_ID, influencers)
    _check_unique_pair(interactions)
    for field in (schema.COMPETENCE, schema.TIMESTAMP):
        if field in interactions.frame:
            interactions.refuse(
                interactions.frame[field].isna(),
                field,
                found="an empty cell",
                wanted="a number in every row, or no such column",
                remedy=FILL_OR_DROP,
            )


def _check_known(table: Table, field: str, accounts: Table) -> None:
    table.refuse(
        ~table.frame[field].isin(accounts.frame[field]),
        field,
        found=lambda row: f"the unknown account {table.cell(field)(row)}",
        wanted=f"an id of {accounts.path.name}",
        remedy=f"Remedy: add the account to {accounts.path.name} or remove the row.",
    )


def _check_unique_pair(table: Table) -> None:
    pairs = table.pairs()
    table.refuse(
        pairs.duplicated(),
        schema.INFLUENCER_ID,
        found=lambda row: _again(f"the pair {_shown_pair(pairs, row)}", pairs == pairs[row]),
        wanted="every pair once",
        remedy="Remedy: remove one of the rows.",
    )


def _shown_pair(pairs: pd.MultiIndex, row: int) -> str:
    brand, influencer = pairs[row]
    return f"{shown(str(brand))} with {shown(str(influencer))}"


def check_influencer_categories(categories: Table, brands: Table, influencers: Table) -> None:
    """Checks the side file of the influencers' categories.

    Raises:
        AtomicFileError: An influencer twice, unknown or without a row; a category that only one
            side has; or brands without categories.
    """
    _check_unique_id(categories, schema.INFLUENCER_ID)
    _check_known(categories, schema.INFLUENCER_ID, influencers)
    if schema.BRAND_CATEGORY not in brands.frame:
        raise categories.error(
            found="categories of the influencers only",
            wanted=f"'{schema.BRAND_CATEGORY}:token' in {brands.path.name} too",
            remedy="Remedy: add the brands' categories or remove this file.",
        )
    of_brands = brands.frame[schema.BRAND_CATEGORY]
    categories.refuse(
        ~categories.frame[schema.CATEGORY].isin(of_brands),
        schema.CATEGORY,
        found=lambda row: f"{categories.cell(schema.CATEGORY)(row)}, which no brand has",
        wanted=f"a category of {brands.path.name}",
        remedy="Remedy: correct the spelling or give the brand its category.",
    )
    ids = influencers.frame[schema.INFLUENCER_ID]
    missing = ids[~ids.isin(categories.frame[schema.INFLUENCER_ID])]
    if len(missing):
        raise categories.error(
            field=schema.INFLUENCER_ID,
            found=f"no row for {shown(missing.iloc[0])}",
            wanted="a category for every influencer, or no such file",
            remedy="Remedy: add the row or remove the file.",
        )
    brands.refuse(
        ~(of_brands.isin(categories.frame[schema.CATEGORY]) | (of_brands == "")),
        schema.BRAND_CATEGORY,
        found=lambda row: f"{brands.cell(schema.BRAND_CATEGORY)(row)}, which no influencer has",
        wanted=f"a category of {categories.path.name}",
        remedy="Remedy: correct the spelling or give influencers that category.",
    )


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
    all_pairs, by_brand = interactions.pairs(), protocol == schema.NEW_BRAND
    field = schema.BRAND_ID if by_brand else schema.INFLUENCER_ID
    seen: list[tuple[Table, pd.Index]] = []

    def refuse(table: Table, wrong: npt.ArrayLike, field: str, found: str, wanted: str) -> None:
        table.refuse(
            wrong,
            field,
            found=lambda row: f"{found} ({_shown_pair(table.pairs(), row)})",
            wanted=wanted,
            remedy="Remedy: split again with `dataset_convert.splits`.",
        )

    for table in parts.values():
        _check_unique_pair(table)
        pairs = table.pairs()
        found = f"a pair that is not in {interactions.path.name}"
        outside = ~pairs.isin(all_pairs)
        refuse(table, outside, schema.INFLUENCER_ID, found, "pairs of that file only")
        units = pd.Index(table.frame[schema.BRAND_ID]) if by_brand else pairs
        for other, other_units in seen:
            found = f"a {'brand' if by_brand else 'pair'} that stands in {other.path.name} too"
            wanted = f"a '{protocol}' split whose parts share none"
            refuse(table, units.isin(other_units), field, found, wanted)
        seen.append((table, units))
