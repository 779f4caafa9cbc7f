"""Our own method, `variant: mirec`: a learnt metric, a closed-form one, and their corrections."""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from recbole_mirec.model.base import (
    ATTRIBUTE,
    AccountFeatures,
    Sides,
    Tables,
    are_shares,
    stacked,
)
from recbole_mirec.nn.metric import (
    MetricEncoder,
    category_log_posterior,
    centred_product,
    hubness,
    principal_axes,
    standardised_rows,
)
from recbole_mirec.nn.objective import multi_positive_softmax
from recbole_mirec.nn.plda import fit_two_covariance, plda_vectors
from recbole_mirec.nn.settings import INPUTS, MetricSettings, Modality

_LOGGER = logging.getLogger(__name__)
# Brands' and influencers' vectors, whose inner products are scores: (account, dimension).
Pair = tuple[Tensor, Tensor]


class TrainingPairs(nn.Module):
    """Training collaborations on the model's device, left out of checkpoints.

    Args:
        pairs: int64 (pair, 2), internal ids.
        weights: float64 (pair), above 0 on average.
        n_accounts: numbers of internal ids of brands and of influencers, padding included.
    """

    pairs: Tensor
    weights: Tensor
    brands: Tensor
    influencers: Tensor

    def __init__(
        self,
        pairs: NDArray[np.int64],
        weights: NDArray[np.float64],
        n_accounts: tuple[int, int],
    ):
        super().__init__()
        self.n_accounts = dict(zip(schema.SIDES, n_accounts, strict=True))
        values = {
            "pairs": torch.from_numpy(pairs),
            "weights": torch.from_numpy(weights).float(),
            "brands": torch.from_numpy(np.unique(pairs[:, 0])),
            "influencers": torch.from_numpy(np.unique(pairs[:, 1])),
        }
        for name, tensor in values.items():
            self.register_buffer(name, tensor, persistent=False)

    def is_training(self, side: schema.Side) -> Tensor:
        """True at internal ids with a training collaboration: bool (account)."""
        ids = self.brands if side == schema.BRAND else self.influencers
        return torch.isin(torch.arange(self.n_accounts[side], device=ids.device), ids)

    def some_influencers(self, wanted: Tensor, most: int) -> Tensor:
        """Training influencers, sorted: all, or the wanted ones and as many others as drawn.

        They are at most `most`, or more where more are wanted.
        """
        everyone = self.influencers
        if len(everyone) <= most:
            return everyone
        wanted = torch.unique(wanted)
        others = everyone[~torch.isin(everyone, wanted)]
        drawn = torch.randperm(len(others), device=others.device)[: max(most - len(wanted), 0)]
        return torch.cat([wanted, others[drawn]]).sort().values

    def batch_weights(self, brands: Tensor, influencers: Tensor) -> Tensor:
        """Weights of the pairs that stand in a batch of pairs, 0 for others: float32 (pair)."""
        width = self.n_accounts[schema.INFLUENCER]
        keys = self.pairs[:, 0] * width + self.pairs[:, 1]
        return torch.where(torch.isin(keys, brands * width + influencers), self.weights, 0.0)

    def matrix(self, brands: Tensor, influencers: Tensor, values: Tensor | None = None) -> Tensor:
        """Values of pairs, 1 if not told, among zeros: float32 (brand, influencer); ids sorted."""
        inside = torch.isin(self.pairs[:, 0], brands) & torch.isin(self.pairs[:, 1], influencers)
        pairs = self.pairs[inside].T.contiguous()
        matrix = self.weights.new_zeros(len(brands), len(influencers))
        matrix[torch.searchsorted(brands, pairs[0]), torch.searchsorted(influencers, pairs[1])] = (
            torch.ones_like(self.weights) if values is None else values
        )[inside]
        return matrix


