"""The repairs of RecBole: applied once, each with its reason, and what the mended models do."""

import pickle
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from logging import INFO, FileHandler, Logger, LogRecord, getLogger
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import little_data
import numpy as np
import pytest
import torch
from recbole.data.dataset import Dataset
from recbole.model.context_aware_recommender.kd_dagfm import KD_DAGFM
from recbole.model.general_recommender import admmslim, dgcf
from recbole.model.general_recommender.ldiffrec import LDiffRec
from recbole.model.general_recommender.pop import Pop
from recbole.trainer import trainer
from scipy import sparse

from dataset_convert.common.errors import UsageError
from recbole_mirec import compat
from recbole_mirec.checkpoint import load_state
from recbole_mirec.experiment import prepare, run_experiment
from recbole_mirec.results import PARTS
from recbole_mirec.trainer import BEST, LAST

ROOT = Path(__file__).parent.parent


@pytest.fixture
def settings(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Settings of a short run that keeps its files, RecBole's logs among them, in tmp_path."""
    monkeypatch.chdir(tmp_path)

    def make(model: str, **changes: Any) -> dict[str, Any]:
        common = {"checkpoint_dir": "saved", "protocol": "known-brand"}
        made: dict[str, Any] = little_data.settings(data_path, model, **common | changes)
        return made

    return make


# The repairs


def test_every_repair_says_why_and_a_second_time_changes_nothing() -> None:
    names = [repair.name for repair in compat.REPAIRS]
    assert len(set(names)) == len(names)
    for repair in compat.REPAIRS:
        assert min(map(len, (repair.cause, repair.upstream, repair.delete_when))) > 5
    mended = (trainer, Pop, LDiffRec, KD_DAGFM, sparse.dok_matrix)
    before = [dict(vars(owner)) for owner in mended], Dataset._fill_nan.__code__
    with warnings.catch_warnings():
        compat.apply_repairs()
    assert ([dict(vars(owner)) for owner in mended], Dataset._fill_nan.__code__) == before


def test_words_of_another_release_are_an_error() -> None:
    with pytest.raises(LookupError, match="pairs does not hold 'no such words'"):
        compat.rewrite(little_data.pairs, {"no such words": ""})


def test_dok_update_fills_the_matrix_that_a_dense_one_shows() -> None:
    entries = {(0, 2): 1.0, (4, 0): 2.5, (1, 1): 3.0, (0, 0): -1.0}
    matrix = sparse.dok_matrix((5, 3), dtype=np.float32)
    matrix[1, 1] = 7.0
    matrix[3, 2] = 8.0
    dense = matrix.toarray()
    compat._dok_update(matrix, entries)
    for cell, value in entries.items():
        dense[cell] = value
    assert np.array_equal(matrix.toarray(), dense)
    assert np.array_equal(matrix.tocsr().T.tocoo().toarray(), dense.T)


def test_dgcf_draws_as_recbole_does_where_there_is_enough_and_else_everything() -> None:
    random.seed(7)
    expected = random.sample(list(range(13)), 5), random.sample(list(range(11)), 5)
    random.seed(7)
    assert dgcf.sample_cor_samples(13, 11, 5) == expected
    users, items = dgcf.sample_cor_samples(3, 11, 7)
    assert sorted(users) == [0, 1, 2]
    assert len(items) == len(set(items)) == 7
    assert set(items) <= set(range(11))


def test_admmslim_scores_carry_no_noise() -> None:
    scores = torch.tensor([0.5, -0.25, 0.5])
    assert torch.equal(admmslim.add_noise(scores), scores)


def test_a_pickled_item_embedding_is_refused_unopened(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "item_emb.npy").write_bytes(pickle.dumps(Trap(trace)))
    with pytest.raises(UsageError, match=r"item_emb\.npy' holds pickled objects or is damaged"):
        LDiffRec({"n_cate": 2}, SimpleNamespace(dataset_path=tmp_path))
    assert not trace.exists()


def test_an_item_embedding_of_numbers_is_let_through(tmp_path: Path) -> None:
    np.save(tmp_path / "item_emb.npy", np.eye(2, 3))
    made = []
    given = SimpleNamespace(dataset_path=tmp_path)
    compat._checking_item_embedding(lambda *all: made.append(all), None, {"n_cate": 2}, given)
    assert made == [(None, {"n_cate": 2}, given)]


def test_kd_dagfm_does_not_evaluate_its_teacher(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(UsageError, match=r"Unknown teacher 'open.*Valid: CIN, CrossNet"):
        KD_DAGFM({"teacher": f"open({str(trace)!r}, 'w')"}, None)
    with pytest.raises(UsageError, match="Did you mean 'CrossNet'"):
        KD_DAGFM({"teacher": "Crossnet"}, None)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("message", "arguments", "expected"),
    [
        ("Load pretrained model from", ("a.pth",), "Load pretrained model from a.pth"),
        ("epoch %d of %d", (2, 3), "epoch 2 of 3"),
        ("nothing more", (), "nothing more"),
    ],
)
def test_log_lines_keep_their_arguments(
    message: str, arguments: tuple[Any, ...], expected: str
) -> None:
    record = LogRecord("root", INFO, "ract.py", 76, message, arguments, None)
    assert getLogger().filter(record)
    assert record.getMessage() == expected


@pytest.mark.parametrize(
    ("log", "curves"),
    [
        ("trials/0001/log.txt", "trials/0001/tensorboard"),
        ("log/BPR/BPR-little.log", "log_tensorboard/BPR-little"),
    ],
)
def test_curves_of_a_log_in_its_own_folder_stand_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, curves: str
) -> None:
    monkeypatch.chdir(tmp_path)
    logger = Logger("of a run")
    # a host program's own log decides nothing, though it was there first
    others = "log/host.log" if log.startswith("trials") else ""
    for path, name in ((others, "host"), (log, compat.LOG_HANDLER)):
        if path:
            handler = FileHandler(tmp_path / path, delay=True)
            handler.set_name(name)
            logger.addHandler(handler)
    trainer.get_tensorboard(logger).close()
    assert list((tmp_path / curves).glob("events.*"))


