"""Keys that cannot be searched: those that decide the comparison, and those without an effect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recbole.utils import ModelType, argument_list

_MEASURED = "it decides what is read or measured, so the scores of the trials would not compare"
_RUN = "it says where and how the study runs, not what the model is"
_LUCK = (
    "the best of several seeds is luck and no better setting; search at one seed, and repeat the "
    "winner over seeds"
)

# Why a key is no hyper-parameter.
NOT_SEARCHED: dict[str, str] = {
    **dict.fromkeys(argument_list.general_arguments, _RUN),
    **dict.fromkeys((*argument_list.dataset_arguments, "numerical_features"), _MEASURED),
    **dict.fromkeys(argument_list.evaluation_arguments, _MEASURED),
    **dict.fromkeys(("model", "dataset", "protocol", "valid_brands", "test_brands"), _MEASURED),
    **dict.fromkeys(("split_seed", "folds", "fold", "eval_unseen_only", "eval_step"), _MEASURED),
    **dict.fromkeys(("discretization", "kg_reverse_r"), _MEASURED),
    **dict.fromkeys(("entity_kg_num_interval", "relation_kg_num_interval"), _MEASURED),
    **dict.fromkeys(("torch_threads", "worker", "wandb_project", "eval_batch_size"), _RUN),
    "loss_decimal_place": _RUN,
    **dict.fromkeys(("seed", "graph_seed"), _LUCK),
}

_STEPS = (
    *("epochs", "train_batch_size", "learner", "learning_rate", "learning_rate_decay"),
    *("learning_rate_decay_steps", "weight_decay", "clip_grad_norm", "stopping_step"),
    *("train_neg_sample_args", "static_negatives", "drop_last", "shuffle"),
    *("enable_amp", "enable_scaler"),
)
_NODE2VEC = (
    *("graph_walk_length", "graph_n_walks", "graph_p", "graph_q", "graph_epochs"),
    *("graph_negative", "graph_subsample"),
)
_NODES = ("graph_method", "graph_dimension", "graph_window", "graph_netmf_negative", *_NODE2VEC)
_GRAPH = ("graph_eta", "attribute_graph_file", *_NODES)
_ATTRIBUTE = ("attribute_input", "node_embedding_file", *_GRAPH)
_NEGATIVES = ("train_neg_sample_args", "static_negatives")
_PLDA = ("plda_dimension", "plda_shrinkage", "plda_cross_share")
_COATTENTION = ("coattention_input", "coattention_sides")


@dataclass(frozen=True)
class Idle:
    """Keys that nothing reads while another key has some value.

    Attributes:
        keys: the keys without effect.
        governor: the key that decides it.
        holds: whether a value of the governor leaves them without effect.
        unless: a switch that gives them an effect all the same where it is on.
    """

    keys: tuple[str, ...]
    governor: str
    holds: Callable[[Any], bool]
    unless: str | None = None


_TOWERS = ("visual_hidden", "topic_hidden", "fusion", "dropout")
IDLE: tuple[Idle, ...] = (
    Idle(
        ("attribute_hidden", "attribute_dropout", *_ATTRIBUTE),
        "perspectives",
        lambda names: "attribute" not in names,
    ),
    Idle(_NEGATIVES, "method", lambda method: method == "metric"),
    Idle(_PLDA, "plda_weight", lambda weight: weight == 0),
    Idle(("category_inverse_penalty",), "category_weight", lambda weight: weight == 0),
    Idle(("hubness_neighbours",), "hubness_weight", lambda weight: weight == 0, unless="csls"),
    Idle(("hubness_weight",), "csls", lambda switch: switch is True),
    Idle(("square_roots", "raw_weight"), "perspectives", lambda names: set(names) == {"attribute"}),
    Idle(_TOWERS, "perspectives", lambda names: set(names) == {"attribute"}),
    Idle(_COATTENTION, "perspectives", lambda names: not {"content", "audience"} <= set(names)),
    Idle(("node_embedding_file", *_GRAPH), "attribute_input", lambda choice: choice == "vector"),
    Idle(_GRAPH, "node_embedding_file", lambda path: path not in (None, "")),
    Idle(("graph_eta",), "attribute_graph_file", lambda path: path not in (None, "")),
    Idle(_NODE2VEC, "graph_method", lambda method: method == "netmf"),
    Idle(("graph_netmf_negative",), "graph_method", lambda method: method == "node2vec"),
    Idle(("learning_rate_decay_steps",), "learning_rate_decay", lambda factor: factor == 1),
)
# Whatever changes a governor: itself, or the presets that set it.
GOVERNORS = frozenset({idle.governor for idle in IDLE} | {"variant", "schedule"})


def without_steps(key: str, model_class: Any) -> bool:
    """Whether a key steers a training in steps that a model does not have."""
    return key in _STEPS and getattr(model_class, "type", None) == ModelType.TRADITIONAL


def idle_because(key: str, config: Mapping[str, Any]) -> str | None:
    """The setting under which a key has no effect, as `key=value`; None where it has one."""
    for idle in IDLE:
        active = idle.unless is not None and config[idle.unless]
        if key in idle.keys and idle.holds(config[idle.governor]) and not active:
            return f"{idle.governor}={config[idle.governor]}"
    return None
