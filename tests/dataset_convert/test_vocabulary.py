"""Names of synthetic dimensions: right counts, no name twice, no separator in a name."""

import numpy as np
import pytest

from dataset_convert import schema
from dataset_convert.synthetic import vocabulary
from dataset_convert.synthetic.vocabulary import NO_NICHE, Vocabulary


@pytest.mark.parametrize(
    ("made", "n_niches", "per_niche", "of_no_niche"),
    [
        (vocabulary.content_topics(9), 9, [1, -1], 4),
        (vocabulary.audience_topics(8), 8, [1, -1], 5),
        (vocabulary.objects(18), 18, [1, 1, 0, 0, -1, -1], 12),
        (vocabulary.scenes(18), 18, [1, 0, -1], 6),
        (vocabulary.attributes(36), 36, [1] * 6 + [0] * 3 + [-1] * 6, 30),
        (vocabulary.attributes(7), 7, [1] * 6 + [0] * 3 + [-1] * 6, 30),
    ],
)
def test_vocabulary(
    made: Vocabulary, n_niches: int, per_niche: list[int], of_no_niche: int
) -> None:
    assert made.n_niches == n_niches
    assert len(set(made.names)) == len(made.names) == n_niches * len(per_niche) + of_no_niche
    assert (made.niche == NO_NICHE).sum() == of_no_niche
    assert made.accent[made.niche == NO_NICHE].tolist() == [0] * of_no_niche
    for niche in range(n_niches):
        assert made.accent[made.niche == niche].tolist() == per_niche
    forbidden = schema.FORBIDDEN_IN_TOKENS + " \t"
    assert not any(character in name for name in made.names for character in forbidden)


def test_objects_and_scenes_share_no_name() -> None:
    assert not set(vocabulary.objects(18).names) & set(vocabulary.scenes(18).names)


def test_attributes_name_their_niche() -> None:
    made = vocabulary.attributes(36)
    stems = np.array([name.split("-")[0] for name in made.names])
    for niche in range(36):
        assert len(set(stems[made.niche == niche])) == 1
