"""The learnt metric of our own method, its inputs and its corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from recbole_mirec.nn.settings import (
    Number,
    require_known,
    require_number,
    require_share,
    require_width,
)
from recbole_mirec.nn.towers import LEAK

TowerKind = Literal["linear", "mlp"]


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


def standardised_rows(
    rows: Float[Tensor, "account dim"],
    present: Bool[Tensor, "account"],
    fitted: Bool[Tensor, "account"],
    *,
    square_root: bool,
    centred: bool,
) -> Float[Tensor, "account dim"]:
    """Unit rows of one side's modality.

    Square roots turn shares (topics, labels) into points whose inner product is their Hellinger
    similarity; less the mean of the side's training accounts, what all accounts share, and what
    tells brands from influencers, is gone; at length 1 no account weighs more than another.

    Args:
        rows: Features.
        present: True where the account has the modality; the other rows become zero.
        fitted: True for the training accounts, of which the present ones give the mean.
        square_root: Take square roots; only for rows without negative entries.
        centred: Subtract the mean.

    Returns:
        Rows of length 1, or zero: where the modality is missing, and where a row is the mean.
    """
    if square_root:
        rows = rows.sqrt()
    return centred_rows(rows, present, fitted if centred else torch.zeros_like(fitted))


def principal_axes(rows: Float[Tensor, "account dim"], n_axes: int) -> Float[Tensor, "dim axis"]:
    """Orthonormal axes along which rows have their largest mean squares.

    Principal components of rows as they are: no mean is subtracted. In float64, so that the axes
    do not depend on how a sum was split.

    Args:
        rows: What the axes are fitted on; missing ones are zero and count for nothing.
        n_axes: How many axes at most.

    Returns:
        The axes, largest first, each with its largest entry positive; the unit axes where rows
        have no more dimensions than that, so that nothing is mixed without need.
    """
    width = rows.shape[1]
    if width <= n_axes:
        return torch.eye(width, dtype=rows.dtype, device=rows.device)
    squares = rows.double().T @ rows.double()
    axes: Tensor = torch.linalg.eigh(squares).eigenvectors.flip(1)[:, :n_axes]
    peaks: Tensor = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    return (axes * peaks.sign()).to(rows.dtype)


def unit_rows(rows: Float[Tensor, "account dim"]) -> Float[Tensor, "account dim"]:
    """Rows scaled to length 1, so that an inner product of two is their cosine, in [-1, 1].

    Args:
        rows: Features; an all-zero row stays zero.
    """
    return functional.normalize(rows)


def hellinger_rows(rows: Float[Tensor, "account dim"]) -> Float[Tensor, "account dim"]:
    """Square roots of the rows, scaled to length 1.

    The inner product of two such rows is the Bhattacharyya coefficient of the distributions that
    the rows are in proportion to: 1 minus their squared Hellinger distance, in [0, 1].

    Args:
        rows: Non-negative features; an all-zero row stays zero.

    Raises:
        ValueError: If an entry is negative.
    """
    if (rows < 0).any():
        raise ValueError(
            "The 'rows' parameter of hellinger_rows must hold no negative entry. "
            f"Received: {float(rows.min()):g}."
        )
    return unit_rows(rows.sqrt())


def centred_rows(
    rows: Float[Tensor, "account dim"],
    present: Bool[Tensor, "account"],
    fitted: Bool[Tensor, "account"],
) -> Float[Tensor, "account dim"]:
    """Rows less the mean row of some accounts, scaled to length 1.

    Args:
        rows: Features.
        present: True where the account has them; the other rows become zero.
        fitted: True for the accounts whose mean is taken, those that are not present left out;
            the mean is zero if there is none.
    """
    counted = present & fitted
    mean = torch.where(counted[:, None], rows, 0.0).sum(dim=0) / counted.sum().clamp(min=1)
    return unit_rows(torch.where(present[:, None], rows - mean, 0.0))


def standardise_product(
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
    brand_present: Bool[Tensor, "brand"],
    influencer_present: Bool[Tensor, "influencer"],
    brand_fitted: Bool[Tensor, "brand"],
    influencer_fitted: Bool[Tensor, "influencer"],
) -> tuple[Float[Tensor, "brand wide"], Float[Tensor, "influencer wide"]]:
    """Vectors whose inner product is the z-score of the given vectors' inner product.

    With mean ``m`` and standard deviation ``s`` of the products, a brand's vector is
    ``[b / s, -m / s]`` and an influencer's ``[i, 1]``, so ranking stays one matrix product.

    Args:
        brands: One vector a brand.
        influencers: One vector an influencer.
        brand_present: True where the brand has the feature; without it its z-scores are 0, which
            is the mean.
        influencer_present: The same of influencers.
        brand_fitted: True for the brands whose products give ``m`` and ``s``.
        influencer_fitted: The same of influencers.

    Returns:
        Both sides' vectors, one dimension wider. Products that do not vary, or none to fit on,
        give ``s = 1``.
    """
    chosen = brand_present & brand_fitted, influencer_present & influencer_fitted
    products = brands[chosen[0]] @ influencers[chosen[1]].T
    mean, deviation = _moments(products)
    brands = torch.cat([brands / deviation, (-mean / deviation).expand(len(brands), 1)], dim=1)
    ones = influencers.new_ones(len(influencers), 1)
    influencers = torch.cat([influencers, ones], dim=1)
    return (
        torch.where(brand_present[:, None], brands, 0.0),
        torch.where(influencer_present[:, None], influencers, 0.0),
    )


def centred_product(
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
    brand_present: Bool[Tensor, "brand"],
    influencer_present: Bool[Tensor, "influencer"],
    influencer_fitted: Bool[Tensor, "influencer"],
) -> tuple[Float[Tensor, "brand wide"], Float[Tensor, "influencer wide"]]:
    """Vectors whose inner product is the given vectors' less the brand's mean, 0 where one lacks.

    So an influencer that lacks a feature is worth as much to each brand as an average one, and not
    more than all where products are mostly negative. No ranking among those that have it changes.

    Args:
        brands: One vector a brand.
        influencers: One vector an influencer.
        brand_present: True where the brand has the feature.
        influencer_present: The same of influencers.
        influencer_fitted: True for the influencers whose mean is taken; the present ones count.

    Returns:
        Both sides' vectors, one dimension wider: ``[b, -b'm]`` and ``[i, 1]``, m the mean vector,
        zero if there is none to take it of.
    """
    counted = influencers[influencer_present & influencer_fitted]
    mean = counted.sum(dim=0) / max(len(counted), 1)
    shift = -(brands @ mean)[:, None]
    ones = influencers.new_ones(len(influencers), 1)
    return (
        torch.where(brand_present[:, None], torch.cat([brands, shift], dim=1), 0.0),
        torch.where(influencer_present[:, None], torch.cat([influencers, ones], dim=1), 0.0),
    )


def product_deviation(
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
    counted: Bool[Tensor, "brand influencer"],
) -> Float[Tensor, ""]:
    """Standard deviation of the inner products of some pairs; 1 where they do not vary.

    Args:
        brands: One vector a brand.
        influencers: One vector an influencer.
        counted: True for the pairs that count.
    """
    return _moments((brands @ influencers.T)[counted])[1]


def _moments(products: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of products; 0 and 1 if there is none, 1 if they are equal."""
    if not products.numel():
        return products.new_zeros(()), products.new_ones(())
    mean = products.mean()
    deviation = products.std(correction=0)
    # a constant in floating point varies by rounding
    varies = deviation > 1e-6 * products.abs().max()
    return mean, torch.where(varies, deviation, torch.ones_like(deviation))


