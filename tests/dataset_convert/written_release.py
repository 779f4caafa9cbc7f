"""Raw material as the files of the source `gan2019`: a release with every part of the layout."""

import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import openpyxl
import pandas as pd
import xlwt
from openpyxl.cell import WriteOnlyCell

from dataset_convert import raw, schema
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.sources.gan2019 import BRANDS_A_CATEGORY, CATEGORY_NAMES, TEST_LISTS

N_PADDING: Final = 30
"""Rows that the published test list of the split `morning` repeats at its end."""

_POST: Final = ("path1", "path2", "text", "timestamp", "#comments", "#likes")
_HEADERS: Final = {
    schema.BRAND: ("Brand", *_POST),
    schema.INFLUENCER: ("Brand", "Micro-influencer", *_POST),
}
_AUDIENCE_HEADER: Final = ("account", "member", "path1", "path2", "text", "timestamp")
_FILE_OF: Final = {schema.BRAND: "brand_post_v1", schema.INFLUENCER: "in_post_v1"}

Pairs = list[tuple[str, str, float | None]]
Value = str | float | int | None

ESCAPED: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
NOT_XML: Final = re.compile(r"[\x00-\x08\x0b-\x1f]")


class Workbook:
    """An .xlsx file that grows by rows; memory does not."""

    def __init__(self, path: Path, header: Sequence[str] | None = None) -> None:
        self._path, self._header = path, header
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet: Any = None

    def append(self, row: Iterable[Value]) -> None:
        """Adds a row."""
        # A sheet that is begun must be saved.
        if self._sheet is None:
            self._sheet = self._book.create_sheet()
            if self._header is not None:
                self._sheet.append(list(self._header))
        self._sheet.append([self._cell(value) for value in row])

    def close(self) -> None:
        """Writes the file."""
        self._book.save(self._path)

    def _cell(self, value: Value) -> Any:
        if not isinstance(value, str):
            return value
        text = ESCAPED.sub("_x005F_", value)
        cell = WriteOnlyCell(self._sheet, NOT_XML.sub(lambda m: f"_x{ord(m[0]):04X}_", text))
        # What starts with = would become a formula.
        cell.data_type = "s"
        return cell


def write_workbook(
    path: Path, rows: Iterable[Iterable[Value]], header: Sequence[str] | None = None
) -> None:
    """Writes an .xlsx file of at least one row."""
    book = Workbook(path, header)
    for row in rows:
        book.append(row)
    book.close()


def write_xls(path: Path, rows: Iterable[Iterable[Value]]) -> None:
    """Writes an .xls file of one sheet."""
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("Sheet1")
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(number, column, value)
    book.save(str(path))


def write_release(material: RawMaterial, folder: Path, *, split: str = "morning") -> None:
    """Writes raw material as a release of the layout of Gan et al. (2019).

    The layout has no place for labels of posts, names, followers of brands, the times of pairs and
    the difference between training and validation brands: these are left out. Where the brands are
    not the published number in every category, `brand_categories.xlsx` tells theirs, which no
    release has. Posts are streamed from the material to the workbooks; their images are copied.
    """
    category_of = _categories(material)
    pairs = _pairs(material)
    folder.mkdir(parents=True)
    if _is_of_published_size(category_of):
        order = {name: place for place, name in enumerate(CATEGORY_NAMES)}
        pairs.sort(key=lambda pair: order[category_of[pair[0]]])
    else:
        rows = list(category_of.items())
        write_workbook(folder / "brand_categories.xlsx", rows, ("Brand", "category"))
    _write_pairs(folder, pairs, material.brand_parts)
    if material.brand_parts:
        file = TEST_LISTS[split].replace("*", "x")
        _write_test_list(folder / file, pairs, material.brand_parts, split)
    _write_biographies(folder, material, pairs)
    _write_posts(folder, material, pairs)
    _write_audience(folder, material)


def _categories(material: RawMaterial) -> dict[str, str]:
    rows = material.accounts[material.accounts[raw.ROLE] == schema.BRAND]
    return dict(zip(rows[raw.ACCOUNT], rows[raw.CATEGORY], strict=True))


def _pairs(material: RawMaterial) -> Pairs:
    return [
        (brand, influencer, None if pd.isna(competence) else float(competence))
        for brand, influencer, competence in material.collaborations[
            [schema.BRAND_ID, schema.INFLUENCER_ID, schema.COMPETENCE]
        ].itertuples(index=False)
    ]


def _is_of_published_size(category_of: Mapping[str, str]) -> bool:
    return Counter(category_of.values()) == dict.fromkeys(CATEGORY_NAMES, BRANDS_A_CATEGORY)


