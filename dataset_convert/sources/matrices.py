"""Partial data: accounts and pairs in CSV files, features in `.npy` matrices, and no posts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset_convert import schema
from dataset_convert.common.errors import wanted_word
from dataset_convert.problems import OWN, ConversionError, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.sources import tables

DESCRIPTION = (
    "a folder with brands.csv, influencers.csv, collaborations.csv and, per modality, brand_*.npy "
    "and influencer_*.npy (topics, visual, audience_topics, audience_visual, attribute_vector, "
    "captions, biography, audience_captions)"
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
    schema.CONTENT_TEXT: "captions",
    schema.PROFILE_TEXT: "biography",
    schema.AUDIENCE_TEXT: "audience_captions",
}
"""Modality -> the stem of its matrices: `brand_<stem>.npy` and `influencer_<stem>.npy`; of sentence
vectors `brand_<stem>_<model>.npy`, a matrix a model."""

_FILES = {name: f"{name}.csv" for name in ("brands", "influencers", "collaborations")}
_OPTIONS = ("encoding", "delimiter", "category_of_influencers", "synthetic", "text_models")


def read(folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
    """Reads a folder of matrices: the source `tables` with all names fixed.

    `docs/convert_vectors.md` tells the layout. A modality of which one side has no matrix is left
    out, because one side alone cannot be compared; captions and biographies face each other.

    Args:
        folder: Where the files are.
        options: Those of `tables` that name no file and no column; `text_models`: whose sentence
            vectors are read, side by side; by default the first by name, because what is learnt
            from one model is better than from two.
        problems: Told of rows and matrices that are left out.

    Raises:
        ConversionError: As `tables`; or one of the three CSV files is missing.
    """
    for key in options:
        if key not in _OPTIONS:
            raise ConversionError(
                f"Option 'source': found '{key}'; wanted {wanted_word(str(key), _OPTIONS)}."
            )
    folder, options = Path(folder), dict(options)
    models = options.pop("text_models", None)
    if models is None:
        models = _text_models(folder)[:1]
    if not isinstance(models, list) or not all(isinstance(one, str) for one in models):
        raise ConversionError(
            f"Option 'source.text_models': found {models!r}; wanted a list such as [wordllama]."
        )
    missing = [file for file in _FILES.values() if not (folder / file).is_file()]
    if missing and folder.is_dir():
        problems.refuse(folder.name, value=f"no {missing[0]}", wanted=", ".join(_FILES.values()))
    ids = {str(side): column for side, column in schema.ACCOUNT_ID.items()}
    layout = {
        "files": _FILES,
        "columns": {f"{side}s": {"id": ids[side]} for side in ids} | {"collaborations": ids},
        "vectors": _vectors(folder, models, problems),
        # Its ids are no names of people, whose capitals make no difference.
        "handles": "exact",
    }
    return tables.read(folder, {**options, **layout}, problems, pairs_as_they_stand=True)


def _vectors(
    folder: Path, models: list[str], problems: Problems
) -> dict[str, list[dict[str, Any]]]:
    """The option `vectors` of `tables`."""
    found = {}
    for modality, stem in MATRIX_OF.items():
        ends = [stem]
        if modality in schema.TEXT_MODALITIES:
            ends = [f"{stem}_{model}" for model in models]
        matrices = {side: [f"{side}_{end}.npy" for end in ends] for side in schema.SIDES}
        there = {
            side: kept
            for side, names in matrices.items()
            if (kept := [name for name in names if (folder / name).is_file()])
        }
        if len(there) == 1 and modality not in schema.TEXT_MODALITIES:
            missing = next(side for side in matrices if side not in there)
            problems.skip(
                next(iter(there.values()))[0],
                row=None,
                column="",
                value=f"no {missing}_{stem}.npy beside it",
                wanted="matrices of both sides: one side alone cannot be compared",
                kind=OWN,
            )
        elif there:
            found[modality] = [
                {"matrix": names, "ids": f"{side}s.csv", "column": schema.ACCOUNT_ID[side]}
                for side, names in there.items()
            ]
    return found


def _text_models(folder: Path) -> list[str]:
    """The models whose sentence vectors are there."""
    starts = [
        f"{side}_{MATRIX_OF[one]}_" for side in schema.SIDES for one in schema.TEXT_MODALITIES
    ]
    return sorted(
        {path.stem.removeprefix(one) for one in starts for path in folder.glob(f"{one}*.npy")}
    )
