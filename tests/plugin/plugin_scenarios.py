"""What RecBole's own calls do after `register()`, each in a fresh process; prints JSON.

python plugin_scenarios.py SCENARIO DATA_PATH
"""

import json
import sys
from pathlib import Path
from typing import Any

TINY = "mirec-tiny"
SHORT = {"epochs": 3, "train_batch_size": 64, "graph_method": "netmf", "graph_dimension": 8}


def keys(data_path: str, **changes: Any) -> dict[str, Any]:
    """Settings of a run of a second."""
    common = {"data_path": data_path, "torch_threads": 1, "gpu_id": "", "show_progress": False}
    return common | {"state": "WARNING", "epochs": 3, "train_batch_size": 64} | changes


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What two runs of the same settings share."""
    names = ("best_valid_score", "valid_score_bigger", "best_valid_result", "test_result")
    return {name: result[name] for name in names} | {"best_epoch": result["best_epoch"]}


def registered(data_path: str) -> Any:
    """Registered before anything of RecBole is imported."""
    import recbole_mirec

    light = [name for name in ("recbole", "torch", "ray") if name in sys.modules]
    recbole_mirec.register()
    from recbole.quick_start import run_recbole

    models = ("MIRec", "BPR", "LightGCN")
    return {"light": light, "ray": "ray" in sys.modules, **_runs(run_recbole, data_path, models)}


def step_by_step(data_path: str) -> Any:
    """The steps of RecBole's guide, one by one."""
    import recbole_mirec

    recbole_mirec.register()
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.quick_start import load_data_and_model
    from recbole.utils import get_model, get_trainer, init_seed
    from recbole.utils.case_study import full_sort_topk

    config = Config(model="MIRec", dataset=TINY, config_dict=keys(data_path, **SHORT))
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    train_data, valid_data, test_data = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    model = get_model(config["model"])(config, train_data.dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    score, _ = trainer.fit(train_data, valid_data, show_progress=False)
    test_result = trainer.evaluate(test_data)
    brands = test_data.split.brands[:3].tolist()
    _, best = full_sort_topk(brands, model, test_data, 5)
    loaded = load_data_and_model(trainer.saved_model_file)
    return {
        "score": score,
        "test_result": dict(test_result),
        "map": test_result["map"],
        "best": best.tolist(),
        "best_of_loaded": full_sort_topk(brands, loaded[1], loaded[5], 5)[1].tolist(),
        "candidates": test_data.split.candidates.tolist(),
        "trainer": type(trainer).__name__,
        "classes": [type(part).__name__ for part in loaded],
    }


def before_and_after(data_path: str) -> Any:
    """A module of RecBole's, and names from it, were imported before `register()`."""
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.trainer import Trainer
    from recbole.utils import get_model

    import recbole_mirec
    from recbole_mirec import compat  # noqa: F401 - without it quick start needs an old Ray

    from recbole.quick_start import run_recbole  # isort: skip

    recbole_mirec.register()
    recbole_mirec.register()
    stock = Config(model="BPR", dataset="ml-100k", config_dict={"state": "WARNING"})
    ours = Config("BPR", TINY, config_dict=keys(data_path))
    return {
        "class": get_model("MIRec").__module__,
        "random": get_model("Random").__module__,
        "configs": [type(stock).__name__, type(ours).__name__],
        "dataset": type(create_dataset(ours)).__name__,
        "stock": stock["eval_args"]["group_by"],
        "trainer": Trainer.__name__,
        **_runs(run_recbole, data_path, ("MIRec",)),
    }


def _runs(run_recbole: Any, data_path: str, models: tuple[str, ...]) -> dict[str, Any]:
    """RecBole's call beside ours."""
    from recbole_mirec import run_recbole_mirec

    found = {}
    for model in models:
        given = keys(data_path, **(SHORT if model == "MIRec" else {}))
        theirs = run_recbole(model=model, dataset=TINY, config_dict=dict(given), saved=False)
        ours = run_recbole_mirec(model=model, dataset=TINY, config_dict=given)
        found[model] = [figures(theirs), figures(ours), theirs["run_folder"], ours["run_folder"]]
    return {"runs": found}


def stock(_data_path: str) -> Any:
    """A data set of RecBole's own, from training to the test result, and its checkpoint."""
    import recbole_mirec

    recbole_mirec.register()
    from recbole.quick_start import load_data_and_model, run_recbole

    given = {
        "epochs": 5,
        "learning_rate": 0.01,
        "state": "WARNING",
        "show_progress": False,
        "gpu_id": "",
    }
    result = run_recbole(model="BPR", dataset="ml-100k", config_dict=given)
    (path,) = Path("saved").glob("BPR-*")
    config, model, _, _, _, test_data = load_data_and_model(str(path))
    from recbole.utils import get_trainer

    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    again = trainer.evaluate(test_data, load_best_model=False)
    first = path.read_bytes()[:2].hex()
    return {"result": list(result), "test": result["test_result"], "again": again, "first": first}


if __name__ == "__main__":
    scenario, data = sys.argv[1:]
    sys.argv = sys.argv[:1]
    print(json.dumps(globals()[scenario](data)))