# Influencers whose scores for all reference brands are held at once.
_AT_ONCE = 4096


def hubness(
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
    n_neighbours: int,
) -> Float[Tensor, "influencer"]:
    """Mean score of an influencer for the brands that it scores highest for.

    Source: the term r of Conneau et al., "Word Translation without Parallel Data" (ICLR 2018), (2):
    CSLS is twice the score less this mean and less the brand's own, which changes no ranking.

    Args:
        brands: Vectors of the reference brands.
        influencers: Vectors whose inner product with a brand's is the score.
        n_neighbours: How many brands the mean is over; all of them where there are fewer.

    Returns:
        One mean an influencer; zeros where there is no reference brand.
    """
    n_neighbours = min(n_neighbours, len(brands))
    if not n_neighbours:
        return influencers.new_zeros(len(influencers))
    blocks = [
        (block @ brands.T).topk(n_neighbours, dim=1).values.mean(dim=1)
        for block in torch.split(influencers, _AT_ONCE)
    ]
    return torch.cat(blocks)


_MOST_STEPS = 1000


def category_log_posterior(
    rows: Float[Tensor, "influencer dim"],
    members: Int[Tensor, "pair"],
    categories: Int[Tensor, "pair"],
    n_categories: int,
    *,
    inverse_penalty: Number,
) -> Float[Tensor, "influencer category"]:
    """Logarithm of the probability that a brand of each category would choose an influencer.

    Multinomial logistic regression (scikit-learn's) of the brand's own category on the
    influencer's row over the training collaborations. An influencer's category is no input.

    Args:
        rows: Standardised features of all influencers.
        members: Row of each training collaboration's influencer.
        categories: Category of its brand, from 0.
        n_categories: How many categories there are.
        inverse_penalty: scikit-learn's C, above 0.

    Returns:
        At most 0; a category that no training brand has gets the least value of the row, and all
        zeros come back where fewer than two have one, for then nothing can be told.
    """
    found = np.unique(categories.cpu().numpy())
    if len(found) < 2:
        return rows.new_zeros(len(rows), n_categories)
    values = rows.double().cpu().numpy()
    regression = LogisticRegression(C=inverse_penalty, max_iter=_MOST_STEPS)
    regression.fit(values[members.cpu().numpy()], categories.cpu().numpy())
    known = regression.predict_log_proba(values)
    posterior = np.repeat(known.min(axis=1, keepdims=True), n_categories, axis=1)
    posterior[:, found] = known
    return torch.from_numpy(posterior).to(rows)


