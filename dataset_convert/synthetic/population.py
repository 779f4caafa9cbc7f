"""Who the synthetic accounts are and who works with whom, before either says a word."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset_convert.synthetic import PopulationSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TEXT = "text"
"""The taste that only texts show; the others are called by the perspective that shows them."""
PRECEDENT, RIVALS, CHANCE = "precedent", "rivals", "chance"


@dataclass(frozen=True, eq=False)
class Population:
    """Tastes, collaborations, and why there are these."""

    brand_category: Ints  # (brand,) category number
    brand_kind: Ints  # (brand,) hidden kind, which goes with the influencers' of its number
    influencer_kind: Ints
    # Taste -> (brand, latent); what does not matter stands last.
    brand_taste: dict[str, Floats]
    influencer_taste: dict[str, Floats]
    affinity: Floats  # (brand, influencer) liking but for chance
    pairs: Ints  # (pair, 2) brand and influencer numbers, sorted
    causes: tuple[str, ...]  # of each pair: a taste, `PRECEDENT`, `RIVALS` or `CHANCE`


def make_population(spec: PopulationSpec, rng: np.random.Generator) -> Population:
    """Draws accounts and pairs by liking: tastes that meet, kinds that go together, and chance.

    A pair's cause is what its liking owes most to; or that a circle of rivals shares influencers.
    """
    sizes = spec.n_brands, spec.n_influencers
    brand_category, influencer_category = (
        rng.permutation(np.arange(n) % spec.n_categories) for n in sizes
    )
    brand_kind, influencer_kind = (rng.permutation(np.arange(n) % spec.n_kinds) for n in sizes)
    brand_common, influencer_common = (rng.standard_normal((n, spec.n_latent)) for n in sizes)
    brand_taste, influencer_taste, parts = {}, {}, {}
    for name, taste in spec.tastes.items():
        centre = np.sqrt(spec.n_latent) * spread_directions(spec.n_categories, spec.n_latent, rng)
        brand_taste[name] = _tastes(
            spec, taste.common_share, centre[brand_category], brand_common, brand_kind, rng
        )
        influencer_taste[name] = _tastes(
            *(spec, taste.common_share, centre[influencer_category]),
            *(influencer_common, influencer_kind, rng),
        )
        brands, influencers = (
            side[name][:, : spec.n_latent] for side in (brand_taste, influencer_taste)
        )
        parts[name] = taste.weight * (brands @ influencers.T) / np.sqrt(spec.n_latent)
    parts[PRECEDENT] = spec.kind_weight * np.equal.outer(brand_kind, influencer_kind)
    affinity = np.sum(list(parts.values()), axis=0)
    brand_places = brand_degrees(spec, rng)
    influencer_places = influencer_degrees(spec, rng)
    parts[CHANCE] = rng.gumbel(scale=spec.choice_noise, size=affinity.shape)
    liking = affinity + parts[CHANCE]
    raised = keep_to_circles(spec, liking, brand_category, influencer_places, rng)
    parts[RIVALS] = raised - liking
    pairs = fill_places(raised, brand_places, influencer_places)
    owed = np.array([part[*pairs.T] for part in parts.values()])
    # a pair that only fills the places owes nothing to anything
    causes = np.where(owed.max(axis=0) > 0, np.array(list(parts))[owed.argmax(axis=0)], CHANCE)
    return Population(
        brand_category=brand_category,
        brand_kind=brand_kind,
        influencer_kind=influencer_kind,
        brand_taste=brand_taste,
        influencer_taste=influencer_taste,
        affinity=affinity,
        pairs=pairs,
        causes=tuple(causes.tolist()),
    )


def spread_directions(count: int, n_latent: int, rng: np.random.Generator) -> Floats:
    """Draws (count, latent) unit vectors, orthogonal within each run of `n_latent` of them.

    Spreading them evenly keeps the data of one seed about as hard as that of another.
    """
    n_bases = -(-count // n_latent)
    bases = [np.linalg.qr(rng.standard_normal((n_latent, n_latent)))[0] for _ in range(n_bases)]
    return np.vstack(bases)[:count]


def _tastes(
    spec: PopulationSpec,
    common_share: float,
    centre: Floats,
    common: Floats,
    kind: Ints,
    rng: np.random.Generator,
) -> Floats:
    """One side's taste: what matters to pairs, all of one length, and what does not.

    The account's kind shows in the latter, around places that are drawn for each side: no linear
    map of tastes leads from a kind of brands to the influencers that it works with.
    """
    places = rng.standard_normal((spec.n_kinds, spec.n_idle))[kind]
    matters = (
        np.sqrt(spec.category_share) * centre
        + np.sqrt(common_share) * common
        + np.sqrt(1 - spec.category_share - common_share) * rng.standard_normal(centre.shape)
    )
    matters *= np.sqrt(spec.n_latent) / np.linalg.norm(matters, axis=1, keepdims=True)
    own = rng.standard_normal(places.shape)
    idle = np.sqrt(spec.kind_share) * places + np.sqrt(1 - spec.kind_share) * own
    return np.hstack([matters, idle])


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
