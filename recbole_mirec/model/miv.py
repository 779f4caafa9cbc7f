"""MIV: influencers by their influence alone, the same for every brand."""

from typing import Any

import numpy as np

from dataset_convert import schema
from recbole_mirec.data.influence import influence_numbers
from recbole_mirec.errors import UsageError
from recbole_mirec.model.account_features import require_accounts
from recbole_mirec.model.influencer_scores import InfluencerScores


class MIV(InfluencerScores):
    """The influencer's standing among training influencers, averaged over what is known of it.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), after Li, Lai and Chen
    (2011), from posts, comments and likes per follower. On our inputs: followers and the mean
    competence of the training collaborations, which measures engagement. Each counts as the share
    of training influencers below less the share above; what is unknown counts as the middle.

    Args:
        config: RecBole's field names are read.
        dataset: brings `accounts` and `pairs`.

    Raises:
        UsageError: the data set knows neither followers nor competences of training influencers.
    """

    score_meaning = "the influencer's standing among training influencers, from -1 to 1"
    figure_notes = (
        "MIV ranks influencers by influence alone, so every brand gets the same ranking.",
    )

    def __init__(self, config: Any, dataset: Any):
        require_accounts(dataset, "MIV")
        numbers = influence_numbers(dataset)
        if not numbers:
            raise UsageError(
                f"MIV needs followers of influencers ('influencer_{schema.FOLLOWERS}') or "
                f"'{schema.COMPETENCE}' of collaborations, and the training part has neither."
            )
        super().__init__(config, dataset, np.mean(list(numbers.values()), axis=0))
        self.logger.info(f"Influence from {' and '.join(numbers)}.")
