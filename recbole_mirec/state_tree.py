"""Nested values as JSON and named tensors, and back again, each exactly as it was."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

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
