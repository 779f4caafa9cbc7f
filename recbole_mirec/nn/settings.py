"""What networks read, and every switch and number of theirs, checked when settings are made."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataset_convert import schema

# the type checks of the tests take float literally, and YAML holds whole numbers too
Number = float | int

ATTRIBUTE = "attribute"
# A perspective's inputs: its columns, but attribute lists and vectors are two ways to one input.
INPUTS: dict[str, tuple[str, ...]] = {
    name: (ATTRIBUTE,) if name == ATTRIBUTE else columns
    for name, columns in schema.PERSPECTIVES.items()
}

Perspective = Literal["content", "audience", "attribute"]
FusionRule = Literal["low_rank", "product"]
CoattentionInput = Literal["raw", "sigmoid"]
CoattentionSides = Literal["shared", "separate"]
DropoutPlace = Literal["none", "first_activations", "first_weights"]
Initialisation = Literal["uniform_0.1", "normal_0.1"]
TripletReduction = Literal["mean", "mean_active"]
CrossEntropy = Literal["softplus", "softmax_pair"]
TowerKind = Literal["linear", "mlp"]

# Strict: neither True nor "3" is a number.
Switch = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]
Weight = Annotated[float, Field(strict=True, ge=0)]
DropShare = Annotated[float, Field(strict=True, ge=0, lt=1)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
AboveZero = Annotated[float, Field(strict=True, ge=1e-3)]


class Settings(BaseModel):
    """Frozen settings: every field must be given, and a wrong one is a `ValidationError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkSettings(Settings):
    """What the paper's text and its published reference leave open between them.

    Numbers in parentheses are the paper's equations and values. Where two values are named for a
    switch, the first is the text's reading and the second the reference's.
    """

    # in the order of the perspective axis of every tensor
    perspectives: Annotated[tuple[Perspective, ...], Field(min_length=1)]
    dimension: Count  # d_a, the width of one perspective's vector (512)
    visual_hidden: Widths  # of the towers sigma and omega (1024, 1024, 1024)
    topic_hidden: Widths  # of mu and gamma (128)
    attribute_hidden: Widths  # of beta (1024)
    # (9)(12): `low_rank` maps each branch linearly before the elementwise product, `product` does
    # not
    fusion: FusionRule
    coattention_input: CoattentionInput  # softmax of (21)(22) reads `raw` e or `sigmoid` of e
    # weights of (20): one `shared` set, or `separate` ones for brands and influencers
    coattention_sides: CoattentionSides
    dropout: DropoutPlace  # of visual and topic towers; see `MLP`
    attribute_dropout: DropoutPlace  # `first_activations` or `none`
    dropout_rate: DropShare  # (0.5)
    # `uniform_0.1`: uniform(-0.1, 0.1); `normal_0.1`: normal of standard deviation 0.1, but 1 for
    # the co-attention biases
    initialisation: Initialisation
    triplet_reduction: TripletReduction  # over all triplets, or those whose loss is positive
    cross_entropy: CrossEntropy  # of (31); see `pair_cross_entropy`
    margins: dict[Perspective, Weight]  # of (28)-(30): 4, 2, 2
    # weights of the mean positive and the mean negative score: all 0, or .01, .02 and .01 each
    score_penalties: dict[Perspective, tuple[Weight, Weight]]
    l1_weight: Weight  # lambda of (32): 0.001

    @model_validator(mode="after")
    def _check_perspectives(self) -> "NetworkSettings":
        if len(set(self.perspectives)) < len(self.perspectives):
            raise ValueError("perspectives must name each perspective once")
        for name in ("margins", "score_penalties"):
            missing = [key for key in self.perspectives if key not in getattr(self, name)]
            if missing:
                raise ValueError(f"{name} must have entries for {', '.join(missing)}, in use")
        return self


class MetricSettings(Settings):
    """What `variant: mirec` is made of; docs/experiments.md says what each part is worth."""

    square_roots: Switch  # of topics and labels without negative entries
    centring: Switch  # subtract the mean of a side's training accounts from every modality
    input_dimension: Count  # wider modalities are reduced to so many principal axes
    tower: TowerKind  # see `MetricEncoder`, as of the next four
    identity_path: Switch
    dropout_rate: DropShare
    modality_dropout: DropShare
    temperature: AboveZero
    n_negatives: Count  # training influencers in a step at most; a sample where there are more
    competence_power: Weight  # a positive weighs its competence to this power
    peer_weight: Weight  # of a loss in which influencers of one brand find each other
    plda_weight: Weight  # of the closed-form score of `recbole_mirec.nn.plda`
    plda_dimension: Count  # principal axes of a perspective that it reads, at most
    plda_shrinkage: Share  # as of `fit_two_covariance`
    plda_cross_share: Share  # as of `fit_two_covariance`
    raw_weight: Weight  # of the untrained similarity of topics and labels, not centred
    # of the log probability that a brand of the brand's category would choose the influencer
    category_weight: Weight
    category_inverse_penalty: AboveZero  # as of `category_log_posterior`
    hubness_weight: Weight  # share of an influencer's mean score for its nearest brands taken away
    hubness_neighbours: Count  # how many brands are nearest
    # the nearest of all brands and half their mean, which uses the features of brands to be
    # tested: transductive, so never on unless asked for
    csls: Switch
