"""CATR: CAMERA's concepts under a triplet loss, without attention to the pair."""

from typing import Any

import torch
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.model.concept_inputs import ConceptInputs
from recbole_mirec.model.two_tower import TwoTowerRecommender
from recbole_mirec.nn.concept_attention import weighted_concepts
from recbole_mirec.nn.mlp import MLP
from recbole_mirec.nn.objective import triplet_loss


class CATR(TwoTowerRecommender):
    """An account as its pooled posts beside the mean of its concepts, through one shared MLP.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), on our inputs as
    `CAMERA` is. The mean is over the triplets whose loss is positive, as in CAMERA.

    Args:
        config: the keys of `properties/model/CATR.yaml`.
        dataset: brings `accounts` and `pairs`.

    Raises:
        UsageError: the data set lacks attribute lists, or topics and visual semantics of content.
    """

    figure_notes = (
        "CATR reads content and the rarest attributes of an account; it has no use for audience.",
    )

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.inputs = ConceptInputs(config, dataset, "CATR")
        self.accounts = self.inputs.content
        self.margin = config["triplet_margin"]
        self.tower = MLP(
            self.inputs.n_history + self.inputs.vectors.shape[1],
            config["fusion_tower"],
            config["tower_dimension"],
            dropout="first_weights",
            dropout_rate=config["tower_dropout"],
            initialisation="uniform_0.1",
        )

    def input_fingerprint(self) -> str:
        """Digest of contents and concepts, which checkpoints leave out: sha256 in hex."""
        return self.inputs.fingerprint()

    def encode(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Vectors of accounts by internal id: float32 (account, dimension)."""
        concepts, mask = self.inputs.concepts(side, ids)
        mean = weighted_concepts(
            torch.zeros_like(mask, dtype=torch.float32), self.inputs.vectors[concepts], mask
        )
        vectors: Tensor = self.tower(torch.cat([self.inputs.histories(side, ids), mean], dim=1))
        return vectors

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean hinge of the batch's triplets, at least 0."""
        positives, negatives = self.pair_scores(interaction)
        every = torch.ones_like(positives, dtype=torch.bool)
        return triplet_loss(positives, negatives, every, self.margin, "mean_active")
