"""What synthetic accounts say and show: tastes turned into topics, labels and attributes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataset_convert.population import spread_directions
from dataset_convert.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ExpressionSpec:
    """How clearly a taste shows in one modality.

    Attributes:
        gain: Weight of the taste in a dimension's logit.
        accent: How strongly each side prefers its own words.
        noise: Standard deviation of what an account says by chance, per dimension.
        popularity: Standard deviation of the dimensions' general popularity.
        frequent: Added to the logits of the dimensions of no niche.
    """

    gain: float
    accent: float
    noise: float
    popularity: float = 0.5
    frequent: float = 1.0


class Speaker:
    """One modality's language, the same for both sides but for their accents."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        spec: ExpressionSpec,
        n_latent: int,
        rng: np.random.Generator,
    ) -> None:
        directions = spread_directions(vocabulary.n_niches, n_latent, rng)
        in_niche = vocabulary.niche >= 0
        self.vocabulary = vocabulary
        self._spec = spec
        self._directions = np.where(in_niche[:, None], directions[vocabulary.niche], 0.0)
        popularity = spec.popularity * rng.standard_normal(len(vocabulary.names))
        self._base = popularity + np.where(in_niche, 0.0, spec.frequent)

    def logits(self, taste: Floats, side_sign: int, rng: np.random.Generator) -> Floats:
        """Returns (account, dimension) log-propensities.

        Args:
            taste: (account, latent).
            side_sign: 1 for brands, -1 for influencers: the sign of the words they prefer.
            rng: Draws what accounts say by chance.
        """
        spec = self._spec
        logits = spec.gain * taste @ self._directions.T + self._base
        logits += side_sign * spec.accent * self.vocabulary.accent
        noise = spec.noise * rng.standard_normal(logits.shape)
        return np.asarray(logits + noise)


def softmax(logits: Floats) -> Floats:
    """Returns each row's shares, which sum to 1."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def shown_labels(logits: Floats, n_seen: int, rng: np.random.Generator) -> Floats:
    """Returns (account, label) shares of what detectors saw in an account's posts.

    Equations (4) and (5) of the paper: confidences summed over posts and normalised to 1. Here
    every sighting has the same confidence, and labels never seen are 0.
    """
    counts = rng.multinomial(n_seen, softmax(logits))
    return np.asarray(counts / n_seen)


def chosen_attributes(
    logits: Floats, mean_count: float, rng: np.random.Generator
) -> list[list[int]]:
    """Draws each account's attributes without replacement, at least one, by Gumbel top-k."""
    counts = 1 + rng.poisson(mean_count - 1, size=len(logits))
    keys = logits + rng.gumbel(size=logits.shape)
    order = np.argsort(-keys, axis=1, kind="stable")
    return [sorted(row[:n].tolist()) for row, n in zip(order, counts, strict=True)]
