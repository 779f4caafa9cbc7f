"""A synthetic release as raw material: what its accounts say of themselves, and who they are."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.raw import RawMaterial
from dataset_convert.splits import new_brand_split
from dataset_convert.synthetic import ExpressionSpec, SyntheticSpec
from dataset_convert.synthetic import posts as spoken
from dataset_convert.synthetic.population import (
    PRECEDENT,
    TEXT,
    Floats,
    Population,
    make_population,
    spread_directions,
)
from dataset_convert.synthetic.posts import Mask, PostDraws, Vocabulary, vocabularies

_POPULATION, _ACCOUNTS, _COMPETENCE, _CONTENT, _AUDIENCE, _BIOGRAPHIES, _TEXTS = range(7)
"""What is drawn from generators of their own, so that none disturbs another."""
SIDE_SIGN = {schema.BRAND: spoken.BRAND_WORD, schema.INFLUENCER: spoken.PERSONAL_WORD}
FOLLOWER_RANGE = {schema.BRAND: (20_000, 5_000_000), schema.INFLUENCER: (5_000, 100_000)}
MEETING = {
    "content": schema.CONTENT_TOPICS,
    "audience": schema.AUDIENCE_TOPICS,
    "attribute": schema.ATTRIBUTES,
}
"""Perspective -> the modality whose names say where its tastes meet."""
SEPARATORS = (" | ", "\n", ", ")


@dataclass(frozen=True, eq=False)
class SyntheticMaterial(RawMaterial):
    """Raw material whose every pair is explained.

    Attributes:
        causes: One row a pair, in their order: `brand_id`, `influencer_id`, `cause` (content,
            audience, attribute, text, precedent, rivals or chance) and `names`: what the brand says
            and what the influencer says where topics or attributes meet, the kind of a precedent.
    """

    causes: pd.DataFrame = field(default_factory=pd.DataFrame)


def synthetic_material(spec: SyntheticSpec, *, seed: int) -> SyntheticMaterial:
    """Draws accounts and collaborations; posts are drawn whenever they are streamed.

    Collaborations come from where the tastes of a brand and an influencer meet, one taste in each
    perspective and one that only sentence vectors show, and from hidden kinds of brands that work
    with kinds of influencers. Both sides put equal tastes in partly different words; some words
    show what does not matter to who works with whom, some say nothing, and modalities are missing.
    So a learnt metric sees more than a cosine, and precedents and texts tell more than a metric of
    the rest. An account's number says nothing about its taste, kind or category.

    Args:
        spec: The release's constants.
        seed: The same seed gives the same material.
    """
    rng = np.random.default_rng([seed, _ACCOUNTS])
    planted = plant(spec, seed, rng)
    population, speakers = planted.population, planted.speakers
    brands = make_accounts(spec, schema.BRAND, population.brand_taste, speakers, rng)
    influencers = make_accounts(spec, schema.INFLUENCER, population.influencer_taste, speakers, rng)
    pairs = _pairs(population, brands, influencers, np.random.default_rng([seed, _COMPETENCE]))
    accounts = _accounts(population, brands, influencers, seed)
    posts = _post_draws(spec, brands, influencers, raw.POSTS, (seed, _CONTENT))
    audience_posts = _post_draws(spec, brands, influencers, raw.AUDIENCE, (seed, _AUDIENCE))
    texts = _texts(
        spec,
        [(brands, population.brand_taste), (influencers, population.influencer_taste)],
        np.random.default_rng([seed, _TEXTS]),
    )
    parts = raw.ACCOUNTS, raw.COLLABORATIONS, raw.POSTS, raw.AUDIENCE, raw.SPLITS, raw.VECTORS
    return SyntheticMaterial(
        accounts=accounts,
        collaborations=pairs,
        posts=posts,
        audience_posts=audience_posts,
        brand_parts=_brand_parts(spec, accounts, pairs, seed),
        influencer_category_is_profile=False,
        vectors=texts,
        fingerprints={part: _fingerprint(spec, seed, part) for part in parts},
        synthetic=True,
        n_posts=len(posts),
        n_audience_posts=len(audience_posts),
        causes=_causes(planted, pairs),
    )


class Speaker:
    """One vocabulary's use, the same for both sides but for their accents."""

    def __init__(
        self,
        words: Vocabulary,
        spec: ExpressionSpec,
        release: SyntheticSpec,
        rng: np.random.Generator,
    ) -> None:
        directions = niche_directions(words.n_niches, release, rng)
        in_niche = words.niche >= 0
        popularity = spec.popularity * rng.standard_normal(len(words.names))
        self.words, self.directions = words, directions
        self._gain = np.where(in_niche[:, None], spec.gain * directions[words.niche], 0.0)
        self._base = popularity + np.where(in_niche, 0.0, spec.frequent)
        self._accent = spec.accent * words.accent
        self._noise = spec.noise

    def logits(self, taste: Floats, side_sign: int, rng: np.random.Generator) -> Floats:
        """Returns (account, dimension) log-propensities.

        Args:
            taste: (account, latent).
            side_sign: 1 for brands, -1 for influencers: the sign of the words they prefer.
            rng: Draws what accounts say by chance.
        """
        expected = taste @ self._gain.T + self._base + side_sign * self._accent
        return np.asarray(expected + self._noise * rng.standard_normal(expected.shape))


