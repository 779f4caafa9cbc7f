"""The embedded synthetic data sets: seeded, generated in seconds, never downloaded."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, fingerprint, write_atomic
from dataset_convert.splits import known_brand_split, new_brand_split
from dataset_convert.synthetic import vocabulary
from dataset_convert.synthetic.accounts import describe_accounts, make_speakers, vocabularies
from dataset_convert.synthetic.population import Population, make_population
from dataset_convert.synthetic.spec import SPECS, SyntheticSpec

DEFAULT_SEED = 2026
DESCRIPTION = (
    "Synthetic: made by a seeded generator. No account, topic, label or collaboration in it is "
    "real, and no figure measured on it says anything about real accounts."
)


def write_synthetic(name: str, folder: Path | str, *, seed: int = DEFAULT_SEED) -> None:
    """Generates a synthetic data set and writes its atomic files.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        folder: The data set's own folder, e.g. `dataset/mirec-demo`.
        seed: The same seed gives the same bytes.

    Raises:
        ValueError: An unknown name, or a folder that holds something else.
    """
    write_atomic(generate(name, seed=seed), folder)


def generator_fingerprint(name: str) -> str:
    """Returns the fingerprint of the files that the generator writes for its default seed."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / name
        write_synthetic(name, folder)
        return fingerprint(folder)


def generate(name: str, *, seed: int = DEFAULT_SEED) -> AtomicData:
    """Generates a synthetic data set.

    Every account has one latent taste per perspective on top of a category factor, and
    collaborations are drawn from the sum of the three affinities, so each perspective carries
    signal that the other two lack. Brands and influencers put equal tastes in partly different
    words, some words say nothing, and modalities are missing: there is something to learn that a
    cosine cannot see. An account's number says nothing about its taste or its category.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        seed: The same seed gives the same data.

    Raises:
        ValueError: An unknown name.
    """
    if name not in SPECS:
        raise ValueError(
            f"The 'name' parameter of generate must be one of {', '.join(SPECS)}. Received: {name}"
        )
    spec = SPECS[name]
    perspectives = tuple(schema.PERSPECTIVES)
    population = make_population(spec.population, perspectives, np.random.default_rng([seed, 0]))
    brands, influencers = _accounts(spec, population, np.random.default_rng([seed, 1]))
    interactions = _interactions(
        population,
        brands[schema.BRAND_ID],
        influencers[schema.INFLUENCER_ID],
        np.random.default_rng([seed, 2]),
    )
    return AtomicData(
        name=name,
        brands=brands,
        influencers=influencers,
        interactions=interactions,
        influencer_category=_first_categories(brands, interactions),
        splits={
            schema.NEW_BRAND: new_brand_split(
                brands, interactions, n_valid=spec.n_valid, n_test=spec.n_test, seed=seed
            ),
            schema.KNOWN_BRAND: known_brand_split(interactions, seed=seed),
        },
        manifest=_manifest(spec, seed),
    )


def _accounts(
    spec: SyntheticSpec, population: Population, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    speakers = make_speakers(spec, rng)
    brands = describe_accounts(spec, schema.BRAND, population.brand_taste, speakers, rng)
    names = np.array(vocabulary.CATEGORIES, dtype=object)
    brands.insert(1, schema.BRAND_CATEGORY, names[population.brand_category])
    influencers = describe_accounts(
        spec, schema.INFLUENCER, population.influencer_taste, speakers, rng
    )
    return brands, influencers


def _interactions(
    population: Population,
    brand_ids: "pd.Series[str]",
    influencer_ids: "pd.Series[str]",
    rng: np.random.Generator,
) -> pd.DataFrame:
    brand, influencer = population.pairs.T
    return pd.DataFrame(
        {
            schema.BRAND_ID: brand_ids.to_numpy()[brand],
            schema.INFLUENCER_ID: influencer_ids.to_numpy()[influencer],
            schema.COMPETENCE: _competence(population.affinity[brand, influencer], rng),
        }
    )


def _competence(
    affinity: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    # Engagement is skewed and mostly luck: lognormal, a little higher where tastes meet.
    luck = 0.9 * rng.standard_normal(len(affinity))
    return np.asarray(np.round(0.007 * np.exp(0.15 * (affinity - affinity.mean()) + luck), 6))


def _first_categories(brands: pd.DataFrame, interactions: pd.DataFrame) -> "pd.Series[str]":
    """Returns each influencer's category: that of the first brand it was found through."""
    category_of = brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
    first = interactions.drop_duplicates(schema.INFLUENCER_ID).set_index(schema.INFLUENCER_ID)
    return first[schema.BRAND_ID].map(category_of).sort_index()


def _manifest(spec: SyntheticSpec, seed: int) -> dict[str, object]:
    return {
        "source": "synthetic",
        "synthetic": True,
        "description": DESCRIPTION,
        "seed": seed,
        "generator": asdict(spec),
        "dimensions": {
            modality: [name for words in blocks for name in words.names]
            for modality, blocks in vocabularies(spec).items()
        },
    }
