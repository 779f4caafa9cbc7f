"""What the values of configuration keys must be: one rule a key, and what goes together."""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dataset_convert import schema
from recbole_mirec.errors import nearest

LEARNERS = ("adam", "adamw", "sgd", "adagrad", "rmsprop")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
# Entries of train_neg_sample_args, with RecBole's defaults.
NEGATIVES: dict[str, Any] = {
    "distribution": "uniform",
    "sample_num": 1,
    "alpha": 1.0,
    "dynamic": False,
    "candidate_num": 0,
}

# What a value must fulfil, and the same in words, to follow "must".
Rule = tuple[Callable[[Any], bool], str]


def whole(minimum: int, maximum: int | None = None) -> Rule:
    """Whole numbers from a minimum on, up to a maximum where there is one."""

    def holds(value: Any) -> bool:
        # type, not isinstance: True is an int
        return type(value) is int and minimum <= value <= (value if maximum is None else maximum)

    bound = "" if maximum is None else f" and at most {maximum}"
    return holds, f"hold whole numbers of at least {minimum}{bound}"


def number(minimum: float, *, above: bool = False) -> Rule:
    """Finite numbers from a minimum on, or above it."""

    def holds(value: Any) -> bool:
        is_number = type(value) in (int, float) and math.isfinite(value)
        return is_number and (value > minimum if above else value >= minimum)

    bound = f"above {minimum:g}" if above else f"of at least {minimum:g}"
    return holds, "be a number" if minimum == -math.inf else f"be a number {bound}"


def word(words: tuple[str, ...]) -> Rule:
    """One of some words, in any case."""
    return lambda value: str(value).lower() in words, f"be one of {', '.join(words)}"


def between(minimum: float, maximum: float, *, below: bool = False) -> Rule:
    """Finite numbers from a minimum up to a maximum, or below it."""

    def holds(value: Any) -> bool:
        is_number = type(value) in (int, float) and minimum <= value <= maximum
        return is_number and not (below and value == maximum)

    bound = f"below {maximum:g}" if below else f"at most {maximum:g}"
    return holds, f"be a number of at least {minimum:g} and {bound}"


def exactly(words: tuple[str, ...]) -> Rule:
    """One of some words, in this case of letters."""
    return lambda value: value in words, f"be one of {', '.join(words)}"


def filled_list(rule: Rule) -> Rule:
    """Lists of at least one entry, each of which fulfils a rule."""
    holds, wanted = rule
    return (
        lambda value: isinstance(value, list) and bool(value) and all(map(holds, value)),
        f"be a list, and each entry {wanted}",
    )


RULES: dict[str, Rule] = {
    **dict.fromkeys(("epochs", "train_batch_size", "eval_batch_size", "eval_step"), whole(1)),
    **dict.fromkeys(("split_seed", "torch_threads", "stopping_step", "folds", "fold"), whole(0)),
    **dict.fromkeys(("learning_rate", "learning_rate_decay"), number(0, above=True)),
    **dict.fromkeys(
        ("drop_last", "static_negatives", "shuffle", "eval_unseen_only", "show_progress"),
        (lambda value: isinstance(value, bool), "be True or False"),
    ),
    **dict.fromkeys(("graph_dimension", "graph_n_walks", "graph_window", "graph_epochs"), whole(1)),
    **dict.fromkeys(("graph_negative", "graph_netmf_negative"), whole(1)),
    **dict.fromkeys(("graph_eta", "graph_p", "graph_q"), number(0, above=True)),
    "graph_walk_length": whole(2),
    "graph_subsample": number(0),
    # NumPy's global generator takes 32 bits, and so does gensim's.
    **dict.fromkeys(("seed", "graph_seed"), whole(0, 2**32 - 1)),
    "learning_rate_decay_steps": whole(0),
    "weight_decay": number(0),
    "learner": word(LEARNERS),
    "state": word(LOG_LEVELS),
    # RecBole's models: keys that mean the same in all of those that have them
    **dict.fromkeys(("embedding_size", "mf_embedding_size", "mlp_embedding_size"), whole(1)),
    **dict.fromkeys(("user_embedding_size", "item_embedding_size"), whole(1)),
    **dict.fromkeys(("latent_dimension", "attention_size", "k"), whole(1)),
    "n_layers": whole(0),
    "mlp_hidden_size": filled_list(whole(1)),
    **dict.fromkeys(
        ("dropout_prob", "hidden_dropout_prob", "attn_dropout_prob"), between(0, 1, below=True)
    ),
    **dict.fromkeys(("drop_ratio", "node_dropout", "message_dropout"), between(0, 1, below=True)),
    **dict.fromkeys(("reg_weight", "reg_weight_1", "reg_weight_2", "shrink"), number(0)),
    **dict.fromkeys(("negative_weight", "gamma"), number(0)),
    "reg_weights": filled_list(number(0)),
    "margin": between(-1, 1),
    # our baselines
    "combination": exactly(("cosine", "hellinger")),
    "loss": exactly(("bpr", "logistic")),
    "shared_towers": (lambda value: isinstance(value, bool), "be True or False"),
    **dict.fromkeys(("tower_hidden", "topic_tower", "visual_tower"), filled_list(whole(1))),
    **dict.fromkeys(("concept_tower", "fusion_tower"), filled_list(whole(1))),
    **dict.fromkeys(("tower_dimension", "n_concepts"), whole(1)),
    "list_size": whole(2),
    "tower_dropout": between(0, 1, below=True),
    **dict.fromkeys(("triplet_margin", "tower_l1"), number(0)),
    "aggregator": exactly(("mean", "user_attention", "self_attention")),
    "knn_method": exactly(("item", "user")),
    "checkpoint_dir": (
        lambda value: isinstance(value, str | os.PathLike) and str(value) != "",
        "be the path of a folder",
    ),
    "worker": (
        lambda value: type(value) is int and value == 0,
        "be 0: worker processes would each draw the same negatives from a copy of the sampler",
    ),
    "log_wandb": (
        lambda value: value is False,
        "be False: a run is recorded in its own folder and nowhere else",
    ),
}