def niche_directions(n_niches: int, spec: SyntheticSpec, rng: np.random.Generator) -> Floats:
    """Draws what of a taste each niche shows: (niche, latent)."""
    found = np.zeros((n_niches, spec.population.n_latent + spec.population.n_idle))
    idle = np.arange(n_niches) % spec.idle_every == spec.idle_every - 1
    matters = slice(spec.population.n_latent)
    found[~idle, matters] = spread_directions(sum(~idle), spec.population.n_latent, rng)
    found[idle, matters.stop :] = spec.population.idle_gain * spread_directions(
        sum(idle), spec.population.n_idle, rng
    )
    return found


@dataclass(frozen=True, eq=False)
class Planted:
    """Who works with whom, and what each vocabulary shows of why."""

    population: Population
    speakers: dict[str, list[Speaker]]  # modality -> its vocabularies in use
    n_latent: int  # dimensions of a taste that matter

    def meeting(self, perspective: str, modality: str, brand: int, influencer: int) -> int:
        """Returns the niche of a modality that both like best, of those that matter."""
        matters = self.speakers[modality][0].directions[:, : self.n_latent]
        sides = self.population.brand_taste, self.population.influencer_taste
        numbers = brand, influencer
        both = [of[perspective][n] for of, n in zip(sides, numbers, strict=True)]
        liked = (np.array(both)[:, : self.n_latent] @ matters.T).min(axis=0)
        return int(np.where(matters.any(axis=1), liked, -np.inf).argmax())


def plant(spec: SyntheticSpec, seed: int, rng: np.random.Generator | None = None) -> Planted:
    """Draws tastes, collaborations and vocabularies, of which all else is made.

    Args:
        spec: The release's constants.
        seed: As of `synthetic_material`.
        rng: Draws the vocabularies, and afterwards what accounts say; None: one of the seed.
    """
    population = make_population(spec.population, np.random.default_rng([seed, _POPULATION]))
    rng = np.random.default_rng([seed, _ACCOUNTS]) if rng is None else rng
    speakers = {
        modality: [Speaker(words, getattr(spec, modality), spec, rng) for words in blocks]
        for modality, blocks in vocabularies(spec).items()
    }
    return Planted(population, speakers, spec.population.n_latent)


@dataclass(frozen=True, eq=False)
class Accounts:
    """What one side's accounts would say and show, before they post anything."""

    ids: tuple[str, ...]  # numbered names
    followers: Floats  # (account,) NaN where unknown
    # Modality -> (account, dimension) of each of its vocabularies, rows summing to 1; objects, then
    # scenes. Attributes are not among them.
    shares: dict[str, tuple[Floats, ...]]
    attributes: list[list[str]]
    lacking: dict[str, Mask]  # modality -> (account,) whether the account has nothing of it


