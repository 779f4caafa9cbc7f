"""Names of metrics as a person writes them: RecBole's and ours, in any case of letters."""

from collections.abc import Sequence

from recbole_mirec.errors import UsageError, nearest
from recbole_mirec.evaluation.metrics import (
    AT_CUTOFF,
    CATEGORY_AUC,
    FIRST_RANK,
    MEDIAN_RANK,
    OVERALL,
    usual_columns,
)
from recbole_mirec.evaluation.paper_rules import PAPER_MEDIAN_RANK

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
