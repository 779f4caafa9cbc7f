"""What each synthetic account would say and show, before it posts anything."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset_convert import schema
from dataset_convert.synthetic import vocabulary
from dataset_convert.synthetic.expression import Speaker, chosen_attributes, softmax
from dataset_convert.synthetic.population import Floats
from dataset_convert.synthetic.spec import SyntheticSpec

Mask = npt.NDArray[np.bool_]
SIDE_SIGN = {schema.BRAND: vocabulary.BRAND_WORD, schema.INFLUENCER: vocabulary.PERSONAL_WORD}
FOLLOWER_RANGE = {schema.BRAND: (20_000, 5_000_000), schema.INFLUENCER: (5_000, 100_000)}


@dataclass(frozen=True, eq=False)
class Accounts:
    """One side's accounts.

    Attributes:
        ids: Numbered names.
        followers: (account,) NaN where unknown.
        shares: Modality -> (account, dimension) of each of its vocabularies, rows summing to 1;
            objects, then scenes. Attributes are not among them.
        attributes: The attributes that each account names.
        lacking: Modality -> (account,) whether the account has nothing of it.
    """

    ids: tuple[str, ...]
    followers: Floats
    shares: dict[str, tuple[Floats, ...]]
    attributes: list[list[str]]
    lacking: dict[str, Mask]


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
    followers = _followers(spec, side, n_accounts, rng)
    lacking = _lacking(spec, n_accounts, rng)
    shares: dict[str, tuple[Floats, ...]] = {}
    for perspective, modalities in schema.PERSPECTIVES.items():
        for modality in modalities:
            logits = [
                speaker.logits(taste[perspective], SIDE_SIGN[side], rng)
                for speaker in speakers.get(modality, ())
            ]
            if modality == schema.ATTRIBUTES:
                chosen = chosen_attributes(logits[0], spec.n_attributes, rng)
            elif logits:
                shares[modality] = tuple(softmax(block) for block in logits)
    names = speakers[schema.ATTRIBUTES][0].names
    return Accounts(
        ids=tuple(f"{side}_{i:0{width}d}" for i in range(1, n_accounts + 1)),
        followers=followers,
        shares=shares,
        attributes=[[names[i] for i in row] for row in chosen],
        lacking=lacking,
    )


def _followers(
    spec: SyntheticSpec, side: schema.Side, n_accounts: int, rng: np.random.Generator
) -> Floats:
    low, high = np.log(FOLLOWER_RANGE[side])
    followers = np.rint(np.exp(rng.uniform(low, high, n_accounts)))
    return np.where(rng.random(n_accounts) < spec.missing.followers, np.nan, followers)


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
