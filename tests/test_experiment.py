"""A run from its settings to its files: the same numbers, resumption, refusals, what is left."""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from little_data import (
    NAME,
    SHORT_NETWORK,
    TINY,
    changed_positives,
    little,
    new_brand_parts,
    settings,
    write_little,
)
from recbole.model.general_recommender.bpr import BPR

from dataset_convert.atomic import AtomicData, write_atomic
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import read_csv
from dataset_convert.holders import REFIT
from recbole_mirec import experiment as experiment_room
from recbole_mirec import runs
from recbole_mirec.checkpoint import load_state
from recbole_mirec.data.dataset import EvaluationSplit
from recbole_mirec.data.sampling import EvaluationLoader
from recbole_mirec.experiment import (
    ExperimentResult,
    open_run,
    prepare,
    run_experiment,
    run_recbole_mirec,
)
from recbole_mirec.recommend.shortlist import file_name, shortlist
from recbole_mirec.results import evaluate_scores
from recbole_mirec.trainer import BEST, LAST, MirecTrainer, score_matrix

PairOfRuns = tuple[ExperimentResult, ExperimentResult, dict[str, Any]]
# More epochs than the rest of the tests take, so that an interruption has a before and an after.
EPOCHS = 4


@pytest.fixture(scope="module", params=["MIRec", "BPR"])
def pair_of_runs(workplace: Path, request: pytest.FixtureRequest) -> Iterator[PairOfRuns]:
    """Two runs of the same settings, by a model of ours and by one of RecBole's."""
    given = settings(workplace, request.param, epochs=EPOCHS, eval_step=1)
    yield run_experiment(given), run_experiment(given), given


def state(result: ExperimentResult, name: str) -> Any:
    return load_state(result.run_folder / name)


def assert_same(one: ExperimentResult, two: ExperimentResult) -> None:
    """The same numbers, bit by bit: metrics per brand, parameters, losses."""
    for part in ("valid", "test"):
        a, b = getattr(one, part), getattr(two, part)
        pd.testing.assert_frame_equal(a.per_brand, b.per_brand, check_exact=True)
        assert str(a.summary) == str(b.summary)
    assert (one.best_epoch, one.n_epochs) == (two.best_epoch, two.n_epochs)
    for name in (BEST, LAST):
        first, second = state(one, name), state(two, name)
        assert first["state_dict"].keys() == second["state_dict"].keys()
        for key, value in first["state_dict"].items():
            assert torch.equal(value, second["state_dict"][key]), (name, key)
    assert state(one, LAST)["history"] == state(two, LAST)["history"]


def test_one_seed_gives_the_same_numbers(pair_of_runs: PairOfRuns) -> None:
    first, second, given = pair_of_runs
    assert first.run_folder != second.run_folder
    assert_same(first, second)
    other = run_experiment(given | {"seed": 7})
    assert state(other, LAST)["history"] != state(first, LAST)["history"]


def test_files_of_a_run(pair_of_runs: PairOfRuns) -> None:
    result, _, given = pair_of_runs
    folder = result.run_folder
    assert {path.name for path in folder.iterdir()} == {
        *(".lock", "run.json", "config.yaml", "best.safetensors", "last.safetensors"),
        *("per_brand.valid.csv", "per_brand.test.csv"),
        *("per_category.valid.csv", "per_category.test.csv"),
        *("ranks.valid.csv", "ranks.test.csv"),
    }
    record = runs.read_run(folder).record
    assert record["status"] == "finished"
    assert (record["model"], record["seed"]) == (given["model"], 2020)
    assert record["settings"] == given
    assert record["synthetic"] is True
    assert record["torch_threads"] == 1
    assert record["versions"]["recbole"] == "1.2.1"
    assert len(record["data_fingerprint"]) == 64
    assert record["n_epochs"] == len(record["history"]) == EPOCHS
    scores = [entry["valid"] for entry in record["history"]]
    # RecBole keeps the later of two equal epochs
    assert record["best_epoch"] == EPOCHS - int(np.argmax(scores[::-1])) == result.best_epoch
    assert record["valid"]["MAP"] == max(scores)
    resolved = yaml.safe_load((folder / "config.yaml").read_text())
    assert resolved["epochs"] == EPOCHS
    assert resolved["valid_metric"] == "MAP"
    assert {"protocol", "learning_rate", "topk"} < resolved.keys()


