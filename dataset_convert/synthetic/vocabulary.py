"""Readable names for the dimensions of synthetic accounts.

A vocabulary's dimensions come in niches. A niche is named in two ways: in words that brands
prefer and in words that people prefer, so that equal interests rarely meet in equal words. Some
dimensions belong to no niche: everybody uses them and they say nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dataset_convert.features.labels import SCENE_PREFIX
from dataset_convert.synthetic import attribute_words, topic_words

NO_NICHE = -1
BRAND_WORD, SHARED_WORD, PERSONAL_WORD = 1, 0, -1


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


def _words(text: str) -> list[str]:
    return text.split()


def _rows(text: str) -> list[str]:
    return text.strip().split("\n")


CATEGORIES = _words(
    "airline auto clothing drink electronics entertainment food jewelry makeup nonprofit "
    "services shoes"
)

# Each row is a niche: two brand objects, two shared, two personal; then a scene of each kind.
LABELS = _rows("""
shoe-box running-shoe sneaker sock race-bib stopwatch | sports-shop stadium forest-trail
perfume-bottle lipstick powder brush mirror towel | beauty-counter salon bathroom
hanger handbag dress scarf suitcase umbrella | boutique catwalk fitting-room
wine-bottle cocktail-shaker glass lime straw ice-cube | bar terrace garden-party
burger-box pizza plate fork apron frying-pan | restaurant market kitchen
sports-car tyre steering-wheel helmet map sunglasses | showroom road mountain-pass
jet-engine airplane window-seat backpack passport camera | airport harbour beach
ring-box necklace bracelet watch bouquet veil | jeweller ballroom wedding-lawn
laptop-box keyboard screen headphones desk-lamp notebook | electronics-shop office home-desk
amplifier microphone guitar vinyl wristband torch | stage festival living-room
banner leaflet t-shirt bucket seedling dog-lead | charity-stand park animal-shelter
credit-card clipboard telephone calendar parcel key | bank lobby doorstep
cereal-box yoghurt spoon banana blender oatmeal | supermarket canteen breakfast-table
protein-tub dumbbell bench kettlebell yoga-mat jump-rope | gym-chain arena back-yard
catalogue sofa cushion candle plant-pot blanket | furniture-shop hall reading-corner
toy-box puzzle balloon pram cake tricycle | toy-shop playground nursery
game-console controller joystick poster mug popcorn | arcade cinema gaming-room
paint-tin easel canvas pencil sketchbook clay | gallery workshop attic
""")
LABELS_OF_NO_NICHE = _rows("""
face hand logo phone table chair | street room-corner white-wall
tree sky car-window cup book shirt | house square meadow
""")


def content_topics(n_niches: int) -> Vocabulary:
    """Returns two content topics a niche and those of no niche (22 in full, of 9 niches)."""
    return _topics(topic_words.CONTENT_TOPICS, topic_words.CONTENT_TOPICS_OF_NO_NICHE, n_niches)


def audience_topics(n_niches: int) -> Vocabulary:
    """Returns two audience topics a niche and those of no niche (21 in full, of 8 niches)."""
    return _topics(topic_words.AUDIENCE_TOPICS, topic_words.AUDIENCE_TOPICS_OF_NO_NICHE, n_niches)


def topic_word_lists() -> dict[str, tuple[str, ...]]:
    """Returns topic -> its ten words, the most frequent first."""
    texts = (
        topic_words.CONTENT_TOPICS,
        topic_words.CONTENT_TOPICS_OF_NO_NICHE,
        topic_words.AUDIENCE_TOPICS,
        topic_words.AUDIENCE_TOPICS_OF_NO_NICHE,
    )
    rows = (row.split(": ") for text in texts for row in _rows(text))
    return {name: tuple(words.split()) for name, words in rows}


def objects(n_niches: int) -> Vocabulary:
    """Returns six objects a niche and those of no niche (120 in full, of 18 niches)."""
    return _labels(n_niches, block=0, accents=[1, 1, 0, 0, -1, -1])


def scenes(n_niches: int) -> Vocabulary:
    """Returns three scenes a niche and those of no niche (60 in full, of 18 niches)."""
    made = _labels(n_niches, block=1, accents=[1, 0, -1])
    return replace(made, names=tuple(f"{SCENE_PREFIX}{name}" for name in made.names))


def attributes(n_niches: int) -> Vocabulary:
    """Returns seven attributes a niche and those of no niche (282 in full, of 36 niches).

    All are names of concepts of the lexicon, which finds their ancestors beside them.
    """
    rows = [row.replace("|", " ").split() for row in _rows(attribute_words.ATTRIBUTES)[:n_niches]]
    accents = [BRAND_WORD] * 3 + [SHARED_WORD] + [PERSONAL_WORD] * 3
    return _vocabulary(rows, accents, attribute_words.ATTRIBUTES_OF_NO_NICHE.split())


def _topics(text: str, of_no_niche: str, n_niches: int) -> Vocabulary:
    names = [row.split(": ")[0] for row in _rows(text)]
    rows = [names[2 * niche : 2 * niche + 2] for niche in range(n_niches)]
    others = [row.split(": ")[0] for row in _rows(of_no_niche)]
    return _vocabulary(rows, [BRAND_WORD, PERSONAL_WORD], others)


def _labels(n_niches: int, block: int, accents: list[int]) -> Vocabulary:
    def words(rows: list[str]) -> list[list[str]]:
        return [row.split(" | ")[block].split() for row in rows]

    of_no_niche = [name for row in words(LABELS_OF_NO_NICHE) for name in row]
    return _vocabulary(words(LABELS[:n_niches]), accents, of_no_niche)


def _vocabulary(rows: list[list[str]], accents: list[int], of_no_niche: list[str]) -> Vocabulary:
    names = [name for row in rows for name in row] + of_no_niche
    niche = [i for i, row in enumerate(rows) for _ in row] + [NO_NICHE] * len(of_no_niche)
    accent = accents * len(rows) + [SHARED_WORD] * len(of_no_niche)
    return Vocabulary(tuple(names), np.array(niche), np.array(accent))
