"""The tables of a data set from raw material and the values of its modalities."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.problems import ConversionError
from dataset_convert.raw import RawMaterial
from dataset_convert.settings import ConversionSettings
from dataset_convert.splits import known_brand_split, new_brand_split

Tell = Callable[[str], None]
Splits = dict[str, dict[str, pd.DataFrame]]

FOLLOWER_DIGITS: Final = 2
COMPETENCE_DIGITS: Final = 3
"""Significant digits under pseudonyms: who finds the exact number elsewhere knows the account."""
SECONDS_A_DAY: Final = 86_400
"""Under pseudonyms the time of a collaboration is that of its day's beginning."""


def account_tables(
    material: RawMaterial, settings: ConversionSettings, tell: Tell
) -> dict[schema.Side, pd.DataFrame]:
    """Returns each side's ids, follower counts and, of brands, categories; sorted by id."""
    return {side: _accounts(material, side, settings, tell) for side in schema.SIDES}


def interactions_of(
    material: RawMaterial, settings: ConversionSettings, tell: Tell
) -> pd.DataFrame:
    """Returns the pairs, with competence and timestamp where every pair has one."""
    pairs = material.collaborations[list(schema.INTERACTION_TYPES)]
    for column in (schema.COMPETENCE, schema.TIMESTAMP):
        n_missing = int(pairs[column].isna().sum())
        if 0 < n_missing < len(pairs):
            tell(f"{n_missing:,} of {len(pairs):,} pairs have no {column}, so that none is used.")
        if n_missing:
            pairs = pairs.drop(columns=column)
    if settings.pseudonyms and schema.COMPETENCE in pairs:
        rounded = _rounded(pairs[schema.COMPETENCE].to_numpy(np.float64), COMPETENCE_DIGITS)
        pairs = pairs.assign(**{schema.COMPETENCE: rounded})
    if settings.pseudonyms and schema.TIMESTAMP in pairs:
        days = pairs[schema.TIMESTAMP] // SECONDS_A_DAY
        pairs = pairs.assign(**{schema.TIMESTAMP: days * SECONDS_A_DAY})
    return pairs


def make_splits(
    material: RawMaterial,
    brands: pd.DataFrame,
    interactions: pd.DataFrame,
    settings: ConversionSettings,
    tell: Tell,
) -> Splits:
    """Returns the splits of both protocols.

    Of the protocol new-brand it is the source's own where it has one; validation brands are then
    carved from its training brands.

    Raises:
        ConversionError: There are too few brands.
    """
    splits = {
        schema.NEW_BRAND: _new_brand(material.brand_parts, brands, interactions, settings, tell)
    }
    try:
        splits[schema.KNOWN_BRAND] = known_brand_split(interactions, seed=settings.seed)
    except ValueError:
        tell(f"{schema.KNOWN_BRAND}: left out, because no brand has three collaborations")
    return splits


def training_accounts(splits: Splits) -> set[str]:
    """Returns the accounts with a training pair of the protocol new-brand."""
    pairs = splits[schema.NEW_BRAND][schema.TRAIN]
    return set(pairs[schema.BRAND_ID]) | set(pairs[schema.INFLUENCER_ID])


def influencer_category(
    material: RawMaterial, brands: pd.DataFrame, tell: Tell
) -> "pd.Series[str] | None":
    """Returns the side file for cAUC, which needs one set of categories on both sides."""
    rows = material.accounts[material.accounts[raw.ROLE] == schema.INFLUENCER]
    known = rows.set_index(raw.ACCOUNT)[raw.CATEGORY].sort_index()
    if schema.BRAND_CATEGORY not in brands or known.isna().any():
        return None
    if set(known) != set(brands[schema.BRAND_CATEGORY].dropna()):
        tell("Brands and influencers have different categories, so that there is no cAUC.")
        return None
    return known


def facts_of(
    material: RawMaterial, settings: ConversionSettings
) -> dict[schema.Side, pd.DataFrame]:
    """Returns the side files of facts, sorted by id; under pseudonyms numbers are rounded."""
    found: dict[schema.Side, pd.DataFrame] = {}
    for side in schema.SIDES:
        if side not in material.facts:
            continue
        facts = material.facts[side].rename(columns={raw.ACCOUNT: schema.ACCOUNT_ID[side]})
        for name in [name for name in facts if schema.FACT_TYPES.get(str(name)) == "float"]:
            numbers = facts[name].to_numpy(np.float64)
            if settings.pseudonyms and name == "last_post":
                numbers = numbers // SECONDS_A_DAY * SECONDS_A_DAY
            elif settings.pseudonyms:
                numbers = _rounded(numbers, FOLLOWER_DIGITS)
            facts = facts.assign(**{str(name): numbers})
        found[side] = facts.sort_values(schema.ACCOUNT_ID[side], ignore_index=True)
    return found


