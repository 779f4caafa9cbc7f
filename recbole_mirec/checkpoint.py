"""Checkpoints: states, RecBole's own too, as safetensors files under a digest; no pickle."""

import json
import math
import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.utils import EvaluatorType, InputType, ModelType
from safetensors import SafetensorError
from safetensors.torch import load, save
from scipy import sparse

from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import write_whole

# The key of a JSON object that stands for something JSON lacks.
KIND = "__kind__"
# Dtypes that both safetensors and NumPy's bridge to torch know, and bfloat16.
DTYPES = frozenset(
    getattr(torch, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
        *("float16", "bfloat16", "float32", "float64"),
    )
    if hasattr(torch, name)
)


def pack(state: Mapping[str, Any]) -> tuple[Any, dict[str, torch.Tensor]]:
    """Take a state apart.

    Args:
        state: nested mappings, lists and tuples of None, truth values, numbers, words, tensors
            (dense, sparse by coordinates or by rows), NumPy arrays and scalars, and SciPy's
            sparse matrices.

    Returns:
        A tree of what JSON knows, and the tensors that it names: on the CPU, contiguous, none
        sharing memory with another.

    Raises:
        TypeError: the state holds something else; says where.
    """
    packer = _Packer()
    return packer.pack(state, ""), packer.tensors


def unpack(tree: Any, tensors: Mapping[str, torch.Tensor], device: torch.device) -> Any:
    """Put together what `pack` took apart.

    Args:
        tree: as `pack` gave it.
        tensors: as `pack` gave them.
        device: where tensors go; arrays stay in NumPy.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: the tree is not one of `pack`.
    """
    return _Unpacker(tensors, device).unpack(tree)


class _Packer:
    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._storages: set[int] = set()
        # The first that fits: SciPy's dok_matrix is a mapping, NumPy's float64 a float and str_ a
        # str, bool an int.
        self._packers: tuple[tuple[Any, Callable[[Any, str], Any]], ...] = (
            ((sparse.spmatrix, sparse.sparray), self._sparse),
            (np.generic, self._scalar),
            ((type(None), bool, str), lambda value, _place: value),
            (int, self._int),
            (float, self._float),
            (torch.Tensor, self._tensor),
            (np.ndarray, self._array),
            (Mapping, self._mapping),
            ((list, tuple), self._sequence),
        )

    def pack(self, value: Any, place: str) -> Any:
        for kinds, packer in self._packers:
            if isinstance(value, kinds):
                return packer(value, place)
        raise _unknown(value, place)

    def _int(self, value: int, _place: str) -> Any:
        # Readers of JSON may stop at 64 bits, and Python itself at some thousand digits.
        if value.bit_length() < 64:
            return int(value)
        return {KIND: "int", "value": hex(value)}

    def _float(self, value: float, _place: str) -> Any:
        return float(value) if math.isfinite(value) else {KIND: "float", "value": str(float(value))}

    def _scalar(self, value: Any, place: str) -> Any:
        if isinstance(value, np.str_):
            return str(value)
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise _unknown(value, place)
        plain = self.pack(value.item(), place)
        return {KIND: "scalar", "dtype": value.dtype.name, "value": plain}

    def _mapping(self, value: Mapping[Any, Any], place: str) -> Any:
        places = {key: f"{place}.{key}" if place else str(key) for key in value}
        if all(type(key) is str for key in value) and KIND not in value:
            return {key: self.pack(entry, places[key]) for key, entry in value.items()}
        items = [
            [self.pack(key, places[key]), self.pack(entry, places[key])]
            for key, entry in value.items()
        ]
        return {KIND: "mapping", "items": items}

    def _sequence(self, value: list[Any] | tuple[Any, ...], place: str) -> Any:
        entries = [self.pack(entry, f"{place}.{index}") for index, entry in enumerate(value)]
        return {KIND: "tuple", "items": entries} if isinstance(value, tuple) else entries

    def _array(self, value: Any, place: str) -> Any:
        # EASE, for one, gets a matrix from SciPy.
        kinds = {np.ndarray: "array", np.matrix: "matrix"}
        if type(value) not in kinds:
            raise _unknown(value, place)
        try:
            tensor = torch.from_numpy(np.require(value.view(np.ndarray), requirements=["C", "W"]))
        except (TypeError, ValueError):
            raise _unknown(value, place) from None
        return {KIND: kinds[type(value)], "name": self._keep(tensor, place)}

    def _sparse(self, value: Any, place: str) -> Any:
        if value.ndim != 2:
            raise _unknown(value, place)
        rows = value if value.format in ("csr", "csc") else value.tocsr()
        parts = {
            name: self._array(getattr(rows, name), f"{place}.{name}")
            for name in ("data", "indices", "indptr")
        }
        form = {"matrix": isinstance(value, sparse.spmatrix), "layout": value.format}
        return {KIND: "sparse", **form, "shape": list(map(int, value.shape)), **parts}

    def _tensor(self, value: torch.Tensor, place: str) -> Any:
        if value.layout == torch.strided:
            return {KIND: "tensor", "name": self._keep(value, place)}
        if value.layout == torch.sparse_coo:
            parts = {"indices": value._indices(), "values": value._values()}
            form = {KIND: "coo", "coalesced": value.is_coalesced()}
        elif value.layout == torch.sparse_csr:
            parts = {"indptr": value.crow_indices(), "indices": value.col_indices()}
            parts |= {"values": value.values()}
            form = {KIND: "csr"}
        else:
            raise _unknown(value, place)
        packed = {name: self._tensor(part, f"{place}.{name}") for name, part in parts.items()}
        return {**form, "shape": list(value.shape), **packed}

    def _keep(self, tensor: torch.Tensor, place: str) -> str:
        if tensor.dtype not in DTYPES or tensor.is_quantized:
            raise _unknown(tensor, place)
        kept = tensor.detach().cpu().contiguous()
        if kept.untyped_storage().data_ptr() in self._storages:
            kept = kept.clone()
        self._storages.add(kept.untyped_storage().data_ptr())
        # Dots of keys and dots between them can meet; '__metadata__' is the format's own.
        name = readable = place.encode(errors="backslashreplace").decode()
        n_namesakes = 0
        while name in self.tensors or name == "__metadata__":
            n_namesakes += 1
            name = f"{readable}~{n_namesakes}"
        self.tensors[name] = kept
        return name


