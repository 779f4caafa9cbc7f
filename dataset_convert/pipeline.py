"""One conversion: a source's raw material in, features fitted and applied, a data set out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import privacy, raw, schema
from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.features.attributes import AttributeExtractor
from dataset_convert.features.base import AUDIENCE, CONTENT, Extractor
from dataset_convert.features.lexicon import load_lexicon
from dataset_convert.features.topics import TopicExtractor, TopicSettings
from dataset_convert.features.visual import LabelScoreExtractor
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.settings import ConversionSettings
from dataset_convert.splits import known_brand_split, new_brand_split

Tell = Callable[[str], None]


def convert(
    material: RawMaterial,
    name: str,
    settings: ConversionSettings,
    *,
    folder: Path,
    problems: Problems,
    tell: Tell = print,
) -> AtomicData:
    """Turns raw material into a data set on disk, all or nothing.

    Beside the atomic files stand `features/<modality>/` (the fitted extractors) and, where rows
    were left out, `problems.csv`. Under pseudonyms no name of an account is in any of them.

    Args:
        material: What a source read.
        name: The data set's name.
        settings: What to do.
        folder: The data set's own folder.
        problems: Of the source.
        tell: Called with a line a step.

    Returns:
        The data as it was read back.

    Raises:
        ConversionError: The material cannot make a data set, or a name would be in it.
        AtomicFileError: The data set is not as the contract wants it.
    """
    data, extractors = build(material, name, settings, folder=folder, tell=tell)
    data = replace(data, manifest={**data.manifest, "skipped": problems.counts()})

    def add(building: Path) -> None:
        for modality, extractor in extractors.items():
            place = building / "features" / modality
            place.mkdir(parents=True)
            extractor.save(place)
        if problems.n_skipped:
            hide = (lambda _: "(hidden)") if settings.pseudonyms else str
            problems.write(building / "problems.csv", conceal=hide)
        if settings.pseudonyms:
            words = {word for one in extractors.values() for word in one.dimensions()}
            categories = set(material.accounts[raw.CATEGORY].dropna())
            names = {*material.accounts[raw.ACCOUNT], *material.accounts[raw.NAME].dropna()}
            privacy.assert_no_names(building, names, allowed=words | categories)

    return write_atomic(data, folder, extra=add)


def build(
    material: RawMaterial, name: str, settings: ConversionSettings, *, folder: Path, tell: Tell
) -> tuple[AtomicData, dict[str, Extractor]]:
    """Turns raw material into a data set.

    Args:
        material: What a source read.
        name: The data set's name.
        settings: What to do.
        folder: Where the data set will stand; the key of the pseudonyms must lie elsewhere.
        tell: Called with a line a step.

    Returns:
        The data set, ready to be written, and modality -> fitted extractor.

    Raises:
        ConversionError: The material cannot make a data set.
    """
    material = _without_contacts(material)
    tables = {side: _accounts(material, side, tell) for side in schema.SIDES}
    interactions = material.collaborations[list(schema.INTERACTION_TYPES)]
    interactions = interactions.dropna(axis="columns", how="all")
    splits = {
        schema.NEW_BRAND: _new_brand(material, tables[schema.BRAND], interactions, settings),
        schema.KNOWN_BRAND: known_brand_split(interactions, seed=settings.seed),
    }
    extractors = _extractors(material, settings, tell)
    values: dict[str, Mapping[str, Any]] = dict(material.vectors)
    training = set(material.accounts[raw.ACCOUNT])
    if not settings.fit_on_all:
        pairs = splits[schema.NEW_BRAND][schema.TRAIN]
        training = set(pairs[schema.BRAND_ID]) | set(pairs[schema.INFLUENCER_ID])
    for modality, extractor in extractors.items():
        tell(f"{modality}: fitting on {len(training)} accounts")
        extractor.fit(material, training)
        values[modality] = extractor.transform(material)
    for modality, found in values.items():
        if not _add_modality(tables, modality, found, tell):
            extractors.pop(modality, None)
    data = AtomicData(
        name=name,
        brands=tables[schema.BRAND],
        influencers=tables[schema.INFLUENCER],
        interactions=interactions,
        influencer_category=_influencer_category(material, tables[schema.BRAND], tell),
        splits=splits,
        manifest=_manifest(material, settings, extractors),
    )
    if not settings.pseudonyms:
        return data, extractors
    hidden = privacy.Pseudonyms.from_file(settings.key_file, outside=folder, tell=tell)
    return privacy.apply(data, hidden), extractors


def _without_contacts(material: RawMaterial) -> RawMaterial:
    """E-mail addresses and telephone numbers leave the biographies before anything reads them."""
    accounts = material.accounts.copy()
    accounts[raw.BIOGRAPHY] = accounts[raw.BIOGRAPHY].map(
        lambda text: privacy.scrub(text) if isinstance(text, str) else text
    )
    return RawMaterial(**(vars(material) | {"accounts": accounts}))


def _accounts(material: RawMaterial, side: schema.Side, tell: Tell) -> pd.DataFrame:
    rows = material.accounts[material.accounts[raw.ROLE] == side].sort_values(raw.ACCOUNT)
    table = pd.DataFrame({schema.ACCOUNT_ID[side]: rows[raw.ACCOUNT].to_numpy(dtype=object)})
    if side == schema.BRAND:
        n_unknown = int(rows[raw.CATEGORY].isna().sum())
        if n_unknown:
            tell(f"{n_unknown} brands have no category, so that no category is used for brands.")
        else:
            table[schema.BRAND_CATEGORY] = rows[raw.CATEGORY].to_numpy(dtype=object)
    if rows[raw.FOLLOWERS].notna().any():
        followers = rows[raw.FOLLOWERS].to_numpy(dtype=np.float64)
        table[schema.account_field(side, schema.FOLLOWERS)] = followers
    return table


def _new_brand(
    material: RawMaterial,
    brands: pd.DataFrame,
    interactions: pd.DataFrame,
    settings: ConversionSettings,
) -> dict[str, pd.DataFrame]:
    """The source's own split where it has one; validation brands are carved from its training."""
    named = material.brand_parts
    pool = brands if not named else brands[brands[schema.BRAND_ID].map(named.get) == schema.TRAIN]
    has_valid = schema.VALID in named.values()
    try:
        drawn = (
            {}
            if has_valid
            else new_brand_split(
                pool,
                interactions[interactions[schema.BRAND_ID].isin(pool[schema.BRAND_ID])],
                n_valid=settings.n_valid,
                n_test=0 if named else settings.n_test,
                seed=settings.seed,
            )
        )
    except ValueError as error:
        raise ConversionError(f"The brands cannot be split: {error}.") from None
    parts = dict(named) | {
        brand: part for part, pairs in drawn.items() for brand in pairs[schema.BRAND_ID]
    }
    part_of = interactions[schema.BRAND_ID].map(parts.get)
    ordered = interactions.sort_values([schema.BRAND_ID, schema.INFLUENCER_ID])
    return {
        part: ordered[part_of.reindex(ordered.index) == part].reset_index(drop=True)
        for part in schema.PARTS
        if (part_of == part).any()
    }


