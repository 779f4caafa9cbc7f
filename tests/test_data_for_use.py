"""Data sets without a validation or test part, of few collaborations, or that lack categories."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from little_data import NAME, TEST, TRAIN, VALID, dataset, little, pairs, settings, write_little

from dataset_convert import schema
from dataset_convert.__main__ import main
from dataset_convert.common.errors import UsageError
from recbole_mirec.benchmark.benchmark import run_benchmark
from recbole_mirec.benchmark.plan import make_plan
from recbole_mirec.checkpoint import load_state
from recbole_mirec.experiment import prepare, run_experiment
from recbole_mirec.recommend.recommender import Recommender
from recbole_mirec.recommend.shortlist import shortlist
from recbole_mirec.results import result_table
from recbole_mirec.runs import read_run
from recbole_mirec.trainer import BEST, LAST, MirecTrainer
from recbole_mirec.tuning.space import Parameter, SearchSpace
from recbole_mirec.tuning.study import run_study
from recbole_mirec.tuning.trial import StudyPlan

WHOLE = {"new-brand": {"train": pairs([*TRAIN, *VALID, *TEST])}}
NO_TEST = {"new-brand": {"train": pairs([*TRAIN, *TEST]), "valid": pairs(VALID)}}
NO_VALID = {"new-brand": {"train": pairs([*TRAIN, *VALID]), "test": pairs(TEST)}}


@pytest.fixture
def for_use(tmp_path: Path) -> Path:
    """A folder with the little data set, all of which is for training."""
    return write_little(tmp_path, splits=WHOLE)


def test_without_parts_the_preset_epochs_are_trained_and_the_last_is_kept(
    for_use: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # a patience of one epoch would end any training that something could stop
    result = run_experiment(settings(for_use, dataset=NAME, epochs=5, stopping_step=1))
    assert (result.best_epoch, result.n_epochs, result.valid, result.test) == (5, 5, None, None)
    printed = capfd.readouterr()
    (line,) = [one for one in (printed.out + printed.err).splitlines() if "no validation" in one]
    assert line.endswith(
        "The data set has no validation part: MIRec trains its preset 5 epochs, nothing stops it "
        "early, and the last one is kept."
    )
    text = result_table(result)
    assert "\nepoch 5 of 5, the last one, since there is no validation part to choose by; " in text
    assert "\nNote: No test table: the data set has no test part. " in text
    assert "MAP" not in text
    assert "csv" not in text
    folder = result.run_folder
    best, last = (load_state(folder / name)["state_dict"] for name in (BEST, LAST))
    assert all(value.equal(last[name]) for name, value in best.items())
    record = json.loads((folder / "run.json").read_text())
    assert not {"valid", "test"} & record.keys()
    assert [entry["epoch"] for entry in record["history"]] == [0, 1, 2, 3, 4]
    assert not list(folder.glob("*.csv"))


@pytest.mark.parametrize("model", ["MIRec", "BPR"])
def test_a_training_without_validation_goes_on_after_a_stop(for_use: Path, model: str) -> None:
    given = settings(for_use, model, NAME, epochs=4)
    whole = run_experiment(given).run_folder
    train_epoch = MirecTrainer._train_epoch

    def stopped(self: Any, data: Any, epoch: int, *rest: Any, **named: Any) -> Any:
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, data, epoch, *rest, **named)

    place = for_use / "again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirecTrainer, "_train_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(given, resume=place)
    trained: list[int] = []

    def counted(self: Any, data: Any, epoch: int, *rest: Any, **named: Any) -> Any:
        trained.append(epoch)
        return train_epoch(self, data, epoch, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MirecTrainer, "_train_epoch", counted)
        again = run_experiment(given, resume=place)
        run_experiment(given, resume=place)
    assert trained == [2, 3]
    assert again.n_epochs == 4
    one, other = (load_state(folder / BEST)["state_dict"] for folder in (whole, place))
    assert all(value.equal(other[name]) for name, value in one.items())


def test_without_a_test_part_the_epoch_is_chosen_and_the_missing_table_told(tmp_path: Path) -> None:
    write_little(tmp_path, splits=NO_TEST)
    text = result_table(run_experiment(settings(tmp_path, "Cosine", NAME)))
    assert "\nvalidation (1 brands, 2 candidates)" in text
    assert "chosen by validation MAP" in text
    assert "Note: No test table" in text


def test_without_a_validation_part_the_test_part_is_measured_after_the_last_epoch(
    tmp_path: Path,
) -> None:
    write_little(tmp_path, splits=NO_VALID)
    text = result_table(run_experiment(settings(tmp_path, "BPR", NAME)))
    assert "\ntest (1 brands, 2 candidates)" in text
    assert "epoch 2 of 2, the last one, since" in text
    assert "No test table" not in text


def needed(lacking: str) -> str:
    return (
        f"Data set '{NAME}' has no {lacking} part under protocol new-brand, so there is nothing to "
        f"compare models by. Convert it with n_valid and n_test above 0, or ask for folds, which "
        f"make both parts of its brands."
    )


@pytest.mark.parametrize(
    ("splits", "lacking"),
    [(WHOLE, "validation and no test"), (NO_TEST, "test"), (NO_VALID, "validation")],
)
def test_a_benchmark_needs_both_parts(tmp_path: Path, splits: Any, lacking: str) -> None:
    write_little(tmp_path, splits=splits)
    keys = {"name": "one", "dataset": NAME, "protocols": ["new-brand"], "seeds": [1]}
    keys |= {"main": "Cosine", "models": {"Cosine": {"model": "Cosine"}}}
    plan = make_plan(keys, {"data_path": str(tmp_path), "gpu_id": ""})
    with pytest.raises(UsageError) as caught:
        run_benchmark(plan, folder=tmp_path / "benchmark")
    assert str(caught.value) == needed(lacking)
    assert not (tmp_path / "benchmark").exists()


@pytest.mark.parametrize("splits", [WHOLE, NO_VALID])
def test_a_study_needs_a_validation_part(tmp_path: Path, splits: Any) -> None:
    write_little(tmp_path, splits=splits)
    fixed = settings(tmp_path, "BPR", NAME, seed=1, valid_metric="MAP", protocol="new-brand")
    space = SearchSpace((Parameter("learning_rate", "choice", (0.1, 0.01), "here"),))
    with pytest.raises(UsageError) as caught:
        run_study(StudyPlan(fixed, space, "exhaustive"), folder=tmp_path / "study")
    assert str(caught.value) == needed("validation")
    assert not (tmp_path / "study").exists()


def test_folds_make_parts_of_brands_that_are_all_for_training(for_use: Path) -> None:
    tested = set()
    for fold in (1, 2):
        made = dataset(for_use, dataset=NAME, folds=2, fold=fold, valid_brands=1)
        brands = {part: set(rows[:, 0].tolist()) for part, rows in made.pairs.items()}
        assert set(brands) == {"train", "valid", "test"}
        assert len(brands["valid"]) == 1
        tested |= brands["test"]
    assert tested == {1, 2, 3, 4, 5}


@pytest.fixture
def some_categories(tmp_path: Path) -> Path:
    """Test brands b2, b4 and b5, of which b4 has no category."""
    brands = little().brands
    brands["brand_category"] = ["food", "food", "shoes", "food", ""]
    known = ["food", "food", "shoes", "food", "shoes", "food", "food"]
    of_influencers = pd.Series(known, index=[f"i{n}" for n in range(1, 8)])
    train, test = ([row for row in TRAIN if (row[0] == "b2") == held] for held in (False, True))
    return write_little(
        tmp_path,
        brands=brands,
        influencer_category=of_influencers,
        splits={"new-brand": {"train": pairs(train), "test": pairs([*test, *VALID, *TEST])}},
    )


def test_a_brand_without_category_is_in_no_category(some_categories: Path) -> None:
    result = run_experiment(settings(some_categories, "Cosine", NAME))
    per_brand = pd.read_csv(result.run_folder / "per_brand.test.csv").set_index("brand_id")
    assert per_brand["brand_category"].dropna().to_dict() == {"b2": "shoes", "b5": "food"}
    assert per_brand["cAUC"].notna().to_dict() == {"b2": True, "b4": False, "b5": True}
    assert result.test is not None
    assert result.test.summary["cAUC"] == pytest.approx(per_brand["cAUC"].mean())
    grouped = pd.read_csv(result.run_folder / "per_category.test.csv")
    assert grouped["brand_category"].tolist() == ["food", "shoes"]
    assert grouped["n_brands"].tolist() == [1, 1]


def test_a_missing_category_is_no_word_to_recboles_models(some_categories: Path) -> None:
    made = prepare(settings(some_categories, "FM", NAME)).dataset
    assert set(made.field2id_token["brand_category"]) == {"[PAD]", "food", "shoes"}
    row = made.token2id("brand_id", "b4")
    assert made.user_feat["brand_category"][row] == 0


def test_categories_that_are_all_empty_are_none(tmp_path: Path) -> None:
    brands = little().brands.assign(brand_category="")
    write_little(tmp_path, brands=brands)
    result = run_experiment(settings(tmp_path, "Cosine", NAME))
    assert not list(result.run_folder.glob("per_category*"))
    with pytest.raises(UsageError, match="valid_metric cAUC needs categories"):
        run_experiment(settings(tmp_path, "Cosine", NAME, valid_metric="cAUC"))


def test_facts_change_nothing_that_a_model_knows(for_use: Path) -> None:
    run = read_run(run_experiment(settings(for_use, "Cosine", NAME)).run_folder)
    before = shortlist(run, "b1", top=3)
    for side in schema.SIDES:
        path = for_use / NAME / f"{NAME}.{side}_facts"
        header = f"{side}_id:token\tcountry:token\tprice:float"
        path.write_text(f"{header}\n{side[0]}1\tDE\t1200\n", encoding="utf-8")
    assert shortlist(run, "b1", top=3) == before


# Two collaborations a brand, with creators of its own kind; fresh is a client without any.
KINDS = {"bread": "dough loaf oven crust", "shoe": "sole lace trail sprint"}
BRANDS = [f"{kind}{n}" for kind in KINDS for n in range(3)]
CREATORS = [f"{kind}fan{n}" for kind in KINDS for n in range(4)]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tables of seven brands and eight creators, converted so that everything is for training."""
    folder = tmp_path_factory.mktemp("for_use")
    raw = folder / "raw"
    raw.mkdir()
    of = {name: next(kind for kind in KINDS if name.startswith(kind)) for name in BRANDS + CREATORS}
    of["fresh"] = "bread"
    accounts = [
        {
            "id": name,
            "role": "influencer" if name in CREATORS else "brand",
            "category": "N/A" if name in ("shoe0", "fresh") else kind,
        }
        for name, kind in of.items()
    ]
    pd.DataFrame(accounts).to_csv(raw / "accounts.csv", index=False)
    worked = [
        {"brand": brand, "influencer": f"{of[brand]}fan{(int(brand[-1]) + k) % 4}"}
        for brand in BRANDS
        for k in range(2)
    ]
    pd.DataFrame(worked).to_csv(raw / "collaborations.csv", index=False)
    generator = np.random.default_rng(7)
    posts = [
        {"account": name, "text": " ".join(generator.choice(KINDS[kind].split(), 6))}
        for name, kind in of.items()
        for _ in range(8)
    ]
    pd.DataFrame(posts).to_csv(raw / "posts.csv", index=False)
    (folder / "convert.yaml").write_text(
        "pseudonyms: False\nsplits: {n_valid: 0, n_test: 0}\n"
        "features: {content_topics: {extractor: lda, n_topics: 2}}\n",
        encoding="utf-8",
    )
    command = ["--source", "tables", "--input", str(raw), "--name", "own"]
    command += ["--output", str(folder), "--config", str(folder / "convert.yaml")]
    assert main(command) == 0
    yield folder


def test_a_client_without_collaborations_gets_creators_of_its_kind(converted: Path) -> None:
    run = run_experiment(settings(converted, dataset="own", epochs=3)).run_folder
    found = Recommender.load(run).recommend("fresh", 20)
    assert found.n_candidates == len(CREATORS)
    assert {name[:5] for name in found.frame["influencer_id"][:4]} == {"bread"}
    made = dataset(converted, dataset="own")
    assert list(made.pairs) == ["train"]
    assert len(made.pairs["train"]) == 2 * len(BRANDS)