def test_tables_of_a_run_agree_with_its_summary(pair_of_runs: PairOfRuns) -> None:
    result, _, _ = pair_of_runs
    for part, n_brands in (("valid", 6), ("test", 8)):
        evaluation = getattr(result, part)
        frame, ranks, found = (
            read_csv(result.run_folder / f"{name}.{part}.csv")
            for name in ("per_brand", "ranks", "per_category")
        )
        assert len(frame) == frame["brand_id"].nunique() == n_brands
        for name in ("AUC", "cAUC", "Recall@10", "Recall@50", "NDCG@10", "MRR", "MAP"):
            assert frame[name].mean() == pytest.approx(evaluation.summary[name], abs=1e-12)
        assert frame["FirstRank"].median() == evaluation.summary["MedR"]
        recorded = json.loads((result.run_folder / "run.json").read_text())[part]
        sizes = {"n_brands": n_brands, "n_candidates": evaluation.n_candidates}
        assert str(recorded) == str(sizes | evaluation.summary)
        firsts = ranks.groupby("brand_id")["rank"].min().reindex(frame["brand_id"])
        assert firsts.tolist() == frame["FirstRank"].tolist()
        assert ranks["influencer_id"].str.startswith("influencer_").all()
        assert (ranks["rank"] <= ranks["n_candidates"]).all()
        groups = frame.groupby("brand_category")
        assert found["brand_category"].tolist() == sorted(groups.groups)
        assert found["n_brands"].tolist() == groups.size().tolist()
        assert list(found.columns[2:]) == list(evaluation.summary)
        for name in ("AUC", "Recall@10", "MAP", "paper_map"):
            np.testing.assert_allclose(found[name], groups[name].mean(), atol=1e-12)
        np.testing.assert_allclose(found["MedR"], groups["FirstRank"].median())
        won, compared = (groups[f"paper_auc_{kind}"].sum() for kind in ("won", "compared"))
        np.testing.assert_allclose(found["paper_auc"], won / compared, atol=1e-12)


def test_names_that_a_spreadsheet_would_compute_are_written_as_text(tmp_path: Path) -> None:
    data = little()
    names = {"b5": "=b5", "i1": "+i1", "i6": "@i6"}
    write_little(
        tmp_path,
        brands=data.brands.replace({"brand_id": names}),
        influencers=data.influencers.replace({"influencer_id": names}),
        interactions=data.interactions.replace(names),
        splits={"new-brand": {n: f.replace(names) for n, f in new_brand_parts().items()}},
    )
    folder = run_experiment(settings(tmp_path, "Random", NAME, epochs=1)).run_folder
    for name, ids in (("per_brand", {"=b5"}), ("ranks", {"=b5", "+i1", "@i6"})):
        text = (folder / f"{name}.test.csv").read_text()
        assert all(f"'{one}" in text for one in ids)
        found = read_csv(folder / f"{name}.test.csv")
        assert ids == set(found.filter(like="_id").to_numpy().ravel())


def test_brands_without_categories_have_no_such_file(workplace: Path, tmp_path: Path) -> None:
    data = little()
    write_little(tmp_path, brands=data.brands.drop(columns="brand_category"))
    folder = run_experiment(settings(tmp_path, "Random", NAME, epochs=1)).run_folder
    assert (folder / "per_brand.test.csv").is_file()
    assert not list(folder.glob("per_category*"))


def test_an_interrupted_evaluation_says_how_to_go_on(workplace: Path, tmp_path: Path) -> None:
    given = settings(workplace, "BPR", checkpoint_dir=str(tmp_path))
    whole = run_experiment(given | {"checkpoint_dir": str(workplace / "whole")})

    def interrupted(*_: Any) -> int:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirecTrainer, "load_best", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            run_experiment(given)
    (record,) = tmp_path.glob("*/run.json")
    hint = f"Go on with: python run_recbole_mirec.py --resume {record.parent}"
    assert str(caught.value) == hint
    assert runs.read_run(record.parent).record["status"] == "running"
    assert_same(whole, run_experiment(given, resume=record.parent))
    assert runs.read_run(record.parent).record["status"] == "finished"


