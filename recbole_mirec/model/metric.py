"""Our own method, `variant: mirec`: a learnt metric, a closed-form one, and their corrections."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.model.base import ATTRIBUTE, AccountFeatures, FeatureTable, TrainingPairs
from recbole_mirec.nn.metric import (
    MetricEncoder,
    MetricSettings,
    category_log_posterior,
    centred_product,
    hubness,
    principal_axes,
    standardised_rows,
)
from recbole_mirec.nn.objective import multi_positive_softmax
from recbole_mirec.nn.plda import fit_two_covariance, plda_vectors

_LOGGER = logging.getLogger(__name__)

# Perspective -> its modalities in use.
Perspectives = Mapping[str, tuple[str, ...]]
_Vectors = dict[schema.Side, Tensor]


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
        tables: Mapping[schema.Side, FeatureTable],
        perspectives: Perspectives,
        pairs: TrainingPairs,
        brand_category: Tensor,
    ):
        super().__init__()
        self.settings = settings
        self.brand_category: Tensor
        self.register_buffer("brand_category", brand_category, persistent=False)
        self.pairs = pairs
        self.perspectives = perspectives
        self.accounts = AccountFeatures(standardised_tables(settings, tables, pairs))
        self.encoder = MetricEncoder(
            self.accounts.widths,
            perspectives,
            tower=settings.tower,
            dropout_rate=settings.dropout_rate,
            modality_dropout=settings.modality_dropout,
            temperature=settings.temperature,
            identity=settings.identity_path,
        )
        self.loss_names = ["softmax"] + (["peers"] if settings.peer_weight else [])
        raw: Mapping[schema.Side, Mapping[str, tuple[Tensor, Tensor]]] = {}
        if settings.raw_weight:
            plain = dataclasses.replace(settings, centring=False)
            raw = standardised_tables(plain, tables, pairs)
        for name in perspectives:
            for side, block in self._closed_form(name, raw).items():
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
        brand_vectors = torch.cat(self._encode(schema.BRAND, shown), dim=1)
        influencer_vectors = torch.cat(self._encode(schema.INFLUENCER, influencers), dim=1)
        known = self.pairs.matrix(shown, influencers) > 0
        weights = self.pairs.batch_weights(brands, positives, shown, influencers)
        terms = [multi_positive_softmax(brand_vectors @ influencer_vectors.T, known, weights)]
        if self.settings.peer_weight:
            shared = self.pairs.matrix(self.pairs.brands, influencers)
            terms.append(self.settings.peer_weight * _peer_loss(influencer_vectors, shared))
        return tuple(terms)

    def all_vectors(self, accounts_at_once: int) -> dict[schema.Side, Tensor]:
        """Vectors of all accounts: side -> float32 (account, perspective, dimension).

        Perspectives end in zeros up to the widest.
        """
        learnt = {side: self._encode_all(side, accounts_at_once) for side in schema.SIDES}
        blocks = [
            self._corrected(name, {side: learnt[side][place] for side in schema.SIDES})
            for place, name in enumerate(self.perspectives)
        ]
        width = max(block[schema.BRAND].shape[1] for block in blocks)
        return {
            side: torch.stack(
                [
                    functional.pad(block[side], (0, width - block[side].shape[1]))
                    for block in blocks
                ],
                dim=1,
            )
            for side in schema.SIDES
        }

    def _corrected(self, name: str, learnt: _Vectors) -> _Vectors:
        """A perspective's vectors: learnt, closed form, and what hubness takes away."""
        settings = self.settings
        vectors = {
            side: torch.cat([learnt[side], getattr(self, f"{side}_{name}_closed_form")], dim=1)
            for side in schema.SIDES
        }
        weight = 0.5 if settings.csls else settings.hubness_weight
        present = {side: self._present(name, side) for side in schema.SIDES}
        reference = present[schema.BRAND].clone()
        if not settings.csls:
            reference &= self.pairs.is_training(schema.BRAND)
        lost = weight * hubness(
            vectors[schema.BRAND][reference],
            vectors[schema.INFLUENCER],
            settings.hubness_neighbours,
        )
        last = {
            schema.BRAND: torch.ones(len(present[schema.BRAND])).to(lost),
            schema.INFLUENCER: -lost,
        }
        return self._about_zero(
            {side: torch.cat([vectors[side], last[side][:, None]], dim=1) for side in schema.SIDES},
            present,
        )

    def _about_zero(self, vectors: _Vectors, present: _Vectors) -> _Vectors:
        """Vectors whose products are 0 on average over training influencers, and where missing."""
        brands, influencers = (vectors[side] for side in schema.SIDES)
        brand_present, influencer_present = (present[side] for side in schema.SIDES)
        fitted = self.pairs.is_training(schema.INFLUENCER)
        centred = centred_product(brands, influencers, brand_present, influencer_present, fitted)
        return dict(zip(schema.SIDES, centred, strict=True))

    def _closed_form(
        self, name: str, raw: Mapping[schema.Side, Mapping[str, tuple[Tensor, Tensor]]]
    ) -> _Vectors:
        """Blocks of a perspective that no step trains: PLDA, categories, untrained similarity."""
        settings = self.settings
        blocks: dict[schema.Side, list[Tensor]] = {side: [] for side in schema.SIDES}
        rows = {side: self._rows(name, side) for side in schema.SIDES}
        for weight, make in (
            (settings.plda_weight, self._plda),
            (settings.category_weight, self._category),
        ):
            if weight:
                for side, vectors in make(name, rows).items():
                    present = self._present(name, side)[:, None]
                    blocks[side].append(torch.where(present, vectors * weight**0.5, 0.0))
        for part in self.perspectives[name]:
            if settings.raw_weight and part != ATTRIBUTE:
                scaled = {
                    side: raw[side][part][0] * settings.raw_weight**0.5 for side in schema.SIDES
                }
                masks = {side: raw[side][part][1] for side in schema.SIDES}
                for side, vectors in self._about_zero(scaled, masks).items():
                    blocks[side].append(vectors)
        empty = {side: torch.zeros(self.accounts.n_accounts[side], 0) for side in schema.SIDES}
        return {side: torch.cat([empty[side], *blocks[side]], dim=1) for side in schema.SIDES}

    def _plda(self, name: str, rows: _Vectors) -> _Vectors:
        settings, pairs = self.settings, self.pairs
        fitted = self._present(name, schema.INFLUENCER) & pairs.is_training(schema.INFLUENCER)
        axes = principal_axes(rows[schema.INFLUENCER][fitted], settings.plda_dimension)
        brands, influencers = (rows[side] @ axes for side in schema.SIDES)
        both = self._present(name, schema.BRAND)[pairs.pairs[:, 0]]
        both &= self._present(name, schema.INFLUENCER)[pairs.pairs[:, 1]]
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
            return {side: rows[side][:, :0] for side in schema.SIDES}
        return dict(zip(schema.SIDES, plda_vectors(model, brands, influencers), strict=True))

    def _category(self, name: str, rows: _Vectors) -> _Vectors:
        pairs = self.pairs.pairs
        categories = self.brand_category[pairs[:, 0]]
        known = (categories >= 0) & self._present(name, schema.INFLUENCER)[pairs[:, 1]]
        n_categories = max(int(self.brand_category.max()) + 1, 0)
        posterior = category_log_posterior(
            rows[schema.INFLUENCER],
            pairs[known, 1],
            categories[known],
            n_categories,
            inverse_penalty=self.settings.category_inverse_penalty,
        )
        one_hot = self.brand_category[:, None] == torch.arange(n_categories)
        return {schema.BRAND: one_hot.to(posterior), schema.INFLUENCER: posterior}

    def _rows(self, name: str, side: schema.Side) -> Tensor:
        """A perspective's standardised modalities side by side: float32 (account, dimension)."""
        features = self.accounts.features(side, self.accounts.ids(side))
        return torch.cat([features[part] for part in self.perspectives[name]], dim=1)

    def _present(self, name: str, side: schema.Side) -> Tensor:
        """True where an account has any modality of a perspective: bool (account)."""
        masks = self.accounts.masks(side, self.accounts.ids(side))
        return torch.stack([masks[part] for part in self.perspectives[name]]).any(dim=0)

    def _encode(self, side: schema.Side, ids: Tensor) -> list[Tensor]:
        vectors: list[Tensor] = self.encoder(
            self.accounts.features(side, ids), self.accounts.masks(side, ids)
        )
        return vectors

    def _encode_all(self, side: schema.Side, accounts_at_once: int) -> list[Tensor]:
        parts = torch.split(self.accounts.ids(side), accounts_at_once)
        blocks = [self._encode(side, part) for part in parts]
        return [torch.cat(some) for some in zip(*blocks, strict=True)]


