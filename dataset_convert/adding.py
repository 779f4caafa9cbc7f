"""Further accounts for a data set, described by its own extractors; what is there stays."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_convert import privacy, raw, schema
from dataset_convert.atomic import AtomicData, read_atomic
from dataset_convert.common.errors import shown
from dataset_convert.common.words import counted
from dataset_convert.convert import accounts_of, columns_of, facts_of
from dataset_convert.extraction import describe
from dataset_convert.features.hidden_names import SavedNames, names_of
from dataset_convert.problems import ConversionError
from dataset_convert.raw import RawMaterial


def add_accounts(
    material: RawMaterial,
    name: str,
    *,
    folder: Path,
    key_file: Path | None = None,
    n_jobs: int = 1,
    tell: Callable[[str], None] = print,
) -> AtomicData:
    """Adds the accounts of raw material that a data set does not hold yet, all or nothing.

    They get ids, or pseudonyms by the same key, and values as if they had been converted with the
    rest, but nothing is learnt from them; they have no collaborations, and are in no split.

    Args:
        material: What a source read; known accounts in it are passed over.
        name: The data set's name.
        folder: The data set's own folder.
        key_file: Of the pseudonyms; None for the user's own.
        n_jobs: Processes or threads that work on posts.
        tell: Called with a line a step.

    Returns:
        The data as it was read back.

    Raises:
        ConversionError: There is no further account, the key is another one, or an influencer lacks
            a category that all others have. The data set is left as it was.
        AtomicFileError: The data set is not as the contract wants it.
    """
    data = read_atomic(folder, name)
    hidden = _pseudonyms(data, folder, key_file)
    known = {side: set(data.accounts(side)[schema.ACCOUNT_ID[side]]) for side in schema.SIDES}
    rows = material.accounts
    ids = [
        account if hidden is None else hidden.of(side, account)
        for account, side in zip(rows[raw.ACCOUNT], rows[raw.ROLE], strict=True)
    ]
    is_new = [one not in known[side] for one, side in zip(ids, rows[raw.ROLE], strict=True)]
    material = _of_some(material, rows[is_new])
    if not any(is_new):
        raise ConversionError(f"{name}: found no account that it does not hold; nothing is added.")
    n_told = f"{counted(sum(is_new), 'account')}, {len(is_new) - sum(is_new):,} known"
    tell(f"{n_told}; of collaborations nothing is read")
    if not (folder / schema.FEATURES).is_dir():
        raise ConversionError(
            f"{folder}: found no extractors, because its features were given as vectors; wanted a "
            f"data set that extractors made. Convert everything again, with the new vectors."
        )
    values = describe(folder / schema.FEATURES, material, pseudonyms=hidden, n_jobs=n_jobs)
    further = _further(data, material, values, tell)
    further = further if hidden is None else privacy.apply(further, hidden)
    saved = SavedNames.load(folder / schema.FEATURES, hidden)
    names = SavedNames.of(names_of(rows), hidden).and_those_of(saved)
    # No name can be in it that was not: what is new are numbers, and words that were there.
    written = privacy.rewrite(
        _joined(data, further),
        folder,
        lambda building: names.save(building / schema.FEATURES),
    )
    tell(f"Added {counted(sum(is_new), 'account')} to {folder}.")
    return written


def _pseudonyms(data: AtomicData, folder: Path, key_file: Path | None) -> privacy.Pseudonyms | None:
    if schema.PSEUDONYMS not in data.manifest:
        return None
    hidden = privacy.Pseudonyms(privacy.read_key(key_file, outside=folder, tell=None))
    if data.manifest[schema.PSEUDONYMS] != hidden.settings():
        raise ConversionError(
            f"{folder}: found pseudonyms of another key; wanted those of the key file "
            f"{key_file or privacy.DEFAULT_KEY_FILE}. Name the right key_file in --config."
        )
    return hidden


def _further(
    data: AtomicData,
    material: RawMaterial,
    values: Mapping[str, Mapping[str, Any]],
    tell: Callable[[str], None],
) -> AtomicData:
    """The further accounts alone, under their own ids."""
    tables = {}
    for side in schema.SIDES:
        table = accounts_of(material, side, tell)
        for modality, of in values.items():
            cells = [of.get(account) for account in table[schema.ACCOUNT_ID[side]]]
            if any(cell is not None for cell in cells):
                table = table.assign(**columns_of(side, modality, cells))
        # What the data set leaves out, such as a modality of one side, is left out here, too.
        tables[side] = table[[field for field in table if field in data.accounts(side)]]
    return replace(
        data,
        brands=tables[schema.BRAND],
        influencers=tables[schema.INFLUENCER],
        interactions=data.interactions[:0],
        influencer_category=_categories(data, material),
        splits={},
        facts=facts_of(material),
    )


def _of_some(material: RawMaterial, accounts: pd.DataFrame) -> RawMaterial:
    kept = set(accounts[raw.ACCOUNT])
    own, audience = material.posts, material.audience_posts
    return replace(
        material,
        accounts=accounts,
        posts=lambda: (post for post in own() if post.account in kept),
        audience_posts=lambda: (post for post in audience() if post.account in kept),
        facts={
            side: table[table[raw.ACCOUNT].isin(kept)] for side, table in material.facts.items()
        },
        n_posts=None,
        n_audience_posts=None,
    )


def _categories(data: AtomicData, material: RawMaterial) -> "pd.Series[str] | None":
    if data.influencer_category is None:
        return None
    rows = material.accounts[material.accounts[raw.ROLE] == schema.INFLUENCER]
    for account in rows[raw.ACCOUNT][rows[raw.CATEGORY].isna()]:
        raise ConversionError(
            f"Influencer {shown(account)}: found no category; wanted one, since all influencers of "
            f"'{data.name}' have one. Give it one, or convert everything again."
        )
    return rows.set_index(raw.ACCOUNT)[raw.CATEGORY]


def _joined(data: AtomicData, further: AtomicData) -> AtomicData:
    """Both, sorted by id as every data set is; no later conversion takes it for what it makes."""

    def both(one: pd.DataFrame, other: pd.DataFrame, side: schema.Side) -> pd.DataFrame:
        other = other.reindex(columns=one.columns)
        other = other.astype(object).where(other.notna(), None).astype(one.dtypes)
        joined = pd.concat([one, other]) if len(other) else one
        return joined.sort_values(schema.ACCOUNT_ID[side], ignore_index=True)

    categories = data.influencer_category
    if categories is not None and further.influencer_category is not None:
        categories = pd.concat([categories, further.influencer_category]).sort_index()
    facts = {
        side: both(table, further.facts.get(side, table[:0]), side)
        for side, table in data.facts.items()
    }
    manifest = {key: value for key, value in data.manifest.items() if key != schema.CONVERSION}
    return replace(
        data,
        brands=both(data.brands, further.brands, schema.BRAND),
        influencers=both(data.influencers, further.influencers, schema.INFLUENCER),
        influencer_category=categories,
        facts=facts,
        manifest=manifest,
    )
