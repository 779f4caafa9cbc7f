"""The account tables of a synthetic data set, one column after the other."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import schema
from dataset_convert.synthetic import vocabulary
from dataset_convert.synthetic.expression import (
    Speaker,
    cells,
    chosen_attributes,
    seen_shares,
    softmax,
)
from dataset_convert.synthetic.population import Floats
from dataset_convert.synthetic.spec import MissingSpec, SyntheticSpec

Mask = npt.NDArray[np.bool_]
SIDE_SIGN = {schema.BRAND: vocabulary.BRAND_WORD, schema.INFLUENCER: vocabulary.PERSONAL_WORD}
FOLLOWER_RANGE = {schema.BRAND: (20_000, 5_000_000), schema.INFLUENCER: (5_000, 100_000)}


def vocabularies(spec: SyntheticSpec) -> dict[str, tuple[vocabulary.Vocabulary, ...]]:
    """Returns modality -> its vocabularies; a visual modality has objects, then scenes."""
    labels = (vocabulary.objects(spec.n_label_niches), vocabulary.scenes(spec.n_label_niches))
    return {
        schema.CONTENT_TOPICS: (vocabulary.content_topics(spec.n_content_niches),),
        schema.CONTENT_VISUAL: labels,
        schema.AUDIENCE_TOPICS: (vocabulary.audience_topics(spec.n_audience_niches),),
        schema.AUDIENCE_VISUAL: labels,
        schema.ATTRIBUTES: (vocabulary.attributes(spec.n_attribute_niches),),
    }


def make_speakers(spec: SyntheticSpec, rng: np.random.Generator) -> dict[str, list[Speaker]]:
    """Draws how each modality's vocabularies express tastes, once for both sides."""
    expression = {
        schema.CONTENT_TOPICS: spec.content_topics,
        schema.CONTENT_VISUAL: spec.content_visual,
        schema.AUDIENCE_TOPICS: spec.audience_topics,
        schema.AUDIENCE_VISUAL: spec.audience_visual,
        schema.ATTRIBUTES: spec.attributes,
    }
    return {
        modality: [
            Speaker(words, expression[modality], spec.population.n_latent, rng) for words in blocks
        ]
        for modality, blocks in vocabularies(spec).items()
    }


def describe_accounts(
    spec: SyntheticSpec,
    side: schema.Side,
    taste: dict[str, Floats],
    speakers: dict[str, list[Speaker]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draws one side's accounts.

    Args:
        spec: The generator's constants.
        side: Whose words are preferred.
        taste: Perspective -> (account, latent).
        speakers: Modality -> its vocabularies in use.
        rng: Draws everything.

    Returns:
        Ids, follower counts and modalities; columns from `schema.account_types(side)`.
    """
    n_accounts = len(taste["content"])
    width = len(str(n_accounts))
    columns: dict[str, object] = {
        schema.ACCOUNT_ID[side]: [f"{side}_{i:0{width}d}" for i in range(1, n_accounts + 1)],
        schema.account_field(side, schema.FOLLOWERS): _followers(spec, side, n_accounts, rng),
    }
    lacking = _lacking(spec.missing, n_accounts, rng)
    for perspective, modalities in schema.PERSPECTIVES.items():
        for modality in modalities:
            if modality in speakers:
                logits = [
                    speaker.logits(taste[perspective], SIDE_SIGN[side], rng)
                    for speaker in speakers[modality]
                ]
                names = [name for speaker in speakers[modality] for name in speaker.names]
                drawn = _draw(spec, side, modality, logits, names, rng)
                for field, values in drawn.items():
                    columns[field] = cells(values, lacking[modality])
    return pd.DataFrame(columns)


def _followers(
    spec: SyntheticSpec, side: schema.Side, n_accounts: int, rng: np.random.Generator
) -> Floats:
    low, high = np.log(FOLLOWER_RANGE[side])
    followers = np.rint(np.exp(rng.uniform(low, high, n_accounts)))
    return np.where(rng.random(n_accounts) < spec.missing.followers, np.nan, followers)


def _lacking(missing: MissingSpec, n_accounts: int, rng: np.random.Generator) -> dict[str, Mask]:
    def mask(share: float) -> Mask:
        return rng.random(n_accounts) < share

    audience = mask(missing.audience)
    return {
        schema.CONTENT_TOPICS: np.zeros(n_accounts, dtype=bool),
        schema.CONTENT_VISUAL: mask(missing.content_visual),
        schema.AUDIENCE_TOPICS: audience,
        schema.AUDIENCE_VISUAL: audience | mask(missing.audience_visual),
        schema.ATTRIBUTES: mask(missing.attributes),
    }


def _draw(
    spec: SyntheticSpec,
    side: schema.Side,
    modality: str,
    logits: list[Floats],
    names: list[str],
    rng: np.random.Generator,
) -> dict[str, list[object]]:
    if modality in schema.TOPIC_MODALITIES:
        return {schema.account_field(side, modality): list(softmax(logits[0]))}
    if modality == schema.ATTRIBUTES:
        chosen = chosen_attributes(logits[0], spec.n_attributes, rng)
        return {schema.account_field(side, modality): [[names[i] for i in row] for row in chosen]}
    n_seen = (spec.n_objects_seen, spec.n_scenes_seen)
    shares = np.hstack([seen_shares(x, n, rng) for x, n in zip(logits, n_seen, strict=True)])
    return {
        schema.labels_field(side, modality): [
            [names[i] for i in np.flatnonzero(row)] for row in shares
        ],
        schema.weights_field(side, modality): [row[row > 0] for row in shares],
    }
