"""States as one safetensors file each, under a digest of its every byte; nothing is pickled.

Tensors stand under readable names. Everything else is JSON in the header's `__metadata__`, under
the key `recbole_mirec`; so is `sha256`, 64 digits: the SHA-256 of the file with zeros in their
place. The same state gives the same bytes.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from recbole_mirec.errors import UsageError
from recbole_mirec.files import write_whole
from recbole_mirec.state_tree import pack, unpack

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
