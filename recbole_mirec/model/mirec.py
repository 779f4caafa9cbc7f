"""MIRec under RecBole's contract: a method trained on pairs, ranked by account vectors."""

from typing import Any

import torch
from recbole.utils import ModelType
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.data.accounts import (
    check_perspectives,
    competence_weights,
    training_competence,
)
from recbole_mirec.data.attributes import graph_features
from recbole_mirec.model.base import (
    Sides,
    VectorModel,
    perspective_tables,
    settings_of,
)
from recbole_mirec.model.metric import MetricMethod, TrainingPairs
from recbole_mirec.model.morning import MorningMethod
from recbole_mirec.nn.settings import INPUTS, MetricSettings, NetworkSettings

METRIC = "metric"


class MIRec(VectorModel):
    """Micro-influencer recommendation from content, audience and attributes.

    Account features are looked up by id, so batches carry ids only. The score of a pair is the
    inner product of two account vectors, the sum of one inner product per perspective ((27) of
    MORNING, TMM 2023). What the vectors are, and how they are learnt, is the `method`: `metric` is
    our own (`variant: mirec`), `morning` the published one (`reference` and `paper`).
    """

    type = ModelType.CONTEXT
    looks_features_up = True
    perspective_scores = VectorModel.shares

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.choose_perspectives(config, dataset)
        # before the graph is embedded, which takes its time and leaves a cache
        check_method(config)
        self.method = _method(config, dataset, self.perspectives)
        self.inputs = self.method.accounts
        self.loss_names = self.method.loss_names
        self.score_meaning = self.method.score_meaning

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        """The terms of the method's objective, in the order of `loss_names`."""
        fields = (self.USER_ID, self.ITEM_ID, self.NEG_ITEM_ID)
        return self.method.losses(*(interaction[field] for field in fields))

    def compute_vectors(self) -> Sides:
        """Vectors of all accounts; those of padding are zeros."""
        return self.method.all_vectors()


def check_method(config: Any) -> None:
    """Check the keys of the method that a configuration chooses.

    Raises:
        UsageError: a key has a wrong value.
    """
    _settings(config, check_perspectives(config["perspectives"]))


def _settings(config: Any, perspectives: tuple[str, ...]) -> MetricSettings | NetworkSettings:
    if config["method"] == METRIC:
        return settings_of(MetricSettings, config)
    return settings_of(NetworkSettings, config, perspectives=perspectives)


def _method(
    config: Any, dataset: Any, perspectives: tuple[str, ...]
) -> MorningMethod | MetricMethod:
    accounts, pairs = dataset.accounts, dataset.pairs[schema.TRAIN]
    tables = perspective_tables(
        accounts,
        perspectives,
        lambda: graph_features(accounts, pairs, config),
        config["attribute_input"],
    )
    settings = _settings(config, perspectives)
    if isinstance(settings, NetworkSettings):
        return MorningMethod(settings, tables)
    weights = competence_weights(training_competence(dataset), settings.competence_power)
    n_accounts = {side: len(table.followers) for side, table in accounts.sides.items()}
    in_use = {
        name: tuple(part for part in INPUTS[name] if part in tables[schema.BRAND])
        for name in perspectives
    }
    return MetricMethod(
        settings,
        tables,
        in_use,
        TrainingPairs(pairs, weights, n_accounts),
        torch.from_numpy(dataset.brand_categories()),
    )
