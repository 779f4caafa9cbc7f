import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from recbole_mirec.checkpoint import (
    FORMAT,
    decode,
    encode,
    random_state,
    read_checkpoint,
    restore_random_state,
    write_checkpoint,
)
from recbole_mirec.errors import UsageError

CPU = torch.device("cpu")
STATE = {"data_fingerprint": "f" * 64, "epoch": 3}


def read(path: Path, fingerprint: str = "f" * 64) -> dict[str, Any]:
    return read_checkpoint(path, fingerprint=fingerprint, device=CPU)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "best.pth"
    matrix = sparse.random(5, 7, density=0.4, random_state=1)
    state = STATE | {
        "tensor": torch.arange(6.0).reshape(2, 3),
        "nested": {"list": [1, "two", None, {"deep": torch.tensor([True])}], 5: 0.25},
        "pair": (1, 2),
        "array": np.arange(6, dtype=np.int32).reshape(3, 2),
        "column_order": np.asfortranarray(np.eye(2, 3)),
        "number": np.float64(0.1),
    }
    layouts = {layout: matrix.asformat(layout) for layout in ("csr", "csc", "coo", "lil", "dok")}
    write_checkpoint(path, state | {"sparse": layouts})
    back = read(path)
    assert torch.equal(back["tensor"], state["tensor"])
    assert back["nested"]["list"][:3] == [1, "two", None]
    assert torch.equal(back["nested"]["list"][3]["deep"], torch.tensor([True]))
    assert back["nested"][5] == 0.25
    assert back["pair"] == [1, 2]
    assert back["array"].dtype == np.int32
    assert np.array_equal(back["array"], state["array"])
    assert np.array_equal(back["column_order"], state["column_order"])
    assert back["number"] == 0.1
    for layout, expected in layouts.items():
        assert back["sparse"][layout].format == layout
        assert back["sparse"][layout].shape == (5, 7)
        assert np.array_equal(back["sparse"][layout].toarray(), expected.toarray())


def test_encoding_leaves_tensors_and_plain_values_only() -> None:
    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for entry in value.values() for leaf in leaves(entry)]
        if isinstance(value, list):
            return [leaf for entry in value for leaf in leaves(entry)]
        return [value]

    state = {"a": sparse.eye(3).tocsr(), "b": (np.float32(2.0), np.ones(2)), "c": [{"d": None}]}
    plain = torch.Tensor | str | int | float | None
    assert all(isinstance(leaf, plain) for leaf in leaves(encode(state)))
    assert decode(encode(state))["b"][0] == 2.0


def test_a_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Checkpoint '.*best\.pth' does not exist. Train"):
        read(tmp_path / "best.pth")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_an_error(tmp_path: Path, share: float) -> None:
    path = tmp_path / "best.pth"
    write_checkpoint(path, STATE | {"tensor": torch.randn(100)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UsageError, match=r"best\.pth' cannot be read: it is truncated, damaged"):
        read(path)


def test_a_checkpoint_of_other_data_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "best.pth"
    write_checkpoint(path, STATE)
    message = r"trained on another data set .*: data fingerprint ffffffffffff, now 000000000000"
    with pytest.raises(UsageError, match=message):
        read(path, "0" * 64)


@pytest.mark.parametrize("content", [{"format": FORMAT + 1}, {"state_dict": {}}, [1, 2]])
def test_a_foreign_file_is_an_error(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "best.pth"
    torch.save(content, path)
    with pytest.raises(UsageError, match=f"is not of this project's format {FORMAT}"):
        read(path)


def test_a_checkpoint_without_a_fingerprint_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "best.pth"
    write_checkpoint(path, {"epoch": 1})
    with pytest.raises(UsageError, match=r"another data set .*: data fingerprint None, now ffff"):
        read(path)


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_no_code_in_a_file_is_executed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for name in ("zip.pth", "plain.pth"):
        path = tmp_path / name
        if name == "zip.pth":
            torch.save({"format": FORMAT, "x": Attack(trace)}, path)
        else:
            path.write_bytes(pickle.dumps({"format": FORMAT, "x": Attack(trace)}))
        with pytest.raises(UsageError, match="holds more than tensors and plain values"):
            read(path)
        assert not trace.exists()


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.pth"
    write_checkpoint(path, STATE)

    def half(state: Any, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, STATE | {"epoch": 4})
    assert read(path)["epoch"] == 3
    assert os.listdir(tmp_path) == ["best.pth"]  # noqa: PTH208


def test_random_state_goes_on_where_it_was(tmp_path: Path) -> None:
    def draw() -> tuple[float, ...]:
        return (
            float(torch.rand(1)),
            float(torch.randn(1)),
            float(np.random.rand()),
            float(np.random.randn()),
            random.random(),
            random.gauss(0, 1),
        )

    before = random_state()
    draw()  # an odd number of normal draws leaves one cached
    write_checkpoint(tmp_path / "last.pth", STATE | {"random": random_state()})
    expected = draw()
    draw()
    restore_random_state(read(tmp_path / "last.pth")["random"])
    assert draw() == expected
    restore_random_state(before)


def test_random_state_of_gpus_in_use_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = random_state()
    assert before["cuda"] == []
    states = [torch.arange(4, dtype=torch.uint8), torch.arange(4, 8, dtype=torch.uint8)]
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    write_checkpoint(tmp_path / "last.pth", STATE | {"random": random_state()})
    saved = read(tmp_path / "last.pth")["random"]
    restored: dict[int, list[int]] = {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "set_rng_state", lambda value, index: restored.update({index: value.tolist()})
    )
    restore_random_state(saved)
    assert restored == {0: [0, 1, 2, 3], 1: [4, 5, 6, 7]}
    # a machine with fewer devices takes what it has a place for
    restored.clear()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    restore_random_state(saved)
    assert restored == {}
