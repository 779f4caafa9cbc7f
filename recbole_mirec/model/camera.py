"""CAMERA: accounts as the concepts that matter to the other account, with adaptive scores."""

from typing import Any, cast

import numpy as np
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.data.influence import influence_numbers
from recbole_mirec.model.cached import ForgetsInTraining
from recbole_mirec.model.concept_inputs import ConceptInputs
from recbole_mirec.nn.adaptive_score import AdaptiveScore
from recbole_mirec.nn.concept_attention import ConceptAttention
from recbole_mirec.nn.objective import triplet_loss, weight_matrices

PAIRS_AT_ONCE = 8192
OTHER: dict[schema.Side, schema.Side] = {
    schema.BRAND: schema.INFLUENCER,
    schema.INFLUENCER: schema.BRAND,
}


class CAMERA(ForgetsInTraining, GeneralRecommender):  # type: ignore[misc]
    """Concept attention between brand and influencer, times endorsement and influence.

    Source: S. Wang et al., "Discover Micro-influencers for Brands via Better Understanding", IEEE
    TMM 24 (2022). On our inputs: topics and visual semantics of content are an account's history,
    its rarest attributes (by training accounts) its concepts, with node embeddings as vectors. The
    endorsement score reads the cosines of the pair's contents; the influence score reads the
    influencer's followers and mean training competence as `influence_numbers` gives them, and
    is left out where neither is known.

    An account's vector depends on whom it is paired with: there are no account vectors, and
    ranking takes a pass a pair.

    Args:
        config: the keys of `properties/model/CAMERA.yaml`.
        dataset: brings `accounts` and `pairs`.

    Raises:
        UsageError: the data set lacks attribute lists, or topics and visual semantics of content.
    """

    figure_notes = (
        "CAMERA reads content and the rarest attributes of an account; it has no use for audience.",
    )
    input_type = InputType.PAIRWISE
    score_meaning = (
        "an inner product that depends on the pair, times the learnt endorsement and influence"
    )

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.inputs = ConceptInputs(config, dataset, "CAMERA")
        self.margin, self.l1_weight = config["triplet_margin"], config["tower_l1"]
        self.network = ConceptAttention(
            self.inputs.n_history,
            self.inputs.vectors.shape[1],
            config["concept_tower"],
            config["fusion_tower"],
            config["tower_dimension"],
            config["tower_dropout"],
        )
        self.endorsement = AdaptiveScore(len(self.inputs.content.widths))
        numbers = influence_numbers(dataset)
        self.influence = AdaptiveScore(len(numbers)) if numbers else None
        if numbers:
            columns = np.column_stack(list(numbers.values())).astype(np.float32)
            self.register_buffer("influence_numbers", torch.from_numpy(columns), persistent=False)
        said = f"from {' and '.join(numbers)}" if numbers else "left out: no followers, competence"
        self.logger.info(f"Influence score {said}.")
        self.loss_names = ["triplet", "l1"]

    def input_fingerprint(self) -> str:
        """Digest of contents and concepts, which checkpoints leave out: sha256 in hex."""
        return self.inputs.fingerprint()

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, Tensor]:
        """The batch's triplets and the penalty on weight matrices, as `loss_names` has them."""
        brands, brand_rows = torch.unique(interaction[self.USER_ID], return_inverse=True)
        both = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])
        influencers, influencer_rows = torch.unique(both, return_inverse=True)
        logits = self._concept_logits(brands, influencers)
        scores = self._scores(
            brands[brand_rows].repeat(2),
            both,
            {
                # index_select: gradients of rows[...] add up in any order under several threads
                schema.BRAND: logits[schema.BRAND].index_select(0, brand_rows.repeat(2)),
                schema.INFLUENCER: logits[schema.INFLUENCER].index_select(0, influencer_rows),
            },
        )
        positives, negatives = scores.chunk(2)
        every = torch.ones_like(positives, dtype=torch.bool)
        triplet = triplet_loss(positives, negatives, every, self.margin, "mean_active")
        weights = weight_matrices(self.network)
        l1 = torch.stack([weight.abs().sum() for weight in weights]).sum()
        return triplet, self.l1_weight * l1

    @torch.no_grad()
    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        logits = self._all_logits()
        brands, influencers = interaction[self.USER_ID], interaction[self.ITEM_ID]
        blocks = zip(
            torch.split(brands, PAIRS_AT_ONCE), torch.split(influencers, PAIRS_AT_ONCE), strict=True
        )
        scores = [
            self._scores(
                some_brands,
                some_influencers,
                {
                    schema.BRAND: logits[schema.BRAND][some_brands],
                    schema.INFLUENCER: logits[schema.INFLUENCER][some_influencers],
                },
            )
            for some_brands, some_influencers in blocks
        ]
        return torch.cat(scores)

    def _scores(
        self, brands: Tensor, influencers: Tensor, logits: dict[schema.Side, Tensor]
    ) -> Tensor:
        """Scores (pair) from what every concept is to the accounts of each pair."""
        ids = {schema.BRAND: brands, schema.INFLUENCER: influencers}
        vectors = {}
        for side, other in OTHER.items():
            concepts, mask = self.inputs.concepts(side, ids[side])
            vectors[side] = self.network.represent(
                self.inputs.histories(side, ids[side]),
                logits[other].gather(1, concepts),
                self.inputs.vectors[concepts],
                mask,
            )
        scores = (vectors[schema.BRAND] * vectors[schema.INFLUENCER]).sum(dim=1)
        scores = scores * self.endorsement(self.inputs.correlations(brands, influencers))
        if self.influence is not None:
            scores = scores * self.influence(self.influence_numbers[influencers])
        return cast(Tensor, scores)

    def _concept_logits(self, brands: Tensor, influencers: Tensor) -> dict[schema.Side, Tensor]:
        """What every concept is to some accounts (account, concept), by side.

        Both sides go in one call, so that one dropout mask serves them.
        """
        histories = [
            self.inputs.histories(schema.BRAND, brands),
            self.inputs.histories(schema.INFLUENCER, influencers),
        ]
        logits = self.network.logits(torch.cat(histories), self.inputs.vectors)
        return {schema.BRAND: logits[: len(brands)], schema.INFLUENCER: logits[len(brands) :]}

    def _all_logits(self) -> dict[schema.Side, Tensor]:
        """`_concept_logits` of all accounts, computed once until the model trains again."""
        if self._kept is None:
            every = (
                torch.arange(count, device=self.device) for count in (self.n_users, self.n_items)
            )
            logits = self._concept_logits(*every)
            if self.training:
                return logits
            self._kept = logits
        return self._kept