def _write_pairs(folder: Path, pairs: Pairs, parts: Mapping[str, str]) -> None:
    numbers = {name: i for i, name in enumerate(dict.fromkeys(pair[1] for pair in pairs), 1)}
    of_brand = defaultdict(list)
    for brand, influencer, competence in pairs:
        of_brand[brand].append((-(competence or 0.0), influencer))
    rank = {
        (brand, influencer): place
        for brand, found in of_brand.items()
        for place, (_, influencer) in enumerate(sorted(found), start=1)
    }
    rows = [(b, i, competence, numbers[i], rank[b, i]) for b, i, competence in pairs]
    write_xls(folder / "pre_dataset.xls", rows)
    for half in ("train", "test"):
        there = [row for row in rows if (parts.get(row[0]) == schema.TEST) == (half == "test")]
        if parts and there:
            write_workbook(folder / f"pre_dataset_{half}.xlsx", there)


def _write_test_list(path: Path, pairs: Pairs, parts: Mapping[str, str], split: str) -> None:
    positives = {pair[:2] for pair in pairs if parts.get(pair[0]) == schema.TEST}
    brands = dict.fromkeys(pair[0] for pair in pairs if pair[:2] in positives)
    influencers = dict.fromkeys(pair[1] for pair in pairs if pair[:2] in positives)
    rows = [(b, i, int((b, i) in positives)) for b in brands for i in influencers]
    write_workbook(path, rows + rows[:N_PADDING] * (split == "morning"))


def _write_biographies(folder: Path, material: RawMaterial, pairs: Pairs) -> None:
    frame = material.accounts.set_index(raw.ACCOUNT)
    biography = {account: _escaped(text) for account, text in frame[raw.BIOGRAPHY].items()}
    followers = frame[raw.FOLLOWERS].to_dict()
    brands = dict.fromkeys(pair[0] for pair in pairs)
    write_workbook(
        folder / "brand_biography.xlsx",
        [(brand, biography[brand]) for brand in brands],
        ("Brand", "biography"),
    )
    write_workbook(
        folder / "influencer_biography.xlsx",
        [
            (brand, name, biography[name], None if pd.isna(followers[name]) else followers[name])
            for brand, name, _ in pairs
        ],
    )


def _escaped(text: object) -> str:
    r"""Returns a biography as the release writes it: `\n`, and emoji as `\ud83d\ude00`."""
    if not isinstance(text, str):
        return ""
    lines = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return re.sub("[\U00010000-\U0010ffff]", _surrogates, lines)


def _surrogates(match: re.Match[str]) -> str:
    halves = match[0].encode("utf-16-be").hex()
    return f"\\u{halves[:4]}\\u{halves[4:]}"


def _write_posts(folder: Path, material: RawMaterial, pairs: Pairs) -> None:
    """Writes a workbook a category and role; an influencer stands under its first brand."""
    category_of = _categories(material)
    brand_of = {influencer: brand for brand, influencer, _ in reversed(pairs)}
    numbers: Counter[str] = Counter()
    books: dict[str, Workbook] = {}
    for post in material.posts():
        numbers[post.account] += 1
        brand = brand_of.get(post.account)
        role = schema.BRAND if brand is None else schema.INFLUENCER
        owners = (post.account,) if brand is None else (brand, post.account)
        name = f"{_slug(category_of[owners[0]])}_{_FILE_OF[role]}.xlsx"
        if name not in books:
            books[name] = Workbook(folder / name, _HEADERS[role])
        paths = _copied(post, folder.joinpath(*owners), numbers[post.account])
        row: tuple[Value, ...] = (*owners, *paths, post.text, post.timestamp)
        books[name].append((*row, post.n_comments, post.n_likes))
    for book in books.values():
        book.close()


def _write_audience(folder: Path, material: RawMaterial) -> None:
    numbers: Counter[str] = Counter()
    book = Workbook(folder / "audience_posts.xlsx", _AUDIENCE_HEADER)
    for post in material.audience_posts():
        numbers[post.account] += 1
        owners = (post.account, post.member)
        paths = _copied(post, folder.joinpath("audience", *owners), numbers[post.account])
        book.append((*owners, *paths, post.text, post.timestamp))
    if numbers:
        book.close()


def _copied(post: Post, place: Path, number: int) -> tuple[int, str | None]:
    """Returns path1 and path2 of a post, whose image it copies."""
    if post.image is None:
        return number, None
    name = f"_0{post.image.suffix}"
    (place / str(number)).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(post.image, place / str(number) / name)
    return number, name


def _slug(category: str) -> str:
    return re.sub(r"[^0-9A-Za-z-]+", "-", category)
