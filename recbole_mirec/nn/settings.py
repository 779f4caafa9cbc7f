"""What networks read, and every switch and number of theirs, checked when settings are made."""

from typing import Annotated, Any, Literal, NamedTuple

from jaxtyping import Bool, Float
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
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

# Strict: neither True nor "3" is a number. What numbers are at most, torch can hold.
Switch = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


def _held(value: Any) -> Any:
    if isinstance(value, int) and 2**63 <= abs(value) <= 10**30:
        raise ValueError("be below 2**63, or be written with a point")
    return value


# Torch cannot hold a longer whole number.
Held = BeforeValidator(_held)
Weight = Annotated[float, Field(strict=True, ge=0, le=1e30, allow_inf_nan=False), Held]
DropShare = Annotated[Weight, Field(lt=1)]
Share = Annotated[Weight, Field(le=1)]
AboveZero = Annotated[Weight, Field(ge=1e-3)]


# After the entries, so that a wrong one is not told as one too few as well.
def _some(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    if not entries:
        raise ValueError("have at least 1 entries")
    return entries


def _each_once(names: tuple[Perspective, ...]) -> tuple[Perspective, ...]:
    if not 0 < len(names) == len(set(names)):
        raise ValueError(f"name one to three of {', '.join(schema.PERSPECTIVES)}, each once")
    return names


def _of_all_in_use(entries: Any, info: Any) -> Any:
    missing = [name for name in info.data.get("perspectives", ()) if name not in entries]
    if missing:
        raise ValueError(f"have entries for {', '.join(missing)}, in use")
    return entries


Widths = Annotated[tuple[Count, ...], AfterValidator(_some)]
# in the order of the perspective axis of every tensor
Perspectives = Annotated[tuple[Perspective, ...], AfterValidator(_each_once)]
InUse = AfterValidator(_of_all_in_use)


class Settings(BaseModel):
    """Frozen settings, all to be given; properties/model/MIRec.yaml says what each one means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dropout_rate: DropShare


class NetworkSettings(Settings):
    """What the paper's text and its published reference leave open between them.

    Where two values are named for a switch, the first is the text's reading and the second the
    reference's; numbers in parentheses are the paper's equations.
    """

    perspectives: Perspectives
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
    margins: Annotated[dict[Perspective, Weight], InUse]  # of (28)-(30)
    # weights of the mean positive and the mean negative score: all 0, or .01, .02 and .01 each
    score_penalties: Annotated[dict[Perspective, tuple[Weight, Weight]], InUse]
    l1_weight: Weight  # lambda of (32)


class MetricSettings(Settings):
    """What `variant: mirec` is made of; docs/experiments.md says what each part is worth."""

    input_dimension: Count
    temperature: AboveZero
    modality_dropout: DropShare
    column_weight: Share
    n_negatives: Count
    seeds: Annotated[Count, Field(le=16)]
    precedent: Switch
    precedent_weight: Weight
    brand_kernel_width: AboveZero  # see `fit_precedent`, as of the next four
    influencer_kernel_width: AboveZero
    brand_ridge: AboveZero
    influencer_ridge: Annotated[Weight, Field(ge=1e-6)]
    landmarks: Count
    hubness_weight: Weight
    hubness_neighbours: Count


# MIRec's methods: `variant` says which.
METHODS: dict[str, type[MetricSettings | NetworkSettings]] = {
    "metric": MetricSettings,
    "morning": NetworkSettings,
}
