"""Released per-pair feature arrays, brought back to accounts and the pairs that worked together."""

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from dataset_convert import raw, schema
from dataset_convert.common.commands import track
from dataset_convert.engine import Delimiter, Encoding, Engine, How
from dataset_convert.folders import WITHIN, find_files, fingerprint, inside, name_in
from dataset_convert.input_files import WORKBOOKS
from dataset_convert.problems import NAME, OWN, TEXT, WORD, Kind, Problems
from dataset_convert.raw import RawMaterial
from dataset_convert.sources import check_options
from dataset_convert.sources.gan2019 import ONE_ROLE
from dataset_convert.sources.gan2019_rows import Rows, name_or_word
from dataset_convert.values import tidy
from dataset_convert.vectors import BLOCK, Alignment, Array, Vector, check_rows, open_matrix

DESCRIPTION = (
    "the released feature arrays, a positive and a negative row a pair, such as "
    "trainset/brand_text_train.npy; accounts get their names from lists of pairs, where there are"
)

Modality = Literal[
    "content_topics", "content_visual", "audience_topics", "audience_visual", "attribute_vector"
]
PATTERNS: Final[dict[Modality, str]] = {
    schema.CONTENT_TOPICS: "{part}set/{side}_text_{part}.npy",
    schema.CONTENT_VISUAL: "{part}set/{side}_image_{part}.npy",
    schema.AUDIENCE_TOPICS: "audience_{part}set/{side}_text_{part}.npy",
    schema.AUDIENCE_VISUAL: "audience_{part}set/{side}_image_{part}.npy",
    schema.ATTRIBUTE_VECTOR: "attribute_{part}set_n2v/{side}_attribute_{part}_n2v*.npy",
}
"""Modality -> names of its arrays in the release. `*` leaves out the other test arrays, whose names
have another word before `n2v`: they pair every test brand with every test influencer."""

ONE_CATEGORY: Final = "one category a brand: the first row stays"
SAME_BRAND: Final = "the same brand in both rows of a pair: the positive row stays"
MERGED_PAIRS: Final = "every pair once: rows of the same pair were merged"
ONE_PART: Final = "a brand in train or in test: it stays in test, with all its pairs"
ONE_VECTOR: Final = "the same vectors in every row of an account: the most frequent ones stay"
A_NODE: Final = "a node of the embedding: it counts for nothing"
A_HEADER: Final = "the number of nodes and the dimension in line 1, as word2vec writes them"

_PARTS: Final = (schema.TRAIN, schema.TEST)
_WORD_OF: Final[dict[str, str]] = {schema.BRAND: "brand", schema.INFLUENCER: "in"}
"""Side -> what the arrays' names call it."""
_SEPARATORS = re.compile(r"[\s,;]+")

Pair = tuple[str, str]
"""Brand and influencer."""
Place = tuple[str, str, int]
"""Side, part and row, counted from 0, of an account's vectors."""


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class AttributeFiles(_Checked):
    """What attribute vectors are made from: accounts with attributes, and node embeddings."""

    table: str
    embedding: str


class Columns(_Checked):
    """Table -> our column -> theirs."""

    class Pairs(_Checked):
        """Of lists of pairs."""

        brand: str = "brand"
        influencer: str = "influencer"

    class Categories(_Checked):
        """Of a table of brands."""

        brand: str = "brand"
        category: str = "category"

    class Attributes(_Checked):
        """Of a table of accounts."""

        account: str = "account"
        attributes: str = "attributes"

    pairs: Pairs = Pairs()
    categories: Categories = Categories()
    attributes: Attributes = Attributes()


class Settings(_Checked):
    """The mapping `source` of the configuration.

    Attributes:
        arrays: Modality -> pattern; None for a modality that is left out.
        positive: Which row of a pair is the positive one.
        pairs: Part -> name of a table of the positive pairs in order.
        categories: Name of a table of brands and categories.
        attributes: Instead of arrays of attribute vectors.
        columns: Of these tables.
        encoding, delimiter: Of text files; found where they are not given.
        synthetic: Whether the material is synthetic.
    """

    arrays: dict[Modality, str | None] = {}
    positive: Literal["first", "second"] = "first"
    pairs: dict[Literal["train", "test"], str] = {}
    categories: str | None = None
    attributes: AttributeFiles | None = None
    columns: Columns = Columns()
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    synthetic: bool = False

    @field_validator("arrays")
    @classmethod
    def _patterns(cls, value: dict[str, str | None]) -> dict[str, str | None]:
        for pattern in value.values():
            if pattern is not None and not ("{side}" in pattern and "{part}" in pattern):
                raise ValueError("hold names with {side} and {part} in them, or ~")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> "Settings":
        if self.attributes is not None and self.arrays.get(schema.ATTRIBUTE_VECTOR) is not None:
            raise ValueError("have either 'attributes' or 'arrays: attribute_vector', not both")
        return self


