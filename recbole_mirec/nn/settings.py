"""Every switch and number of the network and its objective, checked once when it is made."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from recbole_mirec.nn.perspectives import PERSPECTIVES, Perspective

Number = float | int


def require_known(parameter: str, value: object, valid: Sequence[str]) -> None:
    """Raises unless a name is one of the valid ones.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.
        valid: The names it may take, at least one.

    Raises:
        ValueError: If ``value`` is not in ``valid``; the message names the nearest valid one.
    """
    if value in valid:
        return
    nearest = difflib.get_close_matches(str(value), valid, n=1, cutoff=0.0)[0]
    raise ValueError(
        f"The '{parameter}' parameter must be one of {', '.join(valid)}. "
        f"Received: {value!r}. The nearest valid name is {nearest!r}."
    )


def require_number(
    parameter: str, value: object, minimum: Number, below: Number = math.inf
) -> None:
    """Raises unless a value is a number in ``[minimum, below)``; NaN is none.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.
        minimum: The least value allowed.
        below: The least value above the range; infinite unless told.

    Raises:
        ValueError: If ``value`` is no real number, or out of the range.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and minimum <= value < below):  # type: ignore[operator]
        raise ValueError(
            f"The '{parameter}' parameter must be a number of at least {minimum:g} "
            f"and below {below:g}. Received: {value!r}."
        )


def require_share(parameter: str, value: object) -> None:
    """Raises unless a value is a number in ``[0, 1]``; NaN is none.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.

    Raises:
        ValueError: If ``value`` is no real number, or out of the range.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= 1):  # type: ignore[operator]
        raise ValueError(
            f"The '{parameter}' parameter must be a number from 0 to 1. Received: {value!r}."
        )


def require_width(parameter: str, value: object) -> None:
    """Raises unless a value is a positive integer.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.

    Raises:
        ValueError: If ``value`` is no integer of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The '{parameter}' parameter must be a positive integer. Received: {value!r}."
        )


def require_filled_tuple(parameter: str, value: object) -> None:
    """Raises unless a value is a tuple with at least one entry.

    Args:
        parameter: The name of the checked parameter, for the message.
        value: What was received for it.

    Raises:
        ValueError: If ``value`` is no tuple (a string is none), or empty.
    """
    if not isinstance(value, tuple) or not value:
        raise ValueError(
            f"The '{parameter}' parameter must be a tuple of at least one entry. "
            f"Received: {value!r}."
        )


FusionRule = Literal["low_rank", "product"]
CoattentionInput = Literal["raw", "sigmoid"]
CoattentionSides = Literal["shared", "separate"]
DropoutPlace = Literal["none", "first_activations", "first_weights"]
Initialisation = Literal["uniform_0.1", "normal_0.1"]
TripletReduction = Literal["mean", "mean_active"]
CrossEntropy = Literal["softplus", "softmax_pair"]

