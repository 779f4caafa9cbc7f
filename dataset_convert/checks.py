"""What an atomic file is checked for: what must hold between accounts, pairs, splits, manifest.

Every check raises an `AtomicFileError` about the first thing that is wrong.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, shown

CONVERT_AGAIN = "Remedy: convert the data set again."
Found = Callable[[int], str] | str


class AtomicFileError(UsageError):
    """An atomic file is missing or wrong: says where, what was found, what was wanted, what to do.

    The message is one line, fit to be printed alone.

    Args:
        path: The file.
        found: What stands there.
        wanted: What should, and in a sentence of its own the remedy.
        line: The line in the file, counted from 1 (the header), where one line is to blame.
        field: The field's name, where one field is to blame.
    """

    def __init__(
        self, path: Path, found: str, wanted: str, *, line: int | None = None, field: str = ""
    ) -> None:
        self.path, self.found, self.wanted, self.line, self.field = path, found, wanted, line, field
        where = f"{path}" if line is None else f"{path}, line {line}"
        where += f", field '{field}'" if field else ""
        super().__init__(" ".join(f"{where}: found {found}; wanted {wanted}".split()))

    def moved_to(self, path: Path) -> "AtomicFileError":
        """Returns the same error about the same file in another place."""
        return AtomicFileError(path, self.found, self.wanted, line=self.line, field=self.field)


@dataclass(frozen=True, eq=False)
class Table:
    """One file's rows with what an error message needs to point at them."""

    path: Path
    frame: pd.DataFrame

    def error(
        self, found: str, wanted: str, *, row: int | None = None, field: str = ""
    ) -> AtomicFileError:
        """Returns an error about this file; `row` counts from 0 below the header."""
        line = None if row is None else row + 2
        return AtomicFileError(self.path, found, wanted, line=line, field=field)

    def refuse(self, wrong: npt.ArrayLike, field: str, found: Found, wanted: str) -> None:
        """Raises about the first wrong row, of which `found` tells; nothing where none is."""
        rows = np.flatnonzero(wrong)
        if len(rows):
            row = int(rows[0])
            told = found if isinstance(found, str) else found(row)
            raise self.error(told, wanted, row=row, field=field)

    def cell(self, field: str) -> Callable[[int], str]:
        """Returns row -> the field's value for a message."""
        return lambda row: shown(str(self.frame[field].iloc[row]))

    def pairs(self) -> pd.MultiIndex:
        """Returns the (brand id, influencer id) of every row."""
        return pd.MultiIndex.from_frame(self.frame[[schema.BRAND_ID, schema.INFLUENCER_ID]])

    def lengths(self, field: str) -> npt.NDArray[np.int64]:
        """Returns how many values a sequence has in every row; 0 where it is missing."""
        return np.array([0 if cell is None else len(cell) for cell in self.frame[field]], np.int64)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Reads `manifest.json`, which must say whether the data is synthetic."""
    path = folder / schema.MANIFEST_FILE
    if not path.is_file():
        wanted = (
            "the manifest of a data set. Remedy: check the folder, or convert a data set to it."
        )
        raise AtomicFileError(path, "no such file", wanted)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        found = f"no JSON ({error})"
        raise AtomicFileError(path, found, f"a JSON object. {CONVERT_AGAIN}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("synthetic"), bool):
        wanted = "true or false. Remedy: say '\"synthetic\": false' in the manifest of real data."
        raise AtomicFileError(path, "no such key", wanted, field="synthetic")
    if not isinstance(manifest.get("rows", {}), dict):
        found = shown(json.dumps(manifest["rows"]))
        wanted = f"an object that maps files to numbers of rows, or no such key. {CONVERT_AGAIN}"
        raise AtomicFileError(path, found, wanted, field="rows")
    return manifest


def check_rows(manifest: Mapping[str, Any], key: str, table: Table) -> None:
    """Checks a file's number of rows against the count that the manifest may declare."""
    n_rows = len(table.frame)
    declared = manifest.get("rows", {}).get(key, n_rows)
    if declared != n_rows:
        raise table.error(
            f"{n_rows} rows",
            f"{json.dumps(declared)}, as {schema.MANIFEST_FILE} says for '{key}'. Remedy: convert "
            "the data set again, or correct the manifest where the file was edited on purpose.",
        )


def check_accounts(table: Table, side: schema.Side) -> None:
    """Checks one side's ids and numbers, and that labels and weights belong together."""
    _check_unique_id(table, schema.ACCOUNT_ID[side])
    _check_non_negative(table, schema.account_field(side, schema.FOLLOWERS))
    for modality in schema.VISUAL_MODALITIES:
        _check_labels_and_weights(table, side, modality)


