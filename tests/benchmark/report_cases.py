"""A benchmark's folder written by hand, and a reader of its page."""

import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd

from recbole_mirec.benchmark.portrait_file import (
    AccountMap,
    AttributeGraph,
    Card,
    CaseStudy,
    MapSide,
    Portrait,
    Topic,
)
from recbole_mirec.benchmark.report.page import write_report
from recbole_mirec.benchmark.report.view import About

ABOUT = About("trial", "Ours", "python -m recbole_mirec.benchmark plan.yaml", ("Ours: content",))
VOID = {"meta", "wbr"}

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
    categories: bool = True,
    synthetic: bool = True,
    folds: int = 0,
    differences: Mapping[str, tuple[float, float]] | None = None,
    leader: str = "",
) -> Path:
    """The files of a benchmark; `differences`: label -> (difference, p after Holm)."""
    runs, brands = [], []
    for protocol in protocols:
        for label in labels:
            for seed, values in enumerate(VALUES[label], start=1):
                run = _run(label, protocol, seed, label in failed)
                runs += [{**run, "fold": fold + 1 if folds else 0} for fold in range(folds or 1)]
                if label in failed:
                    continue
                notes = [NOTE] if label == "BPR" else []
                _write_run(folder / str(run["folder"]), label, values, synthetic, notes)
                brands += [
                    _brand(label, protocol, seed, number, value, categories)
                    for number, value in enumerate(values)
                ]
    pd.DataFrame(runs).to_csv(folder / "runs.csv", index=False)
    pd.DataFrame(brands).to_csv(folder / "per_brand.csv", index=False)
    chosen = [label for label in labels if label not in failed]
    rows = [
        row
        for p in protocols
        for label in chosen
        for row in _results(label, p, differences, leader)
    ]
    pd.DataFrame(rows).to_csv(folder / "results.csv", index=False)
    return folder


def _run(label: str, protocol: str, seed: int, failed: bool) -> dict[str, Any]:
    return {
        "label": label,
        "model": MODELS[label],
        "protocol": protocol,
        "seed": seed,
        "status": "failed" if failed else "finished",
        "reason": "DivergedError: the loss is <NaN>" if failed else "",
        "best_epoch": 2,
        "n_epochs": 3,
        "seconds": 30.0,
        "folder": f"runs/{label.replace(':', '').replace(' ', '-')}/{protocol}/seed-{seed}",
    }


def _write_run(
    folder: Path, label: str, values: Sequence[float], synthetic: bool, notes: list[str]
) -> None:
    folder.mkdir(parents=True)
    epochs = [] if label == "Cosine" else [(0, 9.0, 0.1), (1, 7.0, 0.3), (2, 5.0, 0.2)]
    record = {
        "model": MODELS[label],
        "dataset": "made-up",
        "protocol": "new-brand",
        "seed": 1,
        "settings": {"valid_metric": "MAP"},
        "status": "finished",
        "data_fingerprint": "0123456789abcdef",
        "synthetic": synthetic,
        "versions": {"torch": "2.13"},
        "best_epoch": 2,
        "history": [{"epoch": e, "train_loss": loss, "valid": v} for e, loss, v in epochs],
        "notes": notes,
        "test": {"n_brands": 3, "n_candidates": 40},
    }
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    ranks = pd.DataFrame(
        {
            "brand_id": ["b1", "b2", "b3", "b3"],
            "influencer_id": ["i1", "i2", "i3", "i4"],
            "rank": [round(1 / value) for value in (*values, values[0])],
            "n_candidates": 40,
            "unseen": [True, False, False, False],
        }
    )
    ranks.to_csv(folder / "ranks.test.csv", index=False)


def _brand(
    label: str, protocol: str, seed: int, number: int, value: float, categories: bool
) -> dict[str, Any]:
    row = {"label": label, "protocol": protocol, "seed": seed, "fold": 0, "part": "test"}
    row |= {"brand_id": f"b{number + 1}"}
    row |= {"brand_category": CATEGORIES[number]} if categories else {}
    return row | {"AUC": 0.5 + value / 2, "MAP": value, "MedR": 1 / value, "unseen_MAP": value}


def _results(
    label: str,
    protocol: str,
    differences: Mapping[str, tuple[float, float]] | None,
    leader: str = "",
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
            "label": label,
            "protocol": protocol,
            "part": "test",
            "metric": metric,
            "mean": value,
            "low": value - 0.04,
            "high": value + 0.06,
            "n_brands": 3,
            "n_runs": len(runs),
            "difference": difference if metric == "MAP" else float("nan"),
            "difference_low": difference - 0.02,
            "difference_high": difference + 0.03,
            "p_holm": p if metric == "MAP" else float("nan"),
            "significant": metric == "MAP" and p < 0.05,
            "against": "" if label == "Ours" else "Ours",
            "leads": metric == "MAP" and label == leader,
        }
        for metric, value in means.items()
    ]


def portrait(**changes: Any) -> Portrait:
    """A portrait of two brands and three influencers."""
    topics = {"content_topics": (Topic(4, 0.62, ("cake", "oven")), Topic(1, 0.2, ()))}
    brand = Card("b1", "brand", 0.0, {}, 1500, topics, {}, ("cosmetic", "food"))
    best = Card(
        "i1",
        "best ranked collaborator",
        1.0,
        {"content": 2.25, "attribute": -0.75},
        None,
        {"content_topics": topics["content_topics"][:1]},
        {"content_visual": ("plate",)},
        ("food", "travel"),
    )
    worst = Card("i2", "worst ranked other", 39.5, {"content": 0.5}, 7, {}, {}, ())
    case = CaseStudy("the best <brand>", 0.75, 2, 40, "food", brand, (best, worst))
    graph = AttributeGraph(
        ("food", "cake", "travel"), (5.0, 3.0, 2.0), ((0, 1, 3.0), (0, 2, 2.0)), 9, 20, 30.0
    )
    places = AccountMap(
        "principal components",
        MapSide(("b1", "b2"), (0.0, 1.0), (0.0, 2.0), ("food", "shoes")),
        MapSide(("i1", "i2", "i3"), (0.5, 0.25, 0.75), (1.0, 1.5, 0.5), ("food", "", "shoes")),
    )
    values: dict[str, Any] = {
        "label": "Ours",
        "protocol": "new-brand",
        "seed": 1,
        "graph": graph,
        "map": places,
        "cases": (case,),
        "missing": {},
    }
    return Portrait(**(values | changes))


class Page(HTMLParser):
    """The elements of a page and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.depth = 0
        self.in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.depth += tag not in VOID
        self.in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1
        self.in_style = False

    def handle_data(self, data: str) -> None:
        self.words += "" if self.in_style else data

    def of_class(self, name: str) -> list[dict[str, str]]:
        return [found for _, found in self.elements if found.get("class") == name]

    def rows(self) -> list[list[str]]:
        """The cells of every table row, as text."""
        reader = _Rows()
        reader.feed(self.text)
        return reader.found


class _Rows(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.found.append([])
        if tag in ("td", "th"):
            self.found[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1][-1] += data


def page_of(folder: Path, about: About = ABOUT) -> Page:
    return Page(write_report(folder, about).read_text(encoding="utf-8"))
