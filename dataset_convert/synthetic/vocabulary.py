"""Readable names for the dimensions of synthetic accounts.

A vocabulary's dimensions come in niches. A niche is named in two ways: in words that brands
prefer and in words that people prefer, so that equal interests rarely meet in equal words. Some
dimensions belong to no niche: everybody uses them and they say nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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

# Each row is a niche: the commercial name of the topic, then the personal one.
CONTENT_TOPICS = _rows("""
new-collection outfit-of-the-day
product-launch unboxing
store-opening city-walk
menu-of-the-season home-cooking
flight-offer travel-diary
event-sponsoring concert-night
product-care beauty-routine
training-programme morning-workout
donation-campaign volunteering
""")
CONTENT_TOPICS_OF_NO_NICHE = _words("greetings giveaway weekend weather")

AUDIENCE_TOPICS = _rows("""
price-question style-compliment
delivery-complaint travel-envy
size-advice training-talk
recipe-request food-craving
spare-part car-talk
ticket-request music-talk
ingredient-question make-up-talk
charity-support family-talk
""")
AUDIENCE_TOPICS_OF_NO_NICHE = _words("emoji thanks greetings-back tag-a-friend spam")

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

INTERESTS = _words(
    "hiking running cycling yoga surfing football tennis camping fishing sailing baking coffee "
    "vegan wine cocktail grilling chocolate breakfast skincare hair nail perfume streetwear "
    "vintage sneaker denim ring watch camera gaming gadget motor aviation music film charity"
)
BRAND_FACETS = _words("gear shop label maker supplier retailer")
SHARED_FACETS = _words("lover design news")
PERSONAL_FACETS = _words("blogger coach diary addict student photographer")
ATTRIBUTES_OF_NO_NICHE = _words(
    "dreamer parent traveller creator reader artist foodie optimist writer explorer founder "
    "model speaker student coffee-drinker dog-owner cat-owner music-fan early-riser night-owl "
    "ambassador online-shop worldwide official public-figure digital-creator entrepreneur "
    "local-business contact-by-mail link-below"
)


def content_topics(n_niches: int) -> Vocabulary:
    """Returns two content topics a niche and those of no niche (22 in full, of 9 niches)."""
    return _topics(CONTENT_TOPICS[:n_niches], CONTENT_TOPICS_OF_NO_NICHE)


def audience_topics(n_niches: int) -> Vocabulary:
    """Returns two audience topics a niche and those of no niche (21 in full, of 8 niches)."""
    return _topics(AUDIENCE_TOPICS[:n_niches], AUDIENCE_TOPICS_OF_NO_NICHE)


def objects(n_niches: int) -> Vocabulary:
    """Returns six objects a niche and those of no niche (120 in full, of 18 niches)."""
    return _labels(n_niches, block=0, accents=[1, 1, 0, 0, -1, -1])


def scenes(n_niches: int) -> Vocabulary:
    """Returns three scenes a niche and those of no niche (60 in full, of 18 niches)."""
    return _labels(n_niches, block=1, accents=[1, 0, -1])


def attributes(n_niches: int) -> Vocabulary:
    """Returns fifteen attributes a niche and those of no niche (570 in full, of 36 niches)."""
    facets = BRAND_FACETS + SHARED_FACETS + PERSONAL_FACETS
    accents = (
        [BRAND_WORD] * len(BRAND_FACETS)
        + [SHARED_WORD] * len(SHARED_FACETS)
        + [PERSONAL_WORD] * len(PERSONAL_FACETS)
    )
    rows = [[f"{interest}-{facet}" for facet in facets] for interest in INTERESTS[:n_niches]]
    return _vocabulary(rows, accents, ATTRIBUTES_OF_NO_NICHE)


def _topics(rows: list[str], of_no_niche: list[str]) -> Vocabulary:
    accents = [BRAND_WORD, PERSONAL_WORD]
    return _vocabulary([row.split() for row in rows], accents, of_no_niche)


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