# One model for each kind of checkpoint


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("ItemKNN", ["w", "pred_mat"]),
        ("EASE", ["interaction_matrix", "item_similarity"]),
        ("LightGCN", ["restore_user_e", "restore_item_e"]),
        pytest.param("NNCF", ["u_neigh", "i_neigh"], marks=pytest.mark.slow),
        ("FwFM", ["weight"]),
    ],
)
def test_a_reloaded_model_scores_as_before(
    settings: Callable[..., dict[str, Any]], model: str, fields: list[str]
) -> None:
    chosen = settings(model)
    result = run_experiment(chosen)
    for name in (BEST, LAST):
        state = load_state(result.run_folder / name)
        assert sorted(state["other_parameter"]) == sorted(fields)
    # Another seed, so that what is equal can only come from the checkpoint.
    afresh = prepare(chosen | {"seed": result.seed + 1}, run_folder=result.run_folder)
    splits = [split for part in PARTS if (split := afresh.dataset.evaluation_split(part))]
    before = [afresh.trainer.evaluate_split(split).summary for split in splits]
    afresh.trainer.load_best()
    after = [afresh.trainer.evaluate_split(split).summary for split in splits]
    if model not in ("EASE", "ItemKNN"):  # these are made from the data alone
        assert before[0]["AUC"] != after[0]["AUC"]
    for found, trained in zip(after, (result.valid, result.test), strict=True):
        assert trained is not None
        assert found == pytest.approx(trained.summary, rel=0, abs=1e-12, nan_ok=True)


def test_stages_start_from_our_checkpoints(settings: Callable[..., dict[str, Any]]) -> None:
    stage = settings("RaCT", pretrain_epochs=1, save_step=1)
    actor = run_experiment(stage | {"train_stage": "actor_pretrain"})
    path = str(actor.run_folder / BEST)
    critic = prepare(stage | {"train_stage": "critic_pretrain", "pre_model_path": path})
    trained = load_state(Path(path))["state_dict"]
    for name, value in critic.model.state_dict().items():
        assert torch.equal(value, trained[name]), name


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("RaCT", {"train_stage": "finetune", "pre_model_path": "trap.pth"}),
        ("ConvNCF", {"train_method": "after_pretrain", "pre_model_path": "trap.pth"}),
        ("NAIS", {"pretrain_path": "trap.pth"}),
        (
            "NeuMF",
            {"use_pretrain": True, "mf_pretrain_path": "trap.pth", "mlp_pretrain_path": "trap.pth"},
        ),
        ("KD_DAGFM", {"phase": "distillation", "warm_up": "trap.pth"}),
    ],
)
def test_a_pickled_start_is_refused_unopened(
    settings: Callable[..., dict[str, Any]], tmp_path: Path, model: str, changes: dict[str, Any]
) -> None:
    torch.save({"state_dict": Trap(tmp_path / "trace")}, tmp_path / "trap.pth")
    with pytest.raises(UsageError, match=r"'trap\.pth' cannot be read: .* is not opened"):
        prepare(settings(model, **changes))
    assert not (tmp_path / "trace").exists()


@pytest.mark.slow
def test_every_model_of_recbole_passes_every_step(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    command = [sys.executable, str(ROOT / "benchmarks/recbole_models.py"), "--output", str(page)]
    subprocess.run(command, check=True, cwd=tmp_path)
    rows = [line.split(" | ") for line in page.read_text().splitlines() if line.startswith("| ")]
    steps = {row[0].removeprefix("| "): row[2:6] for row in rows[1:]}
    assert len(steps) == 50
    failed = {model: found for model, found in steps.items() if set(found) != {"yes"}}
    for found in failed.values():
        assert "needs a package: pip install" in found[0], failed