def value_problems(values: Mapping[str, Any], *, needs_negatives: bool) -> Iterator[str]:
    """What is wrong with the values of a configuration, one sentence each.

    Args:
        values: every key of the configuration.
        needs_negatives: whether the model cannot learn without.
    """
    protocol = str(values["protocol"])
    if protocol not in schema.PROTOCOLS:
        yield f"Unknown protocol '{protocol}'.{nearest(protocol, schema.PROTOCOLS)}"
    for key, rule in RULES.items():
        if key in values:
            yield from _broken(key, values[key], rule)
    yield from _topk_problems(values["topk"])
    yield from _negatives_problems(values["train_neg_sample_args"], needs_negatives)
    # whole numbers, which another rule has asked for
    if type(values["folds"]) is int and type(values["fold"]) is int:
        yield from _fold_problems(values["folds"], values["fold"], protocol)


def _broken(key: str, value: Any, rule: Rule) -> Iterator[str]:
    holds, wanted = rule
    if not holds(value):
        yield f"Key '{key}' must {wanted}. Received: {value!r}."


def _topk_problems(topk: Any) -> Iterator[str]:
    if not isinstance(topk, list) or not topk:
        yield f"Key 'topk' must be a list of cut-offs. Received: {topk!r}."
        return
    for cutoff in topk:
        yield from _broken("topk", cutoff, whole(1))


def _negatives_problems(arguments: Any, needed: bool) -> Iterator[str]:
    key = "train_neg_sample_args"
    if arguments is not None and not isinstance(arguments, dict):
        yield f"Key '{key}' must map {', '.join(NEGATIVES)} to values. Received: {arguments!r}."
        return
    for name in arguments or ():
        if name not in NEGATIVES:
            yield f"Unknown entry '{name}' of {key}.{nearest(str(name), NEGATIVES)}"
    given = {"distribution": None} if arguments is None else NEGATIVES | arguments
    if given["distribution"] in (None, "None"):
        if needed:
            yield f"The model learns from negatives; leave {key} out."
        return
    yield from _broken(
        f"{key}: distribution", given["distribution"], exactly(("uniform", "popularity"))
    )
    yield from _broken(f"{key}: sample_num", given["sample_num"], whole(1))
    least = whole(int(bool(given["dynamic"])))
    yield from _broken(f"{key}: candidate_num", given["candidate_num"], least)
    yield from _broken(f"{key}: alpha", given["alpha"], number(-math.inf))


def _fold_problems(n_folds: int, fold: int, protocol: str) -> Iterator[str]:
    if not n_folds:
        if fold:
            yield f"Key 'fold' is {fold}, but there are no folds; set 'folds' as well."
        return
    if protocol != schema.NEW_BRAND:
        yield (
            f"Key 'folds' cuts brands, which protocol '{protocol}' does not; leave it out, or set "
            f"protocol=new-brand."
        )
    if n_folds == 1 or not 1 <= fold <= n_folds:
        yield (
            f"Key 'folds' must be 0 or at least 2, and 'fold' one of 1 to 'folds'. "
            f"Received: {n_folds} and {fold}."
        )
