"""Feature arrays with a row a pair: which files they are, and which rows are the same account."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_convert import schema
from dataset_convert.problems import OWN, Problems
from dataset_convert.progress import track
from dataset_convert.reading.files import WITHIN, find_files, inside, name_in
from dataset_convert.reading.options import refuse_option
from dataset_convert.reading.vectors import BLOCK, Array, check_rows, open_matrix

PARTS = (schema.TRAIN, schema.TEST)
WORD_OF: dict[str, str] = {schema.BRAND: "brand", schema.INFLUENCER: "in"}
"""Side -> what the arrays' names call it."""

PATTERNS = {
    schema.CONTENT_TOPICS: "{part}set/{side}_text_{part}.npy",
    schema.CONTENT_VISUAL: "{part}set/{side}_image_{part}.npy",
    schema.AUDIENCE_TOPICS: "audience_{part}set/{side}_text_{part}.npy",
    schema.AUDIENCE_VISUAL: "audience_{part}set/{side}_image_{part}.npy",
    schema.ATTRIBUTE_VECTOR: "attribute_{part}set_n2v/{side}_attribute_{part}_n2v*.npy",
}
"""Modality -> names of its arrays in the release. `*` leaves out the other test arrays, whose names
have another word before `n2v`: they pair every test brand with every test influencer."""


@dataclass(frozen=True)
class NamedArray:
    """An array and its file's name for messages."""

    file: str
    rows: Array


Arrays = Mapping[str, NamedArray]
"""Modality -> array."""

Paths = dict[str, dict[str, dict[str, Path]]]
"""Part -> side -> modality -> file."""

Place = tuple[str, int]
"""Part and row, counted from 0, of an account's vectors."""


@dataclass(frozen=True)
class PairArrays:
    """All arrays of a release; the rows of a part belong together.

    Attributes:
        arrays: Part -> side -> modality -> array; every part has the same modalities.
        paths: Of all arrays.
    """

    arrays: Mapping[str, Mapping[str, Arrays]]
    paths: Sequence[Path]

    def n_rows(self, part: str) -> int:
        """Returns the number of rows of a part's arrays: two a pair."""
        return len(next(iter(self.arrays[part][schema.BRAND].values())).rows)

    def vectors(
        self, side: str, places: Mapping[str, Place]
    ) -> dict[str, dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]]:
        """Returns modality -> account -> vector; accounts without vector are left out.

        Args:
            side: Brand or influencer.
            places: Account -> where its vectors stand.
        """
        found = {}
        for modality in self.arrays[schema.TRAIN][side]:
            vectors = {}
            for account, (part, row) in places.items():
                rows = self.arrays[part][side][modality].rows[row : row + 1]
                vectors[account] = check_rows(rows)[0][0]
            found[modality] = {name: vector for name, vector in vectors.items() if vector.any()}
        return found


def find_arrays(root: Path, patterns: Mapping[str, str | None], problems: Problems) -> PairArrays:
    """Returns the arrays of a release, mapped and checked against one another.

    Args:
        root: The folder, resolved.
        patterns: Modality -> the names of its arrays with `{side}` and `{part}`, over `PATTERNS`;
            None leaves the modality out.
        problems: Of the conversion.

    Raises:
        ConversionError: No training arrays of one side, a pattern that names no file or several,
            a file that is no matrix, a part that lacks an array which the other one has, or
            numbers of rows or columns that do not fit together.
    """
    paths = _find_all(root, patterns, problems)
    _refuse_missing(root, paths, problems)
    arrays = {
        part: {
            side: {
                modality: NamedArray(file, open_matrix(path, file, problems))
                for modality, path in of_side.items()
                for file in [name_in(root, path)]
            }
            for side, of_side in sides.items()
        }
        for part, sides in paths.items()
        if any(sides.values())
    }
    _refuse_misfits(arrays, problems)
    every = [path for sides in paths.values() for side in sides.values() for path in side.values()]
    return PairArrays(arrays, every)


def _find_all(root: Path, patterns: Mapping[str, str | None], problems: Problems) -> Paths:
    paths: Paths = {part: {side: {} for side in schema.SIDES} for part in PARTS}
    for modality, pattern in {**PATTERNS, **patterns}.items():
        if pattern is None:
            continue
        found = [
            (part, side, path)
            for part in PARTS
            for side in schema.SIDES
            for path in _find(root, pattern, part, WORD_OF[side], modality, problems)
        ]
        if not found and modality in patterns:
            refuse_option(f"arrays.{modality}", pattern, "a pattern that names files of the folder")
        for part, side, path in found:
            paths[part][side][modality] = path
    return paths


