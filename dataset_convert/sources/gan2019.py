"""The raw release of the brand-micro-influencer data set of Gan et al. (ACM MM 2019)."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from dataset_convert import raw, schema
from dataset_convert.engine import Engine
from dataset_convert.folders import WITHIN, find_files, fingerprint, inside, name_in
from dataset_convert.problems import NAME, OWN, Problems
from dataset_convert.raw import MERGED, RawMaterial
from dataset_convert.sources import check_options
from dataset_convert.sources.gan2019_rows import (
    FOLDERS,
    Images,
    Names,
    Readers,
    Row,
    Rows,
    name_or_word,
    read_posts,
)
from dataset_convert.values import BadValue, count, number

DESCRIPTION = (
    "the raw release of Gan et al. (2019): workbooks of biographies, posts and ground truth, image "
    "folders, and the published splits morning and gan2019"
)

PUBLISHED_SPLITS = ("morning", "gan2019")
"""The published ones, of `--split`."""

Posts = Literal["brand_posts", "influencer_posts", "audience_posts"]
Kind = Literal[
    Posts, "brand_biographies", "influencer_biographies", "pairs", "training_pairs", "test_pairs",
    "categories",
]  # fmt: skip

_PAIR: Final = ("brand", "influencer", "competence")
_POST: Final = ("path1", "path2", "text", "timestamp")
_COUNTED: Final = (*_POST, "comments", "likes")
TEST_LIST: Final = "test_list"
TEST_LISTS: Final = {"morning": "testset_r.xls*", "gan2019": "test_set.xls*"}
"""Split -> where its test list is looked for."""
WORKBOOKS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "brand_biographies": ("brand_biography.xls*", ("brand", "biography")),
    "influencer_biographies": (
        "influencer_biography.xls*",
        ("brand", "influencer", "biography", "followers"),
    ),
    "brand_posts": ("*_post*.xls*", ("brand", *_COUNTED)),
    "influencer_posts": ("*_in_post*.xls*", ("brand", "influencer", *_COUNTED)),
    "audience_posts": ("audience_posts*.xls*", ("account", "member", *_POST)),
    "pairs": ("pre_dataset.xls*", _PAIR),
    "training_pairs": ("pre_dataset_train.xls*", _PAIR),
    "test_pairs": ("pre_dataset_test.xls*", _PAIR),
    "categories": ("brand_categories.xls*", ("brand", "category")),
    TEST_LIST: ("", ("brand", "influencer", "label")),
}
"""Kind of file -> where it is looked for, and its columns in the order of a workbook without
header. A file belongs to the narrowest pattern it fits."""
_NOT_NEEDED: Final = {"competence", "followers", "path1", "path2", "timestamp", "comments", "likes"}
_CONTENT: Final = ("brand_posts", "influencer_posts")
_TRUTH: Final = ("pairs", "training_pairs", "test_pairs")

CATEGORY_NAMES: Final = (
    *("airline", "auto", "clothing", "drink", "electronics", "entertainment"),
    *("food", "jewelry", "makeup", "nonprofit", "services", "shoes"),
)
BRANDS_A_CATEGORY: Final = 30

ONE_PAIR: Final = "every pair once: the first row stays"
ONE_CONTENT: Final = "the same content in every row of an account: the first row stays"
ONE_ROLE: Final = "one role an account, brand or influencer: the first row stays"
IN_BOTH: Final = "every brand in training or in test: the test list decides"

_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([nrt\\]))", re.ASCII
)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")

Pair = tuple[str, str]


class Settings(BaseModel):
    """The mapping `source` of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    files: dict[Kind, tuple[str, ...]] = {}  # names or patterns, as far as they were given
    images: dict[Posts, str] = {}  # the folder of the images, within the release
    split: Literal["morning", "gan2019", "none"] = "morning"  # which published one is used
    max_posts: int = Field(default=50, ge=1)  # an account (H of the paper)
    max_members: int = Field(default=25, ge=1)  # of an audience (Q)
    max_member_posts: int = Field(default=2, ge=1)  # a member (L)
    seed: int = Field(default=2026, ge=0)  # of the choice where there are more
    synthetic: bool = False

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        lists = {kind: tuple(x) if isinstance(x, list) else (x,) for kind, x in value.items()}
        if not all(x and all(isinstance(name, str) and name for name in x) for x in lists.values()):
            raise ValueError("hold a file's name, a pattern, or a list of them for every kind")
        return lists


