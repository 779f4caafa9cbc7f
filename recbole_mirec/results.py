"""Metrics of a model on a part of a split: names, values, text, notes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from recbole.utils import ModelType

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from recbole_mirec.data.dataset import EvaluationSplit, MirecDataset, SplitDataset
from recbole_mirec.evaluation.metrics import METRICS, per_brand_metrics, summarise
from recbole_mirec.evaluation.metrics import PAPER as PAPER
from recbole_mirec.evaluation.metrics import RANK_TITLE as RANK_TITLE
from recbole_mirec.evaluation.metrics import UNSEEN as UNSEEN
from recbole_mirec.evaluation.ranks import tie_ranks
from recbole_mirec.registry import is_ours

if TYPE_CHECKING:
    from recbole_mirec.experiment import ExperimentResult


SYNTHETIC = "(synthetic data)"
FOLD_NOTE = (
    "Folds share the data set's features: what its conversion fitted, such as topics, may know a "
    "fold's accounts, but never their collaborations."
)
NO_TEST_NOTE = (
    "No test table: the data set has no test part. The model is for use (--predict BRAND); figures "
    "to report need n_test above 0 at the conversion, or folds."
)
# A pool with a larger share of positives says little about a ranking.
CROWDED = 0.5
# What stands before the figures of each group of metrics, by the prefix of their names.
GROUPS = {"": "", PAPER: "  by the paper's rules", UNSEEN: "  unseen influencers only"}
PARTS = {"valid": "validation", "test": "test"}

USUAL = (
    *("AUC", "cAUC", "Recall@{k}", "NDCG@10", "MRR", "MAP", "MedR"),
    *("paper_auc", "paper_cauc", "paper_recall@{k}", "paper_map", "paper_mrr", "paper_medr"),
)
# Metrics by their names in small letters, and by RecBole's other names.
_BY_WORD = {name.lower(): metric for name, metric in METRICS.items()}
_BY_WORD |= {"gauc": METRICS["AUC"], "r": METRICS["Recall"]}

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


def is_synthetic(dataset: SplitDataset) -> bool:
    """Whether the data set says of itself that it is synthetic."""
    return isinstance(dataset, MirecDataset) and bool(dataset.atomic.manifest.get("synthetic"))


def data_title(name: str, *, synthetic: bool) -> str:
    """A data set's name as it stands beside figures."""
    return f"{name} {SYNTHETIC}" if synthetic else name


def protocol_title(protocol: str, folds: int, fold: int) -> str:
    """A protocol's name as it stands beside figures, with the fold where there are any."""
    return f"{protocol}, fold {fold} of {folds}" if folds else protocol


def experiment_notes(
    config: Any, parts: "Mapping[str, Evaluation | None] | None" = None
) -> tuple[str, ...]:
    """What belongs beside the metrics of an experiment, of its parts where they are given.

    A part is None where the data set lacks it.
    """
    parts = parts or {}
    notes = [*_model_notes(config, new_brand=config["protocol"] == schema.NEW_BRAND)]
    notes += [FOLD_NOTE] if config["folds"] else []
    notes += [
        f"{found.positive_share:.0%} of the {PARTS[found.part]} part's candidates are positives: "
        f"any order of them looks good, and its figures say little."
        for found in parts.values()
        if found is not None and found.positive_share > CROWDED
    ]
    notes += [NO_TEST_NOTE] if parts.get(schema.TEST, ...) is None else []
    return tuple(notes)


def ranking_notes(config: Any, *, n_collaborations: int) -> tuple[str, ...]:
    """What belongs beside the ranking of one brand with so many training collaborations."""
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


def rule_prefix(metric: str) -> str:
    """The group of a metric's name: `paper_`, `unseen_`, or "" for the standard metrics."""
    return next((prefix for prefix in (PAPER, UNSEEN) if metric.startswith(prefix)), "")


def smaller_is_better(metric: str) -> bool:
    """Whether a metric is better when smaller: the ranks are."""
    return METRICS[metric.partition("@")[0]].smaller_is_better