def make_accounts(
    spec: SyntheticSpec,
    side: schema.Side,
    taste: dict[str, Floats],
    speakers: dict[str, list[Speaker]],
    rng: np.random.Generator,
) -> Accounts:
    """Draws one side's accounts.

    Args:
        spec: The generator's constants.
        side: Whose words are preferred.
        taste: Perspective -> (account, latent).
        speakers: Modality -> its vocabularies in use.
        rng: Draws everything.
    """
    n_accounts = len(taste["content"])
    width = len(str(n_accounts))
    low, high = np.log(FOLLOWER_RANGE[side])
    followers = np.rint(np.exp(rng.uniform(low, high, n_accounts)))
    followers[rng.random(n_accounts) < spec.missing.followers] = np.nan
    lacking = _lacking(spec, n_accounts, rng)
    shares: dict[str, tuple[Floats, ...]] = {}
    for perspective, modalities in schema.PERSPECTIVES.items():
        for modality in modalities:
            logits = [
                speaker.logits(taste[perspective], SIDE_SIGN[side], rng)
                for speaker in speakers.get(modality, ())
            ]
            if modality == schema.ATTRIBUTES:
                chosen = _chosen_attributes(logits[0], spec.n_attributes, rng)
            elif logits:
                shares[modality] = tuple(_softmax(block) for block in logits)
    names = speakers[schema.ATTRIBUTES][0].words.names
    return Accounts(
        ids=tuple(f"{side}_{i:0{width}d}" for i in range(1, n_accounts + 1)),
        followers=followers,
        shares=shares,
        attributes=[[names[i] for i in row] for row in chosen],
        lacking=lacking,
    )


def biography(account: str, attributes: list[str], rng: np.random.Generator) -> str:
    r"""Returns a biography that names every attribute by its own name.

    Args:
        account: Whose it is; a third of the biographies hold a made-up e-mail address.
        attributes: Names of concepts of the lexicon, e.g. `coffee-shop`; none gives a biography
            that says nothing.
        rng: Of the order and the ornaments.
    """
    all_emoji = spoken.words("emoji")
    emoji = all_emoji[rng.integers(len(all_emoji))]
    parts = [attributes[i].replace("-", " ").capitalize() for i in rng.permutation(len(attributes))]
    if rng.random() < 1 / 3:
        parts.append(f"{account}@mail.example")
    if rng.random() < 0.5 or not parts:
        parts.append(emoji)
    return SEPARATORS[rng.integers(len(SEPARATORS))].join(parts)


def _lacking(spec: SyntheticSpec, n_accounts: int, rng: np.random.Generator) -> dict[str, Mask]:
    def mask(share: float) -> Mask:
        return rng.random(n_accounts) < share

    audience = mask(spec.missing.audience)
    return {
        schema.CONTENT_TOPICS: np.zeros(n_accounts, dtype=bool),
        schema.CONTENT_VISUAL: mask(spec.missing.content_visual),
        schema.AUDIENCE_TOPICS: audience,
        schema.AUDIENCE_VISUAL: audience | mask(spec.missing.audience_visual),
        schema.ATTRIBUTES: mask(spec.missing.attributes),
    }


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _chosen_attributes(
    logits: Floats, mean_count: float, rng: np.random.Generator
) -> list[list[int]]:
    """Draws each account's attributes without replacement, at least one, by Gumbel top-k."""
    counts = 1 + rng.poisson(mean_count - 1, size=len(logits))
    order = np.argsort(-(logits + rng.gumbel(size=logits.shape)), axis=1, kind="stable")
    return [sorted(row[:n].tolist()) for row, n in zip(order, counts, strict=True)]