def test_a_finished_run_stays_finished_while_it_is_evaluated_again(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(workplace, "BPR", checkpoint_dir=str(tmp_path))
    folder = run_experiment(given).run_folder
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def interrupted(*_: Any, **__: Any) -> None:
        assert runs.read_run(folder).record["status"] == "finished"
        raise KeyboardInterrupt

    monkeypatch.setattr(MirecTrainer, "evaluate_split", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"Go on with: .* --resume "):
        run_experiment(given, resume=folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def interrupt_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Raise KeyboardInterrupt in the middle of an epoch, counted from 0."""
    train = MirecTrainer._train_epoch

    def interrupted(self: MirecTrainer, data: Any, epoch_idx: int, *rest: Any, **named: Any) -> Any:
        if epoch_idx == epoch:
            next(iter(data))  # generators move on before the interruption
            torch.rand(3)
            raise KeyboardInterrupt
        return train(self, data, epoch_idx, *rest, **named)

    monkeypatch.setattr(MirecTrainer, "_train_epoch", interrupted)


POPULAR = {"train_neg_sample_args": {"distribution": "popularity", "sample_num": 2}}


@pytest.mark.parametrize(
    ("model", "epoch", "changes"),
    [
        ("MIRec", 0, {}),
        ("BPR", 0, {}),
        ("BPR", 1, {}),
        ("MIRec", 2, {"n_negatives": 40, "seeds": 2}),
        ("MIRec", 2, {"variant": "paper", "learning_rate_decay": 0.5}),
        ("MIRec", 2, {"variant": "reference"} | POPULAR),
        ("LightGCN", 2, {"protocol": "known-brand"}),
        ("FM", 2, {}),
        ("EASE", 0, {"epochs": 1}),
        ("MultiVAE", 2, {"train_neg_sample_args": None}),
        ("RecVAE", 2, {"train_neg_sample_args": None}),
    ],
)
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    workplace: Path, tmp_path: Path, model: str, epoch: int, changes: dict[str, Any]
) -> None:
    given = settings(workplace, model, **({"epochs": 3} | changes))
    whole = run_experiment(given)
    given |= {"checkpoint_dir": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patch:
        interrupt_in_epoch(patch, epoch)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(given)
    (record,) = tmp_path.glob("*/run.json")
    assert runs.read_run(record.parent).record["status"] == "running"
    torch.manual_seed(99)
    assert_same(whole, run_experiment(given, resume=record.parent))
    # Resuming what is finished evaluates it again and trains no further.
    assert_same(whole, run_experiment(given, resume=record.parent))


def test_a_reloaded_model_ranks_as_the_trained_one_did(pair_of_runs: PairOfRuns) -> None:
    result, _, given = pair_of_runs
    experiment = prepare(given, run_folder=result.run_folder)
    assert experiment.trainer.load_best() + 1 == result.best_epoch
    split = experiment.dataset.evaluation_split("test")
    assert split is not None
    again = experiment.trainer.evaluate_split(split)
    assert result.test is not None
    pd.testing.assert_frame_equal(again.per_brand, result.test.per_brand, check_exact=True)
    assert experiment.trainer.evaluate(
        EvaluationLoader(experiment.dataset, split)
    ) == pytest.approx(again.summary, nan_ok=True)
    assert experiment.trainer.evaluate(None) is None


def test_the_test_part_is_read_once_and_last(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    evaluate, load = MirecTrainer.evaluate_split, MirecTrainer.load_best

    def spy(self: MirecTrainer, split: EvaluationSplit, **named: Any) -> Any:
        events.append(split.part)
        return evaluate(self, split, **named)

    def spy_load(self: MirecTrainer) -> int:
        events.append("chosen")
        return load(self)

    monkeypatch.setattr(MirecTrainer, "evaluate_split", spy)
    monkeypatch.setattr(MirecTrainer, "load_best", spy_load)
    run_experiment(settings(workplace, "BPR", epochs=3))
    assert events == ["valid", "valid", "valid", "chosen", "valid", "test"]


@pytest.mark.parametrize("model", ["MIRec", "BPR"])
def test_refit_trains_on_validation_brands_too_and_on_no_test_brand(
    workplace: Path, tiny: AtomicData, tmp_path: Path, model: str
) -> None:
    write_atomic(changed_positives(tiny, "new-brand", "test"), tmp_path / TINY)
    given = settings(workplace, model, refit=True, epochs=3)
    one, other = run_experiment(given), run_experiment(given | {"data_path": str(tmp_path)})
    first, second = (load_state(x.run_folder / REFIT / BEST)["state_dict"] for x in (one, other))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    plain = load_state(one.run_folder / BEST)["state_dict"]
    assert not all(torch.equal(value, first[name]) for name, value in plain.items())

    opened, chosen = open_run(given, one.run_folder), prepare(given)
    pairs, own = opened.dataset.pairs, chosen.dataset.pairs
    both = np.concatenate([own["train"], own["valid"]])
    assert sorted(map(tuple, pairs["train"].tolist())) == sorted(map(tuple, both.tolist()))
    assert not np.isin(pairs["train"][:, 0], own["test"][:, 0]).any()
    assert opened.trainer.best_epoch + 1 == one.best_epoch
    # figures of the test part, and lists, are of this model; those of validation of the first
    split = opened.dataset.evaluation_split("test")
    assert split is not None and one.test is not None and one.valid is not None
    found = opened.trainer.evaluate_split(split)
    pd.testing.assert_frame_equal(found.per_brand, one.test.per_brand, check_exact=True)
    assert "the model trained again, on training and validation brands" in one.notes[-1]
    without = run_experiment(given | {"refit": False})
    assert without.valid is not None and str(without.valid.summary) == str(one.valid.summary)
    brand = str(opened.dataset.id2token("brand_id", int(split.brands[0])))
    shortlist(runs.read_run(one.run_folder), brand, top=5)
    listed = read_csv(one.run_folder / "predictions" / f"{file_name(brand)}.csv")
    ids = opened.dataset.token2id("influencer_id", list(listed["influencer_id"]))
    scores = score_matrix(
        opened.model, opened.dataset, split.brands[:1], np.array(ids), pairs_at_once=100
    )
    assert listed["score"].tolist() == pytest.approx(scores[0].tolist(), abs=1e-5)


def test_shuffled_labels_are_chance(workplace: Path) -> None:
    experiment = prepare(settings(workplace, "Cosine"))
    split = experiment.dataset.evaluation_split("test")
    assert split is not None
    scores = score_matrix(
        experiment.model,
        experiment.dataset,
        split.brands,
        split.candidates,
        pairs_at_once=1000,
    )
    true = evaluate_scores(scores, split, metrics=["AUC"]).summary["AUC"]
    rng = np.random.default_rng(0)
    shuffled = []
    for _ in range(200):
        positives = rng.permuted(split.positives, axis=1)
        found = evaluate_scores(scores, replace(split, positives=positives), metrics=["AUC"])
        shuffled.append(found.summary["AUC"])
    error = np.std(shuffled) / np.sqrt(len(shuffled))
    assert abs(np.mean(shuffled) - 0.5) < 4 * error
    assert error < 0.01
    assert true > np.mean(shuffled) + 4 * np.std(shuffled)


def test_epochs_between_evaluations_count(workplace: Path) -> None:
    result = run_experiment(settings(workplace, "BPR", epochs=5, eval_step=2))
    assert result.n_epochs == 5
    assert result.best_epoch in (2, 4)


def test_notes_say_what_a_model_cannot_see_and_that_a_pool_is_crowded(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (note,) = run_experiment(settings(workplace, "BPR", epochs=1)).notes
    assert "A new brand has none" in note
    assert not run_experiment(settings(workplace, "BPR", protocol="known-brand", epochs=1)).notes
    (note,) = run_experiment(settings(workplace, "FM", epochs=1)).notes
    assert "no use for topic vectors" in note
    monkeypatch.setattr("recbole_mirec.results.CROWDED", 0.01)
    result = run_experiment(settings(workplace, "Cosine", epochs=1))
    assert [note.split(" of the ")[1][:4] for note in result.notes] == ["vali", "test"]
    assert runs.read_run(result.run_folder).record["notes"] == list(result.notes)


def test_unseen_influencers_on_request(workplace: Path) -> None:
    given = settings(workplace, "Cosine", eval_unseen_only=True, valid_metric="unseen_MAP")
    result = run_experiment(given)
    assert result.test is not None
    assert "unseen_AUC" in result.test.summary
    assert result.valid_metric == "unseen_MAP"


@pytest.mark.parametrize("model", ["MIRec", "BPR"])
def test_a_training_that_diverges_says_so(workplace: Path, model: str) -> None:
    given = settings(workplace, model, learning_rate=1e30, train_batch_size=8, epochs=3)
    if model == "MIRec":
        # cosines, as our own variant's, are bounded whatever the parameters do
        given |= SHORT_NETWORK | {"variant": "reference"}
    with pytest.raises(UsageError, match=r"NaN\. Training diverged: lower learning_rate"):
        run_experiment(given)


def test_the_synthetic_data_set_is_made_on_first_use(workplace: Path, tmp_path: Path) -> None:
    given = settings(tmp_path, "Random", epochs=1)
    result = run_experiment(given)
    assert result.synthetic
    made, known = tmp_path / "mirec-tiny", workplace / "mirec-tiny"
    assert {path.name for path in made.iterdir()} == {path.name for path in known.iterdir()}
    for path in known.glob("mirec-tiny.*"):
        assert (made / path.name).read_bytes() == path.read_bytes()
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
    run_experiment(given)
    assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before


def test_scores_that_are_nan_are_no_ranking(workplace: Path) -> None:
    experiment = prepare(settings(workplace, "Random"))
    experiment.model.scores[3, 5] = float("nan")
    split = experiment.dataset.evaluation_split("valid")
    assert split is not None
    everywhere = replace(
        split,
        brands=np.array([3]),
        candidates=np.array([5, 6]),
        positives=np.array([[True, False]]),
        mask=np.array([[True, True]]),
    )
    with pytest.raises(UsageError, match=r"Model Random gives scores that are NaN\. Training div"):
        experiment.trainer.evaluate_split(everywhere)


OTHER_FEATURES = "was trained on other account features: the variant, the node embeddings"


def assert_refused(given: dict[str, Any], folder: Path, *words: str) -> None:
    """What an experiment of some settings says of a run's checkpoints that it must refuse."""
    trainer = prepare(given, run_folder=folder).trainer
    for name in (BEST, LAST):
        with pytest.raises(UsageError) as caught:
            _ = trainer.load_best() if name == BEST else trainer.resume_checkpoint(folder / name)
        line = str(caught.value)
        assert line.startswith(f"Checkpoint '{folder / name}' ")
        assert line.endswith("or train again.")
        assert "\n" not in line
        assert all(word in line for word in words)


def test_a_checkpoint_of_something_else_is_an_error(workplace: Path, tmp_path: Path) -> None:
    folder = run_experiment(settings(workplace, "BPR", epochs=1)).run_folder
    line = "holds another model: BPR, now LightGCN. Put back what changed, use another run"
    assert_refused(settings(workplace, "LightGCN"), folder, line)
    line = "does not fit model BPR as it is configured (another variant or other sizes)"
    given = settings(workplace, "BPR", embedding_size=8)
    assert_refused(given, folder, line, "size mismatch")
    write_little(tmp_path)
    line = "was trained on another data set (or the files changed): "
    assert_refused(settings(tmp_path, "BPR", NAME), folder, line)

    folder = run_experiment(settings(workplace, epochs=1, variant="reference")).run_folder
    line = "does not fit model MIRec as it is configured (another variant"
    assert_refused(settings(workplace, variant="paper"), folder, line)
    assert_refused(settings(workplace), folder, OTHER_FEATURES)


def test_a_checkpoint_of_other_node_embeddings_is_an_error(workplace: Path, tmp_path: Path) -> None:
    accounts = prepare(settings(workplace, "Cosine")).dataset.accounts
    assert accounts is not None
    nodes, names = tmp_path / "nodes.txt", list(accounts.attribute_names)

    def write(first: float) -> None:
        rows = [f"{name} {row} {first + row % 3}" for row, name in enumerate(names)]
        nodes.write_text("\n".join([f"{len(rows)} 2", *rows]) + "\n")

    write(0.5)
    given = settings(workplace, epochs=1, node_embedding_file=str(nodes))
    folder = run_experiment(given).run_folder
    resumed = run_experiment(given, resume=folder)
    assert all(len(state(resumed, name)["input_fingerprint"]) == 64 for name in (BEST, LAST))
    write(0.25)
    assert_refused(given, folder, OTHER_FEATURES)


def test_a_trainer_that_is_refused_leaves_no_run_folder(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise UsageError("no such optimizer")

    monkeypatch.setattr(experiment_room, "get_trainer", refuse)
    with pytest.raises(UsageError, match="no such optimizer"):
        prepare(settings(workplace, "BPR", checkpoint_dir=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


# What a run leaves, says and runs out of


def test_a_run_leaves_its_files_and_nothing_else(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    given = settings(data_path, graph_method="node2vec", checkpoint_dir="saved")
    run_experiment(given)
    run_recbole_mirec(config_dict=given | {"model": "MIRec"}, saved=False)
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"log", "log_tensorboard", "saved", "temporary"}
    # torch makes the folder of its compiler's cache, one a user, when optimizers are imported
    left = {path.name.partition("_")[0] for path in (tmp_path / "temporary").iterdir()}
    assert left <= {"torchinductor"}
    assert {path.name.partition("-")[0] for path in (tmp_path / "saved").iterdir()} == {
        *("MIRec", "node_embeddings")
    }
    assert list(tmp_path.rglob("*.part")) == []


def test_a_run_says_little_on_the_screen(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(workplace, "BPR", epochs=60, stopping_step=60, show_progress=True)
    run_experiment(given)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 25
    assert "Run folder: " in lines[0]
    assert "epoch 1 of at most 60: training loss " in lines[1]
    assert not any("\x1b" in line or "\r" in line for line in lines)
    log = max(workplace.glob("log/BPR/*.log"), key=lambda path: path.stat().st_mtime_ns)
    assert log.read_text().count("epoch 59 evaluating") == 1
    # on a terminal RecBole's bars and ours are drawn
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run_experiment(given | {"epochs": 1})
    assert "Train     0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            MemoryError(),
            "Not enough memory: MemoryError. Lower train_batch_size, eval_batch_size or",
        ),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried"), "Not enough memory: CUDA out of m"),
        (RuntimeError("[x] can't allocate memory: y"), "can't allocate memory: y. L"),
    ],
)
def test_memory_that_runs_out_is_one_line(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    given = settings(workplace, "BPR")
    with monkeypatch.context() as patch:
        patch.setattr(MirecTrainer, "_train_epoch", fail)
        with pytest.raises(UsageError) as caught:
            run_experiment(given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(BPR, "__init__", fail)
    with pytest.raises(UsageError, match="Model BPR cannot be made: "):
        prepare(given)


def test_what_recbole_cannot_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).mkdir()
    rows = "".join(f"u{user}\ti{item}\n" for user in range(3) for item in range(9))
    (tmp_path / NAME / f"{NAME}.inter").write_text(f"user_id:token\titem_id:token\n{rows}")
    for broken in (AttributeError("no split"), IndexError("2")):

        def fail(*_: Any, error: Exception = broken) -> None:
            raise error

        monkeypatch.setattr("recbole.data.dataset.Dataset._data_processing", fail)
        with pytest.raises(UsageError, match=r"'little' cannot be read by RecBole: .*Error"):
            prepare(settings(tmp_path, "Random", NAME, protocol="known-brand"))
