"""A benchmark's folder written by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from page_cases import Page

from recbole_mirec.benchmark.page import write_page
from recbole_mirec.benchmark.summary import BenchmarkResult

# label -> MAP of brands b1, b2, b3 for seeds 1 and 2; Cosine runs once.
VALUES = {
    "Ours": ((0.5, 0.3, 0.1), (0.7, 0.3, 0.2)),
    "Cosine": ((0.3, 0.2, 0.1),),
    "BPR": ((0.1, 0.1, 0.1), (0.1, 0.1, 0.4)),
    "Ours: content": ((0.4, 0.2, 0.2), (0.4, 0.2, 0.2)),
}
MODELS = {"Ours": "MIRec", "Cosine": "Cosine", "BPR": "BPR", "Ours: content": "MIRec"}
CATEGORIES = ("food", "food", "shoes")
NOTE = "BPR learns from past collaborations only."


def write_folder(
    folder: Path,
    *,
    protocols: Sequence[str] = ("new-brand",),
    labels: Sequence[str] = tuple(VALUES),
    failed: Sequence[str] = (),
    categories: Sequence[str | None] = CATEGORIES,
    synthetic: bool = True,
    folds: int = 0,
    differences: Mapping[str, tuple[float, float]] | None = None,
    leader: str = "",
    main: str = "Ours",
    ablated: str = "Ours",
    leaking: Sequence[str] = (),
) -> BenchmarkResult:
    """A benchmark and the files of its runs; `differences`: label -> (difference, p after Holm)."""
    runs, brands, results = [], [], []
    for protocol in protocols:
        for label in labels:
            for seed, values in enumerate(VALUES[label], start=1):
                run: dict[str, Any] = {
                    **{"label": label, "model": MODELS[label], "protocol": protocol, "seed": seed},
                    **{"status": "failed" if label in failed else "finished", "seconds": 30.0},
                    "reason": "DivergedError: the loss is <NaN>" if label in failed else "",
                    "folder": f"runs/{label.replace(': ', '-')}/{protocol}/seed-{seed}",
                    "record": {},
                }
                if label not in failed:
                    run["record"] = _write_run(folder / run["folder"], label, values, synthetic)
                    for number, value in enumerate(values):
                        brands.append(
                            {
                                **{"label": label, "protocol": protocol, "seed": seed, "fold": 0},
                                **{"part": "test", "brand_id": f"b{number + 1}"},
                                "brand_category": categories[number],
                                **{"AUC": 0.5 + value / 2, "MAP": value, "FirstRank": 1 / value},
                            }
                        )
                runs += [{**run, "fold": fold + 1 if folds else 0} for fold in range(folds or 1)]
            if label not in failed:
                results += _results(label, protocol, differences, leader)
    known = {one: _entry(one, protocols, leaks=one in leaking) for one in (*labels, ablated)}
    models = [entry for label, entry in known.items() if ":" not in label]
    families: list[Any] = [(models, main)]
    if "Ours: content" in labels:
        families.append(([known[ablated], known["Ours: content"]], ablated))
    about = {"name": "trial", "dataset": "made-up", "seeds": (1, 2), "folds": folds}
    plan: Any = SimpleNamespace(**about, protocols=protocols, main=main, families=families)
    frames = (pd.DataFrame(rows) for rows in (runs, brands, results))
    return BenchmarkResult(plan, folder, *frames, synthetic, ("read with care",))


def _entry(label: str, protocols: Sequence[str], *, leaks: bool) -> SimpleNamespace:
    kept = (label.split(": ")[1],) if ":" in label else None
    about = {"perspectives": kept, "deterministic": label == "Cosine", "leaks": leaks}
    return SimpleNamespace(label=label, protocols=protocols, **about)


def _write_run(
    folder: Path, label: str, values: Sequence[float], synthetic: bool
) -> dict[str, Any]:
    folder.mkdir(parents=True)
    pd.DataFrame(
        {
            "brand_id": ["b1", "b2", "b3", "b3"],
            "influencer_id": ["i1", "i2", "i3", "i4"],
            "rank": [round(1 / value) for value in (*values, values[0])],
            "n_candidates": 40,
            "unseen": [True, False, False, False],
        }
    ).to_csv(folder / "ranks.test.csv", index=False)
    epochs = [] if label == "Cosine" else [(0, 9.0, 0.1), (1, 7.0, 0.3), (2, 5.0, 0.2)]
    return {
        **{"dataset": "made-up", "data_fingerprint": "0123456789abcdef", "synthetic": synthetic},
        **{"settings": {}, "versions": {"torch": "2.13"}, "best_epoch": 2},
        "history": [{"epoch": e, "train_loss": loss, "valid": v} for e, loss, v in epochs],
        "notes": [NOTE] if label == "BPR" else [],
        "test": {"n_brands": 3, "n_candidates": 40},
    }


def _results(
    label: str, protocol: str, differences: Mapping[str, tuple[float, float]] | None, leader: str
) -> list[dict[str, Any]]:
    runs = pd.DataFrame(VALUES[label])
    mean = float(runs.to_numpy().mean())
    gap = mean - float(pd.DataFrame(VALUES["Ours"]).to_numpy().mean())
    difference, p = (differences or {}).get(label, (gap, 0.5))
    if label == "Ours":
        difference, p = float("nan"), float("nan")
    means = {"MAP": mean, "AUC": 0.5 + mean / 2, "MedR": 1 / mean, "unseen_MAP": mean / 2}
    return [
        {
            **{"label": label, "protocol": protocol, "part": "test", "metric": metric},
            **{"mean": value, "low": value - 0.04, "high": value + 0.06},
            **{"n_brands": 3, "n_runs": len(runs), "against": "" if label == "Ours" else "Ours"},
            "difference": difference if metric == "MAP" else float("nan"),
            **{"difference_low": difference - 0.02, "difference_high": difference + 0.03},
            "p_holm": p if metric == "MAP" else float("nan"),
            "significant": metric == "MAP" and p < 0.05,
            "leads": metric == "MAP" and label == leader,
        }
        for metric, value in means.items()
    ]


def changed(result: BenchmarkResult, label: str, metric: str, **values: Any) -> BenchmarkResult:
    """Other values in a row of the results."""
    found = result.results
    found.loc[(found["label"] == label) & (found["metric"] == metric), list(values)] = [
        *values.values()
    ]
    return result


def portrait(**changes: Any) -> dict[str, Any]:
    """A portrait of two brands and three influencers."""

    def card(name: str, role: str, **known: Any) -> dict[str, Any]:
        bare = {"rank": 0.0, "shares": {}, "followers": None}
        nothing = {"content_topics": [], "content_visual": [], "attributes": []}
        features = nothing | known.pop("features", {})
        return {"id": name, "role": role, **(bare | known), "features": features}

    def words(*texts: str, shared: str = "") -> list[dict[str, Any]]:
        return [{"key": text, "text": text, "shared": text == shared} for text in texts]

    topic = "62 % cake · oven"
    known = {"content_topics": words(topic), "attributes": words("cosmetic", "food")}
    brand = card("b1", "the brand", followers=1500, features=known)
    theirs = {
        "content_topics": words(topic, shared=topic),
        "attributes": words("art", "food", shared="food"),
    }
    shares = {"content": 2.25, "attribute": -0.75}
    best = card("i1", "best ranked collaborator", rank=1.0, shares=shares, features=theirs)
    worst = card("i2", "worst ranked other", rank=39.5, shares={"content": 0.5})
    accounts = [
        ("b1", "brand", 0.0, 0.0, "food"),
        ("b2", "brand", 1.0, 2.0, "shoes"),
        ("i1", "influencer", 0.5, 1.0, "food"),
        ("i2", "influencer", 0.25, 1.5, ""),
    ]
    names = ("id", "side", "x", "y", "category")
    return {
        **{"label": "Ours", "protocol": "new-brand", "seed": 1, "missing": {}},
        "graph": {
            **{"names": ["food", "cake", "travel"], "strengths": [5.0, 3.0, 2.0]},
            **{"edges": [[0, 1, 3.0], [0, 2, 2.0]], "n_attributes": 9, "n_edges": 20},
            "total": 30.0,
        },
        "map": {
            "method": "magic",
            "accounts": [dict(zip(names, a, strict=True)) for a in accounts],
        },
        "cases": [
            {
                **{"rule": "the best <brand>", "average_precision": 0.75, "n_positives": 2},
                **{"n_candidates": 40, "category": "food", "brand": brand},
                "influencers": [best, worst],
            }
        ],
        **changes,
    }


def page_of(
    result: BenchmarkResult, command: str = "go", portrait: dict[str, Any] | None = None
) -> Page:
    return Page(write_page(result, command, portrait).read_text(encoding="utf-8"))
