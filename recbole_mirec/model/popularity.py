"""The influencers that most training brands have worked with, the same for every brand."""

from typing import Any

import numpy as np

from dataset_convert import schema
from recbole_mirec.model.influencer_scores import InfluencerScores


class Popularity(InfluencerScores):
    """Scores an influencer by its number of training collaborations, 0 for unseen ones.

    Args:
        config: RecBole's field names are read.
        dataset: brings `pairs`.
    """

    score_meaning = "the influencer's training collaborations"
    figure_notes = (
        "Popularity counts training collaborations: influencers without any are all tied at 0, "
        "and every brand gets the same ranking.",
    )

    def __init__(self, config: Any, dataset: Any):
        influencers = dataset.pairs[schema.TRAIN][:, 1]
        super().__init__(config, dataset, np.bincount(influencers, minlength=dataset.item_num))
