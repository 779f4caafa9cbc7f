"""Checkpoints: states, RecBole's own too, as safetensors files under a digest; no pickle."""

import json
import random
from collections.abc import Callable, Mapping
from enum import Enum
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from recbole.config import Config
from recbole.utils import EvaluatorType, InputType, ModelType
from safetensors import SafetensorError
from safetensors.torch import load, save
from scipy import sparse
from torch import Tensor

from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import write_whole

# The key of a JSON object that stands for something JSON lacks.
KIND = "__kind__"


class Kind(NamedTuple):
    """What JSON lacks: how it is recognised, taken apart, and made again from its parts."""

    fits: Callable[[Any], bool]
    parts: Callable[[Any], dict[str, Any]]
    make: Callable[[dict[str, Any]], Any]


_BY_ROWS = {
    "csr": (sparse.csr_array, sparse.csr_matrix),
    "csc": (sparse.csc_array, sparse.csc_matrix),
}


def _sparse_parts(value: Any) -> dict[str, Any]:
    rows = value if value.format in _BY_ROWS else value.tocsr()
    return {
        "layout": value.format,
        "rows": rows.format,
        "matrix": isinstance(value, sparse.spmatrix),
        "shape": [int(length) for length in value.shape],
        "arrays": [rows.data, rows.indices, rows.indptr],
    }


def _sparse(parts: dict[str, Any]) -> Any:
    made = _BY_ROWS[parts["rows"]][parts["matrix"]]
    return made(tuple(parts["arrays"]), shape=tuple(parts["shape"])).asformat(parts["layout"])


# The first that fits: SciPy's dok_matrix is a mapping.
KINDS: dict[str, Kind] = {
    "sparse": Kind(sparse.issparse, _sparse_parts, _sparse),
    # EASE, for one, gets a matrix of NumPy's from SciPy, and indexes it as one.
    "array": Kind(
        lambda value: type(value) in (np.ndarray, np.matrix),
        lambda value: {
            "values": torch.from_numpy(np.require(value.view(np.ndarray), requirements=["C", "W"])),
            "matrix": type(value) is np.matrix,
        },
        lambda parts: parts["values"].numpy().view(np.matrix if parts["matrix"] else np.ndarray),
    ),
    "tuple": Kind(
        lambda value: isinstance(value, tuple),
        lambda value: {"items": list(value)},
        lambda parts: tuple(parts["items"]),
    ),
    "mapping": Kind(
        lambda value: isinstance(value, Mapping) and not _is_plain(value),
        lambda value: {"keys": list(value), "values": list(value.values())},
        lambda parts: dict(zip(parts["keys"], parts["values"], strict=True)),
    ),
}


def _is_plain(value: Any) -> bool:
    """Whether JSON knows such a mapping."""
    return isinstance(value, Mapping) and set(map(type, value)) <= {str} and KIND not in value


def pack(state: Mapping[str, Any]) -> tuple[Any, dict[str, Tensor]]:
    """Take a state apart.

    Args:
        state: nested mappings, lists and tuples of None, truth values, numbers, words, dense
            tensors, NumPy's arrays and SciPy's sparse matrices. Scalars of NumPy come back as
            Python's.

    Returns:
        A tree of what JSON knows, and the tensors that it names: on the CPU, contiguous, none
        sharing memory with another.

    Raises:
        TypeError: the state holds something else; says where.
    """
    tensors: dict[str, Tensor] = {}
    storages: set[int] = set()

    def keep(tensor: Tensor, place: str) -> str:
        kept = tensor.detach().cpu().contiguous()
        if kept.untyped_storage().data_ptr() in storages:
            kept = kept.clone()
        storages.add(kept.untyped_storage().data_ptr())
        # Dots of keys and dots between them can meet; '__metadata__' is the format's own.
        while place in tensors or place == "__metadata__":
            place += "~"
        tensors[place] = kept
        return place

    def take(value: Any, place: str) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Tensor) and value.layout == torch.strided:
            return {KIND: "tensor", "name": keep(value, place)}
        if isinstance(value, list):
            return [take(entry, f"{place}.{index}") for index, entry in enumerate(value)]
        found = next((name for name, kind in KINDS.items() if kind.fits(value)), "")
        try:
            parts = value if _is_plain(value) else KINDS[found].parts(value)
        except (KeyError, TypeError, ValueError):
            kind = f"{type(value).__module__}.{type(value).__name__} {getattr(value, 'dtype', '')}"
            raise TypeError(
                f"A checkpoint cannot hold '{place}': it must be made of plain values, tensors, "
                f"arrays and sparse matrices. Received: {kind.strip()}"
            ) from None
        taken = {key: take(part, f"{place}.{key}".strip(".")) for key, part in parts.items()}
        return {KIND: found, **taken} if found else taken

    return take(state, ""), tensors