def read(folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
    """Reads a release; `docs/convert_gan2019.md` tells the files and the options.

    Every workbook is read once. The posts are kept in a database, from which they are streamed.

    Args:
        folder: Where the files are; nothing outside of it is read.
        options: The mapping `source` of the configuration, without the source's name.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: A wrong option, a file that is missing or cannot be trusted, or one of
            which no row can be used.
    """
    settings = check_options(Settings, options, {"files": [*WORKBOOKS], "images": [*FOLDERS]})
    root = Path(folder).resolve()
    if not root.is_dir():
        problems.refuse(str(folder), value="no such folder", wanted="the folder of a release")
    return _Release(root, settings, problems).read()


class _Release:
    """A release on its way to raw material: the ground truth first, then what it tells of."""

    def __init__(self, root: Path, settings: Settings, problems: Problems) -> None:
        self.root, self.settings, self.problems = root, settings, problems
        self.files = _find_workbooks(root, settings, problems)
        self.images = {
            kind: Images(root, _image_folder(root, settings, kind, problems)) for kind in FOLDERS
        }
        self.names = Names()
        self.brand = self.names.known(schema.BRAND)
        self.influencer = self.names.known(schema.INFLUENCER)
        self.competence: dict[Pair, float | None] = {}

    def read(self) -> RawMaterial:
        self._read_pairs()
        halves: dict[str, set[str]]
        halves = {kind: self._read_half(kind) for kind in _TRUTH[1:] if kind in self.files}
        accounts = self._accounts(self._categories())
        parts = self._parts(halves) if TEST_LIST in self.files else {}
        # The choice bounds what is kept, so that little memory is enough.
        engine = Engine(self.root, memory="128MB", threads=1)
        streams = []
        for kinds, limits in (
            (_CONTENT, (1, self.settings.max_posts)),
            (("audience_posts",), (self.settings.max_members, self.settings.max_member_posts)),
        ):
            there = {
                kind: (self._rows(kind), self.images[kind]) for kind in kinds if kind in self.files
            }
            streams.append(read_posts(there, self.names, self.settings.seed, limits, engine))
        rows = [(*pair, competence, np.nan) for pair, competence in self.competence.items()]
        pairs = pd.DataFrame(rows, columns=[*schema.INTERACTION_TYPES], dtype=object)
        numbers = [schema.COMPETENCE, schema.TIMESTAMP]
        return RawMaterial(
            accounts=accounts,
            collaborations=pairs.astype(dict.fromkeys(numbers, np.float64)),
            posts=streams[0],
            audience_posts=streams[1],
            brand_parts=parts,
            influencer_category_is_profile=False,
            vectors={},
            fingerprints=self._fingerprints(),
            synthetic=self.settings.synthetic,
            n_posts=streams[0].n_posts,
            n_audience_posts=streams[1].n_posts,
        )

    def _read(self, kind: str, readers: Readers) -> Iterator[tuple[Row, Any]]:
        return self._rows(kind).read(readers) if kind in self.files else iter(())

    def _rows(self, kind: str) -> Rows:
        columns = WORKBOOKS[kind][1]
        needed = set(columns) - _NOT_NEEDED
        if kind in ("influencer_biographies", "influencer_posts"):
            needed.remove("brand")
        return Rows(self.root, self.files[kind], columns, frozenset(needed), self.problems)

    # --- the ground truth

    def _read_pairs(self) -> None:
        readers: Readers = [
            ("brand", name_or_word),
            ("influencer", name_or_word),
            ("competence", number),
        ]
        for row, (brand, influencer, competence) in self._read("pairs", readers):
            if brand.casefold() == influencer.casefold():
                row.skip("influencer", influencer, "two accounts, a brand and an influencer")
                continue
            one = self.names.admit(brand, schema.BRAND)
            other = self.names.admit(influencer, schema.INFLUENCER) if one else None
            if one is None or other is None:
                column, name = ("influencer", influencer) if one else ("brand", brand)
                row.skip(column, name, ONE_ROLE)
            elif (one, other) in self.competence:
                is_same = self.competence[one, other] == competence
                row.skip("influencer", other, MERGED if is_same else ONE_PAIR)
            else:
                self.competence[one, other] = competence

    def _read_half(self, kind: str) -> set[str]:
        """Reads training or test pairs, which fill in what the ground truth lacks; their brands."""
        readers: Readers = [
            ("brand", self.brand),
            ("influencer", self.influencer),
            ("competence", number),
        ]
        brands = set()
        for row, (brand, influencer, competence) in self._read(kind, readers):
            if (brand, influencer) not in self.competence:
                row.skip("influencer", influencer, "a pair of the ground truth")
                continue
            brands.add(brand)
            known = self.competence[brand, influencer]
            if known is None:
                self.competence[brand, influencer] = competence
            # Spreadsheets keep 15 to 17 digits.
            elif competence is not None and not math.isclose(competence, known, abs_tol=1e-12):
                wanted = "the competence of pre_dataset.xls, which stays"
                row.note("competence", competence, wanted)
        return brands

    def _categories(self) -> dict[str, str]:
        """Account -> category; an influencer's is that of most of its brands, or the first's."""
        found: dict[str, str] = {}
        brands, n_brands = self.names.of_role(schema.BRAND), len(CATEGORY_NAMES) * BRANDS_A_CATEGORY
        if "categories" in self.files:
            readers: Readers = [("brand", self.brand), ("category", name_or_word)]
            for row, (brand, category) in self._read("categories", readers):
                if found.setdefault(brand, category) != category:
                    row.skip("category", category, "one category a brand: the first stays")
        elif len(brands) == n_brands:
            found = {
                brand: CATEGORY_NAMES[i // BRANDS_A_CATEGORY] for i, brand in enumerate(brands)
            }
        else:
            self.problems.refuse(
                self.files["pairs"][0].name,
                value=f"{len(brands)} brands",
                wanted=f"{n_brands} brands, {BRANDS_A_CATEGORY} a category in the published order, "
                "or a table of brands and categories in option 'files.categories'",
            )
        counts: dict[str, Counter[str]] = {}
        for brand, influencer in self.competence:
            if brand in found:
                counts.setdefault(influencer, Counter())[found[brand]] += 1
        return found | {one: several.most_common(1)[0][0] for one, several in counts.items()}

    # --- accounts and parts

    def _accounts(self, categories: Mapping[str, str]) -> pd.DataFrame:
        """Brands, then influencers, in the order of the ground truth, with what is told of them.

        The release repeats biographies for every brand: first values stay.
        """
        biographies: dict[str, str] = {}
        followers: dict[str, float] = {}
        for role, known in ((schema.BRAND, self.brand), (schema.INFLUENCER, self.influencer)):
            kind, contradicted = f"{role}_biographies", set()
            readers: Readers = [(role, known), ("biography", unescaped), ("followers", count)]
            for row, (account, text, n) in self._read(kind, readers) if kind in self.files else ():
                biography = row.cut("biography", text)
                differs = bool(biography) and (
                    biographies.setdefault(account, biography) != biography
                )
                differs |= n is not None and followers.setdefault(account, n) != n
                if differs and account not in contradicted:
                    contradicted.add(account)
                    row.note(role, account, ONE_CONTENT)
        rows = [
            (one, role, "", biographies.get(one, ""), categories.get(one), followers.get(one))
            for role in schema.SIDES
            for one in self.names.of_role(role)
        ]
        frame = pd.DataFrame(rows, columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
        return frame.astype({raw.FOLLOWERS: np.float64})

    def _parts(self, halves: Mapping[str, set[str]]) -> dict[str, str]:
        """Brand -> train or test, by the test list of the split.

        A brand that stands in both halves of a split is for the test alone, and told of. So are
        pairs of test brands that are not positive in the list. Repeated rows, with which the
        published lists are padded, count once.
        """
        labels: dict[Pair, bool] = {}
        repeated: list[Row] = []
        readers: Readers = [
            ("brand", self.brand),
            ("influencer", self.influencer),
            ("label", _label),
        ]
        n_labels = 0
        for row, (brand, influencer, label) in self._read(TEST_LIST, readers):
            pair = brand, influencer
            if label and pair not in self.competence:
                wanted = "a pair of the ground truth where the label is 1"
                row.skip("influencer", influencer, wanted)
            elif labels.setdefault(pair, label) != label:
                row.skip("label", int(label), "one label a pair: the first row stays")
            elif len(labels) == n_labels:
                repeated.append(row)
            n_labels = len(labels)
        if repeated:
            repeated[0].note("", f"{len(repeated)} repeated rows from here on", "every row once")
        brands = {brand for brand, _ in labels}
        file = name_in(self.root, self.files[TEST_LIST][0])
        others = [pair for pair in self.competence if pair[0] in brands and not labels.get(pair)]
        if others:
            value = f"{len(others)} other pairs of its brands"
            wanted = "every pair of a test brand as a positive row: the pairs stay"
            self.problems.note(file, row=None, column="label", value=value, wanted=wanted, kind=OWN)
        train = halves.get("training_pairs", set())
        for brand in sorted(train & halves.get("test_pairs", brands)):
            self.problems.note(
                file, row=None, column="brand", value=brand, wanted=IN_BOTH, kind=NAME
            )
        return {
            brand: schema.TEST if brand in brands else schema.TRAIN
            for brand in self.names.of_role(schema.BRAND)
        }

    def _fingerprints(self) -> dict[str, str]:
        parts = {
            # Names and categories come from the pairs.
            raw.ACCOUNTS: ("brand_biographies", "influencer_biographies", "pairs", "categories"),
            raw.COLLABORATIONS: _TRUTH,
            raw.POSTS: (*_CONTENT, "pairs"),
            raw.AUDIENCE: ("audience_posts", "pairs"),
            raw.SPLITS: (TEST_LIST, *_TRUTH),
        }
        found = {}
        for part, kinds in parts.items():
            paths = [path for kind in kinds for path in self.files.get(kind, ())]
            seen = {kind: self.images[kind].fingerprint() for kind in kinds if kind in self.images}
            how = json.dumps([self.settings.model_dump(), seen], sort_keys=True)
            found[part] = fingerprint(self.root, paths, how, self.problems)
        return found


def _label(text: str) -> bool:
    value = number(text)
    if value not in (0, 1):
        raise BadValue(text, "0 or 1")
    return value == 1


def unescaped(text: str) -> str:
    r"""Returns text with the characters for which escapes stand in it, such as `\n` or `\u2764`.

    Two halves of a character that stand together, as in `\ud83d\ude00`, become one character; a
    half alone becomes '?'. What is no escape stays as it is.
    """
    if "\\" not in text:
        return text
    joined = _HALVES.sub(
        lambda match: match[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"),
        _ESCAPE.sub(_character, text),
    )
    return joined.encode("utf-8", "replace").decode("utf-8")


def _character(match: re.Match[str]) -> str:
    if match[4]:
        return _LETTERS[match[4]]
    number = int(match[1] or match[2] or match[3], 16)
    return chr(number) if number < 0x110000 else match[0]


def _find_workbooks(root: Path, settings: Settings, problems: Problems) -> dict[str, list[Path]]:
    """Kind -> its workbooks, sorted by name; kinds of which there are none are left out."""
    patterns = {kind: pattern for kind, (pattern, _) in WORKBOOKS.items() if pattern}
    if settings.split != "none":
        patterns[TEST_LIST] = TEST_LISTS[settings.split]
    given = {str(kind): names for kind, names in settings.files.items()}
    found: dict[str, list[Path]] = {}
    for kind, default in patterns.items():
        # Spreadsheets keep a file with ~$ beside a workbook that is open.
        there = [path.name for path in root.glob(default) if path.is_file()]
        names = given.get(kind) or [name for name in there if not name.startswith("~$")]
        paths = sorted(find_files(root, names, f"files.{kind}", problems))
        if len(paths) > 1 and kind not in FOLDERS:
            value = ", ".join(path.name for path in paths)
            one = f"one file, or its name in option 'files.{kind}'"
            problems.refuse(root.name, value=value, wanted=one)
        found[kind] = paths
    if "brand_posts" not in settings.files:
        # Their pattern fits the workbooks of all posts.
        others = {path for kind, paths in found.items() if kind != "brand_posts" for path in paths}
        found["brand_posts"] = [path for path in found["brand_posts"] if path not in others]
    wanted = {"pairs": "the ground truth pre_dataset.xls, or its name in option 'files.pairs'"}
    if TEST_LIST in patterns:
        file = patterns[TEST_LIST].replace("*", "x")
        wanted[TEST_LIST] = (
            f"{file}, the test list of the split '{settings.split}', or another 'split'"
        )
    for kind, what in wanted.items():
        if not found[kind]:
            value = ", ".join(sorted(path.name for path in root.iterdir()))
            problems.refuse(root.name, value=value or "nothing", wanted=what)
    return {kind: paths for kind, paths in found.items() if paths}


def _image_folder(root: Path, settings: Settings, kind: str, problems: Problems) -> str:
    given = {str(kind): folder for kind, folder in settings.images.items()}
    folder = given.get(kind, "audience" if kind == "audience_posts" else ".")
    if inside(root, folder) is None:
        problems.refuse(f"option 'images.{kind}'", value=folder, wanted=WITHIN)
    return folder
