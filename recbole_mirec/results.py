"""Metrics of a model on a part of a split: names, values, text, notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from recbole.utils import ModelType

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset, SplitDataset
from recbole_mirec.evaluation import (
    paper_per_brand,
    paper_summarise,
    per_brand_metrics,
    summarise,
    tie_ranks,
)
from recbole_mirec.evaluation.metrics import (
    AT_CUTOFF,
    CATEGORY_AUC,
    FIRST_RANK,
    MEDIAN_RANK,
    OVERALL,
    usual_columns,
)
from recbole_mirec.evaluation.paper_rules import COMPARED, PAPER_FIRST_RANK, PAPER_MEDIAN_RANK, WON
from recbole_mirec.registry import is_ours

if TYPE_CHECKING:
    from recbole_mirec.experiment import ExperimentResult


SYNTHETIC = "(synthetic data)"
FOLD_NOTE = (
    "Folds share the data set's features: what its conversion fitted, such as topics, may know a "
    "fold's accounts, but never their collaborations."
)


def is_synthetic(dataset: SplitDataset) -> bool:
    """Whether the data set says of itself that it is synthetic."""
    return isinstance(dataset, MirecDataset) and bool(dataset.atomic.manifest.get("synthetic"))


def data_title(name: str, *, synthetic: bool) -> str:
    """A data set's name as it stands beside figures."""
    return f"{name} {SYNTHETIC}" if synthetic else name


def protocol_title(protocol: str, folds: int, fold: int) -> str:
    """A protocol's name as it stands beside figures, with the fold where there are any."""
    return f"{protocol}, fold {fold} of {folds}" if folds else protocol


def experiment_notes(config: Any) -> tuple[str, ...]:
    """What belongs beside the metrics of an experiment."""
    notes = _model_notes(config, new_brand=config["protocol"] == schema.NEW_BRAND)
    return (*notes, FOLD_NOTE) if config["folds"] else notes


def ranking_notes(config: Any, *, n_collaborations: int) -> tuple[str, ...]:
    """What belongs beside the ranking of one brand.

    Args:
        config: the run's.
        n_collaborations: training collaborations of the brand.
    """
    return _model_notes(config, new_brand=n_collaborations == 0)


def score_note(model: Any) -> str:
    """What a score of the model is, in one line."""
    meaning = getattr(model, "score_meaning", "the model's own")
    return f"score: {meaning}; comparable within one brand only"


def _model_notes(config: Any, *, new_brand: bool) -> tuple[str, ...]:
    if is_ours(config.model_class):
        return tuple(getattr(config.model_class, "figure_notes", ()))
    if config["MODEL_TYPE"] in (ModelType.GENERAL, ModelType.TRADITIONAL):
        if not new_brand:
            return ()
        return (
            f"{config['model']} learns from past collaborations only. A new brand has none, "
            f"so it has no signal here and lands at chance.",
        )
    if config["USER_ID_FIELD"] != schema.BRAND_ID:
        return (
            f"{config['model']} reads ids and the token columns that load_col names, and of the "
            f"others those in numerical_features.",
        )
    return (
        f"{config['model']} reads ids, the brand's category, attribute and visual labels as "
        f"tokens; it has no use for topic vectors or label weights.",
    )


PAPER, UNSEEN = "paper_", "unseen_"
SMALLER_IS_BETTER = (MEDIAN_RANK, PAPER_MEDIAN_RANK)
_PAPER_OVERALL = ("paper_auc", "paper_cauc", "paper_map", "paper_mrr", PAPER_MEDIAN_RANK)
_PAPER_RECALL = "paper_recall"


def _overall_names() -> dict[str, str]:
    """Metrics of the whole ranking, by their names in small letters."""
    plain = [name for name in (*OVERALL, MEDIAN_RANK) if name != FIRST_RANK]
    names = [*plain, CATEGORY_AUC, *_PAPER_OVERALL, *(f"{UNSEEN}{name}" for name in plain)]
    both = [name for name in plain if name in AT_CUTOFF]
    return (
        {name.lower(): name for name in names}
        | {f"{prefix}{name}@all".lower(): prefix + name for name in both for prefix in ("", UNSEEN)}
        | {"gauc": "AUC"}
    )


def _cut_names() -> dict[str, str]:
    """Metrics of the first k places, by their names in small letters without the k."""
    names = [*AT_CUTOFF, *(f"{UNSEEN}{name}" for name in AT_CUTOFF), _PAPER_RECALL]
    return {name.lower(): name for name in names} | {"r": "Recall"}