def metric_title(name: str) -> str:
    """A metric's name as it heads a column, in any case of letters."""
    kind, at, depth = name.partition("@")
    metric = _BY_WORD.get(kind.lower())
    return name if metric is None else f"{rule_prefix(kind)}{metric.title}{at}{depth}"


def usual_metrics(topk: Sequence[int]) -> list[str]:
    """The metrics of an evaluation where nobody chooses: the standard ones, then the paper's."""
    return list(dict.fromkeys(name.format(k=k) for name in USUAL for k in topk))


def read_metric(text: object, *, key: str = "valid_metric") -> str:
    """A metric's name as results hold it.

    It is read in any case of letters, as is RecBole's `R@10`; MRR and MAP without a depth, or with
    `@all`, are over the full list. `key` is the configuration key that holds it, for messages.

    Raises:
        UsageError: no such metric; names the nearest one, or says why RecBole's is not computed.
    """
    kind, at, depth = str(text).strip().lower().partition("@")
    metric = _BY_WORD.get(kind)
    if kind in REFUSED:
        raise UsageError(f"Key '{key}': {text} is not computed: {REFUSED[kind]}.")
    if metric is None or (at and metric.depth == "none"):
        shown = [name + "@10" * (one.depth == "needed") for name, one in METRICS.items()]
        shown += [f"{name}@10" for name, one in METRICS.items() if one.depth == "allowed"]
        raise UsageError(f"Unknown {key} '{text}'.{nearest(str(text), shown)}")
    if depth.isdecimal() and int(depth) > 0:
        return f"{metric.name}@{int(depth)}"
    if metric.depth == "needed" or (at and depth != "all"):
        example = f"{metric.name} needs a depth, such as {metric.name}@10"
        raise UsageError(f"Key '{key}': {example}. Received: {text}.")
    return metric.name


def chosen_metrics(asked: Sequence[object], topk: Sequence[object]) -> tuple[list[str], list[str]]:
    """The metrics that a user's `metrics` and `topk` show, and what is wrong with them.

    A name that takes a depth and has none gets each of `topk`, as in RecBole (MRR and MAP, too:
    their full lists are MRR@all and MAP@all). What the paper's rules know of them stands behind.
    """
    found: list[str] = []
    problems: list[str] = []
    for word in asked:
        metric = _BY_WORD.get(str(word).strip().lower())
        deep = metric is not None and metric.depth != "none"
        for depth in [f"@{k}" for k in topk] if deep else [""]:
            try:
                found.append(read_metric(f"{word}{depth}", key="metrics"))
            except UsageError as error:
                problems.append(str(error))
    problems += [
        f"Key 'metrics': {name} cannot be chosen; set eval_unseen_only=True."
        for name in found
        if name.startswith(UNSEEN)
    ]
    for name in list(found):
        kind, at, _ = name.partition("@")
        of_paper = METRICS.get(PAPER + kind.lower())
        if of_paper is not None and bool(at) == (of_paper.depth == "needed"):
            found.append(PAPER + name.lower())
    return list(dict.fromkeys(found)), problems


def metric_remarks(asked: Sequence[object]) -> list[str]:
    """What RecBole means by names in `metrics` that mean something else here."""
    words = {str(word).strip().lower() for word in asked}
    return [REMARKS[word] for word in sorted(words & set(REMARKS))]


