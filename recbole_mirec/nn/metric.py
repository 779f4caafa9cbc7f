"""The learnt metric of our own method, its inputs and its corrections."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from recbole_mirec.nn.settings import MetricSettings, Modality, Number
from recbole_mirec.nn.towers import LEAK

# Influencers whose scores for all reference brands are held at once; width of an `mlp` tower.
_AT_ONCE, _HIDDEN = 4096, 512


def standardised_rows(
    modality: Modality, fitted: Bool[Tensor, "account"], *, square_root: bool, centred: bool
) -> Float[Tensor, "account dim"]:
    """Unit rows of one side's modality, so that an inner product of two is their similarity.

    Square roots turn shares (topics, labels) into points whose inner product is the Bhattacharyya
    coefficient, 1 less their squared Hellinger distance; less the mean of the side's training
    accounts, what all accounts share, and what tells brands from influencers, is gone; at length 1
    no account weighs more than another, and products are cosines.

    Args:
        modality: Features; rows of accounts that lack it become zero.
        fitted: True for the training accounts, of which the present ones give the mean.
        square_root: Take square roots; only for rows without negative entries.
        centred: Subtract the mean, which is zero if there is no row to take it of.
    """
    rows, present = modality
    if square_root:
        rows = rows.sqrt()
    counted = present & fitted if centred else torch.zeros_like(fitted)
    mean = torch.where(counted[:, None], rows, 0.0).sum(dim=0) / counted.sum().clamp(min=1)
    return functional.normalize(torch.where(present[:, None], rows - mean, 0.0))


def principal_axes(rows: Float[Tensor, "account dim"], n_axes: int) -> Float[Tensor, "dim axis"]:
    """Orthonormal axes along which rows have their largest mean squares.

    Principal components of rows as they are: no mean is subtracted, and missing rows, which are
    zero, count for nothing. In float64, so that the axes do not depend on how a sum was split.

    Returns:
        At most ``n_axes`` axes, largest first, each with its largest entry positive; the unit axes
        where rows have no more dimensions than that, so that nothing is mixed without need.
    """
    width = rows.shape[1]
    if width <= n_axes:
        return torch.eye(width, dtype=rows.dtype, device=rows.device)
    squares = rows.double().T @ rows.double()
    axes: Tensor = torch.linalg.eigh(squares).eigenvectors.flip(1)[:, :n_axes]
    peaks: Tensor = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    return (axes * peaks.sign()).to(rows.dtype)


def standardise_product(
    brands: Modality,
    influencers: Modality,
    brand_fitted: Bool[Tensor, "brand"],
    influencer_fitted: Bool[Tensor, "influencer"],
) -> tuple[Float[Tensor, "brand wide"], Float[Tensor, "influencer wide"]]:
    """Vectors whose inner product is the z-score of the given vectors' inner product.

    With mean ``m`` and standard deviation ``s`` of the products, a brand's vector is
    ``[b / s, -m / s]`` and an influencer's ``[i, 1]``, so ranking stays one matrix product.

    Products with what is missing are 0, the mean. ``m`` and ``s`` are of the present and fitted
    brands with such influencers; products that do not vary, or none to fit on, give ``s = 1``.
    """
    chosen = brands.rows[brands.mask & brand_fitted]
    others = influencers.rows[influencers.mask & influencer_fitted]
    products = chosen @ others.T
    deviation = product_deviation(products)
    mean = products.mean() if products.numel() else products.new_zeros(())
    shift = (-mean / deviation).expand(len(brands.rows), 1)
    return _shifted(Modality(brands.rows / deviation, brands.mask), influencers, shift)


def centred_product(
    brands: Modality, influencers: Modality, influencer_fitted: Bool[Tensor, "influencer"]
) -> tuple[Float[Tensor, "brand wide"], Float[Tensor, "influencer wide"]]:
    """Vectors whose inner product is the given vectors' less the brand's mean, 0 where one lacks.

    So an influencer that lacks a feature is worth as much to each brand as an average one, and not
    more than all where products are mostly negative. No ranking among those that have it changes.

    With m the mean vector of the present and fitted influencers, zero if there is none, a brand's
    vector is ``[b, -b'm]`` and an influencer's ``[i, 1]``.
    """
    counted = influencers.rows[influencers.mask & influencer_fitted]
    mean = counted.sum(dim=0) / max(len(counted), 1)
    return _shifted(brands, influencers, -(brands.rows @ mean)[:, None])


def _shifted(brands: Modality, influencers: Modality, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors whose product is the given ones' plus a brand's shift; zero where one lacks."""
    ones = influencers.rows.new_ones(len(influencers.rows), 1)
    both = (*brands, shift), (*influencers, ones)
    left, right = (
        torch.where(mask[:, None], torch.cat([rows, last], dim=1), 0.0) for rows, mask, last in both
    )
    return left, right


def product_deviation(products: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """Standard deviation of inner products; 1 if they do not vary or there is none."""
    if not products.numel():
        return products.new_ones(())
    deviation = products.std(correction=0)
    # a constant in floating point varies by rounding
    varies = deviation > 1e-6 * products.abs().max()
    return torch.where(varies, deviation, torch.ones_like(deviation))


def hubness(
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
    n_neighbours: int,
) -> Float[Tensor, "influencer"]:
    """Mean score of an influencer for the ``n_neighbours`` brands that it scores highest for.

    Source: the term r of Conneau et al., "Word Translation without Parallel Data" (ICLR 2018), (2):
    CSLS is twice the score less this mean and less the brand's own, which changes no ranking.

    The mean is over all reference brands where they are fewer, and 0 where there is none.
    """
    n_neighbours = min(n_neighbours, len(brands))
    if not n_neighbours:
        return influencers.new_zeros(len(influencers))
    blocks = [
        (block @ brands.T).topk(n_neighbours, dim=1).values.mean(dim=1)
        for block in torch.split(influencers, _AT_ONCE)
    ]
    return torch.cat(blocks)


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
        At most 0; a category that no training brand has gets the least value of the row; zeros
        where fewer than two have one, for then nothing can be told.
    """
    found = np.unique(categories.cpu().numpy())
    if len(found) < 2:
        return rows.new_zeros(len(rows), n_categories)
    values = rows.double().cpu().numpy()
    regression = LogisticRegression(C=inverse_penalty, max_iter=1000)
    regression.fit(values[members.cpu().numpy()], categories.cpu().numpy())
    known = regression.predict_log_proba(values)
    posterior = np.repeat(known.min(axis=1, keepdims=True), n_categories, axis=1)
    posterior[:, found] = known
    return torch.from_numpy(posterior).to(rows)


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
        settings: ``tower``: g is one ``linear`` matrix on inputs of which ``dropout_rate`` are
            dropped, or an ``mlp`` with 512 hidden units with leaky ReLU, dropped alike;
            ``modality_dropout``: the share of accounts that lack a modality in training, drawn by
            modality; ``temperature``: the first value; without ``identity_path``, for comparison,
            x is left out and g starts at random.
    """

    def __init__(self, widths: Mapping[str, int], settings: MetricSettings) -> None:
        super().__init__()
        self.identity = settings.identity_path
        self.modality_dropout = settings.modality_dropout
        self.towers = nn.ModuleDict(
            {name: _tower(width, settings) for name, width in widths.items()}
        )
        start = -torch.log(torch.tensor(settings.temperature))
        self.log_inverse_temperature = nn.ParameterDict(
            {name: nn.Parameter(start.clone()) for name in widths}
        )

    def forward(self, modalities: Mapping[str, Modality]) -> dict[str, Float[Tensor, "account _"]]:
        """Vectors of accounts of either side, of standardised rows; zeros where missing."""
        found = {}
        for name, tower in self.towers.items():
            rows, mask = modalities[name]
            unit = functional.normalize(rows + tower(rows) if self.identity else tower(rows))
            if self.training and self.modality_dropout:
                mask = mask & (torch.rand(len(mask), device=mask.device) >= self.modality_dropout)
            scale = (self.log_inverse_temperature[name] / 2).exp()
            found[name] = torch.where(mask[:, None], unit * scale, 0.0)
        return found


def _tower(width: int, settings: MetricSettings) -> nn.Module:
    is_linear, dropout = settings.tower == "linear", nn.Dropout(settings.dropout_rate)
    last = nn.Linear(width if is_linear else _HIDDEN, width, bias=False)
    if settings.identity_path:
        nn.init.zeros_(last.weight)
    if is_linear:
        return nn.Sequential(dropout, last)
    return nn.Sequential(nn.Linear(width, _HIDDEN), nn.LeakyReLU(LEAK), dropout, last)
