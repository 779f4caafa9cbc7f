"""Models whose score is the inner product of an account vector of either side."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import competence_buckets, training_competence
from recbole_mirec.model.base import (
    CONTENT,
    AccountFeatures,
    Table,
    VectorModel,
    content_tables,
    one_text,
    perspective_tables,
    unit_content,
)
from recbole_mirec.nn.objective import (
    draw_from_buckets,
    list_cross_entropy,
    pair_cross_entropy,
    triplet_loss,
)
from recbole_mirec.nn.settings import CrossEntropy, Modality
from recbole_mirec.nn.towers import MLP, Fusion


class TwoTowerModel(VectorModel):
    """Trained on triplets; a subclass sets `inputs` and gives `represent`."""

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        # None where there is a loss of its own
        self.margin = config["triplet_margin"]

    def represent(self, side: schema.Side, table: Table) -> Tensor:
        """Vectors of accounts: float32 (account, dimension)."""
        raise NotImplementedError

    def encode(self, side: schema.Side, table: Table) -> Tensor:
        """As of any model, one place for all perspectives."""
        return self.represent(side, table).unsqueeze(1)

    def vectors(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Vectors of accounts of the data set by internal id, with gradient."""
        return self.represent(side, self.inputs.take(side, ids))

    def pair_scores(self, interaction: Any) -> tuple[Tensor, Tensor]:
        """Scores of a training batch's positives and of its negatives: float32 (pair), with grad.

        Both are encoded in one call, so that one dropout mask serves them.
        """
        brands = self.vectors(schema.BRAND, interaction[self.USER_ID])
        both = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])
        positives, negatives = self.vectors(schema.INFLUENCER, both).chunk(2)
        return (brands * positives).sum(dim=1), (brands * negatives).sum(dim=1)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean hinge of the batch's triplets whose loss is positive, at least 0."""
        return triplet_loss(*self.pair_scores(interaction), self.margin, "mean_active")


_READINGS: dict[str, CrossEntropy] = {"bpr": "softmax_pair", "logistic": "softplus"}


class ContentTwoTower(TwoTowerModel):
    """Inner product of an MLP's output for the brand and for the influencer.

    It reads what MIRec reads, topics, visual semantics, text, audience and attributes, each scaled
    to length 1, with a 0/1 mark of what is missing. It has no fusion, co-attention, triplets or
    attribute graph: attributes enter as 0/1 rows over the shared vocabulary, or as the
    precomputed vector. Loss `bpr` is minus the log-sigmoid of the positive's lead over its
    negative, `logistic` the logistic regression of positives against negatives.
    """

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        accounts = self.choose_perspectives(config, dataset)
        self.inputs = AccountFeatures(perspective_tables(accounts, self.perspectives))
        self.loss = config["loss"]
        shared = bool(config["shared_towers"])
        self.tower_of = {side: "account" if shared else side for side in schema.SIDES}
        self.towers = nn.ModuleDict()
        for name in dict.fromkeys(self.tower_of.values()):
            self.towers[name] = MLP(
                _joined(self.inputs.table(schema.BRAND)).shape[1],
                config["tower_hidden"],
                config["tower_dimension"],
                dropout="first_activations",
                dropout_rate=config["tower_dropout"],
            )

    def represent(self, side: schema.Side, table: Table) -> Tensor:
        """Vectors of accounts: float32 (account, dimension)."""
        vectors: Tensor = self.towers[self.tower_of[side]](_joined(table))
        return vectors

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean loss of the batch's pairs, above 0."""
        return pair_cross_entropy(*self.pair_scores(interaction), _READINGS[self.loss])


def _joined(table: Table) -> Tensor:
    """All modalities of accounts as one row, with 0/1 marks of those that they have."""
    units = [
        (functional.normalize(torch.where(mask[:, None], rows, 0.0)), mask[:, None].float())
        for rows, mask in one_text(table).values()
    ]
    rows, marks = zip(*units, strict=True)
    return torch.cat([*rows, *marks], dim=1)


