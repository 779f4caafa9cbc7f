"""Every switch and number of the learnt metric, its closed-form partner and its corrections."""

from dataclasses import dataclass
from typing import ClassVar

from recbole_mirec.nn.checks import (
    Number,
    require_known,
    require_number,
    require_share,
    require_width,
)
from recbole_mirec.nn.metric_encoder import TOWER_KINDS, TowerKind


@dataclass(frozen=True, kw_only=True)
class MetricSettings:
    """What `variant: mirec` is made of; docs/experiments.md says what each part is worth.

    Attributes:
        square_roots: Take square roots of topics and labels without negative entries.
        centring: Subtract from every modality the mean of its side's training accounts.
        input_dimension: Wider modalities are reduced to so many principal axes.
        tower: ``linear`` or ``mlp``; see `MetricEncoder`.
        identity_path: Whether towers are about the identity.
        dropout_rate: The share of a tower's inputs (``mlp``: hidden units) dropped in training.
        modality_dropout: The share of accounts that lack a modality in training.
        temperature: First value of the softmax's temperatures, which are learnt.
        n_negatives: Training influencers in a step at most; a sample where there are more.
        competence_power: A positive weighs its competence to this power; 0 counts all the same.
        peer_weight: Weight of a loss in which influencers of one brand find each other.
        plda_weight: Weight of the closed-form score of `recbole_mirec.nn.plda`.
        plda_dimension: Principal axes of a perspective that it reads, at most.
        plda_shrinkage: As of `fit_two_covariance`.
        plda_cross_share: As of `fit_two_covariance`.
        raw_weight: Weight of the untrained similarity of topics and labels, not centred.
        category_weight: Weight of the log probability that a brand of the brand's category would
            choose the influencer; see `category_log_posterior`.
        category_inverse_penalty: As of `category_log_posterior`, above 0.
        hubness_weight: Share of an influencer's mean score for its nearest brands that is
            subtracted.
        hubness_neighbours: How many brands are nearest.
        csls: Take the nearest of all brands and half their mean, which uses the features of
            brands to be tested: transductive, so never on unless asked for.

    Raises:
        ValueError: If a value is out of its range.
    """

    # a runtime type check of __init__ would come before __post_init__ and its errors
    __no_type_check__: ClassVar[bool] = True

    square_roots: bool
    centring: bool
    input_dimension: int
    tower: TowerKind
    identity_path: bool
    dropout_rate: Number
    modality_dropout: Number
    temperature: Number
    n_negatives: int
    competence_power: Number
    peer_weight: Number
    plda_weight: Number
    plda_dimension: int
    plda_shrinkage: Number
    plda_cross_share: Number
    raw_weight: Number
    category_weight: Number
    category_inverse_penalty: Number
    hubness_weight: Number
    hubness_neighbours: int
    csls: bool

    def __post_init__(self) -> None:
        require_known("tower", self.tower, TOWER_KINDS)
        for name in ("square_roots", "centring", "identity_path", "csls"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"The '{name}' parameter must be True or False. "
                    f"Received: {getattr(self, name)!r}."
                )
        for name in ("input_dimension", "n_negatives", "plda_dimension", "hubness_neighbours"):
            require_width(name, getattr(self, name))
        for name in ("dropout_rate", "modality_dropout"):
            require_number(name, getattr(self, name), minimum=0, below=1)
        for name in ("plda_shrinkage", "plda_cross_share"):
            require_share(name, getattr(self, name))
        for name in ("competence_power", "peer_weight", "plda_weight", "raw_weight"):
            require_number(name, getattr(self, name), minimum=0)
        for name in ("category_weight", "hubness_weight"):
            require_number(name, getattr(self, name), minimum=0)
        for name in ("temperature", "category_inverse_penalty"):
            require_number(name, getattr(self, name), minimum=1e-3)