def _check_unique_id(table: Table, field: str) -> None:
    ids = table.frame[field]
    table.refuse(
        ids.duplicated(),
        field,
        lambda row: _again(table.cell(field)(row), ids == ids.iloc[row]),
        "every id once. Remedy: remove one of the rows or rename the id.",
    )


def _again(what: str, same: npt.ArrayLike) -> str:
    return f"{what} again (first in line {int(np.argmax(same)) + 2})"


def _check_non_negative(table: Table, field: str) -> None:
    if field in table.frame:
        values = table.frame[field]
        table.refuse(
            [value is not None and bool(np.any(np.asarray(value) < 0)) for value in values],
            field,
            lambda row: f"{np.min(values.iloc[row]):g}",
            "numbers of 0 or more. Remedy: correct the value or leave the cell empty.",
        )


def _check_labels_and_weights(table: Table, side: schema.Side, modality: str) -> None:
    labels, weights = schema.labels_field(side, modality), schema.weights_field(side, modality)
    dense = schema.account_field(side, modality)
    present = [field for field in (labels, weights) if field in table.frame]
    if not present:
        return
    if len(present) == 1:
        wanted = f"'{labels}' and '{weights}' together. Remedy: add the other one or remove it."
        raise table.error("the column alone", wanted, field=present[0])
    if dense in table.frame:
        found = "the modality both dense and as labels with weights"
        wanted = "one of the two forms. Remedy: remove the dense column or the labels and weights."
        raise table.error(found, wanted, field=dense)
    _check_non_negative(table, weights)
    n_labels, n_weights = table.lengths(labels), table.lengths(weights)
    table.refuse(
        n_labels != n_weights,
        weights,
        lambda row: f"{n_weights[row]} weights for {n_labels[row]} labels",
        "one weight per label. Remedy: write both lists in the same order with the same length.",
    )


def check_facts(table: Table, side: schema.Side, accounts: Table) -> None:
    """Checks that every row of a side file of facts is of a known account, and stands once."""
    _check_unique_id(table, schema.ACCOUNT_ID[side])
    _check_known(table, schema.ACCOUNT_ID[side], accounts)


def check_sides(brands: Table, influencers: Table) -> None:
    """Checks that what one side carries, the other side carries too, in the same form and length.

    Captions and biographies as text are compared with each other too: one side may have the one
    and the other side the other.
    """
    tables = {schema.BRAND: brands, schema.INFLUENCER: influencers}
    for form in (schema.account_field, schema.labels_field):
        have = {
            side: [name for name in schema.MODALITIES if form(side, name) in table.frame]
            for side, table in tables.items()
        }
        for side, other in (schema.SIDES, schema.SIDES[::-1]):
            for modality in have[side]:
                if not schema.of_use(modality, have):
                    raise tables[side].error(
                        "the modality on one side only",
                        f"'{form(other, modality)}' in {tables[other].path.name}, in the same "
                        "form. Remedy: add it there or remove it here; one side alone cannot be "
                        "compared.",
                        field=form(side, modality),
                    )
    for modality in schema.MODALITIES:
        if modality not in (schema.ATTRIBUTES, *schema.OWN_TEXTS):
            _check_lengths(tables, [modality])
    _check_lengths(tables, schema.OWN_TEXTS)


def _check_lengths(tables: Mapping[schema.Side, Table], modalities: Sequence[str]) -> None:
    """Checks that vectors of modalities that are compared with each other have one length."""
    places = [(side, schema.account_field(side, x)) for x in modalities for side in tables]
    lengths = {(side, x): tables[side].lengths(x) for side, x in places if x in tables[side].frame}
    counts = Counter(int(n) for found in lengths.values() for n in found if n > 0)
    usual = counts.most_common(1)[0][0] if counts else 0
    for (side, field), found in lengths.items():
        tables[side].refuse(
            (found > 0) & (found != usual),
            field,
            lambda row, found=found: f"{found[row]} values",  # type: ignore[misc]
            f"{usual}, as in most rows of {' and '.join(modalities)}. Remedy: write vectors of one "
            "length on both sides; empty where missing.",
        )


def check_interactions(interactions: Table, brands: Table, influencers: Table) -> None:
    """Checks that every pair is of known accounts, stands once, and has its numbers."""
    _check_known(interactions, schema.BRAND_ID, brands)
    _check_known(interactions, schema.INFLUENCER_ID, influencers)
    _check_unique_pair(interactions)
    for field in (schema.COMPETENCE, schema.TIMESTAMP):
        if field in interactions.frame:
            wanted = "a number in every row, or no such column. Remedy: fill it in or drop it."
            interactions.refuse(interactions.frame[field].isna(), field, "an empty cell", wanted)


def _check_known(table: Table, field: str, accounts: Table) -> None:
    file = accounts.path.name
    table.refuse(
        ~table.frame[field].isin(accounts.frame[field]),
        field,
        lambda row: f"the unknown account {table.cell(field)(row)}",
        f"an id of {file}. Remedy: add the account to {file} or remove the row.",
    )