OVERALL_NAMES, CUT_NAMES = _overall_names(), _cut_names()

_NO_RATING = "scores order influencers and are neither probabilities nor ratings"
_NO_TRUTH = "it describes the lists of all users together and not whether they are right"
# Metrics of RecBole that are not computed, and why.
REFUSED: dict[str, str] = {
    **dict.fromkeys(("logloss", "rmse", "mae"), _NO_RATING),
    **dict.fromkeys(("itemcoverage", "averagepopularity", "shannonentropy"), _NO_TRUTH),
    **dict.fromkeys(("giniindex", "tailpercentage"), _NO_TRUTH),
}
# What RecBole means by a name that means something else here.
REMARKS: dict[str, str] = {
    "auc": "AUC is the mean over brands of each brand's AUC in its full ranking; RecBole's AUC "
    "pools all pairs of its labelled mode.",
    "gauc": "GAUC is shown as AUC, in which every brand counts the same; RecBole's GAUC weights "
    "users by their positives.",
}


def rule_prefix(metric: str) -> str:
    """The group of a metric's name: `paper_`, `unseen_`, or "" for the standard metrics."""
    return next((prefix for prefix in (PAPER, UNSEEN) if metric.startswith(prefix)), "")


def smaller_is_better(metric: str) -> bool:
    """Whether a metric is better when smaller: the ranks are."""
    return metric.removeprefix(UNSEEN) in SMALLER_IS_BETTER


def usual_metrics(topk: Sequence[int]) -> list[str]:
    """The metrics of an evaluation where nobody chooses: the standard ones, then the paper's."""
    standard = [MEDIAN_RANK if name == FIRST_RANK else name for name in usual_columns(topk)]
    recalls = [f"{_PAPER_RECALL}@{k}" for k in topk]
    return [*standard, *_PAPER_OVERALL[:2], *recalls, *_PAPER_OVERALL[2:]]


def read_metric(text: object, *, key: str = "valid_metric") -> str:
    """A metric's name as results hold it.

    Args:
        text: such as `map`, `ndcg@5`, `R@10`, `MRR@all`, `paper_auc` or `unseen_MedR`; MRR and MAP
            without a depth are over the full list.
        key: the configuration key that holds it, for messages.

    Raises:
        UsageError: no such metric; names the nearest one, or says why RecBole's is not computed.
    """
    word = str(text).strip().lower()
    if word in OVERALL_NAMES:
        return OVERALL_NAMES[word]
    kind, _, depth = word.partition("@")
    if kind in CUT_NAMES and depth.isdecimal() and int(depth) > 0:
        return f"{CUT_NAMES[kind]}@{int(depth)}"
    if kind in REFUSED:
        raise UsageError(f"Key '{key}': {text} is not computed: {REFUSED[kind]}.")
    if kind in CUT_NAMES:
        name = CUT_NAMES[kind]
        raise UsageError(f"Key '{key}': {name} needs a depth, such as {name}@10. Received: {text}.")
    shown = [*OVERALL_NAMES.values(), *(f"{name}@10" for name in CUT_NAMES.values())]
    raise UsageError(f"Unknown {key} '{text}'.{nearest(str(text), shown)}")


def chosen_metrics(asked: Sequence[object], topk: Sequence[object]) -> tuple[list[str], list[str]]:
    """The metrics that a user's `metrics` and `topk` show.

    Args:
        asked: names; one that takes a depth and has none gets each of `topk`, as in RecBole (MRR
            and MAP, too: their full lists are MRR@all and MAP@all).
        topk: the depths.

    Returns:
        Standard metrics, each once, then what the paper's rules know of them; and what is wrong.
    """
    depths = [f"@{k}" for k in topk]
    found: list[str] = []
    problems: list[str] = []
    for word in asked:
        for depth in depths if str(word).strip().lower() in CUT_NAMES else [""]:
            try:
                found.append(read_metric(f"{word}{depth}", key="metrics"))
            except UsageError as error:
                problems.append(str(error))
    problems += [
        f"Key 'metrics': {name} cannot be chosen; set eval_unseen_only=True."
        for name in found
        if name.startswith(UNSEEN)
    ]
    of_paper = [f"{PAPER}{name.lower()}" for name in found]
    found += [name for name in of_paper if name in _PAPER_OVERALL or _PAPER_RECALL in name]
    return _in_groups(found), problems


