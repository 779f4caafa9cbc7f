"""Account features made comparable: by side and modality, with constants of training accounts."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recbole_mirec.nn.similarity import centred_rows


def standardised_rows(
    rows: Float[Tensor, "account dim"],
    present: Bool[Tensor, "account"],
    fitted: Bool[Tensor, "account"],
    *,
    square_root: bool,
    centred: bool,
) -> Float[Tensor, "account dim"]:
    """Unit rows of one side's modality.

    Square roots turn shares (topics, labels) into points whose inner product is their Hellinger
    similarity; less the mean of the side's training accounts, what all accounts share, and what
    tells brands from influencers, is gone; at length 1 no account weighs more than another.

    Args:
        rows: Features.
        present: True where the account has the modality; the other rows become zero.
        fitted: True for the training accounts, of which the present ones give the mean.
        square_root: Take square roots; only for rows without negative entries.
        centred: Subtract the mean.

    Returns:
        Rows of length 1, or zero: where the modality is missing, and where a row is the mean.
    """
    if square_root:
        rows = rows.sqrt()
    return centred_rows(rows, present, fitted if centred else torch.zeros_like(fitted))


def principal_axes(rows: Float[Tensor, "account dim"], n_axes: int) -> Float[Tensor, "dim axis"]:
    """Orthonormal axes along which rows have their largest mean squares.

    Principal components of rows as they are: no mean is subtracted. In float64, so that the axes
    do not depend on how a sum was split.

    Args:
        rows: What the axes are fitted on; missing ones are zero and count for nothing.
        n_axes: How many axes at most.

    Returns:
        The axes, largest first, each with its largest entry positive; the unit axes where rows
        have no more dimensions than that, so that nothing is mixed without need.
    """
    width = rows.shape[1]
    if width <= n_axes:
        return torch.eye(width, dtype=rows.dtype, device=rows.device)
    squares = rows.double().T @ rows.double()
    axes: Tensor = torch.linalg.eigh(squares).eigenvectors.flip(1)[:, :n_axes]
    peaks: Tensor = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    return (axes * peaks.sign()).to(rows.dtype)
