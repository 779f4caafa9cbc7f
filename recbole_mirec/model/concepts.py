"""CAMERA and CATR: accounts by the concepts that matter to the other account."""

from typing import Any, cast

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import influence_numbers
from recbole_mirec.data.attributes import attribute_counts, node_vectors, rarest_attributes
from recbole_mirec.model.base import (
    CONTENT,
    AccountFeatures,
    MirecModel,
    Sides,
    Table,
    content_tables,
    unit_content,
)
from recbole_mirec.model.two_tower import TwoTowerModel
from recbole_mirec.nn.concepts import AdaptiveScore, ConceptAttention, weighted_concepts
from recbole_mirec.nn.objective import triplet_loss, weight_matrices
from recbole_mirec.nn.settings import Modality
from recbole_mirec.nn.towers import MLP

PAIRS_AT_ONCE = 8192
CONCEPTS = "concepts"


class ConceptInputs(AccountFeatures):
    """Histories and concepts of both sides: unit rows of content, and rows of node embeddings.

    An account's concepts, at most `n_concepts`, are its attributes that the fewest training
    accounts have; embeddings and counts are part of what was fitted.
    """

    vectors: Tensor
    counts: Tensor
    known: Tensor

    def __init__(self, config: Any, dataset: Any, model: str):
        tables, accounts = content_tables(dataset, model), dataset.accounts
        if not accounts.attribute_names:
            columns = [schema.account_field(side, schema.ATTRIBUTES) for side in schema.SIDES]
            raise UsageError(
                f"{model} needs attribute lists of both sides, which are its concepts: fill the "
                f"columns {' and '.join(columns)}. A precomputed attribute_vector does not do."
            )
        pairs = dataset.pairs[schema.TRAIN]
        vectors, known = node_vectors(accounts, pairs, config)
        counts = attribute_counts(accounts, pairs)
        both = {}
        for side, table in tables.items():
            incidence = accounts.sides[side].attributes
            ids, mask = rarest_attributes(incidence, counts, known, config["n_concepts"])
            concepts = Modality(torch.from_numpy(ids), torch.from_numpy(mask))
            both[side] = unit_content(table) | {CONCEPTS: concepts}
        super().__init__(both)
        self.content = tuple(name for name in self.names[schema.BRAND] if name != CONCEPTS)
        self.n_history = sum(self.widths[name] for name in self.content)
        self.n_concepts = config["n_concepts"]
        for name, values in (("vectors", vectors), ("counts", counts), ("known", known)):
            self.register_buffer(name, torch.from_numpy(values))

    def described(self, table: Table) -> Table:
        """Any accounts, of raw features, as `take` gives those of the data set."""
        if CONCEPTS in table:
            return table
        rows, has = table[schema.ATTRIBUTES]
        incidence = sparse.csr_array(torch.where(has[:, None], rows, 0.0).cpu().numpy())
        counts, known = self.counts.cpu().numpy(), self.known.cpu().numpy()
        found = rarest_attributes(incidence, counts, known, self.n_concepts)
        ids, mask = (torch.from_numpy(array).to(self.vectors.device) for array in found)
        content = {
            name: both for name, both in table.items() if name in (*CONTENT, *schema.OWN_TEXTS)
        }
        return unit_content(content) | {CONCEPTS: Modality(ids, mask)}

    def histories(self, table: Table) -> Tensor:
        """Pooled posts of accounts, each modality of length 1: float32 (account, dimension)."""
        return torch.cat([table[name].rows for name in self.content], dim=1)

    def concepts(self, table: Table) -> tuple[Tensor, Tensor, Tensor]:
        """Accounts' concepts (account, place): rows of `vectors`, the vectors, who has one."""
        rows, mask = table[CONCEPTS]
        return rows, self.vectors[rows], mask

    def correlations(self, one: Table, other: Table) -> Tensor:
        """Cosine of each modality of pairs' contents: float32 (pair, modality), 0 where missing."""
        names = self.content
        return torch.stack([(one[x].rows * other[x].rows).sum(dim=1) for x in names], dim=1)


