"""Readable names for the dimensions of synthetic accounts, and the words that speak of them.

A vocabulary's dimensions come in niches. A niche is named in two ways: in words that brands
prefer and in words that people prefer, so that equal interests rarely meet in equal words. Some
dimensions belong to no niche: everybody uses them and they say nothing.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import yaml

from dataset_convert import schema
from dataset_convert.features.visual import SCENE_PREFIX
from dataset_convert.synthetic.spec import SyntheticSpec

NO_NICHE = -1
BRAND_WORD, SHARED_WORD, PERSONAL_WORD = 1, 0, -1
LABEL_ACCENTS = ([1, 1, 0, 0, -1, -1], [1, 0, -1])
"""Of the objects of a niche, then of its scenes."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The dimensions of one modality.

    Attributes:
        names: One readable name a dimension.
        niche: The dimension's niche, or `NO_NICHE`.
        accent: `BRAND_WORD`, `SHARED_WORD` or `PERSONAL_WORD`.
    """

    names: tuple[str, ...]
    niche: npt.NDArray[np.int64]
    accent: npt.NDArray[np.int64]

    @property
    def n_niches(self) -> int:
        """Number of niches."""
        return int(self.niche.max()) + 1


@cache
def rows(name: str) -> tuple[str, ...]:
    """Returns the rows of an entry of `words.yaml`."""
    text = resources.files("dataset_convert.synthetic").joinpath("words.yaml").read_text("utf-8")
    return tuple(yaml.safe_load(text)[name].strip().split("\n"))


@cache
def words(name: str) -> tuple[str, ...]:
    """Returns the words of an entry of `words.yaml`."""
    return tuple(" ".join(rows(name)).split())


@cache
def topic_word_lists() -> dict[str, tuple[str, ...]]:
    """Returns topic -> its ten words, the most frequent first."""
    entries = (f"{name}{end}" for name in schema.TOPIC_MODALITIES for end in ("", "_of_no_niche"))
    split = (row.split(": ") for entry in entries for row in rows(entry))
    return {name: tuple(said.split()) for name, said in split}


def topics(modality: str, n_niches: int) -> Vocabulary:
    """Returns two topics a niche and those of no niche.

    In full these are 22 of the content, of 9 niches, and 21 of the audience, of 8 niches.
    """
    names = [row.split(": ")[0] for row in rows(modality)]
    of_niches = [names[2 * niche : 2 * niche + 2] for niche in range(n_niches)]
    others = [row.split(": ")[0] for row in rows(f"{modality}_of_no_niche")]
    return _vocabulary(of_niches, [BRAND_WORD, PERSONAL_WORD], others)


def labels(n_niches: int) -> tuple[Vocabulary, Vocabulary]:
    """Returns objects and scenes: six and three a niche, and those of no niche.

    In full these are 120 objects and 60 scenes, of 18 niches.
    """
    made = []
    for block, (prefix, accents) in enumerate(zip(("", SCENE_PREFIX), LABEL_ACCENTS, strict=True)):
        of_niches, others = (
            [[prefix + name for name in row.split(" | ")[block].split()] for row in rows(entry)]
            for entry in ("labels", "labels_of_no_niche")
        )
        made.append(_vocabulary(of_niches[:n_niches], accents, [n for row in others for n in row]))
    return made[0], made[1]


def attributes(n_niches: int) -> Vocabulary:
    """Returns seven attributes a niche and those of no niche (282 in full, of 36 niches).

    All are names of concepts of the lexicon, which finds their ancestors beside them.
    """
    of_niches = [row.replace("|", " ").split() for row in rows("attributes")[:n_niches]]
    accents = [BRAND_WORD] * 3 + [SHARED_WORD] + [PERSONAL_WORD] * 3
    return _vocabulary(of_niches, accents, list(words("attributes_of_no_niche")))


def vocabularies(spec: SyntheticSpec) -> dict[str, tuple[Vocabulary, ...]]:
    """Returns modality -> its vocabularies; a visual modality has objects, then scenes."""
    seen = labels(spec.n_label_niches)
    return {
        schema.CONTENT_TOPICS: (topics(schema.CONTENT_TOPICS, spec.n_content_niches),),
        schema.CONTENT_VISUAL: seen,
        schema.AUDIENCE_TOPICS: (topics(schema.AUDIENCE_TOPICS, spec.n_audience_niches),),
        schema.AUDIENCE_VISUAL: seen,
        schema.ATTRIBUTES: (attributes(spec.n_attribute_niches),),
    }


def _vocabulary(of_niches: list[list[str]], accents: list[int], others: list[str]) -> Vocabulary:
    names = [name for row in of_niches for name in row] + others
    niche = [i for i, row in enumerate(of_niches) for _ in row] + [NO_NICHE] * len(others)
    accent = accents * len(of_niches) + [SHARED_WORD] * len(others)
    return Vocabulary(tuple(names), np.array(niche), np.array(accent))
