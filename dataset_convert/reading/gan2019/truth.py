"""The ground truth of the release: accounts, pairs, categories and the published splits."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from dataset_convert import schema
from dataset_convert.problems import Problems
from dataset_convert.reading import values as v
from dataset_convert.reading.accounts import MERGED, ONE_PAIR
from dataset_convert.reading.gan2019.names import Names, Spellings
from dataset_convert.reading.gan2019.rows import (
    BRAND,
    CATEGORY,
    COMPETENCE,
    INFLUENCER,
    Layout,
    Row,
    Workbooks,
)
from dataset_convert.reading.gan2019.settings import (
    CATEGORIES,
    PAIRS,
    TEST_PAIRS,
    TRAINING_PAIRS,
)
from dataset_convert.reading.values import BadValue, Values

CATEGORY_NAMES: Final = (
    *("airline", "auto", "clothing", "drink", "electronics", "entertainment"),
    *("food", "jewelry", "makeup", "nonprofit", "services", "shoes"),
)
BRANDS_A_CATEGORY: Final = 30

PAIR_LAYOUT: Final = Layout((BRAND, INFLUENCER, COMPETENCE), frozenset({BRAND, INFLUENCER}))
CATEGORY_LAYOUT: Final = Layout((BRAND, CATEGORY), frozenset({BRAND, CATEGORY}))

Pair = tuple[str, str]


@dataclass
class Truth:
    """What the ground truth says.

    Attributes:
        names: All accounts.
        competence: Pair -> its competence, in the order of the rows.
        categories: Brand -> category, as far as known.
        halves: Kind of `TRAINING_PAIRS`, `TEST_PAIRS` -> brands of that workbook.
    """

    names: Names = field(default_factory=Names)
    competence: dict[Pair, float | None] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    halves: dict[str, set[str]] = field(default_factory=dict)

    def of_role(self, role: schema.Side) -> list[str]:
        """Returns the accounts of a role, in the order of the rows."""
        return [account for account, its_role in self.names.roles.items() if its_role == role]

    def collaborations(self) -> pd.DataFrame:
        """Returns `RawMaterial.collaborations`, in the order of the rows; no times are known."""
        rows = [(*pair, competence) for pair, competence in self.competence.items()]
        columns = [schema.BRAND_ID, schema.INFLUENCER_ID, schema.COMPETENCE]
        frame = pd.DataFrame(rows, columns=columns, dtype=object)
        frame[schema.COMPETENCE] = frame[schema.COMPETENCE].astype(np.float64)
        frame[schema.TIMESTAMP] = np.nan
        return frame

    def influencer_categories(self) -> dict[str, str]:
        """Returns influencer -> the category of most of its brands; the first one's of several."""
        counts: dict[str, Counter[str]] = {}
        for brand, influencer in self.competence:
            if brand in self.categories:
                counts.setdefault(influencer, Counter())[self.categories[brand]] += 1
        return {influencer: found.most_common(1)[0][0] for influencer, found in counts.items()}


def read_truth(root: Path, files: Mapping[str, Sequence[Path]], problems: Problems) -> Truth:
    """Reads the ground truth.

    Args:
        root: The release, resolved.
        files: Kind -> workbooks.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: A workbook that cannot be trusted, no pair, or brands whose number does
            not tell their categories.
    """
    truth = Truth()
    _read_pairs(truth, Workbooks(root, files[PAIRS], PAIR_LAYOUT, problems))
    for kind in (TRAINING_PAIRS, TEST_PAIRS):
        if kind in files:
            books = Workbooks(root, files[kind], PAIR_LAYOUT, problems)
            truth.halves[kind] = _read_half(truth, books)
    if CATEGORIES in files:
        _read_categories(truth, Workbooks(root, files[CATEGORIES], CATEGORY_LAYOUT, problems))
    else:
        _derive_categories(truth, files[PAIRS][0].name, problems)
    return truth


def _read_pairs(truth: Truth, books: Workbooks) -> None:
    spellings = Spellings()
    for row, (pair, competence) in books.parsed(partial(_new_pair, truth.names)):
        spellings.watch(books, row, BRAND, INFLUENCER)
        if pair not in truth.competence:
            truth.competence[pair] = competence
            continue
        wanted = MERGED if truth.competence[pair] == competence else ONE_PAIR
        books.skip(row, BadValue(INFLUENCER, pair[1], wanted))


def _new_pair(names: Names, values: Values) -> tuple[Pair, float | None]:
    brand, influencer = v.token(values, BRAND), v.token(values, INFLUENCER)
    competence = v.number(values, COMPETENCE)
    if brand.casefold() == influencer.casefold():
        raise BadValue(INFLUENCER, influencer, "two accounts, a brand and an influencer")
    pair = names.admit(brand, schema.BRAND), names.admit(influencer, schema.INFLUENCER)
    return pair, competence


def _read_half(truth: Truth, books: Workbooks) -> set[str]:
    """Reads the training or test pairs; returns their brands."""
    spellings = Spellings()
    brands = set()

    def parse(values: Values) -> tuple[Pair, float | None]:
        pair = known_pair(truth, values)
        if pair not in truth.competence:
            raise BadValue(INFLUENCER, pair[1], "a pair of the ground truth")
        return pair, v.number(values, COMPETENCE)

    for row, (pair, competence) in books.parsed(parse):
        spellings.watch(books, row, BRAND, INFLUENCER)
        brands.add(pair[0])
        _agree(truth, pair, competence, books, row)
    return brands


def _agree(truth: Truth, pair: Pair, competence: float | None, books: Workbooks, row: Row) -> None:
    known = truth.competence[pair]
    if known is None:
        truth.competence[pair] = competence
    # Spreadsheets keep 15 to 17 digits.
    elif competence is not None and not math.isclose(competence, known, abs_tol=1e-12):
        books.note(row, COMPETENCE, competence, "the competence of pre_dataset.xls, which stays")


def known_pair(truth: Truth, values: Values) -> Pair:
    """Returns a brand and an influencer of the ground truth.

    Raises:
        BadValue: One of them is missing or unknown.
    """
    return (
        truth.names.known(values, BRAND, schema.BRAND),
        truth.names.known(values, INFLUENCER, schema.INFLUENCER),
    )


def _read_categories(truth: Truth, books: Workbooks) -> None:
    def parse(values: Values) -> tuple[str, str]:
        return truth.names.known(values, BRAND, schema.BRAND), v.token(values, CATEGORY)

    for row, (brand, category) in books.parsed(parse):
        if truth.categories.setdefault(brand, category) != category:
            books.skip(row, BadValue(CATEGORY, category, "one category a brand: the first stays"))


def _derive_categories(truth: Truth, file: str, problems: Problems) -> None:
    brands = truth.of_role(schema.BRAND)
    n_brands = len(CATEGORY_NAMES) * BRANDS_A_CATEGORY
    if len(brands) != n_brands:
        problems.refuse(
            file,
            value=f"{len(brands)} brands",
            wanted=f"{n_brands} brands, {BRANDS_A_CATEGORY} a category in the published order, or "
            f"a table of brands and categories in option 'files.{CATEGORIES}'",
        )
    for i, brand in enumerate(brands):
        truth.categories[brand] = CATEGORY_NAMES[i // BRANDS_A_CATEGORY]
