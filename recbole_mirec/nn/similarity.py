"""Untrained similarities of feature rows, each as one inner product of vectors."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional


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
