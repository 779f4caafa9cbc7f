"""Precomputed vectors of accounts in `.npy` matrices."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dataset_convert import schema
from dataset_convert.problems import ConversionError, Problem, Problems
from dataset_convert.reading import values as v
from dataset_convert.reading.files import find_files, name_in
from dataset_convert.reading.lines import read_lines
from dataset_convert.reading.records import Table
from dataset_convert.reading.settings import Settings, VectorFiles

Vector = npt.NDArray[np.float32]

A_MATRIX = "a .npy file with a matrix of numbers, a row an account, without Python objects"


class _Alignment(Problems):
    """Problems of a file whose rows belong to a matrix: none of them can be left out."""

    def take(self, problem: Problem) -> None:
        """Raises: without this row the following ones would get wrong vectors."""
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
        for path in find_files(root, [one.matrix, one.ids], f"vectors.{modality}", problems)
    ]


def read_vectors(
    root: Path, settings: Settings, known: Collection[str], problems: Problems
) -> dict[str, Mapping[str, Vector]]:
    """Reads the precomputed vectors.

    A row of zeros or NaN is a missing vector. A row of an unknown account, without account, or
    with a value that is not finite (topics: or negative) is skipped and counted.

    Args:
        root: The folder, resolved.
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
            matrix, file = _matrix(root, one, modality, problems)
            ids = _ids(root, one, modality, settings, problems)
            width = width or matrix.shape[1]
            if matrix.shape != (len(ids), width):
                problems.refuse(
                    file,
                    value=f"{matrix.shape[0]} rows of {matrix.shape[1]} numbers",
                    wanted=f"{len(ids)} rows, as in {one.ids}, of {width} numbers",
                )
            _collect(vectors, matrix, ids, known, file, modality, problems)
        found[modality] = vectors
    return found


def _matrix(
    root: Path, files: VectorFiles, modality: str, problems: Problems
) -> tuple[npt.NDArray[Any], str]:
    path = find_files(root, [files.matrix], f"vectors.{modality}", problems)[0]
    file = name_in(root, path)
    try:
        # Mapped, so that a wrong header cannot ask for memory; refuses Python objects and archives.
        matrix = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
    except Exception as error:  # a wrong header raises whatever numpy's parser of it stumbled over
        problems.refuse(file, value=error, wanted=A_MATRIX)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or not matrix.size:
        value = f"{matrix.dtype} values of shape {matrix.shape}"
        problems.refuse(file, value=value, wanted=A_MATRIX)
    return matrix, file


def _ids(
    root: Path, files: VectorFiles, modality: str, settings: Settings, problems: Problems
) -> Sequence[str]:
    path = find_files(root, [files.ids], f"vectors.{modality}", problems)[0]
    strict = _Alignment()
    if path.suffix == ".txt":
        lines = read_lines(path, name_in(root, path), settings.encoding, strict)
        return [line.strip() for line in lines]
    table = Table(
        root,
        (path,),
        columns={"id": files.column},
        needed=frozenset({"id"}),
        encoding=settings.encoding,
        delimiter=settings.delimiter,
    )
    return [v.text(record.values, "id").strip() for record in table.records(strict)]


def _collect(
    vectors: dict[str, Vector],
    matrix: npt.NDArray[Any],
    ids: Sequence[str],
    known: Collection[str],
    file: str,
    modality: str,
    problems: Problems,
) -> None:
    for row, account in enumerate(ids, start=1):
        with np.errstate(over="ignore"):
            vector = np.array(matrix[row - 1], dtype=np.float32)
        wanted = None
        if account not in known:
            wanted = "the id of a known account"
        elif np.isnan(vector).all() or not vector.any():
            continue
        elif not np.isfinite(vector).all():
            wanted = "finite numbers, or NaN in the whole row of an account without vector"
        elif modality in schema.TOPIC_MODALITIES and (vector < 0).any():
            wanted = "topics of 0 or more"
        elif not np.array_equal(vectors.setdefault(account, vector), vector):
            wanted = "one vector an account: the first row stays"
        if wanted:
            problems.skip(file, row=row, column="", value=account, wanted=wanted)