def add_modality(
    tables: dict[schema.Side, pd.DataFrame],
    modality: str,
    values: Mapping[str, Any],
    tell: Tell,
) -> bool:
    """Adds a modality's columns to both sides; returns False where one side has nothing of it."""
    cells_of = {
        side: [_cell(values.get(account)) for account in table[schema.ACCOUNT_ID[side]]]
        for side, table in tables.items()
    }
    n_known = {side: sum(x is not None for x in cells) for side, cells in cells_of.items()}
    told = ", ".join(f"{n_known[side]} of {len(cells)} {side}s" for side, cells in cells_of.items())
    if 0 in n_known.values():
        tell(f"{modality}: {told}; left out, because one side has none of it")
        return False
    tell(f"{modality}: {told}")
    for side, cells in cells_of.items():
        for field, column in _columns(side, modality, cells).items():
            tables[side][field] = column
    return True


def _accounts(
    material: RawMaterial, side: schema.Side, settings: ConversionSettings, tell: Tell
) -> pd.DataFrame:
    rows = material.accounts[material.accounts[raw.ROLE] == side].sort_values(raw.ACCOUNT)
    table = pd.DataFrame({schema.ACCOUNT_ID[side]: rows[raw.ACCOUNT].to_numpy(dtype=object)})
    if side == schema.BRAND:
        unknown = rows[raw.CATEGORY].isna()
        if unknown.any():
            tell(f"{int(unknown.sum()):,} of {len(rows):,} brands have no category.")
        if not unknown.all():
            cells = [known if isinstance(known, str) else None for known in rows[raw.CATEGORY]]
            table[schema.BRAND_CATEGORY] = _objects(cells)
    followers = rows[raw.FOLLOWERS].to_numpy(dtype=np.float64)
    if not np.isnan(followers).all():
        table[schema.account_field(side, schema.FOLLOWERS)] = (
            _rounded(followers, FOLLOWER_DIGITS) if settings.pseudonyms else followers
        )
    return table


def _rounded(numbers: npt.NDArray[np.float64], n_digits: int) -> npt.NDArray[np.float64]:
    return np.array([float(f"{number:.{n_digits}g}") for number in numbers])


def _new_brand(
    named: Mapping[str, str],
    brands: pd.DataFrame,
    interactions: pd.DataFrame,
    settings: ConversionSettings,
    tell: Tell,
) -> dict[str, pd.DataFrame]:
    pool = brands if not named else brands[brands[schema.BRAND_ID].map(named.get) == schema.TRAIN]
    drawn: dict[str, pd.DataFrame] = {}
    if schema.VALID not in named.values() and not (named and settings.n_valid == 0):
        n_test = 0 if named else settings.n_test
        of_pool = interactions[interactions[schema.BRAND_ID].isin(pool[schema.BRAND_ID])]
        try:
            drawn = new_brand_split(
                pool, of_pool, n_valid=settings.n_valid, n_test=n_test, seed=settings.seed
            )
        except ValueError:
            raise ConversionError(
                f"The brands cannot be split: {len(pool)} can be drawn from, which do not give "
                f"validation brands for n_valid {settings.n_valid} and test brands for n_test "
                f"{n_test} and leave one for training. Change 'splits' in the configuration, e.g. "
                "to 'n_valid: 0' and 'n_test: 0', so that all brands are learnt from."
            ) from None
    parts = dict(named) | {
        brand: part for part, pairs in drawn.items() for brand in pairs[schema.BRAND_ID]
    }
    n_without = int((~interactions[schema.BRAND_ID].drop_duplicates().isin(parts)).sum())
    if n_without:
        tell(f"{n_without} brands are in no part of the split, and so not of {schema.NEW_BRAND}.")
    ordered = interactions.sort_values([schema.BRAND_ID, schema.INFLUENCER_ID])
    part_of = ordered[schema.BRAND_ID].map(parts.get)
    split = {part: ordered[part_of == part].reset_index(drop=True) for part in schema.PARTS}
    for part in (schema.TRAIN, schema.VALID):
        if split[part].empty and (part == schema.TRAIN or settings.n_valid):
            raise ConversionError(
                f"The brands cannot be split: no pair is of a brand of the part '{part}'."
            )
    return {part: pairs for part, pairs in split.items() if len(pairs)}


def _cell(value: Any) -> Any:
    """A value as it stands in a table: labels and weights side by side, which is smaller."""
    return (list(value), _vector(list(value.values()))) if isinstance(value, Mapping) else value


def _columns(side: schema.Side, modality: str, cells: list[Any]) -> dict[str, "pd.Series[Any]"]:
    if isinstance(next(cell for cell in cells if cell is not None), tuple):
        fields = (schema.labels_field(side, modality), schema.weights_field(side, modality))
        return {
            field: _objects([None if cell is None else cell[place] for cell in cells])
            for place, field in enumerate(fields)
        }
    if modality != schema.ATTRIBUTES:
        cells = [None if cell is None else _vector(cell) for cell in cells]
    return {schema.account_field(side, modality): _objects(cells)}


def _vector(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _objects(cells: list[Any]) -> "pd.Series[Any]":
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return pd.Series(column, dtype=object)
