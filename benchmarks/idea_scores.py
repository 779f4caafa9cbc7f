"""Ideas that are no switches of MIRec: each makes scores (brand, candidate) of one fold's inputs.

Whatever is fitted is fitted on training collaborations. `benchmarks/ideas.py` adds the scores to
MIRec's and tests the difference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier

from dataset_convert import schema
from recbole_mirec.model.base import ATTRIBUTE
from recbole_mirec.nn.metric import category_log_posterior, principal_axes
from recbole_mirec.nn.plda import fit_two_covariance, plda_vectors

Values = NDArray[np.float64]
Ids = NDArray[np.int64]

BRAND_TEMPERATURE, INFLUENCER_TEMPERATURE = 0.1, 0.2
RIDGE_PENALTY = 1.0
INVERSE_PENALTY = 16.0
PLDA_AXES, PLDA_SHRINKAGE, PLDA_CROSS_SHARE = 80, 0.9, 0.5
N_FEEDBACK, N_NEIGHBOURS = 10, 10
NEGATIVES_A_POSITIVE = 20


@dataclass(frozen=True, eq=False)
class Fold:
    """What an idea may know. Accounts stand at their internal ids.

    Attributes:
        rows: side -> modality -> (account, dimension), standardised: of length 1, or zero.
        vectors: side -> (account, width), MIRec's: the product of two accounts' is its score.
        pairs: (pair, 2), the training collaborations.
        brands: (brand) to be tested, none of them in `pairs`.
        candidates: (candidate) that they rank.
        brand_category: (account) the brand's own category from 0, -1 where unknown.
    """

    rows: Mapping[schema.Side, Mapping[str, Values]]
    vectors: Mapping[schema.Side, Values]
    pairs: Ids
    brands: Ids
    candidates: Ids
    brand_category: Ids

    def joint(self, side: schema.Side) -> Values:
        """All modalities side by side: (account, dimension), of length at most 1."""
        parts = self.rows[side]
        return np.hstack(list(parts.values())) / len(parts) ** 0.5

    def training(self, side: schema.Side) -> Ids:
        """Internal ids with a training collaboration, sorted."""
        return np.unique(self.pairs[:, schema.SIDES.index(side)])

    def partners(self, influencers: Ids) -> Values:
        """1 where a training brand collaborated: (training brand, influencer); ids sorted."""
        brands = self.training(schema.BRAND)
        known = self.pairs[np.isin(self.pairs[:, 1], influencers)]
        matrix = np.zeros((len(brands), len(influencers)))
        matrix[np.searchsorted(brands, known[:, 0]), np.searchsorted(influencers, known[:, 1])] = 1
        return matrix


Idea = Callable[[Fold], Values]


def nearest_brands(fold: Fold) -> Values:
    """Propagation: how near a candidate is to the influencers of the nearest training brands."""
    weights = _brand_weights(fold, fold.joint(schema.BRAND))
    return weights @ _affinity(fold, fold.candidates)


def log_nearest_brands(fold: Fold, brand_rows: Values | None = None) -> Values:
    """The logarithm of that, each brand's affinities relative to those of training influencers.

    Args:
        fold: its inputs.
        brand_rows: (account, dimension) that say which brands are near; None: the joint rows.
    """
    rows = fold.joint(schema.BRAND) if brand_rows is None else brand_rows
    usual = _affinity(fold, fold.training(schema.INFLUENCER)).mean(axis=1, keepdims=True)
    return np.log(_brand_weights(fold, rows) @ (_affinity(fold, fold.candidates) / usual))


def predicted_influencer(fold: Fold, brand_rows: Values | None = None) -> Values:
    """A brand as the mean of its influencers: predicted from its features by ridge regression.

    Args:
        fold: its inputs.
        brand_rows: (account, dimension) to predict from; None: the joint rows.
    """
    rows = fold.joint(schema.BRAND) if brand_rows is None else brand_rows
    known = rows[fold.training(schema.BRAND)]
    influencers = fold.training(schema.INFLUENCER)
    means = _shares(fold.partners(influencers)) @ fold.joint(schema.INFLUENCER)[influencers]
    gram = known @ known.T + RIDGE_PENALTY * np.eye(len(known))
    weights = np.linalg.solve(gram, means - means.mean(axis=0))
    predicted = unit(rows[fold.brands] @ known.T @ weights)
    return predicted @ fold.joint(schema.INFLUENCER)[fold.candidates].T


def joint_category(fold: Fold) -> Values:
    """Log probability that a brand of the brand's category chooses the candidate.

    MIRec has one classifier a perspective; this is one of all modalities.
    """
    own = fold.brand_category[fold.brands]
    categories = fold.brand_category[fold.pairs[:, 0]]
    known = categories >= 0
    posterior = category_log_posterior(
        torch.from_numpy(fold.joint(schema.INFLUENCER)),
        torch.from_numpy(fold.pairs[known, 1]),
        torch.from_numpy(categories[known]),
        int(fold.brand_category.max()) + 1,
        inverse_penalty=INVERSE_PENALTY,
    ).numpy()
    scores = posterior[fold.candidates][:, own].T
    return np.where(own[:, None] >= 0, scores, 0.0)


def mean_of_known_brands(fold: Fold) -> Values:
    """An influencer as the mean of its training brands, a step on the graph of collaborations.

    0 for influencers without any.
    """
    partners = fold.partners(fold.candidates)
    means = _shares(partners.T) @ fold.joint(schema.BRAND)[fold.training(schema.BRAND)]
    return fold.joint(schema.BRAND)[fold.brands] @ means.T


def seen_before(fold: Fold) -> Values:
    """1 where the candidate has a training collaboration."""
    seen = np.isin(fold.candidates, fold.training(schema.INFLUENCER))
    return np.tile(seen.astype(np.float64), (len(fold.brands), 1))


def joint_plda(fold: Fold) -> Values:
    """PLDA of all modalities together; MIRec has one a perspective."""
    rows = {side: torch.from_numpy(fold.joint(side)) for side in schema.SIDES}
    axes = principal_axes(rows[schema.INFLUENCER][fold.training(schema.INFLUENCER)], PLDA_AXES)
    brands, influencers = (rows[side] @ axes for side in schema.SIDES)
    model = fit_two_covariance(
        brands,
        influencers,
        torch.from_numpy(fold.pairs),
        shrinkage=PLDA_SHRINKAGE,
        cross_share=PLDA_CROSS_SHARE,
    )
    of_brands, of_influencers = plda_vectors(model, brands, influencers)
    scores: Values = (of_brands[fold.brands] @ of_influencers[fold.candidates].T).numpy()
    return scores


def pseudo_relevance(fold: Fold) -> Values:
    """Rocchio's feedback: near to the training influencers that MIRec ranks first for the brand."""
    influencers = fold.training(schema.INFLUENCER)
    scores = _product(fold, fold.brands, influencers)
    first = influencers[np.argsort(-scores, axis=1, kind="stable")[:, :N_FEEDBACK]]
    rows = fold.joint(schema.INFLUENCER)
    return unit(rows[first].mean(axis=1)) @ rows[fold.candidates].T


