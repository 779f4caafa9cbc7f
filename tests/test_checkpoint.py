"""Files of states: what comes back, what is refused, and that nothing is unpickled."""

import json
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from little_data import settings
from safetensors import safe_open
from safetensors.torch import save
from scipy import sparse

from dataset_convert.common.errors import UsageError
from recbole_mirec.checkpoint import (
    FORMAT,
    load_state,
    pack,
    random_state,
    restore_random_state,
    save_state,
    unpack,
)
from recbole_mirec.experiment import run_experiment
from recbole_mirec.trainer import BEST, LAST

STATE = {"data_fingerprint": "f" * 64, "epoch": 3}
DAMAGED = r"cannot be read: it is truncated, damaged .* not opened\). Train again, or use another"


def there_and_back(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    save_state(folder / "state.safetensors", state)
    return load_state(folder / "state.safetensors")


# What comes back


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([0.1, -0.0, float("nan"), float("inf"), 1e-45]),
        torch.tensor([0.1, -3.0], dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.tensor([2**63 - 1, -(2**63)]),
        torch.tensor(0.25),
        torch.empty(3, 0, 2, dtype=torch.int32),
        torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2),
        torch.arange(10)[::3],
        torch.nn.Parameter(torch.ones(2)),
    ],
    ids=lambda tensor: f"{tensor.dtype}{list(tensor.shape)}",
)
def test_a_tensor_comes_back_bit_by_bit(tensor: torch.Tensor, tmp_path: Path) -> None:
    back = there_and_back({"x": tensor}, tmp_path)["x"]
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    expected = tensor.detach().contiguous().reshape(-1)
    assert torch.equal(back.reshape(-1).view(torch.uint8), expected.view(torch.uint8))


def test_tensors_that_share_memory_come_back_apart(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    back = there_and_back({"whole": whole, "same": whole, "part": whole[2:4]}, tmp_path)
    assert back["whole"].tolist() == back["same"].tolist() == list(range(6))
    assert back["part"].tolist() == [2, 3]
    back["whole"].zero_()
    assert back["same"].tolist() == list(range(6))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(3, 2),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6)[::-2],
        np.array([True, False]),
        np.array([2**64 - 1], dtype=np.uint64),
        np.broadcast_to(np.float32(1.5), (2, 2)),
        sparse.csr_matrix(np.eye(2)) + np.ones((2, 2)),  # a matrix of NumPy's
    ],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
def test_an_array_comes_back(array: Any, tmp_path: Path) -> None:
    back = there_and_back({"x": array}, tmp_path)["x"]
    assert type(back) is type(array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.array_equal(back, array)
    assert back.flags.writeable


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil", "dok"])
@pytest.mark.parametrize("array", [False, True])
def test_sparse_matrices_keep_layout_and_kind(layout: str, array: bool, tmp_path: Path) -> None:
    dense = np.random.default_rng(1).random((5, 7), dtype=np.float32)
    dense[dense < 0.6] = 0
    made = sparse.csr_array if array else sparse.csr_matrix
    matrix = made(dense).asformat(layout)
    back = there_and_back({"x": matrix}, tmp_path)["x"]
    assert type(back) is type(matrix)
    assert (back.dtype, back.shape) == (np.float32, (5, 7))
    assert np.array_equal(back.toarray(), dense)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63)
    | st.floats()
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.just("__kind__"), inner, max_size=3)
        | st.dictionaries(st.integers() | st.tuples(st.text(), st.booleans()), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    tree, tensors = pack({"x": value})
    back = unpack(json.loads(json.dumps(tree)), tensors)["x"]
    # repr tells types, the order of keys, -0.0 and nan
    assert repr(back) == repr(value)


def test_scalars_of_numpy_come_back_as_python_s(tmp_path: Path) -> None:
    given = {"x": [np.float32(0.1), np.int64(-3), np.bool_(1), np.str_("é")]}
    back = there_and_back(given, tmp_path)["x"]
    assert back == given["x"]
    assert [type(value) for value in back] == [float, int, bool, str]


class Unknown:
    """Nothing that a checkpoint holds."""


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (Unknown(), "Unknown"),
        ({1, 2}, "builtins.set"),
        (np.array(["word"]), "numpy.ndarray <U4"),
        (np.array([None]), "numpy.ndarray object"),
        (np.ma.masked_array([1, 2]), "MaskedArray int64"),
        (torch.eye(2).to_sparse(), "torch.Tensor torch.float32"),
    ],
)
def test_anything_else_is_our_own_fault_and_named(value: Any, kind: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"A checkpoint cannot hold 'a\.1\.b'") as caught:
        save_state(tmp_path / "x", {"a": [0, {"b": value}]})
    assert kind in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# The file


def test_anybody_s_safetensors_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    state = {
        "state_dict": {"layer.weight": torch.ones(2)},
        "optimizers": [{"state": {3: {"exp_avg": torch.zeros(2)}}}],
    }
    save_state(path, state)
    with safe_open(path, framework="pt") as file:
        names = ["optimizers.0.state.values.0.exp_avg", "state_dict.layer.weight"]
        assert sorted(file.keys()) == names
        assert torch.equal(file.get_tensor("state_dict.layer.weight"), torch.ones(2))
        words = json.loads(file.metadata()["recbole_mirec"])
    assert list(words) == ["sha256", "format", "values"]
    assert words["format"] == FORMAT


