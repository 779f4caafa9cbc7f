"""Which brand category an influencer would work for, learnt from training collaborations."""

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from recbole_mirec.nn.checks import Number

_MOST_STEPS = 1000


def category_log_posterior(
    rows: Float[Tensor, "influencer dim"],
    members: Int[Tensor, "pair"],
    categories: Int[Tensor, "pair"],
    n_categories: int,
    *,
    inverse_penalty: Number,
) -> Float[Tensor, "influencer category"]:
    """Logarithm of the probability that a brand of each category would choose an influencer.

    Multinomial logistic regression (scikit-learn's) of the brand's own category on the
    influencer's row over the training collaborations. An influencer's category is no input.

    Args:
        rows: Standardised features of all influencers.
        members: Row of each training collaboration's influencer.
        categories: Category of its brand, from 0.
        n_categories: How many categories there are.
        inverse_penalty: scikit-learn's C, above 0.

    Returns:
        At most 0; a category that no training brand has gets the least value of the row, and all
        zeros come back where fewer than two have one, for then nothing can be told.
    """
    found = np.unique(categories.cpu().numpy())
    if len(found) < 2:
        return rows.new_zeros(len(rows), n_categories)
    values = rows.double().cpu().numpy()
    regression = LogisticRegression(C=inverse_penalty, max_iter=_MOST_STEPS)
    regression.fit(values[members.cpu().numpy()], categories.cpu().numpy())
    known = regression.predict_log_proba(values)
    posterior = np.repeat(known.min(axis=1, keepdims=True), n_categories, axis=1)
    posterior[:, found] = known
    return torch.from_numpy(posterior).to(rows)