def unpack(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put together what `pack` took apart; any error says that `pack` did not make the tree."""
    if isinstance(tree, list):
        return [unpack(entry, tensors) for entry in tree]
    if not isinstance(tree, dict):
        return tree
    parts = {key: unpack(entry, tensors) for key, entry in tree.items() if key != KIND}
    if KIND not in tree:
        return parts
    return tensors[parts["name"]] if tree[KIND] == "tensor" else KINDS[tree[KIND]].make(parts)


def on_device(state: Any, device: torch.device) -> Any:
    """A state with the tensors in its lists and mappings on a device."""
    if isinstance(state, Tensor):
        return state.to(device)
    if isinstance(state, list):
        return [on_device(entry, device) for entry in state]
    if isinstance(state, dict):
        return {key: on_device(entry, device) for key, entry in state.items()}
    return state


FORMAT = 3
# One key, because safetensors writes several in any order.
_KEY = "recbole_mirec"
_MARK = rb'{"__metadata__":{"recbole_mirec":"{\"sha256\":\"'
_DIGITS = slice(8 + len(_MARK), 8 + len(_MARK) + 64)  # behind 8 bytes of the header's length
_ZEROS = b"0" * 64
_DAMAGE = (AttributeError, KeyError, RecursionError, SafetensorError, TypeError, ValueError)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state, as `pack` takes it and with its errors; the file is whole or not there."""
    tree, tensors = pack(state)
    words = {"sha256": _ZEROS.decode(), "format": FORMAT, "values": tree}
    content = memoryview(save(tensors, {_KEY: json.dumps(words, separators=(",", ":"))}))
    assert content[8 : _DIGITS.start] == _MARK, "safetensors writes its header in another way"
    digits = sha256(content).hexdigest().encode()
    write_whole(path, content[: _DIGITS.start], digits, content[_DIGITS.stop :])


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, or nothing of it; no code in the file is executed.

    Returns:
        The state, its tensors on the CPU.

    Raises:
        UsageError: the file is missing, damaged, of another version, or none of `save_state`.
    """
    if not path.is_file():
        raise UsageError(f"Checkpoint '{path}' does not exist. Train a model first.")
    content = path.read_bytes()
    unreadable = UsageError(
        f"Checkpoint '{path}' cannot be read: it is truncated, damaged or not of this program (a "
        f"pickle, which can run any code, is not opened). Train again, or use another run."
    )
    digest = sha256(content[: _DIGITS.start] + _ZEROS)
    digest.update(memoryview(content)[_DIGITS.stop :])
    if content[8 : _DIGITS.start] != _MARK or content[_DIGITS] != digest.hexdigest().encode():
        raise unreadable
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        words = json.loads(header["__metadata__"][_KEY])
        if words["format"] == FORMAT:
            state: dict[str, Any] = unpack(words["values"], load(content))
            return state
    except _DAMAGE:
        raise unreadable from None
    raise UsageError(
        f"Checkpoint '{path}' is of format {words['format']}, not {FORMAT}: another version of "
        f"this program wrote it. Use that version, or train again."
    )


def random_state() -> dict[str, Any]:
    """Positions of the global generators that RecBole draws from."""
    gpus_in_use: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),  # noqa: NPY002
        "python": random.getstate(),
        "cuda": torch.cuda.get_rng_state_all() if gpus_in_use else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Put the global generators where `random_state` found them."""
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    random.setstate(state["python"])
    for index, saved in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(saved, index)


# RecBole's own checkpoints. Its modules that save or load by torch:
MODULES = (
    "recbole.trainer.trainer",
    "recbole.model.context_aware_recommender.kd_dagfm",
    "recbole.model.general_recommender.convncf",
    "recbole.model.general_recommender.nais",
    "recbole.model.general_recommender.neumf",
    "recbole.model.general_recommender.ract",
    "recbole.model.sequential_recommender.s3rec",
)
_ENUMS = {"MODEL_TYPE": ModelType, "MODEL_INPUT_TYPE": InputType, "eval_type": EvaluatorType}


def load_stock(path: Any, map_location: Any = None, **_unused: Any) -> dict[str, Any]:
    """`torch.load`, of our files only; errors are those of `load_state`."""
    state = load_state(Path(path))
    if "config" in state:
        state["config"] = _config(state["config"])
    found: dict[str, Any] = on_device(state, torch.device(map_location or "cpu"))
    return found


def save_stock(state: Any, path: Any, **_unused: Any) -> None:
    """`torch.save`, of states only.

    Raises:
        UsageError: the state is a whole model.
    """
    if not isinstance(state, Mapping):
        raise UsageError(
            f"'{path}': RecBole would pickle a whole {type(state).__name__}, which is not done. "
            f"Use the checkpoint of a run instead."
        )
    plain = dict(state)
    if isinstance(state.get("config"), Config):
        words = json.dumps(state["config"].final_config_dict, default=_word)
        plain["config"] = json.loads(words)
    if isinstance(state.get("other_parameter"), Mapping):
        # Parts of the model (DIN's embeddings), whose parameters stand in the state_dict.
        known = state["other_parameter"].items()
        plain["other_parameter"] = {k: v for k, v in known if not isinstance(v, torch.nn.Module)}
    save_state(Path(path), plain)


def _word(value: Any) -> Any:
    return value.name if isinstance(value, Enum) else str(value)


def _config(values: dict[str, Any]) -> Config:
    """The configuration again, without RecBole's constructor.

    That one evaluates words as Python and reads the command line.
    """
    config = Config.__new__(Config)
    config._init_parameters_category()
    values |= {key: kind[values[key]] for key, kind in _ENUMS.items() if key in values}
    on_gpu = bool(str(values.get("gpu_id", ""))) and torch.cuda.is_available()
    values["device"] = torch.device("cuda" if on_gpu else "cpu")
    config.final_config_dict = values
    return config


# Everything of torch, with `load` and `save` of our files.
STAND_IN: Any = ModuleType("torch")
vars(STAND_IN).update(vars(torch), load=load_stock, save=save_stock)