def _find(
    root: Path, pattern: str, part: str, side: str, modality: str, problems: Problems
) -> list[Path]:
    option = f"arrays.{modality}"
    name = pattern.replace("{part}", part).replace("{side}", side)
    if inside(root, name) is None:
        refuse_option(option, name, WITHIN)
    try:
        there = any(path.is_file() for path in root.glob(name))
    except (ValueError, NotImplementedError):  # no pattern after all, such as 'a**'
        there = False
    paths = find_files(root, [name], option, problems) if there else []
    if len(paths) > 1:
        names = ", ".join(name_in(root, path) for path in paths)
        problems.refuse(name, value=names, wanted=f"one file, or a narrower pattern in '{option}'")
    return paths


def _refuse_missing(root: Path, paths: Paths, problems: Problems) -> None:
    for side in schema.SIDES:
        train, test = paths[schema.TRAIN][side], paths[schema.TEST][side]
        if not train:
            pattern = PATTERNS[schema.CONTENT_TOPICS].replace("{side}", WORD_OF[side])
            name = pattern.replace("{part}", schema.TRAIN)
            wanted = f"training arrays of the {side}s, such as {name}, or the option 'arrays'"
            problems.refuse(root.name, value="none", wanted=wanted)
        if any(paths[schema.TEST].values()) and set(train) != set(test):
            modality = sorted(set(train) ^ set(test))[0]
            one = name_in(root, {**train, **test}[modality])
            wanted = (
                f"the {modality} of the {side}s for train and test, or "
                f"'arrays: {{{modality}: ~}}' to leave it out"
            )
            problems.refuse(one, value="no such array of the other part", wanted=wanted)


def _refuse_misfits(arrays: Mapping[str, Mapping[str, Arrays]], problems: Problems) -> None:
    widths: dict[str, NamedArray] = {}
    for sides in arrays.values():
        first = next(iter(sides[schema.BRAND].values()))
        for array, modality in (
            (one, name) for side in sides.values() for name, one in side.items()
        ):
            n_rows, width = array.rows.shape
            if n_rows % 2:
                wanted = "an even number: every pair has a positive and a negative row"
                problems.refuse(array.file, value=f"{n_rows} rows", wanted=wanted)
            if n_rows != len(first.rows):
                wanted = f"{len(first.rows)} rows, as in {first.file}"
                problems.refuse(array.file, value=f"{n_rows} rows", wanted=wanted)
            known = widths.setdefault(modality, array)
            if known.rows.shape[1] != width:
                wanted = f"{known.rows.shape[1]} columns, as in {known.file}"
                problems.refuse(array.file, value=f"{width} columns", wanted=wanted)


def identify_rows(arrays: Arrays, what: str, problems: Problems) -> list[bytes]:
    """Returns an identity of every row: equal where all vectors of two rows are equal.

    Numbers are compared as float32, so that the same numbers in another type are the same account.

    Args:
        arrays: Of one part and side.
        what: Of whom, for progress.
        problems: Told of rows that are no account's: with a vector that cannot be used, or without
            any vector.

    Returns:
        Row -> 16 bytes of a hash; b"" for a row that is no account's.
    """
    n_rows = len(next(iter(arrays.values())).rows)
    identities: list[bytes] = []
    for start in track(range(0, n_rows, BLOCK), what, unit="blocks", total=-(-n_rows // BLOCK)):
        identities += _identify_block(arrays, start, problems)
    return identities


def _identify_block(arrays: Arrays, start: int, problems: Problems) -> Iterator[bytes]:
    blocks = []
    faults: dict[int, tuple[str, str]] = {}
    for array in arrays.values():
        vectors, wanted = check_rows(array.rows[start : start + BLOCK])
        blocks.append(vectors)
        for i, fault in enumerate(wanted):
            if fault is not None:
                faults.setdefault(i, (array.file, fault))
    joined = np.hstack(blocks)
    for empty in np.flatnonzero(~joined.any(axis=1)):
        file = ", ".join(array.file for array in arrays.values())
        faults[int(empty)] = (file, "a vector in one array at least")
    for i, row in enumerate(joined):
        if i in faults:
            file, fault = faults[i]
            place = start + i + 1
            problems.skip(file, row=place, column="", value="the row", wanted=fault, kind=OWN)
        yield b"" if i in faults else hashlib.blake2b(row.tobytes(), digest_size=16).digest()