class CAMERA(MirecModel):
    """Concept attention between brand and influencer, times endorsement and influence.

    Source: S. Wang et al., "Discover Micro-influencers for Brands via Better Understanding", IEEE
    TMM 24 (2022). On our inputs: topics and visual semantics of content are an account's history,
    its rarest attributes (by training accounts) its concepts, with node embeddings as vectors. The
    endorsement score reads the cosines of the pair's contents; the influence score reads the
    influencer's followers and mean training competence as `influence_numbers` gives them, and
    is left out where neither is known.

    An account's vector depends on whom it is paired with: there are no account vectors, and
    ranking takes a pass a pair.
    """

    figure_notes = (
        "CAMERA reads content and the rarest attributes of an account; it has no use for audience.",
    )
    inputs: ConceptInputs
    influence_numbers: Tensor
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
        self.endorsement = AdaptiveScore(len(self.inputs.content))
        numbers = influence_numbers(dataset)
        self.influence = AdaptiveScore(len(numbers)) if numbers else None
        if numbers:
            columns = np.column_stack(list(numbers.values())).astype(np.float32)
            self.register_buffer("influence_numbers", torch.from_numpy(columns), persistent=False)
        said = f"from {' and '.join(numbers)}" if numbers else "left out: no followers, competence"
        self.logger.info(f"Influence score {said}.")
        self.loss_names = ["triplet", "l1"]

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, Tensor]:
        """The batch's triplets and the penalty on weight matrices, as `loss_names` has them."""
        brands, brand_rows = torch.unique(interaction[self.USER_ID], return_inverse=True)
        both = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])
        influencers, rows = torch.unique(both, return_inverse=True)
        logits = self._logits(brands, influencers)
        brand_rows = brand_rows.repeat(2)
        scores = self._scores((brands[brand_rows], both), logits, (brand_rows, rows))
        positives, negatives = scores.chunk(2)
        triplet = triplet_loss(positives, negatives, self.margin, "mean_active")
        weights = weight_matrices(self.network)
        l1 = torch.stack([weight.abs().sum() for weight in weights]).sum()
        return triplet, self.l1_weight * l1

    @torch.no_grad()
    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        logits = self.computed_once(lambda: self._logits(*map(self.inputs.ids, schema.SIDES)))
        fields = self.USER_ID, self.ITEM_ID
        blocks = zip(*(interaction[x].split(PAIRS_AT_ONCE) for x in fields), strict=True)
        return torch.cat([self._scores(ids, logits, ids) for ids in blocks])

    def _scores(
        self, pairs: tuple[Tensor, Tensor], logits: Sides, logit_rows: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Scores of pairs, from the rows of logits that their brands and influencers have."""
        rows = dict(zip(reversed(schema.SIDES), reversed(logit_rows), strict=True))
        tables = [
            self.inputs.take(side, ids) for side, ids in zip(schema.SIDES, pairs, strict=True)
        ]
        vectors = []
        for table, other in zip(tables, rows, strict=True):
            concepts, of_concepts, mask = self.inputs.concepts(table)
            # index_select: gradients of rows[...] add up in any order under several threads
            looked_at = logits[other].index_select(0, rows[other]).gather(1, concepts)
            histories = self.inputs.histories(table)
            vectors.append(self.network.represent(histories, looked_at, of_concepts, mask))
        scores = (vectors[0] * vectors[1]).sum(dim=1)
        scores = scores * self.endorsement(self.inputs.correlations(*tables))
        if self.influence is not None:
            scores = scores * self.influence(self.influence_numbers[pairs[1]])
        return cast(Tensor, scores)

    def _logits(self, brands: Tensor, influencers: Tensor) -> Sides:
        """What every concept is to some accounts (account, concept), by side.

        Both sides go in one call, so that one dropout mask serves them.
        """
        sides = zip(schema.SIDES, (brands, influencers), strict=True)
        histories = [self.inputs.histories(self.inputs.take(side, ids)) for side, ids in sides]
        logits = self.network.logits(torch.cat(histories), self.inputs.vectors)
        return {schema.BRAND: logits[: len(brands)], schema.INFLUENCER: logits[len(brands) :]}


class CATR(TwoTowerModel):
    """An account as its pooled posts beside the mean of its concepts, through one shared MLP.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), on our inputs as
    `CAMERA` is. The mean is over the triplets whose loss is positive, as in CAMERA.
    """

    figure_notes = (
        "CATR reads content and the rarest attributes of an account; it has no use for audience.",
    )
    inputs: ConceptInputs

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.inputs = ConceptInputs(config, dataset, "CATR")
        self.tower = MLP(
            self.inputs.n_history + self.inputs.vectors.shape[1],
            config["fusion_tower"],
            config["tower_dimension"],
            dropout_rate=config["tower_dropout"],
        )

    def represent(self, side: schema.Side, table: Table) -> Tensor:
        """Vectors of accounts: float32 (account, dimension)."""
        table = self.inputs.described(table)
        _, vectors, mask = self.inputs.concepts(table)
        mean = weighted_concepts(torch.zeros_like(mask, dtype=torch.float32), vectors, mask)
        made: Tensor = self.tower(torch.cat([self.inputs.histories(table), mean], dim=1))
        return made
