"""Checkpoints of tensors and plain values: written whole or not at all, read without pickle."""

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse

from recbole_mirec.errors import UsageError

FORMAT = 1


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint to a temporary name and rename it, so that a kill leaves no half file.

    Args:
        path: the file.
        state: nested dicts and lists of tensors, numbers, strings, NumPy arrays and SciPy sparse
            matrices; the last two are stored as tensors.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        torch.save({"format": FORMAT, **encode(state)}, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_checkpoint(path: Path, *, fingerprint: str, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint by torch's weights-only loading; no code in the file is executed.

    Args:
        path: the file.
        fingerprint: of the data set that the model is to be used with.
        device: where the tensors go.

    Raises:
        UsageError: the file is missing, truncated, of another format or of another data set.
    """
    if not path.is_file():
        raise UsageError(f"Checkpoint '{path}' does not exist. Train a model first.")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise UsageError(
            f"Checkpoint '{path}' cannot be read: it is truncated, damaged or holds more than "
            f"tensors and plain values ({type(error).__name__}). Train again, or use another run."
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UsageError(
            f"Checkpoint '{path}' is not of this project's format {FORMAT}. Train again."
        )
    found = str(state.get("data_fingerprint"))
    if found != fingerprint:
        raise UsageError(
            f"Checkpoint '{path}' was trained on another data set (or the files changed): data "
            f"fingerprint {found[:12]}, now {fingerprint[:12]}. Use the run's "
            f"own data set, or train again."
        )
    decoded: dict[str, Any] = decode(state)
    return decoded


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


def encode(value: Any) -> Any:
    """Replace what weights-only loading refuses by tensors and plain values."""
    # Sparse ones first: a dok_matrix is a mapping too.
    if sparse.issparse(value):
        rows = sparse.csr_matrix(value)
        return {
            "__kind__": "sparse",
            "layout": value.format,
            "shape": list(rows.shape),
            "data": torch.from_numpy(np.ascontiguousarray(rows.data)),
            "indices": torch.from_numpy(rows.indices.astype(np.int64)),
            "indptr": torch.from_numpy(rows.indptr.astype(np.int64)),
        }
    if isinstance(value, Mapping):
        return {key: encode(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [encode(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return {"__kind__": "array", "data": torch.from_numpy(np.ascontiguousarray(value))}
    if isinstance(value, np.generic):
        return value.item()
    return value


def decode(value: Any) -> Any:
    """Undo `encode`; tuples come back as lists."""
    if isinstance(value, list):
        return [decode(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("__kind__")
    if kind == "array":
        return value["data"].cpu().numpy()
    if kind == "sparse":
        parts = tuple(value[name].cpu().numpy() for name in ("data", "indices", "indptr"))
        return sparse.csr_matrix(parts, shape=tuple(value["shape"])).asformat(value["layout"])
    return {key: decode(entry) for key, entry in value.items()}