def test_names_that_would_meet_are_kept_apart(tmp_path: Path) -> None:
    state = {
        "a.b": {"c": torch.tensor(1)},
        "a": {"b.c": torch.tensor(2), "b": {"c": torch.tensor(3)}},
        "__metadata__": torch.tensor(4),
        1: torch.tensor(6),
        "1": torch.tensor(7),
    }
    assert there_and_back(state, tmp_path) == state


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    state = {"b": torch.ones(3), "a": [1, {2: torch.zeros(2)}], "é": np.arange(3)}
    for path in (tmp_path / "one", tmp_path / "two"):
        save_state(path, state)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


# What is refused


def test_another_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_mirec.checkpoint.FORMAT", FORMAT + 1)
    save_state(tmp_path / "x", STATE)
    monkeypatch.undo()
    with pytest.raises(UsageError, match=f"is of format {FORMAT + 1}, not {FORMAT}: another vers"):
        load_state(tmp_path / "x")


def test_missing_files_and_those_of_other_programs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with pytest.raises(UsageError, match=r"Checkpoint '.*best\.safetensors' does not exist. Trai"):
        load_state(path)
    for content in (save({"a": torch.ones(2)}), b""):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=DAMAGED):
            load_state(path)


@pytest.mark.parametrize(
    "tree",
    [
        {"x": {"__kind__": "eval", "value": "1"}},
        {"x": {"__kind__": "tensor", "name": "nowhere"}},
        {"x": {"__kind__": "sparse", "rows": "csr", "matrix": True, "arrays": []}},
        {"x": {"__kind__": []}},
    ],
)
def test_a_state_made_to_confuse_is_refused(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_mirec.checkpoint.pack", lambda _: (tree, {}))
    save_state(tmp_path / "x", {})
    with pytest.raises(UsageError, match=DAMAGED):
        load_state(tmp_path / "x")


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_pickles_are_refused_unopened(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "best.safetensors"
    for write in (
        lambda: torch.save({"x": Attack(trace)}, path),
        lambda: torch.save({"x": Attack(trace)}, path, _use_new_zipfile_serialization=False),
        lambda: path.write_bytes(pickle.dumps({"x": Attack(trace)})),
    ):
        write()
        with pytest.raises(UsageError, match=DAMAGED):
            load_state(path)
        assert not trace.exists()


def test_nothing_of_ours_loads_or_saves_by_torch_or_pickle() -> None:
    folder = Path(__file__).parent.parent / "recbole_mirec"
    for path in folder.rglob("*.py"):
        text = path.read_text()
        for word in ("import pickle", "from pickle", "torch.load(", "torch.save(", "cPickle"):
            assert word not in text, path


N_DAMAGES, SEED, MODELS = 500, 2020, ("BPR", "MIRec")


def test_every_damage_is_refused_in_one_line(workplace: Path, tmp_path: Path) -> None:
    """Of each checkpoint 100 flipped bits and 25 truncations, places by chance; 500 in all."""
    chance = random.Random(SEED)
    path = tmp_path / "x.safetensors"
    folders = {model: run_experiment(settings(workplace, model)).run_folder for model in MODELS}
    cases = [(model, name) for model in MODELS for name in (BEST, LAST)]
    n_refused = 0
    for model, name in cases:
        whole = (folders[model] / name).read_bytes()
        assert load_state(folders[model] / name)["model"] == model
        for number in range(N_DAMAGES // len(cases)):
            place = chance.randrange(len(whole))
            damaged = bytearray(whole)
            if number % 5:
                damaged[place] ^= 1 << chance.randrange(8)
            else:
                del damaged[place:]
            path.write_bytes(damaged)
            with pytest.raises(UsageError, match=DAMAGED) as refusal:
                load_state(path)
            assert "\n" not in str(refusal.value), (model, name, number)
            n_refused += 1
    assert n_refused == N_DAMAGES


def test_every_bit_of_a_header_counts(tmp_path: Path) -> None:
    """Length, words, digest and padding: all bits of a small file, one after the other."""
    path = tmp_path / "x.safetensors"
    save_state(path, {"a": torch.tensor([1, 2], dtype=torch.uint8)})
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=DAMAGED):
            load_state(path)


# Random generators


def test_random_state_goes_on_where_it_was(tmp_path: Path) -> None:
    def draw() -> list[float]:
        found = [torch.rand(1), torch.randn(1), np.random.rand(), np.random.randn()]
        return [*map(float, found), random.random(), random.gauss(0, 1)]

    before = random_state()
    draw()  # an odd number of normal draws leaves one cached
    save_state(tmp_path / LAST, STATE | {"random": random_state()})
    expected = draw()
    draw()
    restore_random_state(load_state(tmp_path / LAST)["random"])
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
    save_state(tmp_path / LAST, STATE | {"random": random_state()})
    saved = load_state(tmp_path / LAST)["random"]
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
