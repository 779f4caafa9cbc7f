"""Figures of a benchmark against values worked out by hand, and against the statistics alone."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmark_cases import plan
from recbole_mirec.benchmark.frames import KEY_COLUMNS
from recbole_mirec.benchmark.layouts import layouts_of
from recbole_mirec.benchmark.measures import lower_median, measures_of

from recbole_mirec.benchmark.summary import families, results_frame
from recbole_mirec.evaluation import compare, holm
from recbole_mirec.results import summary_of

BRANDS = [f"b{number:02d}" for number in range(11)]


def rows(label: str, values: Any, **changes: Any) -> pd.DataFrame:
    """Rows of per_brand.csv with (run, brand) values of MAP; seeds count from 1."""
    found = []
    for seed, of_seed in enumerate(np.asarray(values), start=1):
        keys = {"label": label, "protocol": "new-brand", "seed": seed, "fold": 0, "part": "test"}
        frame = pd.DataFrame({"brand_id": BRANDS[: len(of_seed)], "MAP": of_seed})
        found.append(frame.assign(brand_category="food", **(keys | changes)))
    joined = pd.concat(found, ignore_index=True)
    return joined[[*KEY_COLUMNS, "MAP"]]


def values_of(seed: int, n_runs: int, mean: float) -> Any:
    rng = np.random.default_rng(seed)
    brands = rng.normal(0, 0.02, len(BRANDS))
    return mean + brands + rng.normal(0, 0.01, (n_runs, len(BRANDS)))


def results(**values: Any) -> pd.DataFrame:
    """Results of models called after those whose seeds they share: Cosine, Random, BPR."""
    models = {label: {"model": label} for label in values}
    frame = pd.concat([rows(label, one) for label, one in values.items()], ignore_index=True)
    return results_frame(plan(models=models), frame).set_index("label")


def test_a_difference_is_the_models_less_the_main_ones() -> None:
    cosine, random, bpr = values_of(1, 1, 0.3), values_of(2, 2, 0.1), values_of(3, 3, 0.29)
    found = results(Cosine=cosine, Random=random, BPR=bpr)
    assert found["mean"].tolist() == pytest.approx([cosine.mean(), random.mean(), bpr.mean()])
    assert found["n_runs"].tolist() == [1, 2, 3]
    assert found["n_brands"].tolist() == [11, 11, 11]
    assert (found["low"] < found["mean"]).all()
    assert (found["high"] > found["mean"]).all()
    assert found.loc["Cosine", "against"] == ""
    assert np.isnan(found.loc["Cosine", "p"])
    raw = {}
    for label, values in (("Random", random), ("BPR", bpr)):
        expected = compare(values, cosine, generator=np.random.default_rng(0), deterministic_b=True)
        row = found.loc[label]
        assert row["against"] == "Cosine"
        assert row["difference"] == pytest.approx(values.mean() - cosine.mean())
        assert (row["difference_low"], row["difference_high"]) == (expected.low, expected.high)
        assert (row["p"], row["effect_size"]) == (expected.p, expected.cohens_d)
        assert row["superiority"] == expected.superiority
        raw[label] = expected.p
    adjusted = holm(np.array(list(raw.values())))
    assert found.loc[["Random", "BPR"], "p_holm"].tolist() == adjusted.tolist()
    # only one of the two differences is there
    assert found["significant"].to_dict() == {"Cosine": False, "Random": True, "BPR": False}


def test_the_best_leads_only_where_it_is_significantly_better_than_the_second() -> None:
    close = results(Cosine=values_of(1, 1, 0.3), BPR=values_of(3, 3, 0.29))
    assert not close["leads"].any()
    clear = results(
        Cosine=values_of(1, 1, 0.3), BPR=values_of(3, 3, 0.5), Random=values_of(4, 2, 0.1)
    )
    assert clear["leads"].to_dict() == {"BPR": True, "Cosine": False, "Random": False}
    # one run of a model that depends on its seed cannot lead
    single = results(Cosine=values_of(1, 1, 0.3), BPR=values_of(3, 1, 0.5))
    assert not single["leads"].any()
    assert not single["significant"].any()


def test_the_order_of_models_changes_no_figure() -> None:
    values = {
        "Cosine": values_of(1, 1, 0.3),
        "BPR": values_of(3, 3, 0.2),
        "Random": values_of(4, 2, 0.1),
    }
    one = results(**values)
    other = results(**dict(reversed(values.items())))
    pd.testing.assert_frame_equal(one, other.loc[one.index])


def test_ablations_are_compared_with_their_full_model() -> None:
    models = {"Cosine": {"model": "Cosine"}, "Full": {"model": "MIRec"}}
    kept = {"model": "Full", "perspectives": [["content"], ["audience"]]}
    made = plan(models=models, ablations=kept)
    main, ablations = families(made)
    assert (main.against, ablations.against) == ("Cosine", "Full")
    assert [entry.label for entry in ablations.others] == ["Full [content]", "Full [audience]"]
    given = {
        "Cosine": values_of(1, 1, 0.3),
        "Full": values_of(2, 3, 0.4),
        "Full [content]": values_of(3, 3, 0.2),
        "Full [audience]": values_of(4, 3, 0.39),
    }
    frame = pd.concat([rows(label, one) for label, one in given.items()], ignore_index=True)
    found = results_frame(made, frame).set_index("label")
    assert found.index.tolist() == ["Cosine", "Full", "Full [content]", "Full [audience]"]
    assert found["against"].tolist() == ["", "Cosine", "Full", "Full"]
    # Holm over the two ablations, and over the one other model
    assert found.loc["Full", "p_holm"] == found.loc["Full", "p"]
    pair = found.loc[["Full [content]", "Full [audience]"]]
    assert pair["p_holm"].tolist() == holm(pair["p"].to_numpy(dtype=np.float64)).tolist()


def test_what_is_no_mean_has_an_interval_and_no_p() -> None:
    rng = np.random.default_rng(5)
    frame = rows("Cosine", values_of(1, 1, 0.3)).drop(columns="MAP")
    other = rows("BPR", values_of(2, 2, 0.3)).drop(columns="MAP")
    frame = pd.concat([frame, other], ignore_index=True)
    frame["FirstRank"] = rng.integers(1, 9, len(frame)).astype(float)
    frame["paper_auc"] = rng.random(len(frame))
    frame["paper_auc_won"] = rng.integers(1, 40, len(frame)).astype(float)
    frame["paper_auc_compared"] = 40.0
    frame["paper_first_rank"] = frame["FirstRank"]
    models = {"Cosine": {"model": "Cosine"}, "BPR": {"model": "BPR"}}
    found = results_frame(plan(models=models), frame).set_index(["metric", "label"])
    assert set(found.index.get_level_values("metric")) == {"MedR", "paper_auc", "paper_medr"}
    assert found["p"].isna().all()
    assert not found["significant"].any()
    assert not found["leads"].any()
    for label, n_seeds in (("Cosine", 1), ("BPR", 2)):
        of_seeds = [
            summary_of(frame[(frame["label"] == label) & (frame["seed"] == seed)].iloc[:, 7:])
            for seed in range(1, n_seeds + 1)
        ]
        for metric in ("MedR", "paper_auc", "paper_medr"):
            expected = np.mean([one[metric] for one in of_seeds])
            assert found.loc[(metric, label), "mean"] == pytest.approx(expected)
    difference = found.loc[("MedR", "BPR"), "mean"] - found.loc[("MedR", "Cosine"), "mean"]
    assert found.loc[("MedR", "BPR"), "difference"] == pytest.approx(difference)
    assert found.loc[("MedR", "BPR"), "difference_low"] <= difference


def test_a_metric_of_fewer_than_two_brands_has_no_row() -> None:
    values = np.full((1, 11), np.nan)
    values[0, 3] = 0.5
    assert results(Cosine=values).empty


def test_a_run_is_made_of_its_folds() -> None:
    one = rows("BPR", [[0.1, 0.2, 0.3]], fold=1)
    two = rows("BPR", [[0.4, 0.5]], fold=2)
    two["brand_id"] = ["x1", "x2"]
    late = rows("BPR", [[0.9, 0.9, 0.9]], fold=1).assign(seed=7)
    found = layouts_of(pd.concat([two, one, late]), n_folds=2)
    assert found.brands == ("b00", "b01", "b02", "x1", "x2")
    # the second fold of seed 7 has not finished
    assert found.columns["MAP"].tolist() == [[0.1, 0.2, 0.3, 0.4, 0.5]]
    assert found.n_runs == 1
    assert found.categories == ("food",) * 5
    assert layouts_of(late, n_folds=2).n_runs == 0


def test_values_stand_at_their_seed_and_brand_whatever_the_order() -> None:
    frame = rows("BPR", [[0.1, 0.2, 0.3], [0.4, 0.5, np.nan]])
    frame.loc[1, "brand_category"] = None
    found = layouts_of(frame.sample(frac=1, random_state=3), n_folds=0)
    np.testing.assert_array_equal(found.columns["MAP"], [[0.1, 0.2, 0.3], [0.4, 0.5, np.nan]])
    assert found.brands == ("b00", "b01", "b02")


def test_measures_by_the_names_of_columns() -> None:
    columns = ["AUC", "FirstRank", "unseen_FirstRank", "paper_first_rank", "paper_map"]
    columns += ["paper_auc", "paper_auc_won", "paper_auc_compared"]
    found = {one.name: (one.columns, one.is_mean) for one in measures_of(columns)}
    assert found == {
        "AUC": (("AUC",), True),
        "MedR": (("FirstRank",), False),
        "unseen_MedR": (("unseen_FirstRank",), False),
        "paper_medr": (("paper_first_rank",), False),
        "paper_map": (("paper_map",), True),
        "paper_auc": (("paper_auc_won", "paper_auc_compared"), False),
    }


def test_the_lower_median() -> None:
    values = np.array([[4.0, 1.0, 3.0, 2.0], [8.0, 6.0, 5.0, 7.0]])
    assert lower_median(values).tolist() == [2.0, 6.0]
    assert lower_median(values[:, :3]).tolist() == [3.0, 6.0]