def _extractors(
    material: RawMaterial, settings: ConversionSettings, tell: Tell
) -> dict[str, Extractor]:
    """An extractor a modality that the material has something for and no vectors of."""
    has = {
        CONTENT: next(iter(material.posts()), None) is not None,
        AUDIENCE: next(iter(material.audience_posts()), None) is not None,
    }
    found: dict[str, Extractor] = {}
    for modality, options in settings.features.items():
        stream = modality.partition("_")[0]
        if modality in material.vectors:
            tell(f"{modality}: precomputed vectors are used as they are")
        elif has.get(stream, True):
            found[modality] = _extractor(modality, stream, options, settings.n_jobs)
    return found


def _extractor(modality: str, stream: str, options: Mapping[str, Any], n_jobs: int) -> Extractor:
    try:
        if modality in schema.TOPIC_MODALITIES:
            tuples: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in options.items()
            }
            return TopicExtractor(TopicSettings(of=stream, **tuples), n_jobs=n_jobs)
        if modality in schema.VISUAL_MODALITIES:
            return LabelScoreExtractor(of=stream, **options)
        return AttributeExtractor(load_lexicon(), **options)
    except (TypeError, ValueError) as error:
        raise ConversionError(f"features: {modality}: {error}") from None


def _add_modality(
    tables: dict[schema.Side, pd.DataFrame],
    modality: str,
    values: Mapping[str, Any],
    tell: Tell,
) -> bool:
    """Add a modality's columns to both sides; False where one side has nothing of it."""
    of_side = {
        side: [values.get(account) for account in table[schema.ACCOUNT_ID[side]]]
        for side, table in tables.items()
    }
    n_known = {side: sum(cell is not None for cell in cells) for side, cells in of_side.items()}
    for side, cells in of_side.items():
        tell(f"{modality}: {n_known[side]} of {len(cells)} {side}s")
    if 0 in n_known.values():
        tell(f"{modality}: left out, because one side has none of it")
        return False
    for side, cells in of_side.items():
        table = tables[side]
        if isinstance(next(cell for cell in cells if cell is not None), Mapping):
            labels = [None if cell is None else list(cell) for cell in cells]
            weights = [
                None if cell is None else np.array(list(cell.values()), dtype=np.float64)
                for cell in cells
            ]
            table[schema.labels_field(side, modality)] = _objects(labels)
            table[schema.weights_field(side, modality)] = _objects(weights)
            continue
        if modality != schema.ATTRIBUTES:
            cells = [None if cell is None else np.asarray(cell, np.float64) for cell in cells]
        table[schema.account_field(side, modality)] = _objects(cells)
    return True


def _objects(cells: list[Any]) -> "pd.Series[Any]":
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return pd.Series(column, dtype=object)


def _influencer_category(
    material: RawMaterial, brands: pd.DataFrame, tell: Tell
) -> "pd.Series[str] | None":
    """The side file for cAUC, which needs one set of categories on both sides."""
    rows = material.accounts[material.accounts[raw.ROLE] == schema.INFLUENCER]
    known = rows.set_index(raw.ACCOUNT)[raw.CATEGORY].sort_index()
    if schema.BRAND_CATEGORY not in brands or known.isna().any():
        return None
    if set(known) != set(brands[schema.BRAND_CATEGORY]):
        tell("Brands and influencers have different categories, so that there is no cAUC.")
        return None
    return known


def _manifest(
    material: RawMaterial, settings: ConversionSettings, extractors: Mapping[str, Extractor]
) -> dict[str, Any]:
    return {
        "synthetic": material.synthetic,
        "seed": settings.seed,
        "fit_on": "all" if settings.fit_on_all else "training",
        "input_fingerprints": dict(material.fingerprints),
        "features": {modality: extractor.report() for modality, extractor in extractors.items()},
    }