class NamedArray(NamedTuple):
    """An array and its file's name for messages."""

    file: str
    rows: Array


def read(folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
    """Reads a release; `docs/convert_vectors.md` tells its layout and the options.

    Args:
        folder: Where the files are; nothing outside of it is read.
        options: The mapping `source` of the configuration, without the source's name.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: A wrong option, a file that is missing or cannot be trusted, or no pair
            that can be used.
    """
    of_columns = (*Columns.model_fields, "brand", "influencer", "category", "account")
    parts = {
        "arrays": [*PATTERNS],
        "pairs": _PARTS,
        "columns": of_columns,
        "attributes": [*AttributeFiles.model_fields],
    }
    settings = check_options(Settings, options, parts)
    root = Path(folder).resolve()
    if not root.is_dir():
        problems.refuse(str(folder), value="no such folder", wanted="a folder of feature arrays")
    return _Release(root, settings, problems).read()


class _Release:
    """A release on its way to raw material: arrays, accounts behind their rows, tables beside."""

    def __init__(self, root: Path, settings: Settings, problems: Problems) -> None:
        self.root, self.settings, self.problems = root, settings, problems
        self.positive = ("first", "second").index(settings.positive)
        self.paths: list[Path] = []
        self.arrays = self._find_arrays()
        self.parts = [part for part in _PARTS if any(self.arrays[part, x] for x in schema.SIDES)]
        self._refuse_missing()
        self._refuse_misfits()
        self.engine = Engine(root, memory="256MB", threads=1)

    def read(self) -> RawMaterial:
        names: dict[str, list[Pair]]
        names = {part: self._names(part, file) for part, file in self.settings.pairs.items()}
        brands, places = self._accounts(schema.BRAND, names, {})
        influencers, of_influencers = self._accounts(schema.INFLUENCER, names, places)
        places |= of_influencers
        pairs, parts = self._pairs(brands, influencers), self._brand_parts(brands)
        vectors: dict[str, dict[str, Vector]] = {}
        for account, (side, part, row) in places.items():
            for modality, array in self.arrays[part, side].items():
                vector = check_rows(array.rows[row : row + 1])[0][0]
                if vector.any():
                    vectors.setdefault(modality, {})[account] = vector
        if self.settings.attributes is not None:
            vectors[schema.ATTRIBUTE_VECTOR] = self._node_means(self.settings.attributes, places)
        categories = self._categories(set(brands["account"]))
        accounts = pd.DataFrame(
            [
                (account, place[0], "", "", categories.get(account), math.nan)
                for account, place in places.items()
            ],
            columns=list(raw.ACCOUNT_COLUMNS),
            dtype=object,
        )
        return RawMaterial(
            accounts=accounts.astype({raw.FOLLOWERS: np.float64}),
            collaborations=pairs,
            posts=lambda: iter(()),
            audience_posts=lambda: iter(()),
            brand_parts=parts,
            influencer_category_is_profile=False,
            vectors=vectors,
            fingerprints=self._fingerprints(),
            synthetic=self.settings.synthetic,
            n_posts=0,
            n_audience_posts=0,
        )

    def _fingerprints(self) -> dict[str, str]:
        """One for all parts: whatever changes may change which rows are one account."""
        how = json.dumps(self.settings.model_dump(), sort_keys=True)
        digest = fingerprint(self.root, self.paths, how, self.problems)
        return dict.fromkeys((raw.ACCOUNTS, raw.COLLABORATIONS, raw.SPLITS, raw.VECTORS), digest)

    # --- arrays

    def _find_arrays(self) -> dict[tuple[str, str], dict[str, NamedArray]]:
        """Part and side -> modality -> array, mapped; both parts have the same modalities."""
        given = self.settings.arrays
        patterns = {modality: given.get(modality, name) for modality, name in PATTERNS.items()}
        if self.settings.attributes is not None:
            # What is made from the attributes takes the place of the arrays.
            patterns[schema.ATTRIBUTE_VECTOR] = None
        found: dict[tuple[str, str], dict[str, NamedArray]]
        found = {(part, side): {} for part in _PARTS for side in schema.SIDES}
        for modality, pattern in patterns.items():
            n_found = len(self.paths)
            if pattern is None:
                continue
            for (part, side), arrays in found.items():
                name = pattern.replace("{part}", part).replace("{side}", _WORD_OF[side])
                path = self._find(name, modality)
                if path is not None:
                    file = name_in(self.root, path)
                    arrays[modality] = NamedArray(file, open_matrix(path, file, self.problems))
                    self.paths.append(path)
            if len(self.paths) == n_found and modality in given:
                wanted = "a pattern that names files of the folder"
                self.problems.refuse(f"option 'arrays.{modality}'", value=pattern, wanted=wanted)
        return found

    def _find(self, name: str, modality: str) -> Path | None:
        option = f"arrays.{modality}"
        if inside(self.root, name) is None:
            self.problems.refuse(f"option '{option}'", value=name, wanted=WITHIN)
        try:
            there = any(path.is_file() for path in self.root.glob(name))
        except (ValueError, NotImplementedError):  # no pattern after all, such as 'a**'
            there = False
        paths = find_files(self.root, [name], option, self.problems) if there else []
        if len(paths) > 1:
            value = ", ".join(name_in(self.root, path) for path in paths)
            wanted = f"one file, or a narrower pattern in '{option}'"
            self.problems.refuse(name, value=value, wanted=wanted)
        return paths[0] if paths else None

    def _refuse_missing(self) -> None:
        """Refuses a modality that a side or a part lacks."""
        has_test = schema.TEST in self.parts
        for side in schema.SIDES:
            train, test = (self.arrays[part, side] for part in _PARTS)
            if not train:
                pattern = PATTERNS[schema.CONTENT_TOPICS].replace("{side}", _WORD_OF[side])
                name = pattern.replace("{part}", schema.TRAIN)
                wanted = f"training arrays of the {side}s, such as {name}, or the option 'arrays'"
                self.problems.refuse(self.root.name, value="none", wanted=wanted)
            for modality in sorted(train.keys() ^ test.keys()) if has_test else ():
                wanted = (
                    f"the {modality} of the {side}s for train and test, or "
                    f"'arrays: {{{modality}: ~}}' to leave it out"
                )
                one = {**train, **test}[modality].file
                self.problems.refuse(one, value="no such array of the other part", wanted=wanted)

    def _refuse_misfits(self) -> None:
        """Refuses arrays whose rows or columns are not as many as those of others."""
        widths: dict[str, NamedArray] = {}
        for part in self.parts:
            first = self._first(part, schema.BRAND)
            for side in schema.SIDES:
                for modality, array in self.arrays[part, side].items():
                    n_rows, width = array.rows.shape
                    known = widths.setdefault(modality, array)
                    value, wanted = f"{n_rows} rows", ""
                    if n_rows % 2:
                        wanted = "an even number: every pair has a positive and a negative row"
                    elif n_rows != len(first.rows):
                        wanted = f"{len(first.rows)} rows, as in {first.file}"
                    elif width != known.rows.shape[1]:
                        value = f"{width} columns"
                        wanted = f"{known.rows.shape[1]} columns, as in {known.file}"
                    if wanted:
                        self.problems.refuse(array.file, value=value, wanted=wanted)

    def _first(self, part: str, side: str) -> NamedArray:
        return next(iter(self.arrays[part, side].values()))

    # --- the accounts behind the rows

    def _accounts(
        self, side: str, names: Mapping[str, Sequence[Pair]], brands: Mapping[str, Place]
    ) -> tuple[pd.DataFrame, dict[str, Place]]:
        """Rows with their `part`, `row` and `account`, and where the vectors of accounts are.

        Brands come from positive rows, influencers from negative rows, too. Equal vectors in train
        and test are one account. A row with a name is that account's. One without belongs to the
        account that has its vectors, or to a new one, numbered in order of first appearance:
        `brand_0001`. Where the rows of a name have different vectors, the most frequent ones stay,
        among equals the first.
        """
        rows = pd.concat([self._rows(part, side, names.get(part, ())) for part in self.parts])
        is_brand = rows["name"].isin(brands)
        for part, row, name in rows.loc[is_brand, ["part", "row", "name"]].to_numpy():
            self._skip_row((side, part, row), name, ONE_ROLE, NAME)
        rows = rows[~is_brand]
        named = rows[rows["name"] != ""]
        found = named.groupby(["name", "identity"], sort=False)
        variants = found.agg(n=("row", "size"), part=("part", "first"), row=("row", "first"))
        variants = variants.reset_index()
        kept = variants.sort_values("n", ascending=False, kind="stable").drop_duplicates("name")
        n_rows = named["name"].value_counts().to_dict()
        others = variants.drop(kept.index)
        for name, n, part, row in others[["name", "n", "part", "row"]].to_numpy():
            value = f"{name}, in {n} of {n_rows[name]} rows"
            self._skip_row((side, part, row), value, ONE_VECTOR, TEXT)
        owners = named.drop_duplicates("identity").set_index("identity")["name"].to_dict()
        taken = {*brands, *named["name"]}
        numbers = (name for i in count(1) if (name := f"{side}_{i:04d}") not in taken)
        for identity in rows.loc[rows["name"] == "", "identity"]:
            if identity not in owners:
                owners[identity] = next(numbers)
        of_vectors = rows["identity"].map(owners)
        rows = rows.assign(account=rows["name"].where(rows["name"] != "", of_vectors))
        first = rows[rows["name"] == ""].drop_duplicates("account")
        kept = kept.set_index("name").loc[named["name"].unique()].reset_index(names="account")
        places = pd.concat([kept, first])[["account", "part", "row"]].drop_duplicates("account")
        return rows, {account: (side, part, row) for account, part, row in places.to_numpy()}

    def _rows(self, part: str, side: str, pairs: Sequence[Pair]) -> pd.DataFrame:
        """The rows of accounts of a part: `identity` is equal for equal vectors, "" is no name."""
        identities = self._identities(part, side)
        if side == schema.BRAND:
            self._check_brands(identities, self._first(part, side).file)
        rows = pd.DataFrame({"part": part, "identity": identities, "name": ""})
        rows["row"] = range(len(rows))
        if pairs:
            column = int(side == schema.INFLUENCER)
            rows.loc[self.positive :: 2, "name"] = [pair[column] for pair in pairs]
        rows = rows[self.positive :: 2] if side == schema.BRAND else rows
        return rows[rows["identity"] != b""]

    def _identities(self, part: str, side: str) -> list[bytes]:
        """Row -> a hash of its vectors as float32; b"" for a row that is no account's."""
        arrays = self.arrays[part, side].values()
        files = ", ".join(array.file for array in arrays)
        found: list[bytes] = []
        blocks = range(0, len(self._first(part, side).rows), BLOCK)
        for start in track(blocks, f"{part}: {side}s", unit="blocks", total=len(blocks)):
            checked = [check_rows(array.rows[start : start + BLOCK]) for array in arrays]
            joined = np.hstack([vectors for vectors, _ in checked])
            for i, row in enumerate(joined):
                faults = [
                    (array.file, wanted[i])
                    for array, (_, wanted) in zip(arrays, checked, strict=True)
                    if wanted[i]
                ]
                if not row.any():
                    faults = [(files, "a vector in one array at least")]
                for file, fault in faults[:1]:
                    number, wanted = start + i + 1, str(fault)
                    self.problems.skip(
                        file, row=number, column="", value="the row", wanted=wanted, kind=OWN
                    )
                digest = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
                found.append(b"" if faults else digest)
        return found

    def _check_brands(self, identities: Sequence[bytes], file: str) -> None:
        differing = [
            row
            for row in range(1 - self.positive, len(identities), 2)
            if identities[row] and identities[row ^ 1] and identities[row] != identities[row ^ 1]
        ]
        if 4 * len(differing) > len(identities):
            value = f"{len(differing)} of {len(identities) // 2} pairs with two brands"
            wanted = "a positive and a negative row of the same brand in turn"
            self.problems.refuse(file, value=value, wanted=wanted)
        for row in differing:
            value = "another one"
            self.problems.skip(
                file, row=row + 1, column="", value=value, wanted=SAME_BRAND, kind=OWN
            )

    def _pairs(self, brands: pd.DataFrame, influencers: pd.DataFrame) -> pd.DataFrame:
        """The positive rows of which both sides have vectors, every pair once."""
        files = ", ".join(self._first(part, schema.INFLUENCER).file for part in self.parts)
        both = brands.merge(influencers, on=["part", "row"])[["account_x", "account_y"]]
        pairs = both.drop_duplicates(ignore_index=True)
        if pairs.empty:
            wanted = "a pair whose brand and influencer both have vectors"
            self.problems.refuse(files, value="no pair", wanted=wanted)
        if len(pairs) < len(both):
            value = f"{len(both) - len(pairs):,} repeated rows"
            self.problems.skip(
                files, row=None, column="", value=value, wanted=MERGED_PAIRS, kind=OWN
            )
        pairs.columns = pd.Index([schema.BRAND_ID, schema.INFLUENCER_ID])
        return pairs.assign(**{schema.COMPETENCE: np.nan, schema.TIMESTAMP: np.nan})

    def _brand_parts(self, brands: pd.DataFrame) -> dict[str, str]:
        if schema.TEST not in self.parts:
            return {}
        tested = set(brands.loc[brands["part"] == schema.TEST, "account"])
        first = brands.drop_duplicates("account")
        for part, row, account in first[["part", "row", "account"]].to_numpy():
            if part == schema.TRAIN and account in tested:
                self._skip_row((schema.BRAND, part, row), account, ONE_PART, NAME)
        return {
            brand: schema.TEST if brand in tested else schema.TRAIN
            for brand in brands["account"].unique()
        }

    def _skip_row(self, place: Place, value: str, wanted: str, kind: Kind) -> None:
        side, part, row = place
        file = self._first(part, side).file
        self.problems.skip(file, row=row + 1, column="", value=value, wanted=wanted, kind=kind)

    # --- tables beside the arrays

    def _load(
        self, table: str, file: str, option: str, problems: Problems, nested: Collection[str] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Yields file, row and the values of our columns."""
        paths = find_files(self.root, [file], option, self.problems)
        self.paths += paths
        settings = self.settings
        columns = getattr(settings.columns, table).model_dump()
        how = How(columns=columns, encoding=settings.encoding, delimiter=settings.delimiter)
        for where, row, cells in self.engine.read(
            paths, how, problems, needed=columns, nested=nested
        ):
            yield where, row, *cells

    def _names(self, part: str, file: str) -> list[Pair]:
        """The names of a part's positive rows; Instagram's know no difference of letter case."""
        option, columns = f"pairs.{part}", ("brand", "influencer")
        if part not in self.parts:
            wanted = f"arrays of the part {part} beside it"
            self.problems.refuse(f"option '{option}'", value=file, wanted=wanted)
        if Path(file).suffix.lower() in WORKBOOKS:
            paths = find_files(self.root, [file], option, self.problems)
            self.paths += paths
            rows = Rows(self.root, paths, columns, frozenset(columns), Alignment())
            found = rows.read([(column, name_or_word) for column in columns])
            names = [(brand.lower(), influencer.lower()) for _, (brand, influencer) in found]
        else:
            names = []
            for where, row, *cells in self._load("pairs", file, option, Alignment()):
                pair = [tidy(cell or "").lower() for cell in cells]
                if not all(pair):
                    column = [*self.settings.columns.pairs.model_dump().values()][pair.index("")]
                    wanted = "a name in every row"
                    self.problems.refuse(where, row=row, column=column, value="", wanted=wanted)
                names.append((pair[0], pair[1]))
        n_pairs = len(self._first(part, schema.BRAND).rows) // 2
        if len(names) != n_pairs:
            wanted = f"{n_pairs} rows, one a pair of the arrays"
            self.problems.refuse(file, value=f"{len(names)} rows", wanted=wanted)
        return names

    def _categories(self, brands: Collection[str]) -> dict[str, str]:
        categories: dict[str, str] = {}
        file = self.settings.categories
        columns, skip = self.settings.columns.categories, self.problems.skip
        if file is None:
            return categories
        for where, row, name, cell in self._load("categories", file, "categories", self.problems):
            brand, category = tidy(name or "").lower(), tidy(cell or "")
            kind: Kind = WORD
            column, value, wanted = columns.category, category, ""
            if brand not in brands:
                column, value, wanted, kind = columns.brand, brand, "the id of a known brand", NAME
            elif not category:
                wanted = "a value in every row"
            elif categories.setdefault(brand, category) != category:
                wanted = ONE_CATEGORY
            if wanted:
                skip(where, row=row, column=column, value=value, wanted=wanted, kind=kind)
        if not categories:
            self.problems.refuse(file, value="no row", wanted="a category of a brand of the arrays")
        return categories

    def _node_means(self, files: AttributeFiles, known: Collection[str]) -> dict[str, Vector]:
        """The mean of the node embeddings of each account's attributes.

        Wang et al., IEEE TMM 25 (2023), equation (18), before its tower.
        """
        path = find_files(self.root, [files.embedding], "attributes.embedding", self.problems)[0]
        self.paths.append(path)
        nodes = read_embedding(path, name_in(self.root, path), self.problems)
        attributes: dict[str, dict[str, None]] = {}
        columns, skip = self.settings.columns.attributes, self.problems.skip
        for where, row, name, cell in self._load(
            "attributes", files.table, "attributes.table", self.problems, {"attributes"}
        ):
            account, found = tidy(name or "").lower(), _attributes(cell or "")
            if account not in known:
                column, wanted = columns.account, "the name of a known account"
                skip(where, row=row, column=column, value=account, wanted=wanted, kind=NAME)
            elif found is None:
                column, wanted = columns.attributes, "text, or a list of texts"
                skip(where, row=row, column=column, value="a list of lists", wanted=wanted)
            else:
                for one in found:
                    if one in nodes:
                        attributes.setdefault(account, {})[one] = None
                    else:
                        column = columns.attributes
                        skip(where, row=row, column=column, value=one, wanted=A_NODE)
        return {
            account: np.mean([nodes[name] for name in names], axis=0).astype(np.float32)
            for account, names in attributes.items()
        }


def _attributes(cell: str) -> list[str] | None:
    """The attributes of a cell: text with separators, or a list in JSON; None for anything else."""
    parts: Any = [cell]
    if cell.lstrip()[:1] == "[":
        try:
            parts = json.loads(cell)
        except ValueError:
            return None
    if not all(isinstance(part, str | int | float) for part in parts):
        return None
    return [name for part in parts for name in _SEPARATORS.split(str(part)) if name]


def read_embedding(path: Path, file: str, problems: Problems) -> dict[str, npt.NDArray[np.float64]]:
    """Returns node -> embedding of a file in word2vec's text format.

    Args:
        path: Text in UTF-8: the number of nodes and the dimension, then a line a node with its
            name and its numbers.
        file: Its name for messages.
        problems: Of the conversion.

    Raises:
        ConversionError: Anything else; without one node the means of others would be wrong.
    """
    nodes: dict[str, npt.NDArray[np.float64]] = {}
    try:
        with path.open(encoding="utf-8-sig") as lines:
            head = lines.readline(1000).split()
            if len(head) != 2 or not all(word.isdecimal() and len(word) < 10 for word in head):
                problems.refuse(file, row=1, value=" ".join(head), wanted=A_HEADER)
            n_nodes, dimension = map(int, head)
            for number, line in enumerate(lines, start=2):
                name, *words = line.split() or [""]
                if not name:
                    continue
                numbers = _numbers(words)
                wanted = ""
                if len(numbers) != dimension:
                    wanted = f"a node and {dimension} numbers, as line 1 announces"
                elif name in nodes:
                    wanted = "every node once"
                elif not np.isfinite(numbers).all():
                    wanted = "finite numbers behind the node"
                if wanted:
                    problems.refuse(file, row=number, value=line.strip(), wanted=wanted)
                nodes[name] = numbers
    except (OSError, UnicodeError) as error:
        problems.refuse(file, value=error, wanted="a readable text in UTF-8")
    if not dimension or len(nodes) != n_nodes:
        value = f"{len(nodes)} nodes of {dimension} numbers"
        problems.refuse(file, value=value, wanted=f"{n_nodes} nodes with numbers, as in line 1")
    return nodes


def _numbers(words: Sequence[str]) -> npt.NDArray[np.float64]:
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        return np.full(len(words), np.nan)
