"""Who the synthetic accounts are and who works with whom, before either says a word."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset_convert.synthetic import PopulationSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Population:
    """Tastes and collaborations."""

    brand_category: Ints  # (brand,) category number
    brand_taste: dict[str, Floats]  # perspective -> (brand, latent), unit variance
    influencer_taste: dict[str, Floats]
    affinity: Floats  # (brand, influencer) sum over perspectives of the tastes' inner product
    pairs: Ints  # (pair, 2) brand and influencer numbers, sorted


def make_population(
    spec: PopulationSpec, perspectives: tuple[str, ...], rng: np.random.Generator
) -> Population:
    """Draws tastes, one per account and perspective, and pairs by the sum of the affinities."""
    brand_category = rng.permutation(np.arange(spec.n_brands) % spec.n_categories)
    influencer_category = rng.permutation(np.arange(spec.n_influencers) % spec.n_categories)
    brand_taste, influencer_taste = {}, {}
    for perspective in perspectives:
        centre = np.sqrt(spec.n_latent) * spread_directions(spec.n_categories, spec.n_latent, rng)
        brand_taste[perspective] = _tastes(spec, centre[brand_category], rng)
        influencer_taste[perspective] = _tastes(spec, centre[influencer_category], rng)
    affinity = sum(
        (brand_taste[p] @ influencer_taste[p].T / np.sqrt(spec.n_latent) for p in perspectives),
        start=np.zeros((spec.n_brands, spec.n_influencers)),
    )
    brand_places = brand_degrees(spec, rng)
    influencer_places = influencer_degrees(spec, rng)
    liking = affinity + rng.gumbel(scale=spec.choice_noise, size=affinity.shape)
    liking = keep_to_circles(spec, liking, brand_category, influencer_places, rng)
    pairs = fill_places(liking, brand_places, influencer_places)
    return Population(brand_category, brand_taste, influencer_taste, affinity, pairs)


def spread_directions(count: int, n_latent: int, rng: np.random.Generator) -> Floats:
    """Draws (count, latent) unit vectors, orthogonal within each run of `n_latent` of them.

    Spreading them evenly keeps the data of one seed about as hard as that of another.
    """
    n_bases = -(-count // n_latent)
    bases = [np.linalg.qr(rng.standard_normal((n_latent, n_latent)))[0] for _ in range(n_bases)]
    return np.vstack(bases)[:count]


def _tastes(spec: PopulationSpec, centre: Floats, rng: np.random.Generator) -> Floats:
    own = rng.standard_normal(centre.shape)
    share = spec.category_share
    return np.asarray(np.sqrt(share) * centre + np.sqrt(1 - share) * own)


def brand_degrees(spec: PopulationSpec, rng: np.random.Generator) -> Ints:
    """Draws each brand's number of influencers: gamma-like, at least 1, summing to `n_pairs`."""
    mean = spec.n_pairs / spec.n_brands
    shape = (mean / spec.degree_sd) ** 2
    drawn = rng.gamma(shape, mean / shape, spec.n_brands)
    degrees: Ints = np.maximum(1, np.rint(drawn)).astype(np.int64)
    while (excess := int(degrees.sum()) - spec.n_pairs) != 0:
        i = rng.integers(spec.n_brands)
        if excess < 0 or degrees[i] > 1:
            degrees[i] -= np.sign(excess)
    return degrees


def influencer_degrees(spec: PopulationSpec, rng: np.random.Generator) -> Ints:
    """Draws each influencer's number of brands: mostly 1, summing to `n_pairs`."""
    more = spec.n_pairs - spec.n_influencers
    extra_of = np.arange(1, len(spec.several) + 1)
    share = np.array(spec.several) / np.dot(spec.several, extra_of)
    counts = np.floor(share * more).astype(int)
    counts[0] += more - int(np.dot(counts, extra_of))
    degrees = np.ones(spec.n_influencers, dtype=int)
    chosen = rng.permutation(spec.n_influencers)[: counts.sum()]
    degrees[chosen] += np.repeat(extra_of, counts)
    return degrees


def keep_to_circles(
    spec: PopulationSpec,
    liking: Floats,
    brand_category: Ints,
    influencer_places: Ints,
    rng: np.random.Generator,
) -> Floats:
    """Makes rival brands share influencers, as they do in the real material.

    Without it the second brand of an influencer says nothing about a third, and collaborative
    filtering would find nothing on known brands either.

    Args:
        spec: Number and size of the circles, and the share of influencers that keep to one.
        liking: (brand, influencer) finite scores.
        brand_category: (brand,) category number; a circle lies in one category.
        influencer_places: (influencer,) pairs that each influencer gets.
        rng: Of the draws.

    Returns:
        The scores, raised above all others where an influencer that keeps to a circle meets its
        brands: the circle of the brand that it likes best among all circles' brands.
    """
    by_category = np.argsort(brand_category, kind="stable").reshape(spec.n_categories, -1)
    n_each = -(-spec.n_circles // spec.n_categories)
    circles = by_category[:, : n_each * spec.circle_size].reshape(-1, spec.circle_size)
    circles = rng.permutation(circles)[: spec.n_circles]
    several = np.flatnonzero(influencer_places > 1)
    keeping = several[rng.random(len(several)) < spec.circle_share]
    favourite = liking[circles][:, :, keeping].max(axis=1).argmax(axis=0)
    raised = liking.copy()
    rows = circles[favourite]
    raised[rows, keeping[:, None]] += np.ptp(liking)
    return raised


def fill_places(liking: Floats, brand_places: Ints, influencer_places: Ints) -> Ints:
    """Pairs brands and influencers, best liking first, until every place is taken.

    Args:
        liking: (brand, influencer) finite scores.
        brand_places: (brand,) pairs that each brand gets.
        influencer_places: (influencer,) pairs that each influencer gets; the same sum.

    Returns:
        (pair, 2) brand and influencer numbers, sorted; no pair twice.

    Raises:
        ValueError: The places cannot all be taken by different pairs.
    """
    n_influencers = liking.shape[1]
    order = np.argsort(-liking, axis=None, kind="stable").tolist()
    brand_left, influencer_left = brand_places.tolist(), influencer_places.tolist()
    pairs: dict[tuple[int, int], None] = {}
    for flat in order:
        brand, influencer = divmod(flat, n_influencers)
        if brand_left[brand] and influencer_left[influencer]:
            brand_left[brand] -= 1
            influencer_left[influencer] -= 1
            pairs[brand, influencer] = None
    open_brands = np.repeat(np.arange(len(brand_left)), brand_left).tolist()
    open_influencers = np.repeat(np.arange(n_influencers), influencer_left).tolist()
    for brand, influencer in zip(open_brands, open_influencers, strict=True):
        _swap_in(pairs, brand, influencer)
    return np.array(sorted(pairs))


def _swap_in(pairs: dict[tuple[int, int], None], brand: int, influencer: int) -> None:
    """Gives a brand and an influencer that are left over their place by parting another pair."""
    for other_brand, other_influencer in pairs:
        crossed = (brand, other_influencer), (other_brand, influencer)
        if not any(pair in pairs for pair in crossed):
            del pairs[other_brand, other_influencer]
            pairs.update(dict.fromkeys(crossed))
            return
    raise ValueError(
        "The places of fill_places must allow different pairs. Received: a brand that has every "
        "influencer already"
    )
