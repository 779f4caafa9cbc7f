"""Accounts and collaborations in CSV files with features in `.npy` matrices, row by row."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.errors import AtomicFileError, shown
from dataset_convert.splits import known_brand_split, new_brand_split

MATRIX_OF = {
    schema.CONTENT_TOPICS: "topics",
    schema.CONTENT_VISUAL: "visual",
    schema.AUDIENCE_TOPICS: "audience_topics",
    schema.AUDIENCE_VISUAL: "audience_visual",
    schema.ATTRIBUTE_VECTOR: "attribute_vector",
}
"""Modality -> the stem of its matrices: `brand_<stem>.npy` and `influencer_<stem>.npy`."""

Matrix = npt.NDArray[np.float64]


def read_matrices(
    folder: Path | str, name: str, *, n_valid: int, seed: int, tell: Callable[[str], None]
) -> AtomicData:
    """Reads a folder of matrices.

    Expected are `brands.csv` (brand_id, category), `influencers.csv` (influencer_id, category),
    `collaborations.csv` (brand_id, influencer_id, competence) and, per modality, one matrix per
    side whose rows stand in the order of the CSV file. A row of zeros or NaN is a missing
    modality. The influencers' category goes to the side file alone. There is no test part: the
    protocol `new-brand` holds out validation brands, `known-brand` splits every brand's pairs.

    Args:
        folder: Where the files are.
        name: The data set's name.
        n_valid: Validation brands of the protocol `new-brand`.
        seed: Of the splits.
        tell: Called with a line for every matrix that is skipped.

    Returns:
        The data set, ready to be written.

    Raises:
        AtomicFileError: A file is missing or wrong.
        ValueError: `n_valid` leaves no brand for training.
    """
    folder = Path(folder)
    brands = _read_accounts(folder, schema.BRAND)
    influencers = _read_accounts(folder, schema.INFLUENCER)
    interactions = _read_interactions(folder / "collaborations.csv", brands, influencers)
    category = influencers.set_index(schema.INFLUENCER_ID)[schema.CATEGORY]
    accounts = {
        schema.BRAND: brands.rename(columns={schema.CATEGORY: schema.BRAND_CATEGORY}),
        schema.INFLUENCER: influencers[[schema.INFLUENCER_ID]],
    }
    dimensions, skipped = _add_modalities(folder, accounts)
    for line in skipped:
        tell(line)
    return AtomicData(
        name=name,
        brands=accounts[schema.BRAND],
        influencers=accounts[schema.INFLUENCER],
        interactions=interactions,
        influencer_category=category,
        splits={
            schema.NEW_BRAND: new_brand_split(
                accounts[schema.BRAND], interactions, n_valid=n_valid, seed=seed
            ),
            schema.KNOWN_BRAND: known_brand_split(interactions, seed=seed),
        },
        manifest={
            "source": "matrices",
            "synthetic": False,
            "seed": seed,
            "dimensions": dimensions,
            "skipped": skipped,
        },
    )


def _add_modalities(
    folder: Path, accounts: dict[schema.Side, pd.DataFrame]
) -> tuple[dict[str, list[str]], list[str]]:
    dimensions: dict[str, list[str]] = {}
    skipped = []
    for modality, stem in MATRIX_OF.items():
        paths = {side: folder / f"{side}_{stem}.npy" for side in schema.SIDES}
        there = [side for side in schema.SIDES if paths[side].exists()]
        if len(there) == 1:
            skipped.append(
                f"Skipped {paths[there[0]].name}: the other side has no such matrix, and one "
                "side alone cannot be compared."
            )
        if len(there) < 2:
            continue
        for side in schema.SIDES:
            matrix = _read_matrix(paths[side], len(accounts[side]), f"{side}s.csv")
            column = schema.account_field(side, modality)
            accounts[side] = accounts[side].assign(**{column: _cells(matrix)})
            dimensions[modality] = [f"{modality}_{i:03d}" for i in range(matrix.shape[1])]
    return dimensions, skipped


def _read_accounts(folder: Path, side: schema.Side) -> pd.DataFrame:
    account_id = schema.ACCOUNT_ID[side]
    return _read_csv(folder / f"{side}s.csv", [account_id, schema.CATEGORY], unique=[account_id])


def _read_csv(path: Path, columns: list[str], unique: list[str]) -> pd.DataFrame:
    header, *rows = _read_rows(path)
    for column in columns:
        if column not in header:
            wanted = f"headers {', '.join(columns)}"
            raise _error(path, line=1, field=column, found="no such column", wanted=wanted)
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise _error(
                path, line=line, found=f"{len(row)} fields", wanted=f"{len(header)}, as in line 1"
            )
    frame = pd.DataFrame(rows, columns=header, dtype=object)
    for column in columns:
        empty = (frame[column] == "").to_numpy()
        _refuse(path, column, empty, frame, wanted="a value in every row")
    twice = frame.duplicated(subset=unique).to_numpy()
    _refuse(path, unique[-1], twice, frame, wanted=f"no {' and '.join(unique)} twice")
    return frame[columns]


def _read_rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise _error(path, found="no such file", wanted="a CSV file of the matrices layout")
    try:
        # Spreadsheets put a byte order mark before the first header.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (ValueError, csv.Error) as error:
        raise _error(path, found=f"no CSV ({error})", wanted="CSV in UTF-8") from error
    if len(rows) < 2:
        raise _error(path, found="no rows", wanted="a header and at least one row")
    return rows


def _read_interactions(path: Path, brands: pd.DataFrame, influencers: pd.DataFrame) -> pd.DataFrame:
    pair = [schema.BRAND_ID, schema.INFLUENCER_ID]
    frame = _read_csv(path, [*pair, schema.COMPETENCE], unique=pair)
    for side, accounts in ((schema.BRAND, brands), (schema.INFLUENCER, influencers)):
        field = schema.ACCOUNT_ID[side]
        unknown = ~frame[field].isin(accounts[field]).to_numpy()
        _refuse(path, field, unknown, frame, wanted=f"an id of {side}s.csv")
    competence = pd.to_numeric(frame[schema.COMPETENCE], errors="coerce")
    wrong = ~np.isfinite(competence.to_numpy(dtype=np.float64))
    _refuse(path, schema.COMPETENCE, wrong, frame, wanted="a finite number")
    return frame.assign(**{schema.COMPETENCE: competence})


def _read_matrix(path: Path, n_rows: int, table: str) -> Matrix:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _error(path, found=f"no matrix ({error})", wanted="a .npy file of floats") from error
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or len(matrix) != n_rows:
        raise _error(
            path,
            found=f"{matrix.dtype} values of shape {matrix.shape}",
            wanted=f"floats with {n_rows} rows, as in {table}",
        )
    partly = ~np.isfinite(matrix).all(axis=1) & ~np.isnan(matrix).all(axis=1)
    if partly.any():
        raise _error(
            path,
            found=f"a value that is not finite in row {partly.argmax()}, counted from 0",
            wanted="finite values, or NaN in the whole row of an account without the modality",
        )
    return np.asarray(matrix, dtype=np.float64)


def _cells(matrix: Matrix) -> npt.NDArray[np.object_]:
    cells = np.empty(len(matrix), dtype=object)
    for i, row in enumerate(matrix):
        cells[i] = None if np.isnan(row).all() or not row.any() else row
    return cells


def _refuse(
    path: Path, field: str, wrong: npt.NDArray[np.bool_], frame: pd.DataFrame, *, wanted: str
) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        value = shown(str(frame[field].iloc[row]))
        raise _error(path, line=row + 2, field=field, found=value, wanted=wanted)


def _error(
    path: Path, *, found: str, wanted: str, line: int | None = None, field: str | None = None
) -> AtomicFileError:
    return AtomicFileError(
        path,
        line=line,
        field=field,
        found=found,
        wanted=wanted,
        remedy="Remedy: correct the file; `python -m dataset_convert --help` tells the layout.",
    )
