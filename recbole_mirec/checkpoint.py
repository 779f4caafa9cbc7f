"""Checkpoints of runs: which data they belong to, and where the random generators stood."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_mirec.errors import UsageError
from recbole_mirec.state_file import load_state, old_checkpoint

_OLD = ("best.pth", "last.pth")


def is_checkpoint(path: Path) -> bool:
    """Whether there is a checkpoint.

    Raises:
        UsageError: there is none, but an older version's beside it.
    """
    if path.is_file():
        return True
    for old in _OLD:
        if path.with_name(old).is_file():
            raise old_checkpoint(path.with_name(old))
    return False


def read_checkpoint(path: Path, *, fingerprint: str, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; no code in the file is executed.

    Args:
        path: the file.
        fingerprint: of the data set that the model is to be used with.
        device: where the tensors go.

    Raises:
        UsageError: the file is missing, damaged, of an older version or of another data set.
    """
    is_checkpoint(path)  # or an older one, which is refused
    state = load_state(path, device)
    found = str(state.get("data_fingerprint"))
    if found != fingerprint:
        raise UsageError(
            f"Checkpoint '{path}' was trained on another data set (or the files changed): data "
            f"fingerprint {found[:12]}, now {fingerprint[:12]}. Use the run's "
            f"own data set, or train again."
        )
    return state


def random_state() -> dict[str, Any]:
    """Positions of the global generators that RecBole draws from."""
    state: Any = np.random.get_state()  # noqa: NPY002
    name, keys, position, has_gauss, cached = state
    version, internal, gauss = random.getstate()
    gpus_in_use: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "torch": torch.get_rng_state(),
        "numpy": [name, keys.astype(np.int64), position, has_gauss, cached],
        "python": [version, list(internal), gauss],
        "cuda": torch.cuda.get_rng_state_all() if gpus_in_use else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Put the global generators where `random_state` found them."""
    torch.set_rng_state(state["torch"].cpu())
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    for index, saved in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(saved.cpu(), index)
