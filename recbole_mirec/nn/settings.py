"""What networks read, and every switch and number of theirs, checked when settings are made."""

from typing import Annotated, Literal, NamedTuple

from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from dataset_convert import schema

# the type checks of the tests take float literally, and YAML holds whole numbers too
Number = float | int

ATTRIBUTE = "attribute"
# A perspective's inputs: its columns, but attribute lists and vectors are two ways to one input.
INPUTS: dict[str, tuple[str, ...]] = {
    name: (ATTRIBUTE,) if name == ATTRIBUTE else columns
    for name, columns in schema.PERSPECTIVES.items()
}


class Modality(NamedTuple):
    """A modality of some accounts, or what a network made of it, and who has it (True)."""

    rows: Float[Tensor, "account dim"]
    mask: Bool[Tensor, "account"]


Perspective = Literal["content", "audience", "attribute"]
CoattentionInput = Literal["raw", "sigmoid"]
DropoutPlace = Literal["none", "first_activations", "first_weights"]
Initialisation = Literal["uniform_0.1", "normal_0.1"]
TripletReduction = Literal["mean", "mean_active"]
CrossEntropy = Literal["softplus", "softmax_pair"]

# Strict: neither True nor "3" is a number.
Switch = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]
Weight = Annotated[float, Field(strict=True, ge=0)]
DropShare = Annotated[float, Field(strict=True, ge=0, lt=1)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
AboveZero = Annotated[float, Field(strict=True, ge=1e-3)]


class Settings(BaseModel):
    """Frozen settings, all to be given; properties/model/MIRec.yaml says what each one means."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dropout_rate: DropShare


class NetworkSettings(Settings):
    """What the paper's text and its published reference leave open between them.

    Where two values are named for a switch, the first is the text's reading and the second the
    reference's; numbers in parentheses are the paper's equations.
    """

    # in the order of the perspective axis of every tensor
    perspectives: Annotated[tuple[Perspective, ...], Field(min_length=1)]
    dimension: Count
    visual_hidden: Widths  # of the towers sigma and omega
    topic_hidden: Widths  # of mu and gamma
    attribute_hidden: Widths  # of beta
    # (9)(12): a linear map of each branch before the elementwise product, or none
    fusion: Literal["low_rank", "product"]
    coattention_input: CoattentionInput  # softmax of (21)(22) reads e or its sigmoid
    # weights of (20): one set, or one each for brands and influencers
    coattention_sides: Literal["shared", "separate"]
    dropout: DropoutPlace  # of visual and topic towers; see `MLP`
    attribute_dropout: DropoutPlace  # `first_activations` or `none`
    initialisation: Initialisation  # see `linear`
    triplet_reduction: TripletReduction  # see `triplet_loss`
    cross_entropy: CrossEntropy  # see `pair_cross_entropy`
    margins: dict[Perspective, Weight]  # of (28)-(30)
    # weights of the mean positive and the mean negative score: all 0, or .01, .02 and .01 each
    score_penalties: dict[Perspective, tuple[Weight, Weight]]
    l1_weight: Weight  # lambda of (32)

    @model_validator(mode="after")
    def _check_perspectives(self) -> "NetworkSettings":
        for name in ("margins", "score_penalties"):
            missing = [key for key in self.perspectives if key not in getattr(self, name)]
            if missing:
                raise ValueError(f"have {name} for {', '.join(missing)}, in use")
        return self


class MetricSettings(Settings):
    """What `variant: mirec` is made of; docs/experiments.md says what each part is worth."""

    square_roots: Switch
    centring: Switch
    input_dimension: Count
    tower: Literal["linear", "mlp"]  # see `MetricEncoder`, as of the next three
    identity_path: Switch
    modality_dropout: DropShare
    temperature: AboveZero
    n_negatives: Count
    competence_power: Weight
    peer_weight: Weight
    plda_weight: Weight
    plda_dimension: Count
    plda_shrinkage: Share  # see `fit_two_covariance`, as of the next
    plda_cross_share: Share
    raw_weight: Weight
    category_weight: Weight
    category_inverse_penalty: AboveZero
    hubness_weight: Weight
    hubness_neighbours: Count
    csls: Switch