TOWER_KINDS = ("linear", "mlp")
_HIDDEN = 512


class MetricEncoder(nn.Module):
    """Vectors whose inner product is, by modality, a learnt cosine over its temperature.

    An account's modality x becomes ``x + g(x)``, scaled to length 1 and by the root of the
    modality's inverse temperature, so that two accounts' product is ``cos / temperature``: what
    content, audience and attributes are worth beside each other is learnt. Towers serve brands
    and influencers alike and have no biases in the end: a missing modality, a zero row, is a zero
    vector. g starts at 0, so that an untrained encoder gives the cosines of its inputs.

    Source: the identity path is that of He et al., "Deep Residual Learning" (CVPR 2016); a cosine
    with a learnt temperature in a softmax is that of Radford et al., "Learning Transferable Visual
    Models From Natural Language Supervision" (ICML 2021).

    Args:
        widths: Input width by modality.
        perspectives: Perspective -> its modalities, at least one each, all in `widths`.
        tower: g: ``linear`` is one matrix on inputs of which `dropout_rate` are dropped; ``mlp``
            has a hidden layer of 512 with leaky ReLU, and drops there.
        dropout_rate: The share that is dropped in training, in [0, 1).
        modality_dropout: The share of accounts that lack a modality in training, in [0, 1), drawn
            by modality.
        temperature: The temperatures' first value, above 0.
        identity: False leaves the identity path out, for comparison; g then starts at random.

    Raises:
        ValueError: If a tower is unknown or a number out of its range.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        perspectives: Mapping[str, Sequence[str]],
        *,
        tower: TowerKind,
        dropout_rate: Number,
        modality_dropout: Number,
        temperature: Number,
        identity: bool = True,
    ) -> None:
        super().__init__()
        require_known("tower", tower, TOWER_KINDS)
        require_number("dropout_rate", dropout_rate, minimum=0, below=1)
        require_number("modality_dropout", modality_dropout, minimum=0, below=1)
        require_number("temperature", temperature, minimum=1e-3)
        self.perspectives = {name: tuple(parts) for name, parts in perspectives.items()}
        self.identity = identity
        self.modality_dropout = modality_dropout
        self.towers = nn.ModuleDict(
            {name: _tower(width, tower, dropout_rate, identity) for name, width in widths.items()}
        )
        start = -torch.log(torch.tensor(float(temperature)))
        self.log_inverse_temperature = nn.ParameterDict(
            {name: nn.Parameter(start.clone()) for name in widths}
        )

    def forward(
        self,
        features: Mapping[str, Float[Tensor, "account _"]],
        masks: Mapping[str, Bool[Tensor, "account"]],
    ) -> list[Float[Tensor, "account _"]]:
        """Encodes accounts of either side.

        Args:
            features: Standardised rows by modality; zeros where missing.
            masks: True where the account has the modality.

        Returns:
            One tensor a perspective, in the order given at construction: its modalities' vectors
            side by side, zeros where missing.
        """
        vectors = {
            name: self._modality(name, tower, features[name], masks[name])
            for name, tower in self.towers.items()
        }
        return [
            torch.cat([vectors[name] for name in parts], dim=1)
            for parts in self.perspectives.values()
        ]

    def _modality(self, name: str, tower: nn.Module, rows: Tensor, mask: Tensor) -> Tensor:
        moved: Tensor = tower(rows)
        unit = functional.normalize(rows + moved if self.identity else moved)
        if self.training and self.modality_dropout:
            mask = mask & (torch.rand(len(mask), device=mask.device) >= self.modality_dropout)
        scale = (self.log_inverse_temperature[name] / 2).exp()
        return torch.where(mask[:, None], unit * scale, 0.0)


def _tower(width: int, kind: TowerKind, dropout_rate: Number, identity: bool) -> nn.Module:
    last = nn.Linear(width if kind == "linear" else _HIDDEN, width, bias=False)
    if identity:
        nn.init.zeros_(last.weight)
    if kind == "linear":
        return nn.Sequential(nn.Dropout(dropout_rate), last)
    return nn.Sequential(
        nn.Linear(width, _HIDDEN), nn.LeakyReLU(LEAK), nn.Dropout(dropout_rate), last
    )
