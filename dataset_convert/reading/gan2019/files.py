"""Which workbooks of a release hold what."""

from collections.abc import Mapping
from pathlib import Path

from dataset_convert.problems import Problems
from dataset_convert.reading.files import WITHIN, find_files, inside
from dataset_convert.reading.gan2019.settings import (
    AUDIENCE_POSTS,
    BRAND_POSTS,
    FILES,
    INFLUENCER_POSTS,
    NO_SPLIT,
    PAIRS,
    TEST_LIST,
    TEST_LISTS,
    Settings,
)

_SINGLE = frozenset(FILES) - {BRAND_POSTS, INFLUENCER_POSTS, AUDIENCE_POSTS}


def find_workbooks(root: Path, settings: Settings, problems: Problems) -> dict[str, list[Path]]:
    """Returns kind -> its workbooks, sorted by name; kinds of which there are none are left out.

    Args:
        root: The release, resolved.
        settings: Which names were given.
        problems: Of the conversion.

    Raises:
        ConversionError: A name without a file, no ground truth, no test list of the split, or
            several files where one is wanted.
    """
    patterns = FILES | {TEST_LIST: TEST_LISTS[settings.split]}
    found: dict[str, list[Path]] = {}
    for kind, default in patterns.items():
        if kind in settings.files:
            paths = find_files(root, settings.files[kind], f"files.{kind}", problems)
        else:
            paths = _default(root, default, kind, problems)
        if paths:
            found[kind] = sorted(paths)
        if kind in _SINGLE and len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            wanted = f"one file, or its name in option 'files.{kind}'"
            problems.refuse(root.name, value=names, wanted=wanted)
    if BRAND_POSTS not in settings.files:
        _leave_to_others(found)
    _refuse_missing(root, found, settings, problems)
    return found


def _default(root: Path, patterns: tuple[str, ...], kind: str, problems: Problems) -> list[Path]:
    there = [pattern for pattern in patterns if any(path.is_file() for path in root.glob(pattern))]
    paths = find_files(root, there, f"files.{kind}", problems)
    # Spreadsheets keep such a file beside a workbook that is open.
    return [path for path in paths if not path.name.startswith("~$")]


def _leave_to_others(found: dict[str, list[Path]]) -> None:
    """The pattern of brands' posts fits the workbooks of all posts."""
    others = {path for kind, paths in found.items() if kind != BRAND_POSTS for path in paths}
    left = [path for path in found.pop(BRAND_POSTS, []) if path not in others]
    if left:
        found[BRAND_POSTS] = left


def _refuse_missing(
    root: Path, found: Mapping[str, list[Path]], settings: Settings, problems: Problems
) -> None:
    wanted = {PAIRS: "the ground truth pre_dataset.xls"}
    if settings.split != NO_SPLIT:
        test_list = TEST_LISTS[settings.split][0].removesuffix("*") + "x"
        wanted[TEST_LIST] = (
            f"{test_list}, the test list of the split '{settings.split}', or another 'split'"
        )
    for kind, what in wanted.items():
        if kind not in found:
            there = ", ".join(sorted(path.name for path in root.iterdir())) or "nothing"
            wanted_file = f"{what}, or its name in option 'files.{kind}'"
            problems.refuse(root.name, value=there, wanted=wanted_file)


def image_folder(root: Path, settings: Settings, kind: str, problems: Problems) -> str:
    """Returns the folder, within the release, of the images of one kind of posts.

    Raises:
        ConversionError: It lies outside the release.
    """
    folder = settings.images[kind]
    if inside(root, folder) is None:
        problems.refuse(f"option 'images.{kind}'", value=folder, wanted=WITHIN)
    return folder