def attribute_neighbours(fold: Fold) -> Values:
    """Propagation along attributes: MIRec's mean score of the nearest training influencers."""
    influencers = fold.training(schema.INFLUENCER)
    rows = fold.rows[schema.INFLUENCER][ATTRIBUTE]
    near = rows[fold.candidates] @ rows[influencers].T
    near[fold.candidates[:, None] == influencers] = -np.inf
    nearest = np.argsort(-near, axis=1, kind="stable")[:, :N_NEIGHBOURS]
    return _product(fold, fold.brands, influencers)[:, nearest].mean(axis=2)


def boosted_pairs(fold: Fold, seed: int) -> Values:
    """Gradient boosting of trees on `pair_features`, sampled negatives: log odds.

    Args:
        fold: its inputs.
        seed: of the negatives, training influencers that the brand did not work with, and of the
            trees.
    """
    brands, influencers = (fold.training(side) for side in schema.SIDES)
    features = pair_features(fold, brands, influencers)
    positive = fold.partners(influencers) > 0
    chance = np.random.default_rng(seed).random(positive.shape)
    # in expectation as many negatives a positive for every brand
    n_positives = positive.sum(axis=1, keepdims=True)
    share = NEGATIVES_A_POSITIVE * n_positives / (len(influencers) - n_positives)
    shown = positive | (chance < share)
    trees = HistGradientBoostingClassifier(max_leaf_nodes=15, random_state=seed)
    trees.fit(features[shown], positive[shown])
    asked = pair_features(fold, fold.brands, fold.candidates)
    odds: Values = trees.decision_function(asked.reshape(-1, asked.shape[2]))
    return odds.reshape(asked.shape[:2])


