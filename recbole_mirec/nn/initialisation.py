"""Linear layers whose first values come from an explicit generator."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recbole_mirec.nn.settings import Initialisation

# the paper's spread: half-width of its uniform draw, standard deviation of the reference's normal
SPREAD = 0.1


def initialise_(
    tensor: Float[Tensor, "..."], scheme: Initialisation, generator: torch.Generator | None
) -> None:
    """Fills a tensor in place: uniform(-0.1, 0.1), or normal of standard deviation 0.1.

    Source: implementation details of Wang et al. (IEEE TMM 2023) for the uniform draw; its
    published reference draws normal values instead.

    Args:
        tensor: What to fill, of any shape.
        scheme: Which of the two.
        generator: The source of randomness; None is torch's own, which the caller has seeded.
    """
    with torch.no_grad():
        if scheme == "uniform_0.1":
            tensor.uniform_(-SPREAD, SPREAD, generator=generator)
        else:
            tensor.normal_(0.0, SPREAD, generator=generator)


def initialised_linear(
    n_inputs: int, n_outputs: int, scheme: Initialisation, generator: torch.Generator | None
) -> nn.Linear:
    """A linear layer with bias, both drawn by `initialise_` and by nothing else.

    Args:
        n_inputs: Width of what it reads.
        n_outputs: Width of what it returns.
        scheme: As of `initialise_`.
        generator: As of `initialise_`.

    Returns:
        The layer. torch stores the paper's ``W`` transposed: ``layer.weight`` is its transpose.
    """
    # made without values, so that torch's own draw does not advance the global generator
    layer = nn.Linear(n_inputs, n_outputs, device="meta").to_empty(device="cpu")
    initialise_(layer.weight, scheme, generator)
    initialise_(layer.bias, scheme, generator)
    return layer