def _texts(
    spec: SyntheticSpec,
    sides: list[tuple[Accounts, dict[str, Floats]]],
    rng: np.random.Generator,
) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Sentence vectors in one space: modality -> account -> vector of length 1."""
    n_latent = spec.population.n_latent + spec.population.n_idle
    axes = np.linalg.qr(rng.standard_normal((spec.text.dimension, n_latent)))[0]
    found: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for modality in (schema.CONTENT_TEXT, schema.PROFILE_TEXT):
        found[modality] = {}
        for accounts, tastes in sides:
            taste, noise = tastes[TEXT], getattr(spec.text, modality)
            said = (taste + noise * rng.standard_normal(taste.shape)) @ axes.T
            said += spec.text.blur * rng.standard_normal(said.shape)
            said /= np.linalg.norm(said, axis=1, keepdims=True)
            known = rng.random(len(said)) >= spec.missing.text
            rows = zip(accounts.ids, said.astype(np.float32), known, strict=True)
            found[modality] |= {account: row for account, row, is_known in rows if is_known}
    return found


def _causes(planted: Planted, pairs: pd.DataFrame) -> pd.DataFrame:
    names, population = [], planted.population
    for cause, (brand, influencer) in zip(population.causes, population.pairs, strict=True):
        if cause == PRECEDENT:
            names.append(f"kind-{population.brand_kind[brand] + 1}")
        elif cause in schema.PERSPECTIVES:
            words = planted.speakers[MEETING[cause]][0].words
            niche = planted.meeting(cause, MEETING[cause], brand, influencer)
            names.append(" ".join(words.of(niche)))
        else:
            names.append("")
    return pairs[[schema.BRAND_ID, schema.INFLUENCER_ID]].assign(
        cause=population.causes, names=names
    )


def _pairs(
    population: Population, brands: Accounts, influencers: Accounts, rng: np.random.Generator
) -> pd.DataFrame:
    brand, influencer = population.pairs.T
    return pd.DataFrame(
        {
            schema.BRAND_ID: np.array(brands.ids, dtype=object)[brand],
            schema.INFLUENCER_ID: np.array(influencers.ids, dtype=object)[influencer],
            schema.COMPETENCE: _competence(population.affinity[brand, influencer], rng),
            schema.TIMESTAMP: np.full(len(brand), np.nan),
        }
    )


def _competence(affinity: Floats, rng: np.random.Generator) -> Floats:
    # Engagement is skewed and mostly luck: lognormal, a little higher where tastes meet.
    luck = 0.9 * rng.standard_normal(len(affinity))
    return np.asarray(np.round(0.007 * np.exp(0.15 * (affinity - affinity.mean()) + luck), 6))


def _accounts(
    population: Population, brands: Accounts, influencers: Accounts, seed: int
) -> pd.DataFrame:
    names = np.array(spoken.words("categories"), dtype=object)
    # An influencer's category is that of the first brand that it was found through.
    brand, influencer = population.pairs.T
    first = brand[np.unique(influencer, return_index=True)[1]]
    sides = {
        schema.BRAND: (brands, names[population.brand_category]),
        schema.INFLUENCER: (influencers, names[population.brand_category[first]]),
    }
    tables = []
    for number, (side, (accounts, categories)) in enumerate(sides.items()):
        rng = np.random.default_rng([seed, _BIOGRAPHIES, number])
        silent = accounts.lacking[schema.ATTRIBUTES]
        said = zip(accounts.ids, accounts.attributes, silent, strict=True)
        columns = {
            raw.ACCOUNT: list(accounts.ids),
            raw.ROLE: side,
            raw.NAME: [account.replace("_", " ").capitalize() for account in accounts.ids],
            raw.BIOGRAPHY: [biography(a, [] if none else words, rng) for a, words, none in said],
            raw.CATEGORY: categories,
        }
        table = pd.DataFrame(columns, dtype=object)
        tables.append(table.assign(**{raw.FOLLOWERS: accounts.followers}))
    return pd.concat(tables, ignore_index=True)


def _brand_parts(
    spec: SyntheticSpec, accounts: pd.DataFrame, pairs: pd.DataFrame, seed: int
) -> dict[str, str]:
    brands = accounts[accounts[raw.ROLE] == schema.BRAND].rename(
        columns={raw.ACCOUNT: schema.BRAND_ID, raw.CATEGORY: schema.BRAND_CATEGORY}
    )
    drawn = new_brand_split(brands, pairs, n_valid=spec.n_valid, n_test=spec.n_test, seed=seed)
    part_of = {brand: part for part, rows in drawn.items() for brand in rows[schema.BRAND_ID]}
    return {brand: part_of[brand] for brand in brands[schema.BRAND_ID]}


def _post_draws(
    spec: SyntheticSpec, brands: Accounts, influencers: Accounts, what: str, seed: tuple[int, int]
) -> PostDraws:
    is_audience = what == raw.AUDIENCE
    topics, visual = schema.PERSPECTIVES["audience" if is_audience else "content"][:2]
    words, known = spoken.topic_word_lists(), vocabularies(spec)
    both = (brands, influencers)
    objects, scenes = (
        np.vstack([side.shares[visual][block] for side in both]) for block in range(2)
    )
    return PostDraws(
        spec=spec.audience if is_audience else spec.content,
        seed=seed,
        accounts=(*brands.ids, *influencers.ids),
        topics=np.vstack([side.shares[topics][0] for side in both]),
        words=tuple(words[name] for name in known[topics][0].names),
        labels=(objects, scenes),
        label_names=(known[visual][0].names, known[visual][1].names),
        silent=np.hstack([side.lacking[topics] for side in both]),
        unseen=np.hstack([side.lacking[visual] for side in both]),
        is_audience=is_audience,
    )


def _fingerprint(spec: SyntheticSpec, seed: int, part: str) -> str:
    what = json.dumps([asdict(spec), seed, part], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()
