"""The constants of the synthetic releases.

They were set by the untrained cosine of the three perspectives, which is to score on the
validation brands of the default seed about what it does on real accounts (AUC .83 to .84). No model
of the recommender was run for it; a small throw-away network showed how much the accents leave to
learn (AUC about .90), and kept them from leaving more. Among near-equal constants those were taken
that put the default seed in that band. They are frozen: a test holds the fingerprint of the tables.

They were frozen three times. The first version let second brands fall as taste had it, and LightGCN
then found nothing on known brands, where on real accounts it does; the circles of rival brands were
added for that, set by how often brands of the real material share influencers (52 % of the links
lie between brands that share two or more). The third version says with captions, pictures and
biographies what the first two wrote into the account files directly: fewer words tell less, so
tastes show more strongly in each of them; accounts and collaborations are those of the second. The
learning rate of the quick schedule had been chosen before, on the first version and on real
accounts, and was not chosen again.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PopulationSpec:
    """What the planted collaborations are made of.

    Attributes:
        n_categories: Categories; brands and influencers are spread evenly over them.
        n_brands: Brands.
        n_influencers: Influencers; each gets one pair or more.
        n_pairs: Collaborations.
        degree_sd: Standard deviation of a brand's number of influencers.
        several: Numbers of influencers with 2, 3, ... brands, in proportion to each other.
        n_latent: Dimensions of an account's taste in one perspective.
        category_share: Part of a taste's variance that its category explains.
        choice_noise: Scale of the Gumbel noise on the summed affinity, whose own standard
            deviation is about the root of the number of perspectives.
        n_circles: Circles of rival brands, of one category each, that share influencers.
        circle_size: Brands in a circle.
        circle_share: Part of the influencers with several brands that stay within one circle.
    """

    n_categories: int
    n_brands: int
    n_influencers: int
    n_pairs: int
    degree_sd: float = 4.4
    several: tuple[float, ...] = (0.80, 0.14, 0.06)
    n_latent: int = 5
    category_share: float = 0.4
    choice_noise: float = 0.5
    n_circles: int = 80
    circle_size: int = 3
    circle_share: float = 0.7


@dataclass(frozen=True)
class ExpressionSpec:
    """How clearly a taste shows in one modality.

    Attributes:
        gain: Weight of the taste in a dimension's log-propensity.
        accent: How strongly each side prefers its own words.
        noise: Standard deviation of what an account says by chance, per dimension.
        popularity: Standard deviation of the dimensions' general popularity.
        frequent: Added to the log-propensity of the dimensions of no niche.
    """

    gain: float
    accent: float
    noise: float
    popularity: float = 0.3
    frequent: float = 0.7


@dataclass(frozen=True)
class PostSpec:
    """What the posts of an account, or of its audience, are made of.

    Attributes:
        n_members: Who writes them: members of the audience; 1 for an account's own posts.
        n_posts: Posts of each of them.
        n_words: Fewest and most words of a caption.
        n_objects: Objects seen in a picture, not all of them different.
        n_scenes: Scenes seen in a picture.
    """

    n_members: int
    n_posts: int
    n_words: tuple[int, int] = (4, 8)
    n_objects: int = 4
    n_scenes: int = 2


@dataclass(frozen=True)
class MissingSpec:
    """Shares of the accounts that lack something; every account has posts."""

    content_visual: float = 0.10
    audience: float = 0.10
    audience_visual: float = 0.05
    attributes: float = 0.06
    followers: float = 0.02


@dataclass(frozen=True)
class SyntheticSpec:
    """Everything a synthetic release is made of but its seed.

    Attributes:
        population: Accounts and collaborations.
        n_valid: Validation brands of the protocol `new-brand`.
        n_test: Test brands of the protocol `new-brand`.
        n_content_niches: Niches of the content topics.
        n_audience_niches: Niches of the audience topics.
        n_label_niches: Niches of the objects and scenes.
        n_attribute_niches: Niches of the attributes.
        content_topics: How tastes show in captions.
        content_visual: How tastes show in pictures.
        audience_topics: How the audience's tastes show in its captions.
        audience_visual: How the audience's tastes show in its pictures.
        attributes: How tastes show in biographies.
        n_attributes: Mean number of attributes that a biography names.
        content: Size of the accounts' own posts.
        audience: Size of the audiences' posts.
        missing: What accounts lack.
    """

    population: PopulationSpec
    n_valid: int
    n_test: int
    n_content_niches: int = 9
    n_audience_niches: int = 8
    n_label_niches: int = 18
    n_attribute_niches: int = 36
    content_topics: ExpressionSpec = ExpressionSpec(gain=2.2, accent=0.85, noise=0.4)
    content_visual: ExpressionSpec = ExpressionSpec(gain=2.0, accent=0.8, noise=0.3)
    audience_topics: ExpressionSpec = ExpressionSpec(gain=3.0, accent=0.7, noise=0.2)
    audience_visual: ExpressionSpec = ExpressionSpec(gain=3.5, accent=0.7, noise=0.2)
    attributes: ExpressionSpec = ExpressionSpec(gain=5.0, accent=1.4, noise=0.3, frequent=0.5)
    n_attributes: float = 13.0
    content: PostSpec = PostSpec(n_members=1, n_posts=12)
    audience: PostSpec = PostSpec(n_members=10, n_posts=1)
    missing: MissingSpec = field(default_factory=MissingSpec)


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
        ),
        n_valid=6,
        n_test=8,
        n_content_niches=5,
        n_audience_niches=4,
        n_label_niches=5,
        n_attribute_niches=10,
    ),
}
