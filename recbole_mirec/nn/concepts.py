"""CAMERA's representation of an account by the concepts that matter to the other account."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recbole_mirec.nn.settings import Number
from recbole_mirec.nn.towers import MLP, SPREAD


def weighted_concepts(
    logits: Float[Tensor, "pair concept"],
    concepts: Float[Tensor, "pair concept dim"],
    mask: Bool[Tensor, "pair concept"],
) -> Float[Tensor, "pair dim"]:
    """Mean of concept vectors, weighted by the softmax of their logits; zeros where there is none.

    What the mask leaves out may hold anything but NaN.
    """
    shares = torch.where(mask, logits, -torch.inf).softmax(dim=1)
    # the softmax of nothing is NaN
    shares = torch.where(mask, shares, 0.0)
    return (shares.unsqueeze(2) * concepts).sum(dim=1)


class ConceptAttention(nn.Module):
    """psi, rho and gamma of CAMERA, shared by brands and influencers.

    Source: S. Wang et al., "Discover Micro-influencers for Brands via Better Understanding", IEEE
    TMM 24 (2022). psi maps an account's history and rho a concept into one space; the mean of the
    elementwise product of the other account's psi and a concept's rho is the concept's logit.
    gamma maps history and weighted concepts, concatenated, to the account's vector. Leaky ReLU of
    slope 0.01, dropout on the first layers' weights of psi and rho. Departure: first values are
    uniform(-0.1, 0.1), since the paper names none.
    """

    def __init__(
        self,
        n_history: int,
        n_concept: int,
        hidden: Sequence[int],
        fusion_hidden: Sequence[int],
        dimension: int,
        dropout_rate: Number,
    ) -> None:
        super().__init__()
        self.psi = MLP(n_history, hidden, dimension, dropout_rate=dropout_rate)
        self.rho = MLP(n_concept, hidden, dimension, dropout_rate=dropout_rate)
        self.gamma = MLP(n_history + n_concept, fusion_hidden, dimension, dropout_rate=0.0)

    def logits(
        self,
        histories: Float[Tensor, "account n_history"],
        concepts: Float[Tensor, "concept n_concept"],
    ) -> Float[Tensor, "account concept"]:
        """How much every concept matters to every account that looks at it by its history."""
        looking, seen = self.psi(histories), self.rho(concepts)
        logits: Tensor = looking @ seen.T / seen.shape[1]
        return logits

    def represent(
        self,
        histories: Float[Tensor, "pair n_history"],
        logits: Float[Tensor, "pair place"],
        concepts: Float[Tensor, "pair place n_concept"],
        mask: Bool[Tensor, "pair place"],
    ) -> Float[Tensor, "pair dim"]:
        """Vectors of accounts by their histories, logits by the other account, and concepts."""
        marketing = weighted_concepts(logits, concepts, mask)
        vectors: Tensor = self.gamma(torch.cat([histories, marketing], dim=1))
        return vectors


class AdaptiveScore(nn.Module):
    """Each number through a small net of sigmoids, their sum through a sigmoid.

    Source: the endorsement and influence scores of CAMERA: 1 -> 64 -> 1 for each number, sigmoids
    after both layers. Departure: first values are uniform(-0.1, 0.1).
    """

    def __init__(self, n_numbers: int, n_hidden: int = 64) -> None:
        super().__init__()
        self.hidden_weight = nn.Parameter(torch.empty(n_numbers, n_hidden))
        self.hidden_bias = nn.Parameter(torch.empty(n_numbers, n_hidden))
        self.out_weight = nn.Parameter(torch.empty(n_numbers, n_hidden))
        self.out_bias = nn.Parameter(torch.empty(n_numbers))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -SPREAD, SPREAD)

    def forward(self, numbers: Float[Tensor, "row number"]) -> Float[Tensor, "row"]:
        """Factors between 1/2 and the sigmoid of n_numbers; numbers are best near [-1, 1]."""
        hidden = torch.sigmoid(numbers.unsqueeze(2) * self.hidden_weight + self.hidden_bias)
        outputs = torch.sigmoid((hidden * self.out_weight).sum(dim=2) + self.out_bias)
        return torch.sigmoid(outputs.sum(dim=1))