class HPTR(TwoTowerModel):
    """History pooling with triplet ranking, a comparison of MIR's and CAMERA's papers.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), on our inputs as `MIR`
    is: pooled topics and visual semantics, one random negative, the hinge on the positive's lead.
    A side's vectors are the `Fusion` of an MLP for each modality, with dropout on its first layer's
    weights; the score is the mean of the vectors' elementwise product. Departures: a missing
    modality is left out of the product; first values are uniform(-0.1, 0.1), since the papers name
    none, nor a margin; the mean is over the triplets whose loss is positive, as in CAMERA.
    """

    score_meaning = "the mean of the elementwise product of two account vectors, unbounded"
    figure_notes = (
        "HPTR reads topics, visual semantics and text of content; it has no use for audience and "
        "attributes.",
    )

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.inputs = AccountFeatures(content_tables(dataset, type(self).__name__))
        rows = unit_content(self.inputs.table(schema.BRAND))
        for name in CONTENT[:2]:
            if name not in rows:
                self.logger.info(f"Without {name}, which the data set lacks on one side or both.")
        topics, visual = config["topic_tower"], config["visual_tower"]
        hidden = dict(zip(CONTENT, (topics, visual, topics), strict=True))
        self.dimension, rate = config["tower_dimension"], config["tower_dropout"]
        self.towers = nn.ModuleDict()
        for side in schema.SIDES:
            self.towers[side] = Fusion(
                {
                    name: MLP(some.shape[1], hidden[name], self.dimension, dropout_rate=rate)
                    for name, (some, _) in rows.items()
                }
            )

    def represent(self, side: schema.Side, table: Table) -> Tensor:
        """Vectors of accounts: float32 (account, dimension)."""
        # Rows of mean square 1: shares of topics and labels are small beside first biases of up to
        # 0.1, which would drown them.
        scaled = {
            name: Modality(rows * rows.shape[1] ** 0.5, mask)
            for name, (rows, mask) in unit_content(table).items()
        }
        fused: Modality = self.towers[side](scaled)
        # The root on both sides makes the inner product the mean of the elementwise product.
        vectors: Tensor = fused.rows / self.dimension**0.5
        return vectors


class MIR(HPTR):
    """The first method of the task, on our inputs: `HPTR`'s vectors, a loss of lists.

    Source: T. Gan et al., "Seeking Micro-influencers for Brand Promotion", ACM MM 2019. Topics
    stand for its word2vec text features and visual semantics for its VGG16 features; both are
    pooled over an account's posts by the conversion. Audience and attributes are not read.

    A training list holds one influencer from each of a brand's competence buckets and negatives,
    `list_size` together; `sample_num` of `train_neg_sample_args` are negatives. Labels fall from
    the best bucket, with as much as there are buckets, to the last one, with 1; negatives have 0.
    The list is made for a collaboration of the training part, whose influencer speaks for its own
    bucket; the others are drawn anew each time. Buckets that a brand cannot fill are left out of
    its list. Where no competence is known, all labels are equal, and which bucket an influencer
    stands in, which then means nothing, follows from its place in the data set.
    """

    figure_notes = (
        "MIR reads topics, visual semantics and text of content; it has no use for audience and "
        "attributes.",
    )

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.n_negatives = config["train_neg_sample_args"]["sample_num"]
        n_buckets = config["list_size"] - self.n_negatives
        if n_buckets < 1:
            raise UsageError(
                f"Key 'list_size' must be above sample_num of train_neg_sample_args, "
                f"{self.n_negatives}. Received: {config['list_size']}."
            )
        pairs = dataset.pairs[schema.TRAIN]
        competence = training_competence(dataset)
        labels = np.arange(n_buckets, 0, -1)
        if np.isnan(competence).all():
            self.logger.info(
                "No training collaboration has a competence: lists are drawn uniformly from a "
                "brand's influencers, with equal labels."
            )
            competence, labels = np.zeros(len(pairs)), np.ones(n_buckets)
        members, sizes = competence_buckets(pairs, competence, self.n_users, n_buckets)
        labels = np.concatenate([labels, np.zeros(self.n_negatives)]).astype(np.float32)
        values = {"members": members, "sizes": sizes, "labels": labels}
        for name, array in values.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean listwise cross entropy of the batch's lists."""
        # RecBole repeats the batch's pairs once for every negative.
        n_lists = len(interaction) // self.n_negatives
        brands = interaction[self.USER_ID][:n_lists]
        negatives = interaction[self.NEG_ITEM_ID].reshape(self.n_negatives, n_lists).T
        drawn, filled = self._draw(brands, interaction[self.ITEM_ID][:n_lists])
        influencers = torch.cat([drawn, negatives], dim=1)
        mask = torch.cat([filled, torch.ones_like(negatives, dtype=torch.bool)], dim=1)
        chosen, rows = torch.unique(influencers, return_inverse=True)
        # index_select: the gradient of vectors[rows] adds up in any order under several threads.
        vectors = self.vectors(schema.INFLUENCER, chosen).index_select(0, rows.reshape(-1))
        brand_vectors = self.vectors(schema.BRAND, brands).unsqueeze(1)
        scores = (brand_vectors * vectors.reshape(*rows.shape, -1)).sum(dim=2)
        return list_cross_entropy(scores, self.labels.expand_as(scores), mask)

    def _draw(self, brands: Tensor, positives: Tensor) -> tuple[Tensor, Tensor]:
        """An influencer (list, bucket) of each bucket, and True where the brand fills it."""
        members, sizes = self.members[brands], self.sizes[brands]
        places = torch.rand(sizes.shape, device=sizes.device)
        drawn = draw_from_buckets(members, sizes, places)
        own = (members == positives[:, None, None]).any(dim=2)
        return torch.where(own, positives.unsqueeze(1), drawn), sizes > 0
