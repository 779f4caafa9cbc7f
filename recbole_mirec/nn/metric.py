"""The learnt metric of our own method, and products as z-scores."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from recbole_mirec.nn.fitted import MOST_SCALE as MOST_SCALE
from recbole_mirec.nn.fitted import Layout
from recbole_mirec.nn.objective import multi_positive_softmax
from recbole_mirec.nn.settings import MetricSettings, Modality


def product_statistics(
    brands: Modality,
    influencers: Modality,
    brand_fitted: Bool[Tensor, "brand"],
    influencer_fitted: Bool[Tensor, "influencer"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean and standard deviation of the inner products of two sides' vectors.

    Of the present and fitted brands with such influencers; products that do not vary, or none to
    fit on, have the deviation 1.
    """
    chosen = brands.rows[brands.mask & brand_fitted]
    others = influencers.rows[influencers.mask & influencer_fitted]
    products = chosen @ others.T
    mean = products.mean() if products.numel() else products.new_zeros(())
    return mean, product_deviation(products)


def product_deviation(products: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    """Standard deviation of inner products; 1 if they do not vary or there is none."""
    if not products.numel():
        return products.new_ones(())
    deviation = products.std(correction=0)
    # a constant in floating point varies by rounding
    varies = deviation > 1e-6 * products.abs().max()
    return torch.where(varies, deviation, torch.ones_like(deviation))


class MetricEncoder(nn.Module):
    """Vectors whose inner product is, by pair of modalities, a learnt cosine over a temperature.

    An account's modality x becomes ``x + G x``, scaled to length 1, and a brand's by the pair's
    inverse temperature as well: what topics, texts, audience and attributes are worth beside each
    other is learnt. A space's map G serves brands and influencers alike and has no bias: a missing
    modality, a zero row, is a zero vector. G starts at 0, so that an untrained encoder gives the
    cosines of its inputs. In training ``dropout_rate`` of what G reads is dropped, and
    ``modality_dropout`` of the brands lack a pair.

    Source: the identity path is that of He et al., "Deep Residual Learning" (CVPR 2016); a cosine
    with a learnt temperature in a softmax is that of Radford et al., "Learning Transferable Visual
    Models From Natural Language Supervision" (ICML 2021).

    Args:
        layout: the pairs, and the space of each modality.
        widths: axes of each space.
        settings: ``seeds`` are so many encoders that learn beside each other; ``temperature`` is
            the first value of every pair's.
    """

    def __init__(self, layout: Layout, widths: Mapping[str, int], settings: MetricSettings) -> None:
        super().__init__()
        self.layout, self.settings = layout, settings
        self.maps = nn.ParameterDict(
            {
                name: nn.Parameter(torch.zeros(settings.seeds, width, width))
                for name, width in widths.items()
            }
        )
        start = torch.full((settings.seeds, len(layout.pairs)), -math.log(settings.temperature))
        self.log_scale = nn.Parameter(start)

    def scale(self) -> Float[Tensor, "seed pair"]:
        """Inverse temperatures, above 0 and at most `MOST_SCALE`."""
        return self.log_scale.clamp(max=math.log(MOST_SCALE)).exp()

    def forward(
        self, side: schema.Side, inputs: Mapping[str, Float[Tensor, "account _"]]
    ) -> Float[Tensor, "seed account dim"]:
        """Vectors of accounts of a side from their standardised rows."""
        units = {name: self._mapped(name, inputs[name]) for name in self.layout.modalities(side)}
        found: dict[tuple[str, str], Tensor] = {}
        for pair, (perspective, brand, influencer) in enumerate(self.layout.pairs):
            place = perspective, influencer
            if side == schema.INFLUENCER:
                found[place] = units[influencer]
                continue
            rows = units[brand] * self.scale()[:, pair, None, None]
            if self.training and self.settings.modality_dropout:
                kept = torch.rand(*rows.shape[:2], 1, device=rows.device)
                rows = rows * (kept >= self.settings.modality_dropout)
            found[place] = found[place] + rows if place in found else rows
        return torch.cat(list(found.values()), dim=2)

    def _mapped(self, modality: str, rows: Tensor) -> Tensor:
        maps = self.maps[self.layout.spaces[modality]]
        every = rows.expand(len(maps), *rows.shape)
        read = functional.dropout(every, self.settings.dropout_rate, self.training)
        return functional.normalize(every + read @ maps, dim=2)


def two_way_softmax(
    scores: Float[Tensor, "seed brand influencer"],
    positives: Bool[Tensor, "brand influencer"],
    weights: Float[Tensor, "brand influencer"],
    column_weight: float,
) -> Float[Tensor, ""]:
    """`multi_positive_softmax` of brands against influencers and of influencers against brands.

    The second has the share `column_weight`. Summed over seeds, which learn nothing of each other.
    """
    total = scores.new_zeros(())
    for some in scores:
        if column_weight < 1:
            rows = multi_positive_softmax(some, positives, weights)
            total = total + (1 - column_weight) * rows
        if column_weight:
            columns = multi_positive_softmax(some.T, positives.T, weights.T)
            total = total + column_weight * columns
    return total
