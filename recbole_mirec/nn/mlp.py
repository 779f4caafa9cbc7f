"""The tower of one modality: an MLP with leaky ReLU and a linear last layer."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recbole_mirec.nn.checks import Number
from recbole_mirec.nn.initialisation import initialised_linear
from recbole_mirec.nn.settings import DropoutPlace, Initialisation

LEAK = 0.01


class MLP(nn.Module):
    """sigma, mu (7)(8), omega, gamma (10)(11) or beta (18) of Wang et al. (IEEE TMM 2023).

    Leaky ReLU of slope 0.01 between the layers, none after the last. In training mode, and there
    alone, ``dropout_rate`` of the first layer is dropped and the rest scaled by
    ``1 / (1 - dropout_rate)``, so that the first layer's output keeps its expectation:

    - ``first_activations``: entries of the first linear map's output, anew for every row. Whether
      the leaky ReLU comes before or after makes no difference, since it commutes with a scaling
      by nothing or by a positive number.
    - ``first_weights``: entries of the first weight matrix (not of its bias), one mask for all
      rows of a call.
    - ``none``: nothing.

    Departures: the paper says "dropout layers" and no place; both readings are kept. For (18) it
    names no activation; its published reference has the same leaky ReLU there, and so have we.

    Args:
        n_inputs: Width of the modality's input.
        hidden: Widths of the hidden layers, at least one.
        n_outputs: Width of the output, ``d_a``.
        dropout: Where to drop.
        dropout_rate: The share dropped, in [0, 1).
        initialisation: How the first values are drawn.
        generator: Their source of randomness; None is torch's own. Dropout always draws from
            torch's own, as torch's layers do.
    """

    def __init__(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        n_outputs: int,
        *,
        dropout: DropoutPlace,
        dropout_rate: Number,
        initialisation: Initialisation,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.first, *rest = (
            initialised_linear(wide, narrow, initialisation, generator)
            for wide, narrow in pairwise([n_inputs, *hidden, n_outputs])
        )
        self.rest = nn.ModuleList(rest)
        self.dropout = dropout
        self.dropout_rate = dropout_rate

    def forward(
        self, inputs: Float[Tensor, "account n_inputs"]
    ) -> Float[Tensor, "account n_outputs"]:
        """Maps every row by itself; no row reads another.

        Args:
            inputs: One modality's features, one row an account.

        Returns:
            The embedding of each row, unbounded; empty for no rows.
        """
        weight: Tensor = self.first.weight
        if self.dropout == "first_weights":
            weight = functional.dropout(weight, self.dropout_rate, self.training)
        vectors = functional.linear(inputs, weight, self.first.bias)
        if self.dropout == "first_activations":
            vectors = functional.dropout(vectors, self.dropout_rate, self.training)
        for layer in self.rest:
            vectors = layer(functional.leaky_relu(vectors, LEAK))
        return vectors