def metric_remarks(asked: Sequence[object]) -> list[str]:
    """What RecBole means by names in `metrics` that mean something else here."""
    words = {str(word).strip().lower() for word in asked}
    return [REMARKS[word] for word in sorted(words & set(REMARKS))]


def with_metric(metrics: Sequence[str], metric: str) -> list[str]:
    """The metrics shown, and the one that validation needs where it is not among them."""
    return _in_groups([*metrics, metric.removeprefix(UNSEEN)])


def _in_groups(metrics: Sequence[str]) -> list[str]:
    """Each metric once, those of the paper's rules behind the standard ones."""
    return sorted(dict.fromkeys(metrics), key=lambda name: name.startswith(PAPER))


class Figures(dict[str, float]):
    """Metrics by name, found in any case of letters: RecBole writes `recall@10`."""

    def __missing__(self, name: str) -> float:
        for own, value in self.items():
            if own.lower() == str(name).lower():
                return value
        raise KeyError(name)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of one part.

    Attributes:
        part: `valid` or `test`.
        per_brand: one row a brand, one column a metric.
        summary: metric -> value over the brands; names starting `paper_` follow the published
            rules, names starting `unseen_` count only influencers without a training
            collaboration.
        n_candidates: size of the candidate pool, which R@k and MAP depend on.
        scores: (brand, candidate) of the part's split.
    """

    part: str
    per_brand: pd.DataFrame
    summary: dict[str, float]
    n_candidates: int
    scores: NDArray[Any]


def evaluate_scores(
    scores: NDArray[Any],
    split: EvaluationSplit,
    *,
    metrics: Sequence[str],
    unseen_only: bool = False,
) -> Evaluation:
    """Metrics of a score matrix.

    Args:
        scores: (brand, candidate) of the split; higher is better.
        split: brands, candidates and truth.
        metrics: names as `read_metric` gives them; cAUC is left out where the data set has no
            categories for it.
        unseen_only: add the standard ones over influencers without a training collaboration.
    """
    standard = [
        FIRST_RANK if name == MEDIAN_RANK else name for name in metrics if not rule_prefix(name)
    ]
    categories = {}
    if split.brand_category is not None and split.candidate_category is not None:
        categories = {
            "brand_category": split.brand_category,
            "candidate_category": split.candidate_category,
        }
    columns = per_brand_metrics(
        scores, split.positives, split.mask, columns=standard, **categories
    ) | _paper_columns(scores, split, [name for name in metrics if name.startswith(PAPER)])
    if unseen_only:
        unseen = per_brand_metrics(
            scores, split.positives & split.unseen, split.mask & split.unseen, columns=standard
        )
        columns |= {f"{UNSEEN}{name}": values for name, values in unseen.items()}
    per_brand = pd.DataFrame(columns)
    summary = summary_of(per_brand)
    return Evaluation(split.part, per_brand, summary, len(split.candidates), scores)


def _paper_columns(
    scores: NDArray[Any], split: EvaluationSplit, metrics: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """The columns of `paper_per_brand` that some metrics of the paper's rules need."""
    if not metrics:
        return {}
    ks = [int(depth) for _, at, depth in (name.partition("@") for name in metrics) if at]
    columns = paper_per_brand(
        scores, split.positives, split.mask, ks=ks, brand_category=split.brand_category
    )
    needed = {PAPER_FIRST_RANK if name == PAPER_MEDIAN_RANK else name for name in metrics}
    return {
        name: values
        for name, values in columns.items()
        if name.removesuffix(WON).removesuffix(COMPARED) in needed
    }


def positive_ranks(scores: NDArray[Any], split: EvaluationSplit) -> pd.DataFrame:
    """Where each collaboration of a part stands among its brand's candidates.

    Args:
        scores: (brand, candidate) of the split; higher is better.
        split: brands, candidates and truth.

    Returns:
        `brand` and `influencer` (internal ids), `rank` (from 1; its mean over a random order of
        the tied candidates), `n_candidates` of the brand, and `unseen`: whether the influencer has
        no training collaboration. By brand, from the best rank to the worst.
    """
    ranks = tie_ranks(scores, split.positives, split.mask)
    return pd.DataFrame(
        {
            "brand": split.brands[ranks.brand],
            "influencer": split.candidates[ranks.candidate],
            "rank": ranks.n_above + (ranks.n_tied + 1) / 2,
            "n_candidates": ranks.n_candidates[ranks.brand],
            "unseen": split.unseen[ranks.candidate],
        }
    )


