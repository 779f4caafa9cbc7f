import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbole_mirec.nn.metric import principal_axes, standardised_rows

# Five accounts of three shares; the fourth lacks the modality, the last is in no training pair.
ROWS = torch.tensor(
    [[0.36, 0.64, 0.0], [0.04, 0.0, 0.96], [0.25, 0.5, 0.25], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
)
PRESENT = torch.tensor([True, True, True, False, True])
FITTED = torch.tensor([True, True, False, True, False])


def made(rows: Tensor = ROWS, *, square_root: bool = True, centred: bool = True) -> Tensor:
    return standardised_rows(rows, PRESENT, FITTED, square_root=square_root, centred=centred)


@pytest.mark.parametrize("square_root", [True, False])
@pytest.mark.parametrize("centred", [True, False])
def test_rows_are_those_of_a_plain_loop(square_root: bool, centred: bool) -> None:
    values = ROWS.double().numpy()
    if square_root:
        values = np.sqrt(values)
    mean = (values[0] + values[1]) / 2 if centred else np.zeros(3)
    found = made(square_root=square_root, centred=centred)
    for account in range(5):
        moved = values[account] - mean
        expected = moved / np.linalg.norm(moved) if PRESENT[account] else np.zeros(3)
        np.testing.assert_allclose(found[account].numpy(), expected, atol=1e-6)


def test_square_roots_make_products_hellinger_similarities() -> None:
    found = made(centred=False)
    # sqrt(.36 * .04) = .12, and the rows sum to one
    assert float(found[0] @ found[1]) == pytest.approx(0.12, abs=1e-6)
    assert float(found[0] @ found[4]) == pytest.approx(0.6, abs=1e-6)


def test_what_is_missing_is_zero_and_in_no_mean() -> None:
    noisy = ROWS.clone()
    noisy[3] = 1e6
    assert torch.equal(made(noisy), made())
    assert not made(noisy)[3].any()
    # an account outside the training pairs moves nobody else
    noisy[4] = torch.tensor([0.0, 0.0, 7.0])
    assert torch.equal(made(noisy)[:4], made()[:4])


def test_a_row_at_the_mean_is_zero() -> None:
    rows = torch.tensor([[1.0, 3.0], [3.0, 5.0], [2.0, 4.0]])
    everyone = torch.tensor([True, True, True])
    found = standardised_rows(rows, everyone, everyone, square_root=False, centred=True)
    assert found[2].tolist() == [0.0, 0.0]
    assert found[0].tolist() == pytest.approx([-(0.5**0.5)] * 2)


def test_axes_are_right_singular_vectors_with_their_largest_entry_positive() -> None:
    rows = torch.randn(13, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    axes = principal_axes(rows, 3)
    _, _, right = np.linalg.svd(rows.numpy())
    for place in range(3):
        expected = right[place]
        expected = expected * np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(axes[:, place].numpy(), expected, atol=1e-10)
    np.testing.assert_allclose((axes.T @ axes).numpy(), np.eye(3), atol=1e-12)


def test_narrow_rows_are_left_as_they_are() -> None:
    rows = torch.randn(11, 3, generator=torch.Generator().manual_seed(5))
    for n_axes in (3, 5):
        assert torch.equal(principal_axes(rows, n_axes), torch.eye(3))


def test_rows_of_few_dimensions_lose_nothing() -> None:
    generator = torch.Generator().manual_seed(6)
    rows = torch.randn(11, 2, generator=generator) @ torch.randn(2, 7, generator=generator)
    axes = principal_axes(rows, 2)
    assert axes.dtype == torch.float32
    torch.testing.assert_close(rows @ axes @ axes.T, rows, rtol=1e-5, atol=1e-5)


@given(st.integers(0, 1000))
def test_neither_order_nor_missing_rows_change_the_axes(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(17, 5, generator=generator) * torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    order = torch.randperm(17, generator=generator)
    padded = torch.cat([torch.zeros(4, 5), rows[order]])
    torch.testing.assert_close(
        principal_axes(padded, 2), principal_axes(rows, 2), rtol=1e-4, atol=1e-4
    )
