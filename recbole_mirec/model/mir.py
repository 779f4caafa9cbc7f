"""MIR: listwise ranking of micro-influencers by pooled text and picture features."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.data.competence import competence_buckets, training_competence
from recbole_mirec.errors import UsageError
from recbole_mirec.model.history import READS_CONTENT, HistoryRecommender
from recbole_mirec.nn.listwise import draw_from_buckets, list_cross_entropy


class MIR(HistoryRecommender):
    """The first method of the task, on our inputs.

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

    Args:
        config: the keys of `properties/model/MIR.yaml`.
        dataset: brings `accounts` and `pairs`.

    Raises:
        UsageError: the data set lacks topics and visual semantics of content, or a list has no
            room for a collaboration beside its negatives.
    """

    figure_notes = (f"MIR {READS_CONTENT}",)

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
        buckets = competence_buckets(pairs, competence, self.n_users, n_buckets)
        self.register_buffer("members", torch.from_numpy(buckets.members), persistent=False)
        self.register_buffer("sizes", torch.from_numpy(buckets.sizes), persistent=False)
        labels = np.concatenate([labels, np.zeros(self.n_negatives)]).astype(np.float32)
        self.register_buffer("labels", torch.from_numpy(labels), persistent=False)

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
        vectors = self.encode(schema.INFLUENCER, chosen).index_select(0, rows.reshape(-1))
        brand_vectors = self.encode(schema.BRAND, brands).unsqueeze(1)
        scores = (brand_vectors * vectors.reshape(*rows.shape, -1)).sum(dim=2)
        return list_cross_entropy(scores, self.labels.expand_as(scores), mask)

    def _draw(self, brands: Tensor, positives: Tensor) -> tuple[Tensor, Tensor]:
        """An influencer (list, bucket) of each bucket, and True where the brand fills it."""
        members, sizes = self.members[brands], self.sizes[brands]
        places = torch.rand(sizes.shape, device=sizes.device)
        drawn = draw_from_buckets(members, sizes, places)
        own = (members == positives[:, None, None]).any(dim=2)
        return torch.where(own, positives.unsqueeze(1), drawn), sizes > 0
