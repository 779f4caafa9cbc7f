"""How synthetic accounts express themselves: tastes turned into shares of topics and labels."""

import numpy as np

from dataset_convert.synthetic.population import Floats, spread_directions
from dataset_convert.synthetic.spec import ExpressionSpec
from dataset_convert.synthetic.vocabulary import Vocabulary


class Speaker:
    """One vocabulary's use, the same for both sides but for their accents.

    Attributes:
        names: The vocabulary's names.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        spec: ExpressionSpec,
        n_latent: int,
        rng: np.random.Generator,
    ) -> None:
        directions = spread_directions(vocabulary.n_niches, n_latent, rng)
        in_niche = vocabulary.niche >= 0
        popularity = spec.popularity * rng.standard_normal(len(vocabulary.names))
        self.names = vocabulary.names
        self._gain = np.where(in_niche[:, None], spec.gain * directions[vocabulary.niche], 0.0)
        self._base = popularity + np.where(in_niche, 0.0, spec.frequent)
        self._accent = spec.accent * vocabulary.accent
        self._noise = spec.noise

    def logits(self, taste: Floats, side_sign: int, rng: np.random.Generator) -> Floats:
        """Returns (account, dimension) log-propensities.

        Args:
            taste: (account, latent).
            side_sign: 1 for brands, -1 for influencers: the sign of the words they prefer.
            rng: Draws what accounts say by chance.
        """
        expected = taste @ self._gain.T + self._base + side_sign * self._accent
        return np.asarray(expected + self._noise * rng.standard_normal(expected.shape))


def softmax(logits: Floats) -> Floats:
    """Returns each row's shares, which sum to 1."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def chosen_attributes(
    logits: Floats, mean_count: float, rng: np.random.Generator
) -> list[list[int]]:
    """Draws each account's attributes without replacement, at least one, by Gumbel top-k."""
    counts = 1 + rng.poisson(mean_count - 1, size=len(logits))
    order = np.argsort(-(logits + rng.gumbel(size=logits.shape)), axis=1, kind="stable")
    return [sorted(row[:n].tolist()) for row, n in zip(order, counts, strict=True)]
