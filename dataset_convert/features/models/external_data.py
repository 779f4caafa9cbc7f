"""Which files beside an ONNX model hold its weights: read from the model, not guessed by name.

An ONNX model is one message of protocol buffers: fields, each a number, a kind and a value. Only
the fields on the way to `TensorProto.external_data` (onnx.proto, IR version 3 on) are looked into;
all others, weights above all, are stepped over.
"""

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dataset_convert.problems import ConversionError

_NUMBER, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_ENTRY: Final = "entry"
_ENTRIES: Final = 13
_WAYS: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {_ENTRIES: _ENTRY},
}
"""Message -> field -> the message in it; `entry` is a key with its value."""
_LOCATION: Final = b"location"


def external_files(model: Path) -> tuple[Path, ...]:
    """Returns the files that hold weights of a model, sorted; they need not exist.

    Args:
        model: A `.onnx` file; nothing follows from one that does not exist.

    Raises:
        ConversionError: It cannot be read, or is no ONNX model.
    """
    try:
        with (
            model.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            names = set(_locations(content, 0, len(content), "model"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, IndexError, RecursionError) as error:
        said = getattr(error, "strerror", None) or "other bytes"
        raise ConversionError(f"{model}: found {said}; wanted an ONNX model.") from None
    return tuple(sorted(model.parent / name for name in names))


def _locations(content: mmap.mmap, start: int, end: int, message: str) -> Iterator[str]:
    if message == _ENTRY:
        entry = {field: content[begin:stop] for field, begin, stop in _fields(content, start, end)}
        if entry.get(1) == _LOCATION:
            name = entry.get(2, b"").decode()
            if not name or "\0" in name:
                raise ValueError("no name of a file")
            yield name
        return
    inside = _WAYS[message]
    for field, begin, stop in _fields(content, start, end):
        if field in inside:
            yield from _locations(content, begin, stop, inside[field])


def _fields(content: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields the number, start and end of every field that is bytes.

    Raises:
        ValueError: These are no fields.
        IndexError: They are longer than the file.
    """
    while start < end:
        key, start = _varint(content, start)
        kind = key & 7
        if kind == _BYTES:
            length, start = _varint(content, start)
            yield key >> 3, start, start + length
            start += length
        elif kind == _NUMBER:
            _, start = _varint(content, start)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            start += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind}")
    if start != end:
        raise ValueError("a field that goes on after the end")


def _varint(content: mmap.mmap, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[start]
        value |= (byte & 127) << shift
        start, shift = start + 1, shift + 7
        if byte < 128:
            return value, start
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
