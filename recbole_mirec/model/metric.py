"""Our own method, `variant: mirec`: a learnt metric, a closed-form one, and their corrections."""

import logging
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dataset_convert import schema
from recbole_mirec.model.base import (
    ATTRIBUTE,
    AccountFeatures,
    FeatureTables,
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
from recbole_mirec.nn.settings import MetricSettings

_LOGGER = logging.getLogger(__name__)


class TrainingPairs(nn.Module):
    """Training collaborations on the model's device, left out of checkpoints.

    Args:
        pairs: int64 (pair, 2), internal ids.
        weights: float64 (pair), above 0 on average.
        n_accounts: side -> number of internal ids.
    """

    pairs: Tensor
    weights: Tensor
    brands: Tensor
    influencers: Tensor

    def __init__(
        self,
        pairs: NDArray[np.int64],
        weights: NDArray[np.float64],
        n_accounts: dict[schema.Side, int],
    ):
        super().__init__()
        self.n_accounts = n_accounts
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

        Args:
            wanted: internal ids that must be among them.
            most: how many at most; more only where more are wanted.
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
    influencer's hubness. Each stands in a block of its own within a
    perspective's vectors, so F stays a sum of inner products and every share is exact. A brand or
    an influencer without a perspective has zeros there, and the perspective adds 0, which is what
    an average training influencer gets.

    Args:
        settings: switches and weights.
        tables: side -> raw features, node embeddings' means as `attribute` among them.
        perspectives: those in use, with the modalities that the data set has.
        pairs: the training collaborations; nothing else is fitted on.
        brand_category: int64 (account) by internal id of the brand, -1 where unknown.
    """

    score_meaning = "the sum of the perspectives' scores, unbounded; 0 is an average influencer"

    def __init__(
        self,
        settings: MetricSettings,
        tables: FeatureTables,
        perspectives: Mapping[str, tuple[str, ...]],
        pairs: TrainingPairs,
        brand_category: Tensor,
    ):
        super().__init__()
        self.settings = settings
        self.pairs = pairs
        self.perspectives = perspectives
        self.accounts = AccountFeatures(
            standardised_tables(settings, tables, pairs, centred=settings.centring)
        )
        self.encoder = MetricEncoder(self.accounts.widths, perspectives, settings)
        self.loss_names = ["softmax"] + (["peers"] if settings.peer_weight else [])
        raw: FeatureTables = {}
        if settings.raw_weight:
            raw = standardised_tables(settings, tables, pairs, centred=False)
        n_accounts = self.accounts.n_accounts
        for name, parts in perspectives.items():
            blocks: list[Sides] = [{side: torch.zeros(n, 0) for side, n in n_accounts.items()}]
            if settings.plda_weight:
                blocks += self._plda(name)
            if settings.category_weight:
                blocks.append(self._category(name, brand_category))
            if settings.raw_weight and name != ATTRIBUTE:
                blocks += [self._raw(raw, part) for part in parts]
            for side in schema.SIDES:
                block = torch.cat([some[side] for some in blocks], dim=1)
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
            terms.append(self.settings.peer_weight * _peer_loss(influencer_vectors, shared))
        return tuple(terms)

    def all_vectors(self) -> Sides:
        """Vectors of all accounts: side -> float32 (account, perspective, dimension).

        Perspectives end in zeros up to the widest.
        """
        parts = self.perspectives.values()
        widths = [sum(self.accounts.widths[name] for name in names) for names in parts]
        learnt = {
            side: torch.split(rows, widths, dim=1)
            for side, rows in self.accounts.encoded(self._encode).items()
        }
        return stacked(
            [
                self._corrected(name, *(learnt[side][place] for side in schema.SIDES))
                for place, name in enumerate(self.perspectives)
            ]
        )

    def _encode(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Learnt vectors of accounts, perspectives side by side: float32 (account, width)."""
        features, masks = self.accounts.features(side, ids), self.accounts.masks(side, ids)
        return torch.cat(self.encoder(features, masks), dim=1)

    def _corrected(self, name: str, *learnt: Tensor) -> Sides:
        """A perspective's vectors: learnt, closed form, and what hubness takes away."""
        settings = self.settings
        brands, influencers = (
            torch.cat([rows, self.get_buffer(f"{side}_{name}_closed_form")], dim=1)
            for rows, side in zip(learnt, schema.SIDES, strict=True)
        )
        reference = self._present(name, schema.BRAND)
        if not settings.csls:
            reference = reference & self.pairs.is_training(schema.BRAND)
        weight = 0.5 if settings.csls else settings.hubness_weight
        lost = weight * hubness(brands[reference], influencers, settings.hubness_neighbours)
        brands = torch.cat([brands, brands.new_ones(len(brands), 1)], dim=1)
        influencers = torch.cat([influencers, -lost[:, None]], dim=1)
        masks = (self._present(name, side) for side in schema.SIDES)
        return self._about_zero(brands, influencers, *masks)

    def _about_zero(
        self, brands: Tensor, influencers: Tensor, brand_mask: Tensor, influencer_mask: Tensor
    ) -> Sides:
        """Vectors whose products are 0 on average over training influencers, and where missing."""
        fitted = self.pairs.is_training(schema.INFLUENCER)
        both = centred_product(brands, influencers, brand_mask, influencer_mask, fitted)
        return dict(zip(schema.SIDES, both, strict=True))

    def _raw(self, raw: FeatureTables, part: str) -> Sides:
        """The untrained similarity of one modality, with the root of its weight on both sides."""
        root = self.settings.raw_weight**0.5
        rows, masks = ([raw[side][part][k] for side in schema.SIDES] for k in (0, 1))
        return self._about_zero(*(some * root for some in rows), *masks)

    def _plda(self, name: str) -> list[Sides]:
        """The log likelihood ratio; nothing where there are too few pairs to fit it on."""
        settings, pairs = self.settings, self.pairs
        brands, influencers = (self._rows(name, side) for side in schema.SIDES)
        masks = [self._present(name, side) for side in schema.SIDES]
        fitted = masks[1] & pairs.is_training(schema.INFLUENCER)
        axes = principal_axes(influencers[fitted], settings.plda_dimension)
        brands, influencers = brands @ axes, influencers @ axes
        both = masks[0][pairs.pairs[:, 0]] & masks[1][pairs.pairs[:, 1]]
        try:
            model = fit_two_covariance(
                brands,
                influencers,
                pairs.pairs[both],
                shrinkage=settings.plda_shrinkage,
                cross_share=settings.plda_cross_share,
            )
        except ValueError as error:
            _LOGGER.info("Perspective %s: PLDA is left out. %s", name, error)
            return []
        vectors = plda_vectors(model, brands, influencers)
        return [self._weighted(name, settings.plda_weight, *vectors)]

    def _category(self, name: str, brand_category: Tensor) -> Sides:
        """The log probability that a brand of each category chooses an influencer."""
        pairs, settings = self.pairs.pairs, self.settings
        categories = brand_category[pairs[:, 0]]
        known = (categories >= 0) & self._present(name, schema.INFLUENCER)[pairs[:, 1]]
        n_categories = max(int(brand_category.max()) + 1, 0)
        posterior = category_log_posterior(
            self._rows(name, schema.INFLUENCER),
            pairs[known, 1],
            categories[known],
            n_categories,
            inverse_penalty=settings.category_inverse_penalty,
        )
        one_hot = brand_category[:, None] == torch.arange(n_categories)
        return self._weighted(name, settings.category_weight, one_hot.to(posterior), posterior)

    def _weighted(self, name: str, weight: float, *vectors: Tensor) -> Sides:
        """Vectors times the root of a weight; zeros where the perspective is missing."""
        return {
            side: torch.where(self._present(name, side)[:, None], rows * weight**0.5, 0.0)
            for side, rows in zip(schema.SIDES, vectors, strict=True)
        }

    def _rows(self, name: str, side: schema.Side) -> Tensor:
        """A perspective's standardised modalities side by side: float32 (account, dimension)."""
        features = self.accounts.features(side, self.accounts.ids(side))
        return torch.cat([features[part] for part in self.perspectives[name]], dim=1)

    def _present(self, name: str, side: schema.Side) -> Tensor:
        """True where an account has any modality of a perspective: bool (account)."""
        masks = self.accounts.masks(side, self.accounts.ids(side))
        return torch.stack([masks[part] for part in self.perspectives[name]]).any(dim=0)


def standardised_tables(
    settings: MetricSettings, tables: FeatureTables, pairs: TrainingPairs, *, centred: bool
) -> Tables:
    """Every modality's rows made comparable, and reduced where they are wide.

    Means and axes are those of training accounts.
    """
    made: Tables = {side: {} for side in schema.SIDES}
    fitted = {side: pairs.is_training(side) for side in schema.SIDES}
    for name in tables[schema.BRAND]:
        square_root = settings.square_roots and are_shares(tables, name)
        rows = {
            side: standardised_rows(
                *tables[side][name], fitted[side], square_root=square_root, centred=centred
            )
            for side in schema.SIDES
        }
        known = fitted[schema.INFLUENCER] & tables[schema.INFLUENCER][name][1]
        axes = principal_axes(rows[schema.INFLUENCER][known], settings.input_dimension)
        for side in schema.SIDES:
            made[side][name] = (rows[side] @ axes, tables[side][name][1])
    return made


def _peer_loss(vectors: Tensor, shared: Tensor) -> Tensor:
    """Softmax loss in which every influencer looks for those that share a brand with it."""
    peers = shared.T @ shared > 0
    peers.fill_diagonal_(False)
    weights = peers / peers.sum(dim=1, keepdim=True).clamp(min=1)
    scores = (vectors @ vectors.T).clone()
    # itself is no negative: far below all others
    scores.fill_diagonal_(-1e4)
    return multi_positive_softmax(scores, peers, weights)
