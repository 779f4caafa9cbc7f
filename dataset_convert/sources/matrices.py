"""Partial data: accounts and pairs in CSV files, features in `.npy` matrices, and no posts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset_convert import schema
from dataset_convert.problems import OWN, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.reading.options import keyed
from dataset_convert.sources import tables

DESCRIPTION = (
    "a folder with brands.csv, influencers.csv, collaborations.csv and, per modality, brand_*.npy "
    "and influencer_*.npy (topics, visual, audience_topics, audience_visual, attribute_vector)"
)

DEFAULTS: Mapping[str, Any] = {"pseudonyms": False, "splits": {"n_valid": 0.15, "n_test": 0}}
"""Settings of a conversion of this source where the user says nothing else: its ids are no names,
and all of its brands are there to learn from."""

MATRIX_OF = {
    schema.CONTENT_TOPICS: "topics",
    schema.CONTENT_VISUAL: "visual",
    schema.AUDIENCE_TOPICS: "audience_topics",
    schema.AUDIENCE_VISUAL: "audience_visual",
    schema.ATTRIBUTE_VECTOR: "attribute_vector",
}
"""Modality -> the stem of its matrices: `brand_<stem>.npy` and `influencer_<stem>.npy`."""

_FILES = {name: f"{name}.csv" for name in ("brands", "influencers", "collaborations")}
_OPTIONS = ("encoding", "delimiter", "category_of_influencers", "synthetic")


def read(folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
    """Reads a folder of matrices: the source `tables` with all names fixed.

    `docs/convert_vectors.md` tells the layout. A modality of which one side has no matrix is left
    out, because one side alone cannot be compared.

    Args:
        folder: Where the files are.
        options: Those of `tables` that name no file and no column.
        problems: Told of rows and matrices that are left out.

    Raises:
        ConversionError: As `tables`; or one of the three CSV files is missing.
    """
    keyed("source", options, _OPTIONS)
    folder = Path(folder)
    missing = [file for file in _FILES.values() if not (folder / file).is_file()]
    if missing and folder.is_dir():
        problems.refuse(folder.name, value=f"no {missing[0]}", wanted=", ".join(_FILES.values()))
    ids = {str(side): column for side, column in schema.ACCOUNT_ID.items()}
    layout = {
        "files": _FILES,
        "columns": {f"{side}s": {"id": ids[side]} for side in ids} | {"collaborations": ids},
        "vectors": _vectors(folder, problems),
    }
    return tables.read(folder, {**options, **layout}, problems, pairs_as_they_stand=True)


def _vectors(folder: Path, problems: Problems) -> dict[str, list[dict[str, str]]]:
    """The option `vectors` of `tables`."""
    found = {}
    for modality, stem in MATRIX_OF.items():
        matrices = {side: f"{side}_{stem}.npy" for side in schema.SIDES}
        there = [name for name in matrices.values() if (folder / name).is_file()]
        if len(there) == 1:
            missing = next(name for name in matrices.values() if name not in there)
            problems.skip(
                there[0],
                row=None,
                column="",
                value=f"no {missing} beside it",
                wanted="matrices of both sides: one side alone cannot be compared",
                kind=OWN,
            )
        if len(there) == len(matrices):
            found[modality] = [
                {"matrix": name, "ids": f"{side}s.csv", "column": schema.ACCOUNT_ID[side]}
                for side, name in matrices.items()
            ]
    return found