def with_metric(metrics: Sequence[str], metric: str) -> list[str]:
    """The metrics shown and the one that validation needs, each once, the paper's behind."""
    names = dict.fromkeys([*metrics, metric.removeprefix(UNSEEN)])
    return sorted(names, key=lambda name: name.startswith(PAPER))


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
        summary: metric -> value over the brands.
        n_candidates: size of the candidate pool, which R@k and MAP depend on.
        scores: (brand, candidate) of the part's split.
        positive_share: of the pairs that are ranked, how many are collaborations.
    """

    part: str
    per_brand: pd.DataFrame
    summary: dict[str, float]
    n_candidates: int
    scores: NDArray[Any]
    positive_share: float = 0.0


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
    ranks = tie_ranks(
        scores,
        split.positives,
        split.mask,
        brand_category=split.brand_category,
        candidate_category=split.candidate_category,
    )
    unseen = ranks.among(split.unseen[None, :]) if unseen_only else None
    per_brand = pd.DataFrame(per_brand_metrics(ranks, metrics, unseen))
    return Evaluation(
        part=split.part,
        per_brand=per_brand,
        summary=summarise(per_brand),
        n_candidates=len(split.candidates),
        scores=scores,
        positive_share=float(split.positives.sum() / max(split.mask.sum(), 1)),
    )


def positive_ranks(scores: NDArray[Any], split: EvaluationSplit) -> pd.DataFrame:
    """Where each collaboration of a part stands among its brand's candidates.

    Internal ids, `rank` (from 1; its mean over a random order of the tied candidates),
    `n_candidates` of the brand, and `unseen`: whether the influencer has no training
    collaboration. By brand, from the best rank to the worst.
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


def per_category(per_brand: pd.DataFrame, categories: Sequence[str | None]) -> pd.DataFrame:
    """Metrics of the brands of each category, one row a category with its `n_brands`.

    A brand without a category is left out. Candidates, and the negatives of the pooled `paper_auc`,
    are those of all brands.
    """
    rows = [
        {schema.BRAND_CATEGORY: category, "n_brands": len(brands), **summarise(brands)}
        for category, brands in per_brand.groupby(np.asarray(categories, dtype=object))
    ]
    return pd.DataFrame(rows)


def format_table(frame: pd.DataFrame, *, decimals: int) -> str:
    """A frame with right-aligned columns; floats rounded, ranks to one place, a dash if missing."""

    def cell(name: str, value: object) -> str:
        if pd.isna(value):  # type: ignore[call-overload]
            return "-"
        places = 1 if name == RANK_TITLE else decimals
        return f"{value:.{places}f}" if isinstance(value, float) else str(value)

    columns = []
    for place, (name, values) in enumerate(frame.items()):
        texts = [str(name), *(cell(str(name), value) for value in values)]
        width = max(map(len, texts))
        columns.append([text.rjust(width) if place else text.ljust(width) for text in texts])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def result_table(result: "ExperimentResult") -> str:
    """Title, metrics of both parts under both rules, the epoch chosen, time, notes and files."""
    data = data_title(result.dataset, synthetic=result.synthetic)
    protocol = protocol_title(result.protocol, result.folds, result.fold)
    parts = [part for part in (result.valid, result.test) if part is not None]
    rows = [row for part in parts for row in _rows(part)]
    chosen = f"chosen by validation {result.valid_metric}"
    if result.valid is None:
        chosen = "the last one, since there is no validation part to choose by"
    tables = "per_brand.*.csv, per_category.*.csv where brands have categories, " if parts else ""
    return "\n".join(
        [
            f"{result.model} on {data}, protocol {protocol}, seed {result.seed}",
            "",
            *([format_table(pd.DataFrame(rows), decimals=4), ""] if rows else []),
            f"epoch {result.best_epoch} of {result.n_epochs}, {chosen}; {result.seconds:.0f} s",
            *(f"Note: {note}" for note in result.notes),
            f"Files: {result.run_folder} ({tables}config.yaml, run.json, best.safetensors)",
        ]
    )


def _rows(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """A row for each group of metrics that has values."""
    size = f"({len(evaluation.per_brand)} brands, {evaluation.n_candidates} candidates)"
    for prefix, label in GROUPS.items():
        values: dict[str, object] = {
            metric_title(name).removeprefix(prefix): value
            for name, value in evaluation.summary.items()
            if rule_prefix(name) == prefix
        }
        if values:
            yield {"": label or f"{PARTS[evaluation.part]} {size}", **values}
