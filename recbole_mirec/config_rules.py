"""What the values of configuration keys must be, one rule a key."""

import math
import os
from collections.abc import Callable
from typing import Any

from recbole_mirec.errors import UsageError

LEARNERS = ("adam", "adamw", "sgd", "adagrad", "rmsprop")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

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


def check(key: str, value: Any, rule: Rule) -> None:
    """Apply a rule to a key's value.

    Raises:
        UsageError: the value does not fulfil it; names the key, what it must be and what it is.
    """
    holds, wanted = rule
    if not holds(value):
        raise UsageError(f"Key '{key}' must {wanted}. Received: {value!r}.")
