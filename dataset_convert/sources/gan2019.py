"""The raw release of the brand-micro-influencer data set of Gan et al. (ACM MM 2019)."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from dataset_convert import raw, schema
from dataset_convert.common.errors import shown, wanted_word
from dataset_convert.engine import Engine
from dataset_convert.folders import WITHIN, find_files, fingerprint, inside, name_in
from dataset_convert.problems import NAME, OWN, Problems
from dataset_convert.raw import MERGED, RawMaterial
from dataset_convert.sources import check_options
from dataset_convert.sources.gan2019_rows import (
    FOLDERS,
    POST_COLUMNS,
    Images,
    LeftOut,
    Names,
    PostReader,
    Row,
    Rows,
    keyed_hash,
)
from dataset_convert.values import count, number

DESCRIPTION = (
    "the raw release of Gan et al. (2019): workbooks of biographies, posts and ground truth, image "
    "folders, and the published splits morning and gan2019"
)

PUBLISHED_SPLITS = ("morning", "gan2019")
"""The published ones, of `--split`."""

FILES: Final[dict[str, str]] = {
    "brand_biographies": "brand_biography.xls*",
    "influencer_biographies": "influencer_biography.xls*",
    "brand_posts": "*_post*.xls*",
    "influencer_posts": "*_in_post*.xls*",
    "audience_posts": "audience_posts*.xls*",
    "pairs": "pre_dataset.xls*",
    "training_pairs": "pre_dataset_train.xls*",
    "test_pairs": "pre_dataset_test.xls*",
    "categories": "brand_categories.xls*",
}
"""Kind of file -> where it is looked for. A file belongs to the narrowest pattern it fits."""

TEST_LIST: Final = "test_list"
TEST_LISTS: Final = {"morning": "testset_r.xls*", "gan2019": "test_set.xls*"}
"""Split -> where its test list is looked for."""

CATEGORY_NAMES: Final = (
    *("airline", "auto", "clothing", "drink", "electronics", "entertainment"),
    *("food", "jewelry", "makeup", "nonprofit", "services", "shoes"),
)
BRANDS_A_CATEGORY: Final = 30

ONE_PAIR: Final = "every pair once: the first row stays"
ONE_CONTENT: Final = "the same content in every row of an account: the first row stays"
IN_BOTH: Final = "every brand in training or in test: the test list decides"

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "brand_biographies": ("brand", "biography"),
    "influencer_biographies": ("brand", "influencer", "biography", "followers"),
    **dict.fromkeys(
        ("pairs", "training_pairs", "test_pairs"), ("brand", "influencer", "competence")
    ),
    "categories": ("brand", "category"),
    TEST_LIST: ("brand", "influencer", "label"),
    **POST_COLUMNS,
}
"""Kind -> its columns in the order of a workbook without header."""
_NOT_NEEDED: Final = frozenset(
    {"competence", "followers", "path1", "path2", "timestamp", "comments", "likes"}
)
_CONTENT: Final = ("brand_posts", "influencer_posts")
_TRUTH: Final[tuple[str, ...]] = ("pairs", "training_pairs", "test_pairs")

_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([nrt\\]))", re.ASCII
)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

Pair = tuple[str, str]


class Settings(BaseModel):
    """The mapping `source` of the configuration.

    Attributes:
        files: Kind -> names or patterns, as far as they were given.
        images: Kind of posts -> folder of the images, within the release.
        split: Which published split is used.
        max_posts: Posts an account (H of the paper).
        max_members: Members of an audience (Q).
        max_member_posts: Posts a member (L).
        seed: Of the choice where there are more.
        synthetic: Whether the material is synthetic.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    files: dict[str, tuple[str, ...]] = {}
    images: dict[str, str] = {}
    split: Literal["morning", "gan2019", "none"] = "morning"
    max_posts: int = Field(default=50, ge=1)
    max_members: int = Field(default=25, ge=1)
    max_member_posts: int = Field(default=2, ge=1)
    seed: int = Field(default=2026, ge=0)
    synthetic: bool = False

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        lists = {kind: tuple(x) if isinstance(x, list) else (x,) for kind, x in value.items()}
        if not all(
            names and all(isinstance(x, str) and x for x in names) for names in lists.values()
        ):
            raise ValueError("hold a file's name, a pattern, or a list of them for every kind")
        return lists

    @field_validator("files", "images")
    @classmethod
    def _of_kinds(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        known = FILES if info.field_name == "files" else FOLDERS
        for kind in value:
            if kind not in known:
                raise ValueError(f"have the key {wanted_word(kind, known)}, not {shown(kind)}")
        return value


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
    settings = check_options(Settings, options, {})
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
        self.competence: dict[Pair, float | None] = {}
        self.categories: dict[str, str] = {}

    def read(self) -> RawMaterial:
        self._read_pairs()
        halves = {kind: self._read_half(kind) for kind in _TRUTH[1:] if kind in self.files}
        self._read_categories()
        accounts = self._accounts()
        parts = self._parts(halves) if TEST_LIST in self.files else {}
        # The choice bounds what is kept, so that little memory is enough.
        engine = Engine(self.root, memory="128MB", threads=1)
        hash_of = keyed_hash(self.settings.seed)
        streams = []
        for kinds, max_members, max_posts in (
            (_CONTENT, 1, self.settings.max_posts),
            (("audience_posts",), self.settings.max_members, self.settings.max_member_posts),
        ):
            reader = PostReader(self.names, hash_of, max_members, max_posts)
            there = {
                kind: (self._rows(kind), self.images[kind]) for kind in kinds if kind in self.files
            }
            streams.append(reader.read(there, engine, kinds[-1], self.problems))
        return RawMaterial(
            accounts=accounts,
            collaborations=self._collaborations(),
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

    def _rows(self, kind: str) -> Rows:
        columns = COLUMNS[kind]
        needed = set(columns) - _NOT_NEEDED
        if kind in ("influencer_biographies", "influencer_posts"):
            needed.remove("brand")
        return Rows(self.root, self.files[kind], columns, frozenset(needed), self.problems)

    # --- the ground truth

    def _read_pairs(self) -> None:
        rows = self._rows("pairs")

        def parse(row: Row) -> tuple[Pair, float | None]:
            brand, influencer = row.name("brand"), row.name("influencer")
            if brand.casefold() == influencer.casefold():
                wanted = "two accounts, a brand and an influencer"
                raise LeftOut("influencer", influencer, wanted)
            admit = self.names.admit
            pair = admit(brand, schema.BRAND), admit(influencer, schema.INFLUENCER)
            return pair, row.value("competence", number)

        for row, (pair, competence) in rows.parsed(parse, spellings=("brand", "influencer")):
            if pair in self.competence:
                is_same = self.competence[pair] == competence
                row.skip("influencer", pair[1], MERGED if is_same else ONE_PAIR)
            else:
                self.competence[pair] = competence

    def _known_pair(self, row: Row) -> Pair:
        return (
            self.names.known(row, "brand", schema.BRAND),
            self.names.known(row, "influencer", schema.INFLUENCER),
        )

    def _read_half(self, kind: str) -> set[str]:
        """Reads training or test pairs, which fill in what the ground truth lacks; their brands."""

        def parse(row: Row) -> tuple[Pair, float | None]:
            pair = self._known_pair(row)
            if pair not in self.competence:
                raise LeftOut("influencer", pair[1], "a pair of the ground truth")
            return pair, row.value("competence", number)

        brands = set()
        for row, (pair, competence) in self._rows(kind).parsed(
            parse, spellings=("brand", "influencer")
        ):
            brands.add(pair[0])
            known = self.competence[pair]
            if known is None:
                self.competence[pair] = competence
            # Spreadsheets keep 15 to 17 digits.
            elif competence is not None and not math.isclose(competence, known, abs_tol=1e-12):
                wanted = "the competence of pre_dataset.xls, which stays"
                row.note("competence", competence, wanted)
        return brands

    def _read_categories(self) -> None:
        if "categories" in self.files:

            def parse(row: Row) -> Pair:
                return self.names.known(row, "brand", schema.BRAND), row.name("category")

            for row, (brand, category) in self._rows("categories").parsed(parse):
                if self.categories.setdefault(brand, category) != category:
                    wanted = "one category a brand: the first stays"
                    row.skip("category", category, wanted)
            return
        brands, n_brands = self.names.of_role(schema.BRAND), len(CATEGORY_NAMES) * BRANDS_A_CATEGORY
        if len(brands) != n_brands:
            self.problems.refuse(
                self.files["pairs"][0].name,
                value=f"{len(brands)} brands",
                wanted=f"{n_brands} brands, {BRANDS_A_CATEGORY} a category in the published order, "
                "or a table of brands and categories in option 'files.categories'",
            )
        for i, brand in enumerate(brands):
            self.categories[brand] = CATEGORY_NAMES[i // BRANDS_A_CATEGORY]

    def _influencer_categories(self) -> dict[str, str]:
        """Influencer -> the category of most of its brands; the first one's of several."""
        counts: dict[str, Counter[str]] = {}
        for brand, influencer in self.competence:
            if brand in self.categories:
                counts.setdefault(influencer, Counter())[self.categories[brand]] += 1
        return {influencer: found.most_common(1)[0][0] for influencer, found in counts.items()}

    def _collaborations(self) -> pd.DataFrame:
        rows = [(*pair, competence) for pair, competence in self.competence.items()]
        columns = [schema.BRAND_ID, schema.INFLUENCER_ID, schema.COMPETENCE]
        frame = pd.DataFrame(rows, columns=columns, dtype=object)
        frame[schema.COMPETENCE] = frame[schema.COMPETENCE].astype(np.float64)
        frame[schema.TIMESTAMP] = np.nan
        return frame

    # --- accounts and parts

    def _accounts(self) -> pd.DataFrame:
        """Brands, then influencers, in the order of the ground truth, with what is told of them."""
        biographies: dict[str, str] = {}
        followers: dict[str, float] = {}
        for kind, role in (
            ("brand_biographies", schema.BRAND),
            ("influencer_biographies", schema.INFLUENCER),
        ):
            if kind in self.files:
                self._read_profiles(kind, role, biographies, followers)
        categories = self.categories | self._influencer_categories()
        rows = [
            (one, role, "", biographies.get(one, ""), categories.get(one), followers.get(one))
            for role in schema.SIDES
            for one in self.names.of_role(role)
        ]
        frame = pd.DataFrame(rows, columns=list(raw.ACCOUNT_COLUMNS), dtype=object)
        return frame.assign(**{raw.FOLLOWERS: frame[raw.FOLLOWERS].astype(np.float64)})

    def _read_profiles(
        self, kind: str, role: schema.Side, biographies: dict[str, str], followers: dict[str, float]
    ) -> None:
        """Reads biographies, which the release repeats for every brand; first values stay."""

        def parse(row: Row) -> tuple[str, str, float | None]:
            account = self.names.known(row, role, role)
            return account, unescaped(row.text("biography")), row.value("followers", count)

        contradicted = set()
        for row, (account, biography, n_followers) in self._rows(kind).parsed(
            parse, spellings=(role,)
        ):
            biography = row.cut("biography", biography)
            differs = bool(biography) and biographies.setdefault(account, biography) != biography
            if n_followers is not None:
                differs |= followers.setdefault(account, n_followers) != n_followers
            if differs and account not in contradicted:
                contradicted.add(account)
                row.note(role, account, ONE_CONTENT)

    def _parts(self, halves: Mapping[str, set[str]]) -> dict[str, str]:
        """Brand -> train or test, by the test list of the split.

        A brand that stands in both halves of a split is for the test alone, and told of. So are
        pairs of test brands that are not positive in the list. Repeated rows, with which the
        published lists are padded, count once.
        """
        labels: dict[Pair, bool] = {}
        repeated: list[Row] = []

        def parse(row: Row) -> tuple[Pair, bool]:
            pair, label = self._known_pair(row), row.value("label", number)
            if label not in (0, 1):
                raise LeftOut("label", row.text("label"), "0 or 1")
            if label and pair not in self.competence:
                wanted = "a pair of the ground truth where the label is 1"
                raise LeftOut("influencer", pair[1], wanted)
            return pair, label == 1

        for row, (pair, label) in self._rows(TEST_LIST).parsed(parse):
            if pair not in labels:
                labels[pair] = label
            elif labels[pair] == label:
                repeated.append(row)
            else:
                row.skip("label", int(label), "one label a pair: the first row stays")
        if repeated:
            repeated[0].note("", f"{len(repeated)} repeated rows from here on", "every row once")
        brands = {brand for brand, _ in labels}
        others = sum(
            brand in brands and not labels.get((brand, one)) for brand, one in self.competence
        )
        file = name_in(self.root, self.files[TEST_LIST][0])
        if others:
            self.problems.note(
                file,
                row=None,
                column="label",
                value=f"{others} other pairs of its brands",
                wanted="every pair of a test brand as a positive row: the pairs stay",
                kind=OWN,
            )
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


def unescaped(text: str) -> str:
    r"""Returns text with the characters for which escapes stand in it, such as `\n` or `\u2764`.

    Two halves of a character that stand together, as in `\ud83d\ude00`, become one character; a
    half alone becomes '?'. What is no escape stays as it is.
    """
    if "\\" not in text:
        return text
    joined = _PAIR.sub(
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
    patterns = FILES | ({} if settings.split == "none" else {TEST_LIST: TEST_LISTS[settings.split]})
    found: dict[str, list[Path]] = {}
    for kind, default in patterns.items():
        given = settings.files.get(kind)
        # Spreadsheets keep a file with ~$ beside a workbook that is open.
        there = [path.name for path in root.glob(default) if path.is_file()]
        names = given or [name for name in there if not name.startswith("~$")]
        paths = sorted(find_files(root, names, f"files.{kind}", problems))
        if len(paths) > 1 and kind not in FOLDERS:
            value = ", ".join(path.name for path in paths)
            wanted = f"one file, or its name in option 'files.{kind}'"
            problems.refuse(root.name, value=value, wanted=wanted)
        found[kind] = paths
    if "brand_posts" not in settings.files:
        # Their pattern fits the workbooks of all posts.
        others = {path for kind, paths in found.items() if kind != "brand_posts" for path in paths}
        found["brand_posts"] = [path for path in found["brand_posts"] if path not in others]
    missing = {"pairs": "the ground truth pre_dataset.xls"}
    if TEST_LIST in patterns:
        file = patterns[TEST_LIST].replace("*", "x")
        missing[TEST_LIST] = (
            f"{file}, the test list of the split '{settings.split}', or another 'split'"
        )
    for kind, what in missing.items():
        if not found[kind]:
            there = sorted(path.name for path in root.iterdir())
            what = f"{what}, or its name in option 'files.{kind}'" if kind in FILES else what
            problems.refuse(root.name, value=", ".join(there) or "nothing", wanted=what)
    return {kind: paths for kind, paths in found.items() if paths}


def _image_folder(root: Path, settings: Settings, kind: str, problems: Problems) -> str:
    folder = settings.images.get(kind, "audience" if kind == "audience_posts" else ".")
    if inside(root, folder) is None:
        problems.refuse(f"option 'images.{kind}'", value=folder, wanted=WITHIN)
    return folder