@dataclass(frozen=True)
class _Unpacker:
    tensors: Mapping[str, torch.Tensor]
    device: torch.device

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, list):
            return [self.unpack(entry) for entry in tree]
        if not isinstance(tree, dict):
            return tree
        if KIND not in tree:
            return {key: self.unpack(entry) for key, entry in tree.items()}
        unpackers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "int": lambda tree: int(tree["value"], 16),
            "float": lambda tree: float(tree["value"]),
            "scalar": lambda tree: np.dtype(tree["dtype"]).type(self.unpack(tree["value"])),
            "mapping": lambda tree: dict(map(self.unpack, tree["items"])),
            "tuple": lambda tree: tuple(map(self.unpack, tree["items"])),
            "array": lambda tree: self.tensors[tree["name"]].numpy(),
            "matrix": lambda tree: self.tensors[tree["name"]].numpy().view(np.matrix),
            "sparse": self._sparse,
            "tensor": lambda tree: self.tensors[tree["name"]].to(self.device),
            "coo": self._coo,
            "csr": self._csr,
        }
        return unpackers[tree[KIND]](tree)

    def _sparse(self, tree: dict[str, Any]) -> Any:
        form = "csc" if tree["layout"] == "csc" else "csr"
        made = {
            ("csr", True): sparse.csr_matrix,
            ("csr", False): sparse.csr_array,
            ("csc", True): sparse.csc_matrix,
            ("csc", False): sparse.csc_array,
        }[form, tree["matrix"]]
        parts = tuple(self.unpack(tree[name]) for name in ("data", "indices", "indptr"))
        return made(parts, shape=tuple(tree["shape"])).asformat(tree["layout"])

    def _coo(self, tree: dict[str, Any]) -> torch.Tensor:
        indices, values = self.unpack(tree["indices"]), self.unpack(tree["values"])
        made = torch.sparse_coo_tensor(indices, values, tree["shape"], check_invariants=True)
        return made._coalesced_(tree["coalesced"])

    def _csr(self, tree: dict[str, Any]) -> torch.Tensor:
        indptr, indices, values = (
            self.unpack(tree[name]) for name in ("indptr", "indices", "values")
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                indptr, indices, values, tree["shape"], check_invariants=True
            )


def _unknown(value: Any, place: str) -> TypeError:
    kind = getattr(value, "dtype", "")
    return TypeError(
        f"A checkpoint cannot hold '{place}': it must be made of plain values, tensors, arrays and "
        f"sparse matrices. Received: {type(value).__module__}.{type(value).__name__} {kind}".strip()
    )


