"""The embedded synthetic data sets: seeded, made in seconds, never downloaded.

The constants were set by what models of ours find on the test brands of the default seed, as
ratios to what the untrained cosine finds (docs/demo_benchmark.md): those of real accounts are about
met, so whoever tries the demo sees what training is worth. Rivals share as many influencers as in
the real material (52 % of the links lie between brands that share two or more). All is frozen: a
test holds the fingerprint of the tables.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from dataset_convert.problems import Problems
from dataset_convert.settings import ConversionSettings, read_settings

if TYPE_CHECKING:
    from dataset_convert.atomic import AtomicData

DEFAULT_SEED: Final = 2026
DESCRIPTION: Final = (
    "Synthetic: made by a seeded generator. No account, topic, label or collaboration in it is "
    "real, and no figure measured on it says anything about real accounts."
)


@dataclass(frozen=True)
class TasteSpec:
    """One of the tastes that an account has."""

    weight: float  # of where a brand's and an influencer's meet, in who works with whom
    common_share: float  # part of its variance that an account has in all tastes of such a share


@dataclass(frozen=True)
class PopulationSpec:
    """What the planted collaborations are made of; every influencer gets one pair or more."""

    n_categories: int  # brands and influencers are spread evenly over them
    n_brands: int
    n_influencers: int
    n_pairs: int
    degree_sd: float = 4.4  # standard deviation of a brand's number of influencers
    # Influencers with 2, 3, 4 brands, in proportion.
    several: tuple[float, ...] = (0.80, 0.14, 0.06)
    tastes: dict[str, TasteSpec] = field(
        default_factory=lambda: {
            "content": TasteSpec(weight=1.0, common_share=0.7),
            "audience": TasteSpec(weight=0.5, common_share=0.7),
            "attribute": TasteSpec(weight=0.7, common_share=0.7),
            "text": TasteSpec(weight=0.38, common_share=0.7),
        }
    )
    n_latent: int = 10  # dimensions of a taste that matter to who works with whom
    n_idle: int = 4  # further ones that do not
    idle_gain: float = 1.18  # how clearly these show, of the others
    category_share: float = 0.03  # part of a taste's variance that its category explains
    n_kinds: int = 24  # hidden kinds of brands, each of which goes with a kind of influencers
    kind_share: float = 0.15  # part of the idle dimensions' variance that the kind explains
    kind_weight: float = 1.2  # what is added where kinds go together
    choice_noise: float = 0.1  # scale of the Gumbel noise on what the above add up to
    n_circles: int = 80  # circles of rival brands, of one category each, that share influencers
    circle_size: int = 3
    circle_share: float = 0.7  # of the influencers with several brands that stay within one circle


@dataclass(frozen=True)
class ExpressionSpec:
    """How clearly a taste shows in one modality."""

    gain: float  # weight of the taste in a dimension's log-propensity
    accent: float  # how strongly each side prefers its own words
    noise: float  # standard deviation of what an account says by chance, per dimension
    popularity: float = 0.3  # standard deviation of the dimensions' general popularity
    frequent: float = 0.7  # added to the log-propensity of the dimensions of no niche


@dataclass(frozen=True)
class PostSpec:
    """What the posts of an account, or of its audience, are made of."""

    n_members: int  # who write them: members of the audience; 1 for an account's own posts
    n_posts: int  # of each of them
    n_words: tuple[int, int] = (4, 8)  # fewest and most words of a caption
    n_objects: int = 4  # seen in a picture, not all of them different
    n_scenes: int = 2


@dataclass(frozen=True)
class TextSpec:
    """Sentence vectors that no model makes: a taste through a fixed random matrix, and noise.

    Noise is in standard deviations; a taste's own is 1.
    """

    content_text: float = 0.9  # noise on the taste that captions show
    profile_text: float = 1.4  # the same of biographies
    blur: float = 0.3  # noise on each of the vector's dimensions
    dimension: int = 32


@dataclass(frozen=True)
class MissingSpec:
    """Shares of the accounts that lack something; every account has posts."""

    content_visual: float = 0.10
    audience: float = 0.10
    audience_visual: float = 0.05
    attributes: float = 0.06
    text: float = 0.08
    followers: float = 0.02


@dataclass(frozen=True)
class SyntheticSpec:
    """Everything a synthetic release is made of but its seed."""

    population: PopulationSpec
    n_valid: int  # brands of the protocol `new-brand`
    n_test: int
    n_content_niches: int = 9
    n_audience_niches: int = 8
    n_label_niches: int = 18
    n_attribute_niches: int = 36
    # Of a vocabulary's niches every so many shows a dimension that does not matter.
    idle_every: int = 3
    # How tastes show in captions, pictures, biographies, and in those of the audience.
    content_topics: ExpressionSpec = ExpressionSpec(gain=3.08, accent=0.425, noise=0.12)
    content_visual: ExpressionSpec = ExpressionSpec(gain=2.8, accent=0.4, noise=0.09)
    audience_topics: ExpressionSpec = ExpressionSpec(gain=4.2, accent=0.35, noise=0.06)
    audience_visual: ExpressionSpec = ExpressionSpec(gain=4.9, accent=0.35, noise=0.06)
    attributes: ExpressionSpec = ExpressionSpec(gain=7.0, accent=0.7, noise=0.09, frequent=0.5)
    n_attributes: float = 24.0  # mean number that a biography names
    content: PostSpec = PostSpec(n_members=1, n_posts=12)
    audience: PostSpec = PostSpec(n_members=10, n_posts=1)
    text: TextSpec = TextSpec()
    missing: MissingSpec = MissingSpec()


SPECS = {
    "mirec-demo": SyntheticSpec(
        population=PopulationSpec(n_categories=12, n_brands=360, n_influencers=3748, n_pairs=4209),
        n_valid=43,
        n_test=74,
    ),
    "mirec-tiny": SyntheticSpec(
        population=PopulationSpec(
            n_categories=4,
            n_brands=36,
            n_influencers=300,
            n_pairs=340,
            degree_sd=3.0,
            n_circles=8,
            n_latent=4,
            n_idle=2,
            n_kinds=4,
        ),
        n_valid=6,
        n_test=8,
        n_content_niches=5,
        n_audience_niches=4,
        n_label_niches=5,
        n_attribute_niches=10,
    ),
}


def write_synthetic(
    name: str,
    folder: Path | str,
    *,
    seed: int = DEFAULT_SEED,
    force: bool = False,
    n_jobs: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> "AtomicData":
    """Generates raw material and converts it to a data set, as any source's is.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        folder: The data set's own folder, e.g. `dataset/mirec-demo`.
        seed: The same seed gives the same bytes on the same platform.
        force: Whether to make again what stands there already.
        n_jobs: Processes; the bytes do not depend on it. Above 1 for scripts that may be imported.
        tell: Called with a line a step.

    Returns:
        The data as it was read back.

    Raises:
        UsageError: An unknown name, or a folder that holds something else.
    """
    if name not in SPECS:
        raise UsageError(
            f"The 'name' of a synthetic data set must be one of {', '.join(SPECS)}. "
            f"Received: {name}"
        )
    # Here: who asks for the names of the data sets needs nothing of the converter.
    from dataset_convert.convert import convert
    from dataset_convert.synthetic.material import synthetic_material

    spec = SPECS[name]
    material = synthetic_material(spec, seed=seed)
    # Drawn once: every extractor goes through them, and they are small.
    posts, audience_posts = list(material.posts()), list(material.audience_posts())
    return convert(
        replace(material, posts=lambda: iter(posts), audience_posts=lambda: iter(audience_posts)),
        name,
        replace(_settings(spec, seed), n_jobs=n_jobs),
        folder=Path(folder),
        problems=Problems(),
        tell=tell,
        force=force,
        about={"source": "synthetic", "description": DESCRIPTION, "generator": asdict(spec)},
        causes=material.causes,
    )


def generate(name: str, *, seed: int = DEFAULT_SEED) -> "AtomicData":
    """Returns a synthetic data set as it was read back from files that are not kept.

    Args:
        name: `mirec-demo` or `mirec-tiny`.
        seed: The same seed gives the same data on the same platform.

    Raises:
        UsageError: An unknown name.
    """
    with tempfile.TemporaryDirectory() as parent:
        return write_synthetic(name, Path(parent) / name, seed=seed)


def _settings(spec: SyntheticSpec, seed: int) -> ConversionSettings:
    from dataset_convert.synthetic.posts import vocabularies

    defaults, known = read_settings(None), vocabularies(spec)
    features = {modality: dict(options) for modality, options in defaults.features.items()}
    for modality in schema.TOPIC_MODALITIES:
        features[modality] |= {"n_topics": len(known[modality][0].names), "seed": seed}
    return replace(defaults, features=features, seed=seed, pseudonyms=False, n_jobs=1)