def pair_features(fold: Fold, brands: Ids, influencers: Ids) -> Values:
    """Features of pairs that no collaboration has entered: (brand, influencer, feature).

    By modality: the cosine, the influencer's mean cosine with training brands, the brand's with
    training influencers, the largest summand of the cosine.
    """
    columns = []
    for name in fold.rows[schema.BRAND]:
        of_brands, of_influencers = (fold.rows[side][name] for side in schema.SIDES)
        left, right = of_brands[brands], of_influencers[influencers]
        usual_brand = of_brands[fold.training(schema.BRAND)].mean(axis=0)
        usual_influencer = of_influencers[fold.training(schema.INFLUENCER)].mean(axis=0)
        cosine = left @ right.T
        columns += [
            cosine,
            np.broadcast_to(right @ usual_brand, cosine.shape),
            np.broadcast_to((left @ usual_influencer)[:, None], cosine.shape),
            np.stack([(row * right).max(axis=1) for row in left]),
        ]
    return np.stack(columns, axis=2)


# What needs nothing but a fold.
IDEAS: dict[str, Idea] = {
    "propagation from nearest brands": nearest_brands,
    "propagation from nearest brands, logarithm": log_nearest_brands,
    "brand as the mean of its influencers (ridge)": predicted_influencer,
    "one category classifier of all modalities": joint_category,
    "known influencer as the mean of its brands": mean_of_known_brands,
    "seen in training": seen_before,
    "one PLDA of all modalities": joint_plda,
    "pseudo-relevance feedback (Rocchio)": pseudo_relevance,
    "propagation along attributes": attribute_neighbours,
}


def ideas_for(fold: Fold) -> dict[str, Idea]:
    """Those of `IDEAS` that the fold's modalities allow."""
    has_attributes = ATTRIBUTE in fold.rows[schema.INFLUENCER]
    return {
        name: idea
        for name, idea in IDEAS.items()
        if has_attributes or idea is not attribute_neighbours
    }


def added(scores: Values, idea: Values, weight: float) -> Values:
    """Scores plus an idea's, at a weight in units of the scores' standard deviation.

    Both deviations are those within a brand, since what is the same for all candidates of a brand
    ranks nothing; an idea that tells no candidates apart adds 0.

    Args:
        scores: (brand, candidate).
        idea: (brand, candidate).
        weight: at 1 both vary alike.
    """
    centred = idea - idea.mean(axis=1, keepdims=True)
    spread = centred.std()
    if spread == 0:
        return scores
    own = (scores - scores.mean(axis=1, keepdims=True)).std()
    return scores + weight * own / spread * centred


def unit(rows: Values) -> Values:
    """Rows scaled to length 1; a zero row stays zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)


def _product(fold: Fold, brands: Ids, influencers: Ids) -> Values:
    return fold.vectors[schema.BRAND][brands] @ fold.vectors[schema.INFLUENCER][influencers].T


def _brand_weights(fold: Fold, rows: Values) -> Values:
    """How near a brand is to each training brand: (brand, training brand), rows sum to 1."""
    cosines = rows[fold.brands] @ rows[fold.training(schema.BRAND)].T
    weights: Values = softmax(cosines / BRAND_TEMPERATURE, axis=1)
    return weights


def _affinity(fold: Fold, influencers: Ids) -> Values:
    """Mean likeness to a training brand's influencers, above 0: (training brand, influencer)."""
    known = fold.training(schema.INFLUENCER)
    rows = fold.joint(schema.INFLUENCER)
    near = np.exp(rows[known] @ rows[influencers].T / INFLUENCER_TEMPERATURE)
    return _shares(fold.partners(known)) @ near


def _shares(counts: Values) -> Values:
    """Rows that sum to 1; a zero row stays zero."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
