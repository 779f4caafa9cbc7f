"""An account taken out of a data set that was written already."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, read_atomic, replace_atomic
from dataset_convert.common.errors import shown
from dataset_convert.common.files import write_whole
from dataset_convert.name_checks import find_names
from dataset_convert.problems import ConversionError
from dataset_convert.pseudonyms import Pseudonyms
from dataset_convert.report.page import REPORT_FILE, data_report
from dataset_convert.reuse import CONVERSION, FEATURES, FINGERPRINT

_CONVERT_AGAIN = "Take the account out of the source and convert again."


def forget(
    folder: Path, name: str, account: str, *, pseudonyms: Pseudonyms | None = None
) -> list[str]:
    """Removes an account from all atomic files of a data set: its row, its pairs, its category.

    The files are written beside the folder, checked, and put in its place at once; other files of
    the folder are kept as they are.

    Args:
        folder: The data set's own folder.
        name: The data set's name.
        account: Its id as it stands in the files, or, with `pseudonyms`, its original id.
        pseudonyms: Of a data set under pseudonyms.

    Returns:
        Lines for the person who asked: what was removed, and what is left to do.

    Raises:
        ConversionError: There is no such account; or without it a part of a split, or a category,
            would be empty. The data set is left as it was.
        AtomicFileError: The data set is not as the contract wants it.
    """
    data = read_atomic(folder, name)
    side, account_id = _find(data, account, pseudonyms)
    left = _without(data, side, account_id)
    _refuse_empty_part(data, left, account)
    _refuse_lost_category(data, left, account)
    _replace(folder, left)
    n_pairs = len(data.interactions) - len(left.interactions)
    lines = [
        f"Removed one {side} and {n_pairs} {'pair' if n_pairs == 1 else 'pairs'} from {folder}.",
        "Models, checkpoints and results made from this data set have learnt from the account: "
        "train them again and delete the old ones.",
        "Take it out of the source too, or the next conversion brings it back.",
    ]
    others = _other_files(folder, left)
    if others:
        lines.append(
            f"Written when the account was still there, and kept: {', '.join(others)}. Convert "
            "again without the account to renew them."
        )
    named = [str(path.relative_to(folder)) for path, _ in find_names(folder, {account, account_id})]
    if named:
        lines.append(f"Its id, or a word like it, stands in {', '.join(named)}: look at them.")
    return lines


def _find(data: AtomicData, account: str, pseudonyms: Pseudonyms | None) -> tuple[schema.Side, str]:
    for side, table in ((schema.BRAND, data.brands), (schema.INFLUENCER, data.influencers)):
        known = set(table[schema.ACCOUNT_ID[side]])
        for candidate in [account, *([pseudonyms.of(side, account)] if pseudonyms else [])]:
            if candidate in known:
                return side, candidate
    raise ConversionError(
        f"Data set '{data.name}' holds no account {shown(account)}; give the id as it stands in "
        f"its files, or the key file of its pseudonyms."
    )


def _without(data: AtomicData, side: schema.Side, account: str) -> AtomicData:
    field = schema.ACCOUNT_ID[side]

    def kept(table: pd.DataFrame) -> pd.DataFrame:
        if field not in table.columns:
            return table
        return table[table[field] != account].reset_index(drop=True)

    entries = {
        modality: {key: value for key, value in entry.items() if key != FINGERPRINT}
        for modality, entry in _features(data).items()
    }
    # Without them no later conversion takes this data set for what the source makes.
    manifest = {key: value for key, value in data.manifest.items() if key != CONVERSION}
    manifest |= {FEATURES: entries} if entries else {}
    categories = data.influencer_category
    if categories is not None and side == schema.INFLUENCER:
        categories = categories[categories.index != account]
    return replace(
        data,
        brands=kept(data.brands),
        influencers=kept(data.influencers),
        interactions=kept(data.interactions),
        influencer_category=categories,
        manifest=manifest,
        facts={
            fact_side: rows for fact_side, table in data.facts.items() if len(rows := kept(table))
        },
        splits={
            protocol: {part: kept(pairs) for part, pairs in parts.items()}
            for protocol, parts in data.splits.items()
        },
    )


def _features(data: AtomicData) -> dict[str, dict[str, Any]]:
    found = data.manifest.get(FEATURES)
    whole = isinstance(found, dict) and all(isinstance(entry, dict) for entry in found.values())
    return dict(found) if whole and isinstance(found, dict) else {}


def _refuse_empty_part(data: AtomicData, left: AtomicData, account: str) -> None:
    sizes = {"the interactions": len(left.interactions)}
    for protocol, parts in left.splits.items():
        for part, pairs in parts.items():
            sizes[f"part '{part}' of '{protocol}'"] = len(pairs)
    for place, size in sizes.items():
        if size == 0:
            raise ConversionError(
                f"Without {shown(account)} nothing is left of {place} of '{data.name}', which must "
                f"be split anew. {_CONVERT_AGAIN}"
            )


def _refuse_lost_category(data: AtomicData, left: AtomicData, account: str) -> None:
    if left.influencer_category is None:
        return
    lost = ({*left.brands[schema.BRAND_CATEGORY]} - {""}) ^ set(left.influencer_category)
    if lost:
        raise ConversionError(
            f"{shown(account)} is the last account of category {shown(min(lost))} on its side of "
            f"'{data.name}'. {_CONVERT_AGAIN}"
        )


def _replace(folder: Path, data: AtomicData) -> None:
    def add_others(building: Path) -> None:
        for file in _other_files(folder, data):
            (building / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / file, building / file)
        if (folder / REPORT_FILE).exists():
            write_whole(building / REPORT_FILE, data_report(data))

    replace_atomic(data, folder, extra=add_others)


def _other_files(folder: Path, data: AtomicData) -> list[str]:
    atomic = {
        schema.MANIFEST_FILE,
        schema.interaction_file(data.name),
        schema.influencer_category_file(data.name),
        REPORT_FILE,
        *(schema.account_file(data.name, side) for side in schema.SIDES),
        *(schema.facts_file(data.name, side) for side in schema.SIDES),
        *(
            schema.split_file(data.name, protocol, part)
            for protocol, parts in data.splits.items()
            for part in parts
        ),
    }
    files = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(file for file in files if file not in atomic)