FORMAT = 2
CPU = torch.device("cpu")
# One key, because safetensors writes several in any order.
_KEY = "recbole_mirec"
_MARK = rb'{"__metadata__":{"recbole_mirec":"{\"sha256\":\"'
_DIGITS = slice(8 + len(_MARK), 8 + len(_MARK) + 64)  # behind 8 bytes of the header's length
_ZEROS = b"0" * 64
_PICKLES = (b"PK\x03\x04", b"\x80")  # torch's archive, and a bare pickle
_DAMAGE = (
    *(AssertionError, AttributeError, KeyError, OverflowError, RecursionError, RuntimeError),
    *(SafetensorError, TypeError, ValueError),
)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state; the file stands whole or not at all.

    Args:
        path: the file.
        state: what `pack` takes.

    Raises:
        TypeError: the state holds something else.
        OSError: the file cannot be written; it is named.
    """
    tree, tensors = pack(state)
    words = {"sha256": _ZEROS.decode(), "format": FORMAT, "values": tree}
    header = {_KEY: json.dumps(words, allow_nan=False, separators=(",", ":"))}
    content = memoryview(save(tensors, header))
    assert content[8 : _DIGITS.start] == _MARK, "safetensors writes its header in another way"
    digits = sha256(content).hexdigest().encode()
    write_whole(path, content[: _DIGITS.start], digits, content[_DIGITS.stop :])


def load_state(path: Path, device: torch.device = CPU) -> dict[str, Any]:
    """Read what `save_state` wrote, or nothing of it.

    Args:
        path: the file.
        device: where the tensors go.

    Raises:
        UsageError: the file is missing, damaged, or none of `save_state`.
    """
    if not path.is_file():
        raise UsageError(f"Checkpoint '{path}' does not exist. Train a model first.")
    content = path.read_bytes()
    if not _is_whole(content):
        if content.startswith(_PICKLES) and _MARK not in content:
            raise old_checkpoint(path)
        raise _unreadable(path)
    try:
        words = _words(content)
        if words["format"] != FORMAT:
            raise UsageError(
                f"Checkpoint '{path}' is of format {words['format']}, not {FORMAT}: another "
                f"version of this program wrote it. Use that version, or train again."
            )
        tensors = load(content)
        del content
        state: dict[str, Any] = unpack(words["values"], tensors, device)
    except UsageError:
        raise
    except _DAMAGE:
        raise _unreadable(path) from None
    return state


def old_checkpoint(path: Path) -> UsageError:
    """The error for a file that torch wrote."""
    return UsageError(
        f"Checkpoint '{path}' is of an older version of this program, or of somebody else: it may "
        f"hold a pickle, which can run any code, and is not opened. Train again."
    )


def _is_whole(content: bytes) -> bool:
    if content[8 : _DIGITS.start] != _MARK:
        return False
    view = memoryview(content)
    digest = sha256(view[: _DIGITS.start])
    digest.update(_ZEROS)
    digest.update(view[_DIGITS.stop :])
    return content[_DIGITS] == digest.hexdigest().encode()


def _words(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    words: dict[str, Any] = json.loads(header["__metadata__"][_KEY])
    return words


def _unreadable(path: Path) -> UsageError:
    return UsageError(
        f"Checkpoint '{path}' cannot be read: it is truncated, damaged or not of this program. "
        f"Train again, or use another run."
    )


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


# The modules of RecBole that save or load by torch.
MODULES = (
    "recbole.trainer.trainer",
    "recbole.model.context_aware_recommender.kd_dagfm",
    "recbole.model.general_recommender.convncf",
    "recbole.model.general_recommender.nais",
    "recbole.model.general_recommender.neumf",
    "recbole.model.general_recommender.ract",
    "recbole.model.sequential_recommender.s3rec",
)
_ENUMS: dict[str, type[Enum]] = {
    "MODEL_TYPE": ModelType,
    "MODEL_INPUT_TYPE": InputType,
    "eval_type": EvaluatorType,
}


def load_stock(path: Any, map_location: Any = None, **_unused: Any) -> dict[str, Any]:
    """`torch.load`, of our files only.

    Args:
        path: the file.
        map_location: a device or its name; None: the CPU.

    Raises:
        UsageError: the file is missing, damaged, or not ours.
    """
    state = load_state(Path(path), torch.device("cpu" if map_location is None else map_location))
    if "config" in state:
        state["config"] = _config(state["config"])
    return state


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
        plain["config"] = _plain(state["config"].final_config_dict)
    if isinstance(state.get("other_parameter"), Mapping):
        # Parts of the model (DIN's embeddings), whose parameters stand in the state_dict.
        plain["other_parameter"] = {
            name: value
            for name, value in state["other_parameter"].items()
            if not isinstance(value, torch.nn.Module)
        }
    save_state(Path(path), plain)


class TorchWithoutPickle:
    """Everything of torch, with `load` and `save` of our files."""

    load = staticmethod(load_stock)
    save = staticmethod(save_stock)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


STAND_IN = TorchWithoutPickle()


def is_in_place() -> bool:
    """Whether RecBole's modules save and load by the stand-in."""
    return all(getattr(module, "torch") is STAND_IN for module in _modules())  # noqa: B009


def put_in_place() -> None:
    """Let RecBole's modules save and load by the stand-in."""
    for module in _modules():
        setattr(module, "torch", STAND_IN)  # noqa: B010


def _modules() -> list[ModuleType]:
    # A model beside S3Rec, SINE, switches torch's slow search for anomalies on when it is imported.
    before = torch.is_anomaly_enabled()
    modules = [import_module(name) for name in MODULES]
    torch.autograd.set_detect_anomaly(before)
    return modules


def _plain(value: Any) -> Any:
    """A configuration as plain values: objects as their names."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    plain = value is None or isinstance(value, bool | int | float | str | np.generic)
    return value if plain else str(value)


def _config(values: dict[str, Any]) -> Config:
    """The configuration again, without RecBole's constructor.

    That one evaluates words as Python and reads the command line.
    """
    config = Config.__new__(Config)
    config._init_parameters_category()
    for key, kind in _ENUMS.items():
        if key in values:
            values[key] = kind[values[key]]
    on_gpu = bool(str(values.get("gpu_id", ""))) and torch.cuda.is_available()
    values["device"] = torch.device("cuda" if on_gpu else "cpu")
    config.final_config_dict = values
    return config
