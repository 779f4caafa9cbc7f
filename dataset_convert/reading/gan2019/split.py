"""Which brands a published split keeps for the test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dataset_convert import schema
from dataset_convert.problems import NAME, OWN, Problems
from dataset_convert.reading import values as v
from dataset_convert.reading.files import name_in
from dataset_convert.reading.gan2019.rows import BRAND, INFLUENCER, LABEL, Layout, Row, Workbooks
from dataset_convert.reading.gan2019.settings import TEST_LIST, TEST_PAIRS, TRAINING_PAIRS
from dataset_convert.reading.gan2019.truth import Pair, Truth, known_pair
from dataset_convert.reading.values import BadValue, Values

TEST_LAYOUT: Final = Layout((BRAND, INFLUENCER, LABEL), frozenset({BRAND, INFLUENCER, LABEL}))
IN_BOTH: Final = "every brand in training or in test: the test list decides"


def read_parts(
    root: Path, files: Mapping[str, Sequence[Path]], truth: Truth, problems: Problems
) -> dict[str, str]:
    """Reads the test list of a split; its brands are for the test, all others for training.

    A brand that stands in both halves of a split is for the test alone, and told of. So are
    positive pairs that the ground truth lacks, and pairs of test brands that are not positive in
    the list. Repeated rows, with which the published lists are padded, count once.

    Args:
        root: The release, resolved.
        files: Kind -> workbooks.
        truth: The ground truth.
        problems: Told of all that.

    Returns:
        Brand -> train or test; empty where there is no test list.

    Raises:
        ConversionError: A workbook that cannot be trusted.
    """
    if TEST_LIST not in files:
        return {}
    books = Workbooks(root, files[TEST_LIST], TEST_LAYOUT, problems)
    positives, brands = _read_list(truth, books)
    file = name_in(root, files[TEST_LIST][0])
    unlisted = [pair for pair in truth.competence if pair[0] in brands and pair not in positives]
    if unlisted:
        problems.note(
            file,
            row=None,
            column=LABEL,
            value=f"{len(unlisted)} other pairs of its brands",
            wanted="every pair of a test brand as a positive row: the pairs stay",
            kind=OWN,
        )
    train = truth.halves.get(TRAINING_PAIRS, set())
    for brand in sorted(train & truth.halves.get(TEST_PAIRS, brands)):
        problems.note(file, row=None, column=BRAND, value=brand, wanted=IN_BOTH, kind=NAME)
    return {
        brand: schema.TEST if brand in brands else schema.TRAIN
        for brand in truth.of_role(schema.BRAND)
    }


def _read_list(truth: Truth, books: Workbooks) -> tuple[set[Pair], set[str]]:
    """Returns the positive pairs, and all brands of the list."""
    labels: dict[Pair, bool] = {}
    repeated: list[Row] = []

    def parse(values: Values) -> tuple[Pair, bool]:
        pair, label = known_pair(truth, values), v.number(values, LABEL)
        if label not in (0, 1):
            raise BadValue(LABEL, values[LABEL], "0 or 1")
        if label and pair not in truth.competence:
            raise BadValue(INFLUENCER, pair[1], "a pair of the ground truth where the label is 1")
        return pair, label == 1

    for row, (pair, label) in books.parsed(parse):
        if pair not in labels:
            labels[pair] = label
        elif labels[pair] == label:
            repeated.append(row)
        else:
            books.skip(row, BadValue(LABEL, int(label), "one label a pair: the first row stays"))
    if repeated:
        books.note(repeated[0], "", f"{len(repeated)} repeated rows from here on", "every row once")
    return {pair for pair, label in labels.items() if label}, {brand for brand, _ in labels}
