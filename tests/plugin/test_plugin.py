"""RecBole's own calls after `register()`, and ours from Python."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from little_data import settings
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.model.general_recommender.pop import Pop
from recbole.utils import InputType

import recbole_mirec
from dataset_convert.common.errors import UsageError
from recbole_mirec.cli import main
from recbole_mirec.runs import read_run

SCENARIOS = Path(__file__).with_name("plugin_scenarios.py")
KEYS = ("best_valid_score", "valid_score_bigger", "best_valid_result", "test_result")


def scenario(name: str, data_path: Path, folder: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(SCENARIOS), name, str(data_path)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def check_runs(found: Any) -> None:
    for model, (theirs, ours, no_folder, folder) in found["runs"].items():
        assert theirs == ours, model
        assert no_folder is None
        assert Path(folder).name.startswith(f"{model}-mirec-tiny-new-brand-")


def test_register_comes_before_recbole(data_path: Path, tmp_path: Path) -> None:
    found = scenario("registered", data_path, tmp_path)
    assert found["light"] == []
    assert not found["ray"]
    check_runs(found)
    # of two runs a model the one that was to be saved, and nothing half done
    assert len(list(tmp_path.glob("saved/*/run.json"))) == 3


def test_register_comes_after_recbole(data_path: Path, tmp_path: Path) -> None:
    found = scenario("before_and_after", data_path, tmp_path)
    check_runs(found)
    assert found["class"] == "recbole_mirec.model.mirec"
    assert found["random"] == "recbole.model.general_recommender.random"
    assert found["configs"] == ["Config", "MirecConfig"]
    assert found["dataset"] == "MirecDataset"
    assert found["stock"] == "user"


def test_the_steps_of_recbole_s_guide_work_one_by_one(data_path: Path, tmp_path: Path) -> None:
    found = scenario("step_by_step", data_path, tmp_path)
    assert found["map"] == found["test_result"]["MAP"]
    assert found["best"] == found["best_of_loaded"]
    assert {entry for row in found["best"] for entry in row} <= set(found["candidates"])
    assert found["trainer"] == "MirecTrainer"
    assert found["classes"][:3] == ["MirecConfig", "MIRec", "MirecDataset"]
    whole = recbole_mirec.run_recbole_mirec(
        "MIRec",
        config_dict=settings(data_path, epochs=3, checkpoint_dir=str(tmp_path / "saved")),
    )
    assert whole["best_valid_score"] == found["score"]
    assert whole["test_result"] == found["test_result"]


def test_a_stock_run_reaches_its_test_result(data_path: Path, tmp_path: Path) -> None:
    found = scenario("stock", data_path, tmp_path)
    assert found["result"] == list(KEYS)
    assert found["test"] == found["again"]
    assert 0.05 < found["test"]["recall@10"] < 0.3
    assert found["first"] not in (b"PK".hex(), b"\x80\x04".hex())


def test_importing_the_package_is_light(tmp_path: Path) -> None:
    code = "import sys, recbole_mirec as r; r.__version__; print('torch' in sys.modules, dir(r))"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 5
    assert done.stdout.startswith("False")
    assert all(name in done.stdout for name in recbole_mirec.__all__)


def test_every_public_name_is_there() -> None:
    for name in recbole_mirec.__all__:
        assert getattr(recbole_mirec, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'regster'"):
        recbole_mirec.regster  # noqa: B018


def test_without_recbole_the_first_line_says_what_to_type() -> None:
    typed = "RecBole is not installed. Type: pip install --no-deps recbole==1.2.1"
    code = """if True:
        import sys
        sys.modules["recbole"] = None
        import recbole_mirec
        from recbole_mirec.cli import main
        try:
            recbole_mirec.register()
        except ModuleNotFoundError as error:
            print(error)
        sys.exit(main(["--model=BPR"]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, f"{typed}\n", f"error: {typed}\n")


# From Python


def test_a_run_from_python_is_the_command_s(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(workplace, "BPR", epochs=3)
    found = recbole_mirec.run_recbole_mirec(config_dict=given)
    assert main([f"--{key}={value}" for key, value in given.items()]) == 0
    capsys.readouterr()
    newest = max(workplace.glob("saved/*/run.json"), key=lambda path: path.stat().st_mtime_ns)
    record = read_run(newest.parent).record
    assert record["test"].items() >= found["test_result"].items()
    assert record["best_epoch"] == found["best_epoch"]
    assert found["best_valid_score"] == found["best_valid_result"]["MAP"] == record["valid"]["MAP"]
    assert found["valid_score_bigger"]
    assert found["test_result"]["recall@10"] == found["test_result"]["Recall@10"]
    with pytest.raises(KeyError):
        found["test_result"]["recall@11"]


def test_a_run_that_is_not_saved_leaves_no_folder(workplace: Path) -> None:
    before = sorted(workplace.glob("saved/*"))
    path = workplace / "my own settings.yaml"
    path.write_text("epochs: 1\n", encoding="utf-8")
    given = settings(workplace, "BPR")
    found = recbole_mirec.run_recbole_mirec(
        None, None, [path], {key: given[key] for key in given if key != "epochs"}, saved=False
    )
    assert sorted(workplace.glob("saved/*")) == before
    assert (found["run_folder"], found["n_epochs"]) == (None, 1)
    saved = recbole_mirec.run_recbole_mirec(config_dict=given | {"epochs": 1})
    assert found["test_result"] == saved["test_result"]


# Models of somebody else


class Dots(GeneralRecommender):  # type: ignore[misc]
    """The least model there is."""

    input_type = InputType.PAIRWISE

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.users = torch.nn.Embedding(self.n_users, config["dots_size"])
        self.items = torch.nn.Embedding(self.n_items, config["dots_size"])

    def calculate_loss(self, batch: Any) -> torch.Tensor:
        users, items = self.users(batch[self.USER_ID]), self.items(batch[self.ITEM_ID])
        margin = (users * (items - self.items(batch[self.NEG_ITEM_ID]))).sum(1)
        return torch.nn.functional.softplus(-margin).mean()

    def full_sort_predict(self, batch: Any) -> torch.Tensor:
        return (self.users(batch[self.USER_ID]) @ self.items.weight.T).view(-1)


def test_a_class_that_is_handed_over_is_trained(workplace: Path) -> None:
    given = settings(workplace) | {"model": Dots, "dots_size": 5}
    given = {key: value for key, value in given.items() if not key.startswith("graph_")}
    found = recbole_mirec.run_recbole_mirec(config_dict=given)
    assert found["model"] == "Dots"
    loaded = recbole_mirec.load_data_and_model(found["run_folder"])
    assert type(loaded[1]) is Dots
    assert loaded[1].users.weight.shape[1] == 5
    assert loaded[0].settings["model"].endswith(":Dots")


def test_a_class_of_recbole_s_is_its_model(workplace: Path) -> None:
    found = recbole_mirec.run_recbole_mirec(
        Pop, config_dict={k: v for k, v in settings(workplace, "Pop").items() if k != "model"}
    )
    assert read_run(Path(found["run_folder"])).record["settings"]["model"] == "Pop"


def test_a_module_s_class_runs_with_the_yaml_beside_it(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = workplace / "their_models"
    package.mkdir()
    (package / "__init__.py").touch()
    source = Path(__file__).read_text(encoding="utf-8")
    lines = source[source.index("class Dots") : source.index("def test_a_class_that_is_handed")]
    imports = "import torch\nfrom typing import Any\n" + "\n".join(
        line for line in source.splitlines() if line.startswith("from recbole.")
    )
    (package / "dots.py").write_text(f"{imports}\n\n{lines}\n\nclass Other:\n    pass\n")
    (package / "Dots.yaml").write_text("dots_size: 7\n")
    name = "their_models.dots:Dots"
    given = settings(workplace, "Pop") | {"model": name}
    assert main([f"--{key}={value}" for key, value in given.items()]) == 0
    assert "Dots on mirec-tiny (synthetic data)" in capsys.readouterr().out
    config = recbole_mirec.MirecConfig(config_dict=given)
    assert config["dots_size"] == 7
    for model, changes, message in (
        (name, {"dots_siz": 3}, "Unknown key 'dots_siz'.*Did you mean 'dots_size'"),
        ("their_models.dots:Dot", {}, "has no class 'Dot'. Did you mean 'Dots'"),
        ("their_models.dots:Other", {}, "'their_models.dots:Other' is no model: derive"),
        ("their_modls.dots:Dots", {}, "cannot be imported: No module named 'their_modls'"),
    ):
        with pytest.raises(UsageError, match=message):
            recbole_mirec.MirecConfig(config_dict=given | {"model": model} | changes)