def _check_unique_pair(table: Table) -> None:
    pairs = table.pairs()
    table.refuse(
        pairs.duplicated(),
        schema.INFLUENCER_ID,
        lambda row: _again(f"the pair {_shown_pair(pairs, row)}", pairs == pairs[row]),
        "every pair once. Remedy: remove one of the rows.",
    )


def _shown_pair(pairs: pd.MultiIndex, row: int) -> str:
    brand, influencer = pairs[row]
    return f"{shown(str(brand))} with {shown(str(influencer))}"


def check_influencer_categories(categories: Table, brands: Table, influencers: Table) -> None:
    """Checks that every influencer has one category, and both sides have the same ones."""
    _check_unique_id(categories, schema.INFLUENCER_ID)
    _check_known(categories, schema.INFLUENCER_ID, influencers)
    if schema.BRAND_CATEGORY not in brands.frame:
        raise categories.error(
            "categories of the influencers only",
            f"'{schema.BRAND_CATEGORY}:token' in {brands.path.name} too. Remedy: add the brands' "
            "categories or remove this file.",
        )
    of_brands, known = brands.frame[schema.BRAND_CATEGORY], categories.frame[schema.CATEGORY]
    categories.refuse(
        ~known.isin(of_brands),
        schema.CATEGORY,
        lambda row: f"{categories.cell(schema.CATEGORY)(row)}, which no brand has",
        f"a category of {brands.path.name}. Remedy: correct the spelling or give the brand its "
        "category.",
    )
    ids = influencers.frame[schema.INFLUENCER_ID]
    missing = ids[~ids.isin(categories.frame[schema.INFLUENCER_ID])]
    if len(missing):
        wanted = (
            "a category for every influencer, or no such file. Remedy: add the row or remove it."
        )
        found = f"no row for {shown(missing.iloc[0])}"
        raise categories.error(found, wanted, field=schema.INFLUENCER_ID)
    brands.refuse(
        ~(of_brands.isin(known) | (of_brands == "")),
        schema.BRAND_CATEGORY,
        lambda row: f"{brands.cell(schema.BRAND_CATEGORY)(row)}, which no influencer has",
        f"a category of {categories.path.name}. Remedy: correct the spelling or give influencers "
        "that category.",
    )


def find_splits(folder: Path, name: str, manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns protocol -> its parts: those in the folder and those the manifest declares."""
    names = {
        schema.split_file(name, protocol, part): (protocol, part)
        for protocol in schema.PROTOCOLS
        for part in schema.PARTS
    }
    there = {path.name for path in folder.glob(f"{name}.*.inter")}
    for file in sorted(there - names.keys()):
        wanted = f"one of {', '.join(names)}. Remedy: rename or remove the file."
        raise AtomicFileError(folder / file, "a split file of an unknown protocol or part", wanted)
    parts: dict[str, list[str]] = {}
    for file, (protocol, part) in names.items():
        if file in there or f"{protocol}.{part}" in manifest.get("rows", {}):
            parts.setdefault(protocol, []).append(part)
    for protocol, known in parts.items():
        if schema.TRAIN not in known:
            path = folder / schema.split_file(name, protocol, schema.TRAIN)
            found = f"no '{schema.TRAIN}' part beside the other parts of '{protocol}'"
            wanted = f"a training part in every protocol. {CONVERT_AGAIN}"
            raise AtomicFileError(path, found, wanted)
    return parts


def check_split(protocol: str, parts: Mapping[str, Table], interactions: Table) -> None:
    """Checks one protocol's parts: pairs of the interactions, in one part each.

    Under `new-brand` a brand stands in one part only as well.
    """
    all_pairs, by_brand = interactions.pairs(), protocol == schema.NEW_BRAND
    field = schema.BRAND_ID if by_brand else schema.INFLUENCER_ID
    seen: list[tuple[str, pd.Index]] = []
    for table in parts.values():
        _check_unique_pair(table)
        pairs = table.pairs()
        units = pd.Index(table.frame[schema.BRAND_ID]) if by_brand else pairs
        unit, file = "brand" if by_brand else "pair", interactions.path.name
        faults = [
            (~pairs.isin(all_pairs), schema.INFLUENCER_ID, f"a pair that is not in {file}"),
            *(
                (units.isin(others), field, f"a {unit} that stands in {other} too")
                for other, others in seen
            ),
        ]
        for wrong, of, found in faults:
            table.refuse(
                wrong,
                of,
                lambda row, found=found, pairs=pairs: f"{found} ({_shown_pair(pairs, row)})",  # type: ignore[misc]
                f"pairs of {file}, and each {unit} in one part of '{protocol}'. Remedy: split "
                "again with `dataset_convert.splits`.",
            )
        seen.append((table.path.name, units))
