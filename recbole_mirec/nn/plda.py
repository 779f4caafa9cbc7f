"""Two-covariance PLDA between a brand and an influencer, in closed form.

Source: the two-covariance model of Brümmer and de Villiers, "The Speaker Partitioning Problem"
(Odyssey 2010), and Ioffe, "Probabilistic Linear Discriminant Analysis" (ECCV 2006). A brand has a
latent vector y with covariance B (between brands); each of its influencers is y plus noise of
covariance W (within a brand), and so is the brand's own row. The score of a pair is the logarithm
of how much likelier its two rows are with one y than with two.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Share of the largest eigenvalue of B below which B is lifted, to stay positive definite.
_FLOOR = 1e-6


@dataclass(frozen=True)
class TwoCovariance:
    """The two covariances of the model, symmetric and positive definite, float64."""

    within: Float[Tensor, "dim dim"]  # W, of a brand's influencers about their mean
    between: Float[Tensor, "dim dim"]  # B, of the brands' latent vectors


def fit_two_covariance(
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
    pairs: Int[Tensor, "pair 2"],
    *,
    shrinkage: float,
    cross_share: float,
) -> TwoCovariance:
    """Estimate both covariances by moments, from centred rows and training pairs only.

    W is the pooled covariance of influencers about the mean of their brand, `shrinkage` of its
    entries off the diagonal taken away. B is the covariance of the brands' mean influencers, less
    what W adds to a mean of so many, averaged with the covariance between a brand's own row and
    its mean influencer, whose weight is `cross_share`; eigenvalues that are not positive are
    lifted.

    Raises:
        ValueError: fewer than two brands, or no brand with two influencers.
    """
    brand_ids, members = torch.unique(pairs[:, 0], return_inverse=True)
    rows = influencers[pairs[:, 1]].double()
    n_members = torch.bincount(members).double()
    if len(brand_ids) < 2 or len(rows) <= len(brand_ids):
        raise ValueError(
            "The 'pairs' parameter of fit_two_covariance must hold two brands or more, one of "
            f"them with two influencers. Received: {len(rows)} pairs of {len(brand_ids)} brands."
        )
    means = torch.zeros(len(brand_ids), rows.shape[1], dtype=torch.float64, device=rows.device)
    means = means.index_add(0, members, rows) / n_members[:, None]
    residuals = rows - means[members]
    pooled = residuals.T @ residuals / (len(rows) - len(brand_ids))
    diagonal = torch.diag(torch.diag(pooled))
    within = (1 - shrinkage) * pooled + shrinkage * diagonal
    lift = _FLOOR * torch.trace(within).clamp(min=_FLOOR)
    within = within + lift * torch.eye(len(within), device=rows.device)
    spread = means - means.mean(dim=0)
    own = brands[brand_ids].double()
    of_means = spread.T @ spread / (len(means) - 1) - within * (1 / n_members).mean()
    crossed = own.T @ spread / (len(means) - 1)
    between = (1 - cross_share) * of_means + cross_share * (crossed + crossed.T) / 2
    values, axes = torch.linalg.eigh(between)
    floor = _FLOOR * values.max().clamp(min=_FLOOR)
    return TwoCovariance(within=within, between=(axes * values.clamp(min=floor)) @ axes.T)


def plda_vectors(
    model: TwoCovariance,
    brands: Float[Tensor, "brand dim"],
    influencers: Float[Tensor, "influencer dim"],
) -> tuple[Float[Tensor, "brand wide"], Float[Tensor, "influencer wide"]]:
    """Account vectors whose inner product is the log likelihood ratio, up to a brand's constant.

    With T = B + W the ratio is ``b' P m + m' Q m / 2 + b' Q b / 2 + constant``, where
    ``S = (T - B T^-1 B)^-1``, ``P = T^-1 B S`` and ``Q = T^-1 - S``. The third and fourth part are
    the same for all influencers of a brand and left out. P is symmetric and positive definite, so
    with its root R a brand's vector is ``[R b, 1]`` and an influencer's ``[R m, m' Q m / 2]``, of
    the rows' type and unbounded.
    """
    within, between = model.within, model.between
    total_inverse = torch.linalg.inv(between + within)
    joint = torch.linalg.inv(between + within - between @ total_inverse @ between)
    cross = total_inverse @ between @ joint
    values, axes = torch.linalg.eigh((cross + cross.T) / 2)
    root = (axes * values.clamp(min=0).sqrt()) @ axes.T
    quadratic = total_inverse - joint
    rows = influencers.double()
    own = (rows @ quadratic * rows).sum(dim=1, keepdim=True) / 2
    ones = brands.new_ones(len(brands), 1)
    return (
        torch.cat([(brands.double() @ root).to(brands.dtype), ones], dim=1),
        torch.cat([rows @ root, own], dim=1).to(influencers.dtype),
    )
