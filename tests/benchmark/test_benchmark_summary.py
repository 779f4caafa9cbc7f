"""Figures of a benchmark against values worked out by hand, and against the statistics alone."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmark_cases import plan

from recbole_mirec.benchmark.summary import (
    KEY_COLUMNS,
    layout_of,
    results_frame,
)
from recbole_mirec.evaluation.metrics import summarise
from recbole_mirec.evaluation.statistics import compare, holm

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


def results(values: dict[str, Any], **changes: Any) -> pd.DataFrame:
    """Results of models called after those whose seeds they share: Cosine, Random, BPR."""
    made = plan(**({"models": {label: {"model": label} for label in values}} | changes))
    frame = pd.concat([rows(label, one) for label, one in values.items()], ignore_index=True)
    return results_frame(made, frame).set_index("label")


COSINE, CLEAR = values_of(1, 1, 0.3), values_of(3, 3, 0.5)


def test_a_difference_is_the_models_less_the_main_ones() -> None:
    random, bpr = values_of(2, 2, 0.1), values_of(3, 3, 0.29)
    found = results({"Cosine": COSINE, "Random": random, "BPR": bpr})
    assert found["mean"].tolist() == pytest.approx([COSINE.mean(), random.mean(), bpr.mean()])
    assert found["n_runs"].tolist() == [1, 2, 3]
    assert found["n_brands"].tolist() == [11, 11, 11]
    assert (found["low"] < found["mean"]).all()
    assert (found["high"] > found["mean"]).all()
    assert found["against"].tolist() == ["", "Cosine", "Cosine"]
    assert np.isnan(found.loc["Cosine", "p"])
    raw = []
    for label, values in (("Random", random), ("BPR", bpr)):
        expected = compare(values, COSINE, generator=np.random.default_rng(0), deterministic_b=True)
        row = found.loc[label]
        assert row["difference"] == pytest.approx(values.mean() - COSINE.mean())
        assert (row["difference_low"], row["difference_high"]) == (expected.low, expected.high)
        assert (row["p"], row["effect_size"]) == (expected.p, expected.cohens_d)
        assert row["superiority"] == expected.superiority
        assert row["p_wilcoxon"] == expected.p_wilcoxon
        raw.append(expected.p)
    assert found.loc[["Random", "BPR"], "p_holm"].tolist() == holm(np.array(raw)).tolist()
    # only one of the two differences is there
    assert found["significant"].to_dict() == {"Cosine": False, "Random": True, "BPR": False}


def test_the_best_leads_only_where_it_is_significantly_better_than_the_second() -> None:
    close = results({"Cosine": COSINE, "BPR": values_of(3, 3, 0.29)})
    assert not close["leads"].any()
    clear = results({"Cosine": COSINE, "BPR": CLEAR, "Random": values_of(4, 2, 0.1)})
    assert clear["leads"].to_dict() == {"BPR": True, "Cosine": False, "Random": False}
    # one run of a model that depends on its seed cannot lead
    single = results({"Cosine": COSINE, "BPR": values_of(3, 1, 0.5)})
    assert not single["leads"].any()
    assert not single["significant"].any()
    # nor can one that leaks, and the best of the others does
    leaking = results({"Cosine": COSINE, "BPR": CLEAR, "CategoryOracle": values_of(5, 1, 0.9)})
    assert leaking["leads"].to_dict() == {"BPR": True, "Cosine": False, "CategoryOracle": False}
    assert leaking.loc["CategoryOracle", "significant"]


def test_the_order_of_models_changes_no_figure() -> None:
    values = {"Cosine": COSINE, "BPR": values_of(3, 3, 0.2), "Random": values_of(4, 2, 0.1)}
    one, other = results(values), results(dict(reversed(values.items())))
    pd.testing.assert_frame_equal(one, other.loc[one.index])


def test_ablations_are_compared_with_their_full_model() -> None:
    given = {
        "Cosine": COSINE,
        "Full": values_of(2, 3, 0.4),
        "Full [content]": values_of(3, 3, 0.2),
        "Full [audience]": values_of(4, 3, 0.39),
    }
    models = {"Cosine": {"model": "Cosine"}, "Full": {"model": "MIRec"}}
    kept = {"model": "Full", "perspectives": [["content"], ["audience"]]}
    found = results(given, models=models, ablations=kept)
    assert found.index.tolist() == [*given]
    assert found["against"].tolist() == ["", "Cosine", "Full", "Full"]
    # Holm over the two ablations, and over the one other model
    assert found.loc["Full", "p_holm"] == found.loc["Full", "p"]
    pair = found.loc[["Full [content]", "Full [audience]"]]
    assert pair["p_holm"].tolist() == holm(pair["p"].to_numpy(dtype=np.float64)).tolist()


def test_what_is_no_mean_has_an_interval_and_no_p() -> None:
    rng = np.random.default_rng(5)
    both = [rows("Cosine", COSINE), rows("BPR", values_of(2, 2, 0.3))]
    frame = pd.concat(both, ignore_index=True).drop(columns="MAP")
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
            summarise(frame[(frame["label"] == label) & (frame["seed"] == seed)].iloc[:, 7:])
            for seed in range(1, n_seeds + 1)
        ]
        for metric in ("MedR", "paper_auc", "paper_medr"):
            expected = np.mean([one[metric] for one in of_seeds])
            assert found.loc[(metric, label), "mean"] == pytest.approx(expected)
    row = found.loc[("MedR", "BPR")]
    assert row["difference"] == pytest.approx(row["mean"] - found.loc[("MedR", "Cosine"), "mean"])
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]


def test_a_metric_of_fewer_than_two_brands_has_no_row() -> None:
    values = np.full((1, 11), np.nan)
    values[0, 3] = 0.5
    assert results({"Cosine": values}).empty


def test_a_run_is_made_of_its_folds() -> None:
    one = rows("BPR", [[0.1, 0.2, 0.3]], fold=1)
    two = rows("BPR", [[0.4, 0.5]], fold=2).assign(brand_id=["x1", "x2"])
    late = rows("BPR", [[0.9, 0.9, 0.9]], fold=1).assign(seed=7)
    found = layout_of(pd.concat([two, one, late]), n_folds=2)["MAP"]
    assert found.columns.tolist() == ["b00", "b01", "b02", "x1", "x2"]
    # the second fold of seed 7 has not finished
    assert found.index.tolist() == [1]
    assert found.to_numpy().tolist() == [[0.1, 0.2, 0.3, 0.4, 0.5]]
    assert len(layout_of(late, n_folds=2)) == 0


def test_values_stand_at_their_seed_and_brand_whatever_the_order() -> None:
    frame = rows("BPR", [[0.1, 0.2, 0.3], [0.4, 0.5, np.nan]])
    found = layout_of(frame.sample(frac=1, random_state=3), n_folds=0)["MAP"]
    np.testing.assert_array_equal(found, [[0.1, 0.2, 0.3], [0.4, 0.5, np.nan]])
    assert found.columns.tolist() == ["b00", "b01", "b02"]
