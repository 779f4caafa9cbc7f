"""Every repair that RecBole 1.2.1 needs on the supported stack, applied on import.

A repair names its cause, where upstream discusses it and when it can be deleted, checks that it
is needed, and leaves alone what works. The dependency bounds in `setup.cfg` keep away the
breakages of numpy 2, pandas 3 and setuptools 82; the project's own quick start, trainer and
checkpoints replace those of RecBole, so their breakages need no repair here.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scipy import sparse


@dataclass(frozen=True)
class Repair:
    """One repair of RecBole.

    Attributes:
        name: what is repaired.
        cause: why it broke.
        upstream: RecBole's issue numbers, or why there is none.
        delete_when: the condition under which the repair can go.
        needed: tells whether the installed stack needs it.
        apply: applies it; called at most once.
    """

    name: str
    cause: str
    upstream: str
    delete_when: str
    needed: Callable[[], bool]
    apply: Callable[[], None]


def _dok_update(matrix: sparse.dok_matrix, entries: Mapping[tuple[int, int], Any]) -> None:
    """Set many entries at once; the keys are valid (row, column) pairs of the matrix."""
    for (row, column), value in entries.items():
        matrix[row, column] = value


def _give_back_dok_update() -> None:
    setattr(sparse.dok_matrix, "_update", _dok_update)  # noqa: B010


def _silence_chained_fillna() -> None:
    warnings.filterwarnings(
        "ignore",
        message="A value is trying to be set on a copy of a DataFrame or Series",
        category=FutureWarning,
    )


def _silence_grad_scaler() -> None:
    warnings.filterwarnings(
        "ignore", message=r"`torch.cuda.amp.GradScaler\(args...\)` is deprecated"
    )


REPAIRS: tuple[Repair, ...] = (
    Repair(
        name="dok_matrix._update",
        cause="LightGCN, NGCF, GCMC, SpectralCF and NCL fill their adjacency matrix by a private "
        "method that scipy removed in 1.13",
        upstream="RecBole #2034, #2090",
        delete_when="RecBole builds these matrices from row and column indices",
        needed=lambda: not hasattr(sparse.dok_matrix, "_update"),
        apply=_give_back_dok_update,
    ),
    Repair(
        name="chained fillna",
        cause="Dataset._load_feat and _fill_nan fill missing values in place on a column; pandas 2 "
        "still obeys and warns on every run, pandas 3 would ignore it",
        upstream="none filed; pandas < 3 is required until it is mended",
        delete_when="RecBole assigns the filled column back",
        needed=lambda: True,
        apply=_silence_chained_fillna,
    ),
    Repair(
        name="GradScaler warning",
        cause="Trainer makes its scaler by a name that torch 2.4 deprecated, once an epoch",
        upstream="none filed",
        delete_when="RecBole calls torch.amp.GradScaler",
        needed=lambda: True,
        apply=_silence_grad_scaler,
    ),
)


def apply_repairs() -> tuple[str, ...]:
    """Apply the repairs that the installed stack needs.

    Returns:
        The names of the repairs applied by this call; a second call applies only what is missing.
    """
    applied = []
    for repair in REPAIRS:
        if repair.needed():
            repair.apply()
            applied.append(repair.name)
    return tuple(applied)


APPLIED = apply_repairs()
