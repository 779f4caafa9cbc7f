"""RecBole's own trainers, models and quick start on our files; nothing is unpickled."""

from pathlib import Path
from typing import Any

import little_data
import numpy as np
import pytest
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import neumf
from recbole.trainer import trainer
from recbole.utils import EvaluatorType, InputType, ModelType, get_model, get_trainer, init_seed

from dataset_convert.common.errors import UsageError
from recbole_mirec.checkpoint import STAND_IN, load_state
from recbole_mirec.experiment import prepare, run_experiment
from recbole_mirec.trainer import BEST


def stock(model: str, **changes: Any) -> Config:
    """A configuration of RecBole's, on the few rows that `interactions` writes."""
    given = {
        "data_path": ".",
        "checkpoint_dir": "saved",
        "epochs": 2,
        "gpu_id": "",
        "show_progress": False,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "train_batch_size": 64,
        "valid_metric": "MRR@10",
    }
    return Config(model=model, dataset="few", config_dict=given | changes)


@pytest.fixture
def interactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["test"])
    chance = np.random.default_rng(1)
    rows = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(20):
        items = chance.choice(30, size=12, replace=False)
        rows += [f"u{user}\ti{item}\t{time}" for time, item in enumerate(items)]
    Path("few").mkdir()
    Path("few/few.inter").write_text("\n".join(rows) + "\n")


def made(config: Config) -> tuple[Any, Any, Any, Any]:
    """A trainer of RecBole's and its data."""
    init_seed(config["seed"], config["reproducibility"])
    train, valid, test = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, train._dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    return trainer, train, valid, test


def trained(config: Config) -> tuple[Any, Any]:
    """RecBole's quick start without its log: the trainer, after training, and the test data."""
    trainer, train, valid, test = made(config)
    trainer.fit(train, valid, verbose=False)
    return trainer, test


@pytest.mark.usefixtures("interactions")
@pytest.mark.parametrize("model", ["BPR", "EASE"])
def test_a_stock_run_tests_the_epoch_that_it_saved(model: str) -> None:
    trainer, test = trained(stock(model))
    best = load_state(Path(trainer.saved_model_file))
    assert Path(trainer.saved_model_file).read_bytes()[8:40].startswith(b'{"__metadata__":')
    for parameter in trainer.model.parameters():
        parameter.data.zero_()
    result = trainer.evaluate(test)
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, best["state_dict"][name]), name
    again, test = trained(stock(model))
    assert result == again.evaluate(test)


@pytest.mark.usefixtures("interactions")
def test_a_stock_run_is_resumed() -> None:
    whole, _ = trained(stock("BPR", epochs=1))
    resumed = made(stock("BPR", seed=1))[0]
    resumed.resume_checkpoint(whole.saved_model_file)
    assert (resumed.start_epoch, resumed.best_valid_score) == (1, whole.best_valid_score)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    for before, after in zip(
        whole.optimizer.state_dict()["state"].values(),
        resumed.optimizer.state_dict()["state"].values(),
        strict=True,
    ):
        assert torch.equal(before["exp_avg"], after["exp_avg"])


@pytest.mark.usefixtures("interactions")
def test_data_and_model_are_made_again_from_a_checkpoint() -> None:
    given = stock("BPR", embedding_size=8, topk=[3, 10])
    trainer, test = trained(given)
    # as RecBole's load_data_and_model does
    checkpoint = STAND_IN.load(trainer.saved_model_file)
    config = checkpoint["config"]
    init_seed(config["seed"], config["reproducibility"])
    train, _, found = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, train._dataset).to(config["device"])
    model.load_state_dict(checkpoint["state_dict"])
    model.load_other_parameter(checkpoint.get("other_parameter"))
    assert isinstance(config, Config)
    assert config.final_config_dict == given.final_config_dict
    assert str(config) == str(given)
    kinds = [config[key] for key in ("MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type")]
    assert kinds == [ModelType.GENERAL, InputType.PAIRWISE, EvaluatorType.RANKING]
    assert config["device"] == torch.device("cpu")
    afresh = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    assert afresh.evaluate(found, load_best_model=False) == trainer.evaluate(test)


@pytest.mark.usefixtures("interactions")
def test_words_of_a_checkpoint_s_configuration_are_not_evaluated(tmp_path: Path) -> None:
    words = f"__import__('pathlib').Path({str(tmp_path / 'trace')!r}).touch()"
    config = stock("BPR")
    config["note"] = words
    STAND_IN.save({"config": config, "epoch": 1}, "x.pth", pickle_protocol=4)
    found = STAND_IN.load("x.pth", map_location="cpu")
    assert found["config"]["note"] == words
    assert found["config"]["model"] == "BPR"
    assert not (tmp_path / "trace").exists()


def test_parts_of_a_model_are_left_to_its_parameters(tmp_path: Path) -> None:
    other = {"embedding_layer": torch.nn.Linear(2, 2), "counts": np.arange(2)}
    STAND_IN.save({"state_dict": {}, "other_parameter": other}, tmp_path / "x")
    assert list(STAND_IN.load(tmp_path / "x")["other_parameter"]) == ["counts"]


def test_a_whole_model_is_not_pickled(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"RecBole would pickle a whole Linear, which is not don"):
        neumf.torch.save(torch.nn.Linear(2, 2), str(tmp_path / "x.pth"))
    assert list(tmp_path.iterdir()) == []


def test_the_stand_in_is_torch_otherwise() -> None:
    assert trainer.torch is neumf.torch is STAND_IN
    assert neumf.torch.Tensor is torch.Tensor
    assert neumf.torch.cuda.is_available() == torch.cuda.is_available()
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = neumf.torch.no_such_thing


def test_a_model_starts_from_a_run_of_another(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    common = {"protocol": "known-brand", "checkpoint_dir": "saved", "epochs": 1}
    run = run_experiment(little_data.settings(data_path, "FISM", **common))
    path = str(run.run_folder / BEST)
    started = prepare(little_data.settings(data_path, "NAIS", **common, pretrain_path=path))
    there = load_state(Path(path))["state_dict"]["item_src_embedding.weight"]
    assert torch.equal(started.model.state_dict()["item_src_embedding.weight"], there)
