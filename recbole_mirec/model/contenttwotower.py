"""Two towers over the concatenated account features: the plain way to learn from content."""

from typing import Any

from torch import Tensor, nn

from dataset_convert import schema
from recbole_mirec.model.account_features import (
    AccountFeatures,
    concatenated,
    perspective_tables,
    perspectives_in_use,
    require_accounts,
)
from recbole_mirec.model.two_tower import TwoTowerRecommender
from recbole_mirec.nn.mlp import MLP
from recbole_mirec.nn.objective import pair_cross_entropy
from recbole_mirec.nn.settings import CrossEntropy

INPUTS = "inputs"
_READINGS: dict[str, CrossEntropy] = {"bpr": "softmax_pair", "logistic": "softplus"}


class ContentTwoTower(TwoTowerRecommender):
    """Inner product of an MLP's output for the brand and for the influencer.

    It reads what MIRec reads, topics, visual semantics, audience and attributes, each scaled to
    length 1, with a 0/1 mark of what is missing. It has no fusion, co-attention, triplets or
    attribute graph: attributes enter as 0/1 rows over the shared vocabulary, or as the
    precomputed vector. Loss `bpr` is minus the log-sigmoid of the positive's lead over its
    negative, `logistic` the logistic regression of positives against negatives.

    Args:
        config: the keys of `properties/model/ContentTwoTower.yaml`.
        dataset: brings `accounts`.

    Raises:
        UsageError: the data set has no account features.
    """

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        tables = require_accounts(dataset, "ContentTwoTower")
        perspectives = perspectives_in_use(tables, config["perspectives"], self.logger)
        rows = concatenated(perspective_tables(tables, perspectives), INPUTS)
        self.accounts = AccountFeatures(rows)
        self.loss = config["loss"]
        shared = bool(config["shared_towers"])
        names = ("account",) if shared else schema.SIDES
        self.tower_of = {side: "account" if shared else side for side in schema.SIDES}
        self.towers = nn.ModuleDict({name: self._tower(config) for name in names})

    def encode(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Vectors of accounts by internal id: float32 (account, dimension)."""
        rows = self.accounts.features(side, ids)[INPUTS]
        vectors: Tensor = self.towers[self.tower_of[side]](rows)
        return vectors

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean loss of the batch's pairs, above 0."""
        positives, negatives = self.pair_scores(interaction)
        return pair_cross_entropy(positives, negatives, _READINGS[self.loss])

    def _tower(self, config: Any) -> MLP:
        return MLP(
            self.accounts.widths[INPUTS],
            config["tower_hidden"],
            config["tower_dimension"],
            dropout="first_activations",
            dropout_rate=config["tower_dropout"],
            initialisation="uniform_0.1",
        )
