"""MIRec under RecBole's contract: a method trained on pairs, ranked by account vectors."""

from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import AbstractRecommender, ContextRecommender
from recbole.utils import InputType
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.data.accounts import (
    LISTS,
    AccountTables,
    attribute_source,
    check_perspectives,
    competence_weights,
    training_competence,
)
from recbole_mirec.data.attributes import GraphSettings, graph_features
from recbole_mirec.model.base import (
    ATTRIBUTE,
    AccountFeatures,
    ForgetsInTraining,
    TrainingPairs,
    modality_tables,
    perspectives_in_use,
    require_accounts,
)
from recbole_mirec.model.metric import MetricMethod, metric_settings
from recbole_mirec.model.morning import MorningMethod, network_settings
from recbole_mirec.nn import perspective_scores

MORNING, METRIC = "morning", "metric"
ACCOUNTS_AT_ONCE = 1024


class MIRec(ForgetsInTraining, ContextRecommender):  # type: ignore[misc]
    """Micro-influencer recommendation from content, audience and attributes.

    Account features are looked up by id, so batches carry ids only. The score of a pair is the
    inner product of two account vectors, the sum of one inner product per perspective ((27) of
    MORNING, TMM 2023). What the vectors are, and how they are learnt, is the `method`: `metric` is
    our own (`variant: mirec`), `morning` the published one (`reference` and `paper`).

    Args:
        config: the keys of `properties/model/MIRec.yaml`, presets resolved.
        dataset: the training part, with `accounts` and `pairs`.

    Raises:
        UsageError: the data set has no account features, or a key has a wrong value.
    """

    input_type = InputType.PAIRWISE
    looks_features_up = True

    def __init__(self, config: Any, dataset: Any):
        # ContextRecommender's own constructor would embed every field of the batch.
        AbstractRecommender.__init__(self)
        accounts = require_accounts(dataset, "MIRec")
        self.device = config["device"]
        self.brand_field, self.influencer_field = dataset.uid_field, dataset.iid_field
        self.negative_field = config["NEG_PREFIX"] + dataset.iid_field
        self.perspectives = perspectives_in_use(accounts, config["perspectives"], self.logger)
        # before the graph is embedded, which takes its time and leaves a cache
        check_method(config)
        self.method = _method(config, dataset, accounts, self.perspectives)
        self.loss_names = self.method.loss_names
        self.score_meaning = self.method.score_meaning

    def input_fingerprint(self) -> str:
        """Digest of the account features, which checkpoints leave out: sha256 in hex."""
        return self.method.accounts.fingerprint()

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        """The terms of the method's objective, in the order of `loss_names`."""
        return self.method.losses(
            interaction[self.brand_field],
            interaction[self.influencer_field],
            interaction[self.negative_field],
        )

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        return self.perspective_scores(interaction).sum(dim=1)

    def perspective_scores(self, interaction: Any) -> Tensor:
        """What each perspective adds to the score of pairs: float32 (pair, perspective)."""
        vectors = self.account_vectors()
        return perspective_scores(
            vectors[schema.BRAND][interaction[self.brand_field]],
            vectors[schema.INFLUENCER][interaction[self.influencer_field]],
        )

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), one matrix product."""
        vectors = self.account_vectors()
        brands = vectors[schema.BRAND][interaction[self.brand_field]].flatten(start_dim=1)
        return (brands @ vectors[schema.INFLUENCER].flatten(start_dim=1).T).reshape(-1)

    @torch.no_grad()
    def account_vectors(self) -> dict[schema.Side, Tensor]:
        """Vectors of all accounts, computed once until the model trains again.

        Returns:
            `brand` and `influencer` -> float32 (account, perspective, dimension) by internal id;
            row 0 is padding, zeros. The score is the inner product of two accounts' rows.
        """
        if self._kept is not None:
            return self._kept
        was_training = self.training
        self.eval()
        vectors = self.method.all_vectors(ACCOUNTS_AT_ONCE)
        if was_training:
            self.train()
        else:
            self._kept = vectors
        return vectors


def check_method(config: Any) -> None:
    """Check the keys of the method that a configuration chooses.

    Raises:
        UsageError: a key has a wrong value.
    """
    if config["method"] == METRIC:
        metric_settings(config)
    else:
        network_settings(config, check_perspectives(config["perspectives"]))


def _method(
    config: Any, dataset: Any, accounts: AccountTables, perspectives: tuple[str, ...]
) -> MorningMethod | MetricMethod:
    pairs = dataset.pairs[schema.TRAIN]
    tables = _input_tables(accounts, pairs, config, perspectives)
    if config["method"] == MORNING:
        return MorningMethod(network_settings(config, perspectives), AccountFeatures(tables))
    settings = metric_settings(config)
    weights = competence_weights(training_competence(dataset), settings.competence_power)
    n_accounts = {side: len(table.followers) for side, table in accounts.sides.items()}
    brand_category = torch.from_numpy(dataset.brand_categories())
    in_use = {
        name: tuple(
            part
            for part in (*schema.PERSPECTIVES[name], ATTRIBUTE)
            if part in tables[schema.BRAND] and (part == ATTRIBUTE) == (name == ATTRIBUTE)
        )
        for name in perspectives
    }
    return MetricMethod(
        settings, tables, in_use, TrainingPairs(pairs, weights, n_accounts), brand_category
    )


def _input_tables(
    accounts: AccountTables,
    pairs: np.ndarray[Any, np.dtype[np.int64]],
    config: Any,
    perspectives: tuple[str, ...],
) -> dict[schema.Side, dict[str, tuple[Tensor, Tensor]]]:
    """Features and masks of the modalities in use, attributes as means of node embeddings."""
    modalities = [
        modality
        for perspective in perspectives
        for modality in schema.PERSPECTIVES[perspective]
        if modality != schema.ATTRIBUTE_VECTOR
    ]
    tables = modality_tables(accounts, tuple(modalities))
    if ATTRIBUTE in perspectives:
        for side, values in _attribute_features(accounts, pairs, config).items():
            tables[side][ATTRIBUTE] = values
    return tables


def _attribute_features(
    accounts: AccountTables, pairs: np.ndarray[Any, np.dtype[np.int64]], config: Any
) -> dict[schema.Side, tuple[Tensor, Tensor]]:
    if attribute_source(accounts, config["attribute_input"]) == LISTS:
        return graph_features(accounts, pairs, GraphSettings.from_config(config))
    return {
        side: (table.features[schema.ATTRIBUTE_VECTOR], table.masks[schema.ATTRIBUTE_VECTOR])
        for side, table in accounts.sides.items()
    }