class MetricMethod(nn.Module):
    """Account vectors whose inner product, perspective by perspective, is the sum of five scores.

    The learnt metric of `MetricEncoder`, trained by a softmax over all training influencers; the
    log likelihood ratio of PLDA, in closed form; the untrained similarity of topics and labels; the
    log probability that brands of the brand's category choose the influencer; and, subtracted, an
    influencer's hubness. Each stands in a block of its own within a perspective's vectors, so F
    stays a sum of inner products and every share is exact. An account without a perspective has
    zeros there, and the perspective adds 0, which is what an average training influencer gets.

    Args:
        settings: switches and weights.
        tables: raw features, node embeddings' means as `attribute` among them.
        perspectives: those in use.
        pairs: the training collaborations; nothing else is fitted on.
        brand_category: int64 (account) by internal id of the brand, -1 where unknown.
    """

    score_meaning = "the sum of the perspectives' scores, unbounded; 0 is an average influencer"

    def __init__(
        self,
        settings: MetricSettings,
        tables: Tables,
        perspectives: tuple[str, ...],
        pairs: TrainingPairs,
        brand_category: Tensor,
    ):
        super().__init__()
        self.settings, self.pairs = settings, pairs
        self.accounts = AccountFeatures(self._standardised(tables, centred=settings.centring))
        self.perspectives = {
            name: tuple(part for part in INPUTS[name] if part in self.accounts.widths)
            for name in perspectives
        }
        self.encoder = MetricEncoder(self.accounts.widths, settings)
        self.loss_names = ["softmax"] + (["peers"] if settings.peer_weight else [])
        raw = self._standardised(tables, centred=False) if settings.raw_weight else {}
        for name, parts in self.perspectives.items():
            brands, influencers = self._joined(name)
            blocks = [(brands.rows[:, :0], influencers.rows[:, :0])]
            if settings.plda_weight:
                blocks += self._plda(name, brands, influencers)
            if settings.category_weight:
                blocks.append(self._category(brand_category, brands, influencers))
            if settings.raw_weight and name != ATTRIBUTE:
                root = settings.raw_weight**0.5
                for part in parts:
                    scaled = (Modality(raw[x][part].rows * root, raw[x][part].mask) for x in raw)
                    blocks.append(self._about_zero(*scaled))
            for side, columns in zip(schema.SIDES, zip(*blocks, strict=True), strict=True):
                block = torch.cat(columns, dim=1)
                self.register_buffer(f"{side}_{name}_closed_form", block, persistent=False)

    def losses(self, brands: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, ...]:
        """The terms of the objective of some pairs, in the order of `loss_names`.

        Args:
            brands: int64 (pair), internal ids; likewise the next two.
            positives: influencers that the brands collaborated with.
            negatives: without effect: every training influencer is one.
        """
        influencers = self.pairs.some_influencers(positives, self.settings.n_negatives)
        shown = torch.unique(brands)
        brand_vectors = self._encode(schema.BRAND, shown)
        influencer_vectors = self._encode(schema.INFLUENCER, influencers)
        known = self.pairs.matrix(shown, influencers) > 0
        weights = self.pairs.matrix(shown, influencers, self.pairs.batch_weights(brands, positives))
        terms = [multi_positive_softmax(brand_vectors @ influencer_vectors.T, known, weights)]
        if self.settings.peer_weight:
            shared = self.pairs.matrix(self.pairs.brands, influencers)
            terms.append(self.settings.peer_weight * peer_loss(influencer_vectors, shared))
        return tuple(terms)

    def all_vectors(self) -> Sides:
        """Vectors of all accounts: side -> float32 (account, perspective, dimension).

        Perspectives end in zeros up to the widest.
        """
        parts = self.perspectives.values()
        widths = [sum(self.accounts.widths[name] for name in names) for names in parts]
        learnt = (
            torch.split(rows, widths, dim=1)
            for rows in self.accounts.encoded(self._encode).values()
        )
        return stacked(
            [
                self._corrected(name, *both)
                for name, *both in zip(self.perspectives, *learnt, strict=True)
            ]
        )

    def _standardised(self, tables: Tables, *, centred: bool) -> Tables:
        """Every modality's rows made comparable, and reduced where they are wide.

        Means and axes are those of training accounts.
        """
        made: Tables = {side: {} for side in schema.SIDES}
        fitted = {side: self.pairs.is_training(side) for side in schema.SIDES}
        for name, (_, mask) in tables[schema.INFLUENCER].items():
            square_root = self.settings.square_roots and are_shares(tables, name)
            rows = {
                side: standardised_rows(
                    tables[side][name], fitted[side], square_root=square_root, centred=centred
                )
                for side in schema.SIDES
            }
            known = rows[schema.INFLUENCER][fitted[schema.INFLUENCER] & mask]
            axes = principal_axes(known, self.settings.input_dimension)
            for side in schema.SIDES:
                made[side][name] = Modality(rows[side] @ axes, tables[side][name].mask)
        return made

    def _joined(self, perspective: str) -> list[Modality]:
        """Brands' and influencers' modalities of a perspective side by side; mask: any of them."""
        found = []
        for table in map(self.accounts.table, schema.SIDES):
            parts = (table[part] for part in self.perspectives[perspective])
            rows, masks = zip(*parts, strict=True)
            found.append(Modality(torch.cat(rows, dim=1), torch.stack(masks).any(dim=0)))
        return found

    def _encode(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Learnt vectors of accounts, perspectives side by side: float32 (account, width)."""
        vectors = self.encoder(self.accounts.take(side, ids))
        parts = [part for names in self.perspectives.values() for part in names]
        return torch.cat([vectors[part] for part in parts], dim=1)

    def _corrected(self, name: str, *learnt: Tensor) -> Sides:
        """A perspective's vectors: learnt, closed form, and what hubness takes away."""
        settings = self.settings
        masks = [some.mask for some in self._joined(name)]
        brands, influencers = (
            torch.cat([rows, self.get_buffer(f"{side}_{name}_closed_form")], dim=1)
            for rows, side in zip(learnt, schema.SIDES, strict=True)
        )
        reference, weight = masks[0], 0.5
        if not settings.csls:
            reference = reference & self.pairs.is_training(schema.BRAND)
            weight = settings.hubness_weight
        lost = weight * hubness(brands[reference], influencers, settings.hubness_neighbours)
        brands = functional.pad(brands, (0, 1), value=1.0)
        influencers = torch.cat([influencers, -lost[:, None]], dim=1)
        both = self._about_zero(*map(Modality, (brands, influencers), masks))
        return dict(zip(schema.SIDES, both, strict=True))

    def _about_zero(self, brands: Modality, influencers: Modality) -> Pair:
        """Vectors whose products are 0 on average over training influencers, and where missing."""
        return centred_product(brands, influencers, self.pairs.is_training(schema.INFLUENCER))

    def _plda(self, name: str, brands: Modality, influencers: Modality) -> list[Pair]:
        """The log likelihood ratio; nothing where there are too few pairs to fit it on."""
        settings, pairs = self.settings, self.pairs.pairs
        fitted = influencers.mask & self.pairs.is_training(schema.INFLUENCER)
        axes = principal_axes(influencers.rows[fitted], settings.plda_dimension)
        rows = brands.rows @ axes, influencers.rows @ axes
        both = brands.mask[pairs[:, 0]] & influencers.mask[pairs[:, 1]]
        try:
            model = fit_two_covariance(
                *rows,
                pairs[both],
                shrinkage=settings.plda_shrinkage,
                cross_share=settings.plda_cross_share,
            )
        except ValueError as error:
            _LOGGER.info("Perspective %s: PLDA is left out. %s", name, error)
            return []
        both_rows = plda_vectors(model, *rows)
        return [_weighted(settings.plda_weight, both_rows, brands.mask, influencers.mask)]

    def _category(self, of_brand: Tensor, brands: Modality, influencers: Modality) -> Pair:
        """The log probability that a brand of each category chooses an influencer."""
        pairs, settings = self.pairs.pairs, self.settings
        categories = of_brand[pairs[:, 0]]
        known = (categories >= 0) & influencers.mask[pairs[:, 1]]
        n_categories = max(int(of_brand.max()) + 1, 0)
        posterior = category_log_posterior(
            influencers.rows,
            pairs[known, 1],
            categories[known],
            n_categories,
            inverse_penalty=settings.category_inverse_penalty,
        )
        one_hot = (of_brand[:, None] == torch.arange(n_categories)).to(posterior)
        both = one_hot, posterior
        return _weighted(settings.category_weight, both, brands.mask, influencers.mask)


def _weighted(weight: float, vectors: Pair, *masks: Tensor) -> Pair:
    """Vectors times the root of a weight; zeros where the perspective is missing."""
    both = zip(masks, vectors, strict=True)
    brands, influencers = (torch.where(x[:, None], rows * weight**0.5, 0.0) for x, rows in both)
    return brands, influencers


def peer_loss(vectors: Tensor, shared: Tensor) -> Tensor:
    """Softmax loss in which every influencer looks for those that share a brand with it.

    Args:
        vectors: (influencer, dimension).
        shared: (brand, influencer), 1 where they collaborated.
    """
    peers = shared.T @ shared > 0
    peers.fill_diagonal_(False)
    weights = peers / peers.sum(dim=1, keepdim=True).clamp(min=1)
    scores = (vectors @ vectors.T).clone()
    # itself is no negative: far below all others
    scores.fill_diagonal_(-1e4)
    return multi_positive_softmax(scores, peers, weights)
