"""Precomputed vectors of accounts in `.npy` matrices."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dataset_convert.engine import Engine, How
from dataset_convert.folders import find_files, name_in
from dataset_convert.handles import handle
from dataset_convert.problems import KEPT, NAME, ConversionError, Problem, Problems
from dataset_convert.sources.table_settings import Settings, VectorFiles
from dataset_convert.values import BadValue

Vector = npt.NDArray[np.float32]

Array = npt.NDArray[Any]

BLOCK = 256
"""Rows that are looked at together: a few megabytes."""
FINITE = "finite numbers, or NaN in the whole row of an account without vector"
ONE_VECTOR = "one vector an account: the first row stays"
A_MATRIX = "a .npy file with a matrix of numbers, a row an account, without Python objects"


class Alignment(Problems):
    """Problems of a file whose rows belong to a matrix: none of them can be left out."""

    def take(self, problem: Problem, *_: object, **__: object) -> None:
        """Raises: without this row the following ones would get wrong vectors.

        What leaves no row out, such as an empty sheet beside the rows, is passed over.
        """
        if problem.row is not None and problem.row_was != KEPT:
            raise ConversionError(f"{problem}.")


def vector_paths(root: Path, settings: Settings, problems: Problems) -> list[Path]:
    """Returns all files that the option `vectors` names.

    Raises:
        ConversionError: One of them does not exist or lies outside the folder.
    """
    return [
        path
        for modality, files in settings.vectors.items()
        for one in files
        for path in find_files(root, [*one.matrix, one.ids], f"vectors.{modality}", problems)
    ]


def read_vectors(
    engine: Engine, settings: Settings, known: Collection[str], problems: Problems
) -> dict[str, Mapping[str, Vector]]:
    """Reads the precomputed vectors.

    A row of zeros or NaN is a missing vector. A row of an unknown account, without account, or
    with a value that is not finite is skipped and counted.

    Args:
        engine: Of the folder.
        settings: Which files there are.
        known: The accounts.
        problems: Told of rows that are left out.

    Returns:
        Modality -> account -> vector, float32.

    Raises:
        ConversionError: No matrix, one with another number of rows than accounts or of another
            width than the modality's first, or an unreadable list of accounts.
    """
    found: dict[str, Mapping[str, Vector]] = {}
    for modality, files in settings.vectors.items():
        vectors: dict[str, Vector] = {}
        width: int | None = None
        for one in files:
            paths = find_files(engine.folder, one.matrix, f"vectors.{modality}", problems)
            names = [name_in(engine.folder, path) for path in paths]
            parts = [open_matrix(*both, problems) for both in zip(paths, names, strict=True)]
            ids = _ids(engine, one, modality, settings, problems)
            n_numbers = sum(part.shape[1] for part in parts)
            width = width or n_numbers
            for file, part in zip(names, parts, strict=True):
                if len(part) != len(ids) or n_numbers != width:
                    problems.refuse(
                        file,
                        value=f"{part.shape[0]} rows of {part.shape[1]} numbers",
                        wanted=f"{len(ids)} rows, as in {one.ids}, of {width} numbers"
                        + " together" * (len(parts) > 1),
                    )
            matrix = parts[0] if len(parts) == 1 else np.hstack(parts)
            file = names[0]
            _collect(vectors, matrix, ids, known, file, problems)
        found[modality] = vectors
    return found


def open_matrix(path: Path, file: str, problems: Problems) -> Array:
    """Returns a `.npy` file's matrix, mapped: a wrong header cannot ask for memory.

    Args:
        path: The file.
        file: Its name for messages.
        problems: Of the conversion.

    Raises:
        ConversionError: No matrix of real numbers; Python objects and archives are never loaded.
    """
    try:
        matrix: Array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a wrong header raises whatever numpy's parser of it stumbled over
        problems.refuse(file, value=error, wanted=A_MATRIX)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not matrix.size:
        value = f"{matrix.dtype} values of shape {matrix.shape}"
        problems.refuse(file, value=value, wanted=A_MATRIX)
    return matrix


def check_rows(rows: Array) -> tuple[npt.NDArray[np.float32], list[str | None]]:
    """Returns rows as vectors, zeros where a vector is missing, and what is wrong with each.

    Args:
        rows: (row, dimension) numbers; zeros or NaN in a whole row are a missing vector.

    Returns:
        (row, dimension) float32 without -0; row -> what was wanted instead, None where it is right.
    """
    with np.errstate(over="ignore"):
        # Adding 0 makes equal numbers equal bytes: it turns -0 into 0.
        vectors = rows.astype(np.float32) + np.float32(0)
    vectors[np.isnan(vectors).all(axis=1)] = 0
    wanted: list[str | None] = [None] * len(vectors)
    for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
        wanted[row] = FINITE
    return vectors, wanted


def _ids(
    engine: Engine, files: VectorFiles, modality: str, settings: Settings, problems: Problems
) -> Sequence[str]:
    path = find_files(engine.folder, [files.ids], f"vectors.{modality}", problems)[0]
    is_list = path.suffix == ".txt"
    how = How(
        columns={"id": "1" if is_list else files.column},
        encoding=settings.encoding,
        delimiter="\t" if is_list else settings.delimiter,
        header_row=0 if is_list else None,
    )
    found = engine.read([path], how, Alignment(), needed={"id"})
    rows = [(row, cells[0] or "") for _, row, cells in found]
    if is_list:  # whose empty lines count
        names = dict(rows)
        rows = [(row, names.get(row, "")) for row in range(1, max(names) + 1)]
    exact = settings.handles == "exact"
    return [_canonical(name, exact=exact) for _, name in rows]


def _canonical(name: str, *, exact: bool) -> str:
    try:
        return handle(name, exact=exact)
    except BadValue:
        return name


def _collect(
    vectors: dict[str, Vector],
    matrix: Array,
    ids: Sequence[str],
    known: Collection[str],
    file: str,
    problems: Problems,
) -> None:
    for start in range(0, len(ids), BLOCK):
        block, faults = check_rows(matrix[start : start + BLOCK])
        for i, (vector, wanted) in enumerate(zip(block, faults, strict=True), start=start):
            if ids[i] not in known:
                wanted = "the id of a known account"
            elif wanted is None and vector.any():
                kept = vectors.setdefault(ids[i], vector.copy())
                wanted = None if np.array_equal(kept, vector) else ONE_VECTOR
            if wanted:
                problems.skip(file, row=i + 1, column="", value=ids[i], wanted=wanted, kind=NAME)