def summary_of(per_brand: pd.DataFrame) -> dict[str, float]:
    """Metrics over some brands, by the rules that each group of columns follows.

    Args:
        per_brand: rows of `Evaluation.per_brand`: all of them, or those of a category.

    Returns:
        Standard metrics, then those named `paper_`, then those named `unseen_`.
    """
    groups: dict[str, dict[str, NDArray[np.float64]]] = {"": {}, PAPER: {}, UNSEEN: {}}
    for name in map(str, per_brand.columns):
        groups[rule_prefix(name)][name] = per_brand[name].to_numpy(dtype=np.float64)
    unseen = {name.removeprefix(UNSEEN): values for name, values in groups[UNSEEN].items()}
    summary = summarise(groups[""]) | paper_summarise(groups[PAPER])
    return summary | {f"{UNSEEN}{name}": value for name, value in summarise(unseen).items()}


def per_category(per_brand: pd.DataFrame, categories: Sequence[str | None]) -> pd.DataFrame:
    """Metrics of the brands of each category.

    Args:
        per_brand: `Evaluation.per_brand`.
        categories: the brands' categories, in its order; a brand without one is left out.

    Returns:
        `brand_category`, `n_brands` and one column a metric of the summary, sorted by category.
        Candidates, and the negatives of the pooled `paper_auc`, are those of all brands.
    """
    rows = [
        {schema.BRAND_CATEGORY: category, "n_brands": len(brands), **summary_of(brands)}
        for category, brands in per_brand.groupby(np.asarray(categories, dtype=object))
    ]
    return pd.DataFrame(rows)


RANK_TITLE = "MedR"
PARTS = {"valid": "validation", "test": "test"}


def format_table(frame: pd.DataFrame, *, decimals: int) -> str:
    """A frame with right-aligned columns; floats rounded, ranks to one place, a dash if missing."""

    def cell(name: str, value: object) -> str:
        if value is None or value is pd.NA or (isinstance(value, float) and value != value):
            return "-"
        places = 1 if name == RANK_TITLE else decimals
        return f"{value:.{places}f}" if isinstance(value, float) else str(value)

    names = [str(name) for name in frame.columns]
    rows = [names]
    rows += [list(map(cell, names, row)) for row in frame.itertuples(index=False)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            entry.ljust(width) if position == 0 else entry.rjust(width)
            for position, (entry, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def result_table(result: "ExperimentResult") -> str:
    """Title, metrics of both parts under both rules, the epoch chosen, time, notes and files."""
    data = data_title(result.dataset, synthetic=result.synthetic)
    protocol = protocol_title(result.protocol, result.folds, result.fold)
    rows: list[dict[str, object]] = []
    for evaluation in (result.valid, result.test):
        if evaluation is not None:
            rows += _rows(evaluation)
    lines = [
        f"{result.model} on {data}, protocol {protocol}, seed {result.seed}",
        "",
        format_table(pd.DataFrame(rows), decimals=4),
        "",
        f"epoch {result.best_epoch} of {result.n_epochs}, chosen by validation "
        f"{result.valid_metric}; {result.seconds:.0f} s",
    ]
    lines += [f"Note: {note}" for note in result.notes]
    lines.append(
        f"Files: {result.run_folder} (per_brand.*.csv, per_category.*.csv where brands have "
        f"categories, config.yaml, run.json, best.safetensors)"
    )
    return "\n".join(lines)


def _rows(evaluation: Evaluation) -> list[dict[str, object]]:
    size = f"({len(evaluation.per_brand)} brands, {evaluation.n_candidates} candidates)"
    groups: dict[str, dict[str, float]] = {"": {}, PAPER: {}, UNSEEN: {}}
    for name, value in evaluation.summary.items():
        prefix = rule_prefix(name)
        groups[prefix][metric_title(name.removeprefix(prefix))] = value
    labels = {
        "": f"{PARTS[evaluation.part]} {size}",
        PAPER: "  by the paper's rules",
        UNSEEN: "  unseen influencers only",
    }
    rows: list[dict[str, object]] = []
    for prefix, values in groups.items():
        if values:
            rows.append({"": labels[prefix], **values})
    return rows


def metric_title(name: str) -> str:
    """A metric's name as it heads a column."""
    standard = {"auc": "AUC", "cauc": "cAUC", "map": "MAP", "mrr": "MRR", "medr": RANK_TITLE}
    short = name.replace("recall@", "R@").replace("Recall@", "R@")
    return standard.get(short, short)