def standardised_tables(
    settings: MetricSettings,
    tables: Mapping[schema.Side, FeatureTable],
    pairs: TrainingPairs,
) -> dict[schema.Side, dict[str, tuple[Tensor, Tensor]]]:
    """Every modality's rows made comparable, and reduced where they are wide.

    Args:
        settings: switches.
        tables: side -> raw features.
        pairs: whose accounts give means and axes.
    """
    made: dict[schema.Side, dict[str, tuple[Tensor, Tensor]]] = {side: {} for side in schema.SIDES}
    fitted = {side: pairs.is_training(side) for side in schema.SIDES}
    for name in tables[schema.BRAND]:
        shares = name != ATTRIBUTE and all(
            bool((tables[side][name][0] >= 0).all()) for side in schema.SIDES
        )
        rows = {
            side: standardised_rows(
                *tables[side][name],
                fitted[side],
                square_root=settings.square_roots and shares,
                centred=settings.centring,
            )
            for side in schema.SIDES
        }
        known = fitted[schema.INFLUENCER] & tables[schema.INFLUENCER][name][1]
        axes = principal_axes(rows[schema.INFLUENCER][known], settings.input_dimension)
        for side in schema.SIDES:
            made[side][name] = (rows[side] @ axes, tables[side][name][1])
    return made


def metric_settings(config: Any) -> MetricSettings:
    """The keys of the YAML as the frozen, checked settings of `nn`.

    Raises:
        UsageError: a key has a wrong value.
    """
    values = {field.name: config[field.name] for field in dataclasses.fields(MetricSettings)}
    try:
        return MetricSettings(**values)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _peer_loss(vectors: Tensor, shared: Tensor) -> Tensor:
    """Softmax loss in which every influencer looks for those that share a brand with it."""
    peers = shared.T @ shared > 0
    peers.fill_diagonal_(False)
    weights = peers / peers.sum(dim=1, keepdim=True).clamp(min=1)
    scores = (vectors @ vectors.T).clone()
    # itself is no negative: far below all others
    scores.fill_diagonal_(-1e4)
    return multi_positive_softmax(scores, peers, weights)
