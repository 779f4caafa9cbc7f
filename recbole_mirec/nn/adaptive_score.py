"""A factor in (0, 1) learnt from a few numbers."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recbole_mirec.nn.initialisation import initialise_


class AdaptiveScore(nn.Module):
    """Each number through a small net of sigmoids, their sum through a sigmoid.

    Source: the endorsement and influence scores of S. Wang et al., "Discover Micro-influencers for
    Brands via Better Understanding", IEEE TMM 24 (2022): 1 -> 64 -> 1 for each number, sigmoids
    after both layers. Departure: first values are uniform(-0.1, 0.1).

    Args:
        n_numbers: How many numbers, at least one.
        n_hidden: Hidden width of a number's net.
    """

    def __init__(self, n_numbers: int, n_hidden: int = 64) -> None:
        super().__init__()
        self.hidden_weight = nn.Parameter(torch.empty(n_numbers, n_hidden))
        self.hidden_bias = nn.Parameter(torch.empty(n_numbers, n_hidden))
        self.out_weight = nn.Parameter(torch.empty(n_numbers, n_hidden))
        self.out_bias = nn.Parameter(torch.empty(n_numbers))
        for parameter in self.parameters():
            initialise_(parameter, "uniform_0.1", None)

    def forward(self, numbers: Float[Tensor, "row number"]) -> Float[Tensor, "row"]:
        """Factors of rows, between 1/2 and the sigmoid of the number of numbers.

        Args:
            numbers: On any scale, best near [-1, 1].
        """
        hidden = torch.sigmoid(numbers.unsqueeze(2) * self.hidden_weight + self.hidden_bias)
        outputs = torch.sigmoid((hidden * self.out_weight).sum(dim=2) + self.out_bias)
        return torch.sigmoid(outputs.sum(dim=1))
