"""The embedded synthetic data sets: seeded, generated in seconds, never downloaded."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema, vocabulary
from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.expression import (
    ExpressionSpec,
    Speaker,
    chosen_attributes,
    shown_labels,
    softmax,
)
from dataset_convert.population import Population, PopulationSpec, make_population
from dataset_convert.splits import known_brand_split, new_brand_split

DEFAULT_SEED = 2026
DESCRIPTION = (
    "Synthetic: made by a seeded generator. No account, topic, label or collaboration in it is "
    "real, and no figure measured on it says anything about real accounts."
)
PERSPECTIVES = ("content", "audience", "attribute")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MissingSpec:
    """Shares of the accounts that lack a modality; content topics are never missing."""

    content_visual: float = 0.10
    audience: float = 0.10
    audience_visual: float = 0.05
    attributes: float = 0.06
    followers: float = 0.05


@dataclass(frozen=True)
class SyntheticSpec:
    """Everything that the generator needs beside the seed; frozen with its fingerprint.

    The constants were calibrated once, before any model was run on the data, so that the
    untrained cosine of the three perspectives scores about what it does on real accounts.
    """

    population: PopulationSpec
    n_valid: int
    n_test: int
    n_content_niches: int = 9
    n_audience_niches: int = 8
    n_label_niches: int = 18
    n_attribute_niches: int = 36
    content_topics: ExpressionSpec = ExpressionSpec(gain=1.0, accent=0.8, noise=0.8)
    content_visual: ExpressionSpec = ExpressionSpec(gain=1.0, accent=0.8, noise=0.8)
    audience_topics: ExpressionSpec = ExpressionSpec(gain=1.0, accent=0.8, noise=0.8)
    audience_visual: ExpressionSpec = ExpressionSpec(gain=1.0, accent=0.8, noise=0.8)
    attributes: ExpressionSpec = ExpressionSpec(gain=1.2, accent=1.0, noise=0.3)
    n_objects_seen: int = 60
    n_scenes_seen: int = 30
    n_attributes: float = 11.0
    missing: MissingSpec = field(default_factory=MissingSpec)


SPECS = {
    "mirec-demo": SyntheticSpec(
        population=PopulationSpec(12, n_brands=360, n_influencers=3748, n_pairs=4209),
        n_valid=43,
        n_test=74,
    ),
    "mirec-tiny": SyntheticSpec(
        population=PopulationSpec(4, n_brands=36, n_influencers=300, n_pairs=340, degree_sd=3.0),
        n_valid=6,
        n_test=8,
        n_content_niches=4,
        n_audience_niches=3,
        n_label_niches=5,
        n_attribute_niches=8,
    ),
}


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


def generate(name: str, *, seed: int = DEFAULT_SEED) -> AtomicData:
    """Generates a synthetic data set.

    Every account has one latent taste per perspective on top of a weak category factor, and
    collaborations are drawn from the sum of the three affinities, so each perspective carries
    signal that the other two lack. Brands and influencers name equal tastes by partly different
    dimensions, some dimensions say nothing, and modalities are missing: a trained model has
    something to learn that a cosine cannot see.

    Raises:
        ValueError: An unknown name.
    """
    if name not in SPECS:
        raise ValueError(
            f"The 'name' parameter of generate must be one of {', '.join(SPECS)}. Received: {name}"
        )
    spec = SPECS[name]
    population = make_population(spec.population, PERSPECTIVES, np.random.default_rng([seed, 0]))
    brands, influencers = _account_frames(spec, population, np.random.default_rng([seed, 1]))
    interactions = _interaction_frame(
        population, brands, influencers, np.random.default_rng([seed, 2])
    )
    category_of = brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
    first = interactions.drop_duplicates(schema.INFLUENCER_ID).set_index(schema.INFLUENCER_ID)
    return AtomicData(
        name=name,
        brands=brands,
        influencers=influencers,
        interactions=interactions,
        influencer_category=first[schema.BRAND_ID].map(category_of).sort_index(),
        splits={
            schema.NEW_BRAND: new_brand_split(
                brands, interactions, n_valid=spec.n_valid, n_test=spec.n_test, seed=seed
            ),
            schema.KNOWN_BRAND: known_brand_split(interactions, seed=seed),
        },
        manifest=_manifest(spec, seed),
    )


def _manifest(spec: SyntheticSpec, seed: int) -> dict[str, object]:
    languages = _languages(spec)
    return {
        "source": "synthetic",
        "synthetic": True,
        "description": DESCRIPTION,
        "seed": seed,
        "dimensions": {
            modality: [name for words in languages[modality] for name in words.names]
            for modality in languages
        },
    }


def _languages(spec: SyntheticSpec) -> dict[str, tuple[vocabulary.Vocabulary, ...]]:
    labels = (vocabulary.objects(spec.n_label_niches), vocabulary.scenes(spec.n_label_niches))
    return {
        schema.CONTENT_TOPICS: (vocabulary.content_topics(spec.n_content_niches),),
        schema.CONTENT_VISUAL: labels,
        schema.AUDIENCE_TOPICS: (vocabulary.audience_topics(spec.n_audience_niches),),
        schema.AUDIENCE_VISUAL: labels,
        schema.ATTRIBUTES: (vocabulary.attributes(spec.n_attribute_niches),),
    }


def _account_frames(
    spec: SyntheticSpec, population: Population, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    expression = {
        schema.CONTENT_TOPICS: spec.content_topics,
        schema.CONTENT_VISUAL: spec.content_visual,
        schema.AUDIENCE_TOPICS: spec.audience_topics,
        schema.AUDIENCE_VISUAL: spec.audience_visual,
        schema.ATTRIBUTES: spec.attributes,
    }
    n_latent = spec.population.n_latent
    speakers = {
        modality: [Speaker(words, expression[modality], n_latent, rng) for words in blocks]
        for modality, blocks in _languages(spec).items()
    }
    brands = pd.DataFrame({schema.BRAND_ID: _ids("brand", spec.population.n_brands)})
    names = np.array(vocabulary.CATEGORIES[: spec.population.n_categories], dtype=object)
    brands[schema.BRAND_CATEGORY] = names[population.brand_category]
    n_influencers = spec.population.n_influencers
    influencers = pd.DataFrame({schema.INFLUENCER_ID: _ids("influencer", n_influencers)})
    return (
        _describe(spec, brands, schema.BRAND, population.brand_taste, speakers, rng),
        _describe(spec, influencers, schema.INFLUENCER, population.influencer_taste, speakers, rng),
    )


def _ids(stem: str, count: int) -> list[str]:
    width = len(str(count))
    return [f"{stem}_{i:0{width}d}" for i in range(1, count + 1)]


def _describe(
    spec: SyntheticSpec,
    accounts: pd.DataFrame,
    side: schema.Side,
    taste: dict[str, Floats],
    speakers: dict[str, list[Speaker]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    n = len(accounts)
    low, high = (20_000, 5_000_000) if side == schema.BRAND else (5_000, 100_000)
    followers = np.rint(np.exp(rng.uniform(np.log(low), np.log(high), n)))
    followers[rng.random(n) < spec.missing.followers] = np.nan
    columns: dict[str, object] = {schema.account_field(side, schema.FOLLOWERS): followers}
    sign = vocabulary.BRAND_WORD if side == schema.BRAND else vocabulary.PERSONAL_WORD
    no_audience = rng.random(n) < spec.missing.audience
    for modality, perspective, lacking in (
        (schema.CONTENT_TOPICS, "content", np.zeros(n, dtype=bool)),
        (schema.CONTENT_VISUAL, "content", rng.random(n) < spec.missing.content_visual),
        (schema.AUDIENCE_TOPICS, "audience", no_audience),
        (
            schema.AUDIENCE_VISUAL,
            "audience",
            no_audience | (rng.random(n) < spec.missing.audience_visual),
        ),
        (schema.ATTRIBUTES, "attribute", rng.random(n) < spec.missing.attributes),
    ):
        logits = [s.logits(taste[perspective], sign, rng) for s in speakers[modality]]
        names = [name for s in speakers[modality] for name in s.vocabulary.names]
        if modality in schema.TOPIC_MODALITIES:
            columns[schema.account_field(side, modality)] = _cells(
                list(softmax(logits[0])), lacking
            )
        elif modality == schema.ATTRIBUTES:
            drawn = chosen_attributes(logits[0], spec.n_attributes, rng)
            lists = [[names[i] for i in row] for row in drawn]
            columns[schema.account_field(side, modality)] = _cells(lists, lacking)
        else:
            seen = (spec.n_objects_seen, spec.n_scenes_seen)
            shares = np.hstack(
                [shown_labels(block, k, rng) for block, k in zip(logits, seen, strict=True)]
            )
            labels = [[names[i] for i in np.flatnonzero(row)] for row in shares]
            weights = [row[row > 0] for row in shares]
            columns[schema.labels_field(side, modality)] = _cells(labels, lacking)
            columns[schema.weights_field(side, modality)] = _cells(weights, lacking)
    return pd.concat([accounts, pd.DataFrame(columns)], axis=1)


def _cells(values: list[object], lacking: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    cells = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        cells[i] = None if lacking[i] else value
    return cells


def _interaction_frame(
    population: Population,
    brands: pd.DataFrame,
    influencers: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    brand, influencer = population.pairs.T
    spread = 0.9 * rng.standard_normal(len(brand))
    affinity = population.affinity[brand, influencer]
    competence = np.exp(np.log(0.007) + 0.15 * (affinity - affinity.mean()) + spread)
    return pd.DataFrame(
        {
            schema.BRAND_ID: brands[schema.BRAND_ID].to_numpy()[brand],
            schema.INFLUENCER_ID: influencers[schema.INFLUENCER_ID].to_numpy()[influencer],
            schema.COMPETENCE: np.round(competence, 6),
        }
    )
