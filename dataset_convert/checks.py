"""What must hold between the rows of one data set's accounts, pairs and manifest."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import schema
from dataset_convert.common.errors import shown
from dataset_convert.errors import AtomicFileError
from dataset_convert.tables import CONVERT_AGAIN, Table


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

    Args:
        manifest: Content of `manifest.json`.
        key: The file's key in `rows` of the manifest.
        table: The file.

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
        AtomicFileError: A duplicate id, a negative or partly missing value that must not be, or
            labels and weights that do not belong together.
    """
    _check_unique_id(table, schema.ACCOUNT_ID[side])
    _check_non_negative(table, schema.account_field(side, schema.FOLLOWERS))
    for modality in schema.VISUAL_MODALITIES:
        _check_labels_and_weights(table, side, modality)


def _check_unique_id(table: Table, field: str) -> None:
    ids = table.frame[field]
    duplicated = ids.duplicated().to_numpy()
    if not duplicated.any():
        return
    row = int(duplicated.argmax())
    first = int((ids == ids.iloc[row]).to_numpy().argmax())
    raise table.error(
        row=row,
        field=field,
        found=f"{shown(ids.iloc[row])} again (first in line {first + 2})",
        wanted="every id once",
        remedy="Remedy: remove one of the rows or rename the id.",
    )


def _check_non_negative(table: Table, field: str) -> None:
    if field not in table.frame:
        return
    for row, value in enumerate(table.frame[field]):
        if value is not None and np.any(np.asarray(value) < 0):
            raise table.error(
                row=row,
                field=field,
                found=f"{np.min(value):g}",
                wanted="numbers of 0 or more",
                remedy="Remedy: correct the value or leave the cell empty.",
            )


def _check_labels_and_weights(table: Table, side: schema.Side, modality: str) -> None:
    labels_field = schema.labels_field(side, modality)
    weights_field = schema.weights_field(side, modality)
    present = [field in table.frame for field in (labels_field, weights_field)]
    if not any(present):
        return
    if not all(present):
        raise table.error(
            field=labels_field if present[0] else weights_field,
            found="the column alone",
            wanted=f"'{labels_field}' and '{weights_field}' together",
            remedy="Remedy: add the other column or remove this one.",
        )
    if schema.account_field(side, modality) in table.frame:
        raise table.error(
            field=schema.account_field(side, modality),
            found="the modality both dense and as labels with weights",
            wanted="one of the two forms",
            remedy="Remedy: remove the dense column or the labels and weights.",
        )
    _check_non_negative(table, weights_field)
    pairs = zip(table.frame[labels_field], table.frame[weights_field], strict=True)
    for row, (labels, weights) in enumerate(pairs):
        n_labels, n_weights = len(labels or ()), 0 if weights is None else len(weights)
        if n_labels != n_weights:
            raise table.error(
                row=row,
                field=weights_field,
                found=f"{n_weights} weights for {n_labels} labels",
                wanted="one weight per label",
                remedy="Remedy: write both lists in the same order with the same length.",
            )


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
    for modality in schema.MODALITIES:
        forms = [schema.account_field, schema.labels_field]
        for form in forms if modality in schema.VISUAL_MODALITIES else forms[:1]:
            fields = {side: form(side, modality) for side in schema.SIDES}
            _check_on_both_sides(brands, influencers, fields)
    for modality in schema.MODALITIES:
        if modality != schema.ATTRIBUTES:
            _check_lengths(brands, influencers, modality)


def _check_on_both_sides(brands: Table, influencers: Table, fields: dict[schema.Side, str]) -> None:
    tables = {schema.BRAND: brands, schema.INFLUENCER: influencers}
    present = [side for side in schema.SIDES if fields[side] in tables[side].frame]
    if len(present) != 1:
        return
    here = present[0]
    other = schema.INFLUENCER if here == schema.BRAND else schema.BRAND
    raise tables[here].error(
        field=fields[here],
        found="the modality on one side only",
        wanted=f"'{fields[other]}' in {tables[other].path.name}, in the same form",
        remedy="Remedy: add it there or remove it here; one side alone cannot be compared.",
    )


