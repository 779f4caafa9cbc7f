"""A synthetic release as raw material: what the conversion would read of a real one."""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.raw import RawMaterial
from dataset_convert.splits import new_brand_split
from dataset_convert.synthetic import vocabulary
from dataset_convert.synthetic.accounts import Accounts, make_accounts, make_speakers, vocabularies
from dataset_convert.synthetic.biographies import biography
from dataset_convert.synthetic.population import Population, make_population
from dataset_convert.synthetic.posts import PostDraws
from dataset_convert.synthetic.spec import PostSpec, SyntheticSpec

_POPULATION, _ACCOUNTS, _COMPETENCE, _CONTENT, _AUDIENCE, _BIOGRAPHIES = range(6)
"""What is drawn from generators of their own, so that none disturbs another."""


def synthetic_material(spec: SyntheticSpec, *, seed: int) -> RawMaterial:
    """Draws accounts and collaborations; posts are drawn whenever they are streamed.

    Every account has one latent taste per perspective on top of a category factor, and
    collaborations are drawn from the sum of the three affinities, so each perspective carries
    signal that the other two lack. Brands and influencers put equal tastes in partly different
    words, some words say nothing, and modalities are missing: there is something to learn that a
    cosine cannot see. An account's number says nothing about its taste or its category.

    Args:
        spec: The release's constants.
        seed: The same seed gives the same material.
    """
    perspectives = tuple(schema.PERSPECTIVES)
    population = make_population(
        spec.population, perspectives, np.random.default_rng([seed, _POPULATION])
    )
    rng = np.random.default_rng([seed, _ACCOUNTS])
    speakers = make_speakers(spec, rng)
    brands = make_accounts(spec, schema.BRAND, population.brand_taste, speakers, rng)
    influencers = make_accounts(spec, schema.INFLUENCER, population.influencer_taste, speakers, rng)
    pairs = _pairs(population, brands, influencers, np.random.default_rng([seed, _COMPETENCE]))
    accounts = _accounts(population, brands, influencers, seed)
    posts = _post_draws(spec, brands, influencers, raw.POSTS, (seed, _CONTENT))
    audience_posts = _post_draws(spec, brands, influencers, raw.AUDIENCE, (seed, _AUDIENCE))
    parts = (raw.ACCOUNTS, raw.COLLABORATIONS, raw.POSTS, raw.AUDIENCE, raw.SPLITS)
    return RawMaterial(
        accounts=accounts,
        collaborations=pairs,
        posts=posts,
        audience_posts=audience_posts,
        brand_parts=_brand_parts(spec, accounts, pairs, seed),
        influencer_category_is_profile=False,
        vectors={},
        fingerprints={part: _fingerprint(spec, seed, part) for part in parts},
        synthetic=True,
        n_posts=len(posts),
        n_audience_posts=len(audience_posts),
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


def _competence(
    affinity: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    # Engagement is skewed and mostly luck: lognormal, a little higher where tastes meet.
    luck = 0.9 * rng.standard_normal(len(affinity))
    return np.asarray(np.round(0.007 * np.exp(0.15 * (affinity - affinity.mean()) + luck), 6))


def _accounts(
    population: Population, brands: Accounts, influencers: Accounts, seed: int
) -> pd.DataFrame:
    names = np.array(vocabulary.CATEGORIES, dtype=object)
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
    topics, visual = (
        (schema.AUDIENCE_TOPICS, schema.AUDIENCE_VISUAL)
        if is_audience
        else (schema.CONTENT_TOPICS, schema.CONTENT_VISUAL)
    )
    size: PostSpec = spec.audience if is_audience else spec.content
    words, known = vocabulary.topic_word_lists(), vocabularies(spec)
    both = (brands, influencers)
    objects, scenes = (
        np.vstack([side.shares[visual][block] for side in both]) for block in range(2)
    )
    return PostDraws(
        spec=size,
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