_SWITCHES = {
    "fusion": FusionRule,
    "coattention_input": CoattentionInput,
    "coattention_sides": CoattentionSides,
    "dropout": DropoutPlace,
    "attribute_dropout": DropoutPlace,
    "initialisation": Initialisation,
    "triplet_reduction": TripletReduction,
    "cross_entropy": CrossEntropy,
}


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What the paper's text and its published reference leave open between them.

    Numbers in parentheses are the paper's equations. Where two values are given for a switch, the
    first is the text's reading and the second the reference's.

    Attributes:
        perspectives: Which of content, audience and attribute the account is made of, in the
            order of the perspective axis of every tensor; at least one, none twice.
        dimension: ``d_a``, the width of one perspective's vector (512 in the paper).
        visual_hidden: Hidden widths of the visual towers sigma and omega (1024, 1024, 1024).
        topic_hidden: Hidden widths of the topic towers mu and gamma (128).
        attribute_hidden: Hidden widths of the attribute tower beta (1024).
        fusion: (9)(12): ``low_rank`` maps each branch linearly before the elementwise product;
            ``product`` multiplies the towers' outputs as they are.
        coattention_input: Softmax input of (21)(22): ``raw`` is ``e o e_af``, ``sigmoid`` is
            ``sigmoid(e) o e_af``.
        coattention_sides: The weights of (20): ``shared`` is one set for all accounts,
            ``separate`` one set for brands and one for influencers.
        dropout: Where the visual and topic towers drop: ``first_activations`` is after the first
            linear map, per account; ``first_weights`` is on the first weight matrix, one mask for
            all accounts of a call; ``none`` is nowhere.
        attribute_dropout: The same for the attribute tower: ``first_activations`` or ``none``.
        dropout_rate: The share that is dropped in training, in [0, 1) (0.5).
        initialisation: ``uniform_0.1`` is uniform(-0.1, 0.1); ``normal_0.1`` is normal of
            standard deviation 0.1, but 1 for the co-attention biases.
        triplet_reduction: ``mean`` over all triplets, or ``mean_active`` over those whose loss is
            positive.
        cross_entropy: The reading of (31): ``softplus`` or ``softmax_pair``; see
            `recbole_mirec.nn.objective.pair_cross_entropy`.
        margins: The margins of (28)-(30), at least 0, by perspective (4, 2, 2).
        score_penalties: Weights, at least 0, of the mean positive and the mean negative score,
            by perspective: all 0, or (.01, .01), (.02, .02), (.01, .01).
        l1_weight: ``lambda`` of (32), at least 0 (0.001).

    Raises:
        ValueError: If a switch or a perspective is unknown (the nearest valid name is given), if
            a perspective is repeated or lacks its margin or penalties, or if a number is out of
            its range.
    """

    # a runtime type check of __init__ would come before __post_init__ and its errors
    __no_type_check__: ClassVar[bool] = True

    perspectives: tuple[Perspective, ...]
    dimension: int
    visual_hidden: tuple[int, ...]
    topic_hidden: tuple[int, ...]
    attribute_hidden: tuple[int, ...]
    fusion: FusionRule
    coattention_input: CoattentionInput
    coattention_sides: CoattentionSides
    dropout: DropoutPlace
    attribute_dropout: DropoutPlace
    dropout_rate: Number
    initialisation: Initialisation
    triplet_reduction: TripletReduction
    cross_entropy: CrossEntropy
    margins: Mapping[Perspective, Number]
    score_penalties: Mapping[Perspective, tuple[Number, Number]]
    l1_weight: Number

    def __post_init__(self) -> None:
        for name, switch in _SWITCHES.items():
            require_known(name, getattr(self, name), get_args(switch))
        self._check_perspectives()
        self._check_widths()
        self._check_loss_weights()
        require_number("dropout_rate", self.dropout_rate, minimum=0, below=1)
        require_number("l1_weight", self.l1_weight, minimum=0)

    def _check_perspectives(self) -> None:
        require_filled_tuple("perspectives", self.perspectives)
        for perspective in self.perspectives:
            require_known("perspectives", perspective, PERSPECTIVES)
        if len(set(self.perspectives)) < len(self.perspectives):
            raise ValueError(
                "The 'perspectives' parameter must name each perspective once. "
                f"Received: {self.perspectives!r}."
            )

    def _check_widths(self) -> None:
        require_width("dimension", self.dimension)
        for name in ("visual_hidden", "topic_hidden", "attribute_hidden"):
            require_filled_tuple(name, getattr(self, name))
            for width in getattr(self, name):
                require_width(name, width)

    def _check_loss_weights(self) -> None:
        for name in ("margins", "score_penalties"):
            given = getattr(self, name)
            for perspective in given:
                require_known(name, perspective, PERSPECTIVES)
            missing = [perspective for perspective in self.perspectives if perspective not in given]
            if missing:
                raise ValueError(
                    f"The '{name}' parameter must have an entry for every perspective in use; "
                    f"add {', '.join(missing)}. Received: {given!r}."
                )
        for perspective, margin in self.margins.items():
            require_number(f"margins[{perspective}]", margin, minimum=0)
        for perspective, pair in self.score_penalties.items():
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise ValueError(
                    f"The 'score_penalties[{perspective}]' parameter must be a tuple of two "
                    f"weights, for positive and negative scores. Received: {pair!r}."
                )
            for weight in pair:
                require_number(f"score_penalties[{perspective}]", weight, minimum=0)