def _check_lengths(brands: Table, influencers: Table, modality: str) -> None:
    columns = [
        (table, schema.account_field(side, modality))
        for side, table in ((schema.BRAND, brands), (schema.INFLUENCER, influencers))
        if schema.account_field(side, modality) in table.frame
    ]
    lengths = [
        np.array([0 if v is None else len(v) for v in table.frame[field]])
        for table, field in columns
    ]
    counts = Counter(int(n) for n in np.concatenate([*lengths, np.zeros(0, int)]) if n > 0)
    if len(counts) <= 1:
        return
    usual = counts.most_common(1)[0][0]
    for (table, field), length in zip(columns, lengths, strict=True):
        wrong = (length > 0) & (length != usual)
        if wrong.any():
            row = int(wrong.argmax())
            raise table.error(
                row=row,
                field=field,
                found=f"{length[row]} values",
                wanted=f"{usual}, as in most rows of both sides",
                remedy="Remedy: write vectors of one length on both sides; empty where missing.",
            )


def check_interactions(interactions: Table, brands: Table, influencers: Table) -> None:
    """Checks that every pair is of known accounts, stands once, and has its numbers.

    Raises:
        AtomicFileError: An unknown account, a pair twice, or an empty number.
    """
    for side, accounts in ((schema.BRAND, brands), (schema.INFLUENCER, influencers)):
        _check_known(interactions, schema.ACCOUNT_ID[side], accounts)
    check_unique_pair(interactions)
    for field in (schema.COMPETENCE, schema.TIMESTAMP):
        if field not in interactions.frame:
            continue
        empty = interactions.frame[field].isna().to_numpy()
        if empty.any():
            raise interactions.error(
                row=int(empty.argmax()),
                field=field,
                found="an empty cell",
                wanted="a number in every row, or no such column",
                remedy="Remedy: fill it in or drop the column.",
            )


def _check_known(table: Table, field: str, accounts: Table) -> None:
    known = table.frame[field].isin(accounts.frame[field]).to_numpy()
    if not known.all():
        row = int((~known).argmax())
        raise table.error(
            row=row,
            field=field,
            found=f"the unknown account {shown(table.frame[field].iloc[row])}",
            wanted=f"an id of {accounts.path.name}",
            remedy=f"Remedy: add the account to {accounts.path.name} or remove the row.",
        )


def check_unique_pair(table: Table) -> None:
    """Checks that no pair stands twice.

    Raises:
        AtomicFileError: A pair again.
    """
    pairs = pair_index(table.frame)
    duplicated = pairs.duplicated()
    if duplicated.any():
        row = int(duplicated.argmax())
        first = int((pairs == pairs[row]).argmax())
        raise table.error(
            row=row,
            field=schema.INFLUENCER_ID,
            found=f"the pair {shown_pair(pairs, row)} again (first in line {first + 2})",
            wanted="every pair once",
            remedy="Remedy: remove one of the rows.",
        )


def pair_index(frame: pd.DataFrame) -> pd.MultiIndex:
    """Returns the (brand id, influencer id) pairs of some interactions."""
    return pd.MultiIndex.from_frame(frame[[schema.BRAND_ID, schema.INFLUENCER_ID]])


def shown_pair(pairs: pd.MultiIndex, row: int) -> str:
    """Returns one pair for a message."""
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
    known = categories.frame[schema.CATEGORY].isin(brands.frame[schema.BRAND_CATEGORY]).to_numpy()
    if not known.all():
        row = int((~known).argmax())
        raise categories.error(
            row=row,
            field=schema.CATEGORY,
            found=f"{shown(categories.frame[schema.CATEGORY].iloc[row])}, which no brand has",
            wanted=f"a category of {brands.path.name}",
            remedy="Remedy: correct the spelling or give the brand its category.",
        )
    if len(categories.frame) < len(influencers.frame):
        ids = influencers.frame[schema.INFLUENCER_ID]
        missing = ids[~ids.isin(categories.frame[schema.INFLUENCER_ID])].iloc[0]
        raise categories.error(
            field=schema.INFLUENCER_ID,
            found=f"no row for {shown(missing)}",
            wanted="a category for every influencer, or no such file",
            remedy="Remedy: add the row or remove the file.",
        )
    of_brands = brands.frame[schema.BRAND_CATEGORY]
    used = ((of_brands == "") | of_brands.isin(categories.frame[schema.CATEGORY])).to_numpy()
    if not used.all():
        row = int((~used).argmax())
        raise brands.error(
            row=row,
            field=schema.BRAND_CATEGORY,
            found=f"{shown(of_brands.iloc[row])}, which no influencer has",
            wanted=f"a category of {categories.path.name}",
            remedy="Remedy: correct the spelling or give influencers that category.",
        )
