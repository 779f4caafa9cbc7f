"""Configuration: read once at the edge, checked key by key, with the defaults in YAML only."""

import logging
import math
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import recbole
from recbole.config import Config
from recbole.model.abstract_recommender import AutoEncoderMixin
from recbole.utils import InputType, argument_list

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest, refuse
from dataset_convert.common.values import load_yaml, parse_value
from dataset_convert.synthetic.spec import SPECS
from recbole_mirec import compat as compat
from recbole_mirec.registry import find_model, hand_over, is_outside, outside_keys, outside_yaml
from recbole_mirec.results import (
    UNSEEN,
    chosen_metrics,
    metric_remarks,
    read_metric,
    smaller_is_better,
    usual_metrics,
    with_metric,
)

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


_FRESH = "data are read afresh and never pickled"
_ONE_PROCESS = "one process trains"
_NO_SEQUENCES = "no model here reads sequences or knowledge graphs"
_CHOSEN = "the columns are chosen by the model"

# Keys of RecBole that no run reads, and why.
UNREAD: dict[str, str] = {
    **dict.fromkeys(("save_dataset", "dataset_save_path"), _FRESH),
    **dict.fromkeys(("save_dataloaders", "dataloaders_save_path"), _FRESH),
    **dict.fromkeys(("nproc", "world_size", "ip", "port", "group_offset"), _ONE_PROCESS),
    **dict.fromkeys(("ITEM_LIST_LENGTH_FIELD", "LIST_SUFFIX", "POSITION_FIELD"), _NO_SEQUENCES),
    **dict.fromkeys(("MAX_ITEM_LIST_LENGTH", "HEAD_ENTITY_ID_FIELD"), _NO_SEQUENCES),
    **dict.fromkeys(("TAIL_ENTITY_ID_FIELD", "RELATION_ID_FIELD"), _NO_SEQUENCES),
    **dict.fromkeys(("ENTITY_ID_FIELD", "kg_reverse_r", "entity_kg_num_interval"), _NO_SEQUENCES),
    **dict.fromkeys(("relation_kg_num_interval", "alias_of_entity_id"), _NO_SEQUENCES),
    "alias_of_relation_id": _NO_SEQUENCES,
    "valid_metric_bigger": "the direction follows from 'valid_metric'",
    "repeatable": "a brand's training positives are always masked",
    "metric_decimal_place": "figures are kept in full and rounded in tables only",
    "use_gpu": "'gpu_id' chooses the device; gpu_id='' is the CPU",
    "wandb_project": "a run is recorded in its own folder",
    "config_file": "files are named by --config_files",
}
# Keys that a data set of our schema has no use for, and why.
UNREAD_BY_SCHEMA: dict[str, str] = {
    **dict.fromkeys(("load_col", "unload_col", "unused_col", "additional_feat_suffix"), _CHOSEN),
    **dict.fromkeys(("seq_len", "RATING_FIELD", "TIME_FIELD", "threshold"), _CHOSEN),
    **dict.fromkeys(("alias_of_user_id", "alias_of_item_id", "preload_weight"), _CHOSEN),
    **dict.fromkeys(("normalize_field", "normalize_all", "discretization"), _CHOSEN),
    "benchmark_filename": "split files are found by their names",
}
# Keys that RecBole had before, and the one to set instead.
RENAMED: dict[str, str] = {
    **dict.fromkeys(("neg_sampling", "training_neg_sample_num"), "train_neg_sample_args"),
    **dict.fromkeys(("eval_setting", "group_by_user", "split_ratio", "leave_one_num"), "eval_args"),
    **dict.fromkeys(("min_user_inter_num", "max_user_inter_num"), "user_inter_num_interval"),
    **dict.fromkeys(("min_item_inter_num", "max_item_inter_num"), "item_inter_num_interval"),
}

# Keys whose value is given for a data set of our schema, and keys that it has no place for.
SCHEMA_KEYS: dict[str, str] = {
    "USER_ID_FIELD": schema.BRAND_ID,
    "ITEM_ID_FIELD": schema.INFLUENCER_ID,
    "field_separator": schema.FIELD_SEPARATOR,
    "seq_separator": schema.SEQUENCE_SEPARATOR,
}
_FILTERED = (
    "filtering would change the split and the candidates; filter the material before converting it"
)
FOREIGN_KEYS: dict[str, str] = {
    "val_interval": _FILTERED,
    "user_inter_num_interval": _FILTERED,
    "item_inter_num_interval": _FILTERED,
    "filter_inter_by_user_or_item": _FILTERED,
    "rm_dup_inter": "every pair stands once in files that are accepted",
    "numerical_features": "only token fields are registered for RecBole's context-aware models",
}
# RecBole's names of users and items where a data set that is not of our schema says none.
FOREIGN_IDS: dict[str, str] = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id"}

# The one way to evaluate that eval_args can ask for: RecBole's default, our `known-brand`.
EVAL_DEFAULTS: dict[str, Any] = {
    "split": {"RS": [0.8, 0.1, 0.1]},
    "group_by": "user",
    "order": "RO",
    "mode": "full",
}
SUPPORTED_EVAL = (
    "supported is split {RS: [0.8, 0.1, 0.1]}, group_by user, order RO, mode full, which is "
    "protocol known-brand"
)


def follows_schema(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a data set is of brands and influencers, in files of our schema.

    Args:
        name: of the data set.
        values: every key of the configuration, with the `data_path` that holds the data sets.
    """
    folder = Path(str(values["data_path"]), name)
    if name in SPECS or (folder / schema.MANIFEST_FILE).is_file():
        return True
    if values["USER_ID_FIELD"] != schema.BRAND_ID:
        return False
    try:
        with (folder / f"{name}.inter").open(encoding="utf-8") as file:
            return f"{schema.BRAND_ID}:" in file.readline()
    except (OSError, UnicodeDecodeError):
        return True


def unread_keys(
    given: Collection[str], known: Collection[str], *, model: str, ours: bool
) -> dict[str, str]:
    """The user's keys of RecBole that this run does not read, and why.

    Args:
        given: the user's keys.
        known: keys that mean something to RecBole, to the model or to the data set.
        model: its name.
        ours: whether the data set is of our schema.
    """
    reasons = UNREAD | UNREAD_BY_SCHEMA if ours else UNREAD
    unread = {key: reasons[key] for key in given if key in reasons}
    strange = [key for key in given if key not in known and key not in unread]
    if strange:
        theirs = _keys_of_all_models() - set(RENAMED)
        unread |= {key: f"model {model} has no such key" for key in strange if key in theirs}
    return unread


def _keys_of_all_models() -> set[str]:
    """Keys of every model of RecBole, sequential and knowledge-based ones included."""
    folder = Path(recbole.__file__).parent / "properties" / "model"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")]
    return {key for text in texts for key in re.findall(r"^(\w+)\s*:", text, re.MULTILINE)}


def unread_line(unread: Mapping[str, str]) -> str:
    """One sentence that names keys without an effect, by their reasons."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in unread.items():
        by_reason.setdefault(reason, []).append(key)
    parts = [f"{', '.join(keys)} ({reason})" for reason, keys in by_reason.items()]
    return f"Keys that have no effect here: {'; '.join(parts)}."


def key_problems(
    given: Mapping[str, Any], known: Collection[str], unread: Collection[str], *, model: str
) -> Iterator[str]:
    """Keys that nothing would read, one sentence each, with the right one where there is one."""
    for key in given:
        if key in RENAMED:
            yield f"Key '{key}' is not RecBole's any more; set '{RENAMED[key]}'."
        elif key == "method":
            yield "Key 'method' has no effect here: it follows from 'variant'."
        elif key not in known and key not in unread:
            yield f"Unknown key '{key}' for model {model}.{nearest(key, known)}"


def schema_problems(
    given: Mapping[str, Any], values: Mapping[str, Any], defaults: Mapping[str, Any], name: str
) -> Iterator[str]:
    """Keys that would read a data set of our schema as if it were another's.

    Args:
        given: the user's keys.
        values: every key of the configuration.
        defaults: RecBole's and our values of every key.
        name: of the data set.
    """
    for key, value in SCHEMA_KEYS.items():
        if values[key] != value:
            yield (
                f"Key '{key}' must stay {value!r} for data set '{name}', whose files follow this "
                f"project's schema; leave it out. Received: {values[key]!r}."
            )
    for key, reason in FOREIGN_KEYS.items():
        if key in given and given[key] is not None and given[key] != defaults.get(key):
            yield f"Key '{key}' cannot be set for data set '{name}': {reason}."


def foreign_problems(given: Mapping[str, Any]) -> Iterator[str]:
    """Keys whose values RecBole's own data cannot have."""
    if given.get("benchmark_filename") is not None:
        yield (
            "Key 'benchmark_filename' is not read, and the split that it names would be another; "
            "leave it out, and set eval_args."
        )
    for key in ("load_col", "unload_col"):
        columns = given.get(key)
        named = isinstance(columns, dict) and all(
            value == "*" or isinstance(value, list) for value in columns.values()
        )
        if columns is not None and not named:
            yield (
                f"Key '{key}' must map inter, user and item to lists of columns, such as "
                f"{{inter: [user_id, item_id], user: [user_id, age]}}. Received: {columns!r}."
            )


def eval_problems(eval_args: Any, protocol: Any) -> Iterator[str]:
    """What of RecBole's `eval_args` cannot be done, in one sentence; what is left out is default.

    Args:
        eval_args: as the user gave them.
        protocol: as the user gave it; None: not at all.
    """
    if not isinstance(eval_args, dict):
        yield f"Key 'eval_args' must be a mapping; {SUPPORTED_EVAL}. Received: {eval_args!r}."
        return
    for entry in eval_args:
        if entry not in EVAL_DEFAULTS:
            yield f"Unknown entry '{entry}' of eval_args.{nearest(str(entry), EVAL_DEFAULTS)}"
    wrong = [
        f"{entry} {value}"
        for entry, value in eval_args.items()
        if entry in EVAL_DEFAULTS and not _IS_SUPPORTED[entry](value)
    ]
    if wrong:
        yield f"Key 'eval_args' asks for {', '.join(wrong)}; {SUPPORTED_EVAL}."
    elif protocol not in (None, schema.KNOWN_BRAND):
        yield (
            f"Key 'eval_args' is protocol known-brand, and protocol is '{protocol}'; leave one of "
            f"them out."
        )


def _is_eight_to_one(split: Any) -> bool:
    if not isinstance(split, dict) or list(split) != ["RS"] or not isinstance(split["RS"], list):
        return False
    shares = split["RS"]
    if len(shares) != 3 or not all(type(share) in (int, float) for share in shares):
        return False
    total = math.fsum(shares)
    wanted = EVAL_DEFAULTS["split"]["RS"]
    return total > 0 and all(
        math.isclose(share / total, one, abs_tol=1e-9)
        for share, one in zip(shares, wanted, strict=True)
    )


def _is_full(mode: Any) -> bool:
    modes = list(mode.values()) if isinstance(mode, dict) else [mode]
    return bool(modes) and all(one == EVAL_DEFAULTS["mode"] for one in modes)


_IS_SUPPORTED = {
    "split": _is_eight_to_one,
    "group_by": lambda value: value == EVAL_DEFAULTS["group_by"],
    "order": lambda value: value == EVAL_DEFAULTS["order"],
    "mode": _is_full,
}


def properties_folder() -> Path:
    """Folder of our YAML defaults: inside an installed wheel, or in a checkout beside us."""
    inside = Path(str(resources.files("recbole_mirec"))) / "properties"
    if (inside / "overall.yaml").is_file():
        return inside
    return Path(__file__).resolve().parent.parent / "properties"


def _recbole_yaml(*parts: str) -> dict[str, Any]:
    path = Path(recbole.__file__).parent.joinpath("properties", *parts)
    return load_yaml(path) if path.is_file() else {}


def _our_yaml(*parts: str) -> dict[str, Any]:
    path = properties_folder().joinpath(*parts)
    return load_yaml(path) if path.is_file() else {}


def overall_default(key: str) -> Any:
    """A key's default before any model's or data set's."""
    return (_recbole_yaml("overall.yaml") | _our_yaml("overall.yaml"))[key]


def model_defaults(model: str) -> dict[str, Any]:
    """Keys and defaults of a model's own YAML files, presets still unresolved."""
    return _recbole_yaml("model", f"{model}.yaml") | _our_defaults(model)


def _our_defaults(model: str) -> dict[str, Any]:
    return outside_yaml(model) if is_outside(model) else _our_yaml("model", f"{model}.yaml")


def all_defaults(model: str) -> dict[str, Any]:
    """Every key's default for a model before any data set's, presets still unresolved."""
    return _recbole_yaml("overall.yaml") | _our_yaml("overall.yaml") | model_defaults(model)


def known_keys(model: str, dataset: str) -> set[str]:
    """Every key that means something to RecBole, to us, to the model or to the data set."""
    defaults = model_defaults(model)
    presets = (*defaults.get("variants", {}).values(), *defaults.get("schedules", {}).values())
    mappings: list[Mapping[str, Any]] = [
        _recbole_yaml("overall.yaml"),
        _recbole_yaml("dataset", "sample.yaml"),
        _recbole_yaml("dataset", f"{dataset}.yaml"),
        _our_yaml("overall.yaml"),
        _our_yaml("dataset", f"{dataset}.yaml"),
        defaults,
        *presets,
    ]
    keys = {key for mapping in mappings for key in mapping} - {"variants", "schedules"}
    for name in ("general", "training", "evaluation", "dataset"):
        keys |= set(getattr(argument_list, f"{name}_arguments"))
    if is_outside(model):
        keys |= outside_keys(model)
    return keys | {"model", "dataset"}


def variants_that_read(key: str, defaults: Mapping[str, Any]) -> list[str]:
    """Variants whose preset holds a key; none where the key is of all variants, or of no model's.

    Args:
        key: a key of the configuration.
        defaults: a model's YAML.
    """
    variants: Mapping[str, Mapping[str, Any]] = defaults.get("variants", {})
    return [name for name, preset in variants.items() if key in preset and key not in defaults]


def resolve_presets(defaults: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the chosen variant and schedule over the shared defaults of a model.

    Args:
        defaults: a model's YAML, perhaps with `variants` and `schedules`, each name -> keys.
        settings: what the user set; `variant` and `schedule` choose the presets.

    Returns:
        Flat keys and values, without the preset tables.

    Raises:
        UsageError: a variant or schedule of that name does not exist; or the user set keys that
            other variants read and the chosen one does not.
    """
    flat, problems = _presets(defaults, settings)
    refuse(problems)
    return flat


def _presets(
    defaults: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """As `resolve_presets`, with what is wrong instead of an error."""
    flat = {key: value for key, value in defaults.items() if key not in ("variants", "schedules")}
    for kind in ("variant", "schedule"):
        table = defaults.get(f"{kind}s")
        if table is None:
            continue
        chosen = str(settings.get(kind, flat[kind]))
        if chosen not in table:
            return flat, [f"Unknown {kind} '{chosen}'.{nearest(chosen, table)}"]
        flat |= table[chosen]
    idle = [key for key in settings if key not in flat and variants_that_read(key, defaults)]
    return flat, [
        f"Key '{key}' has no effect with variant={settings.get('variant', flat['variant'])}; leave "
        f"it out, or set variant={' or '.join(variants_that_read(key, defaults))}."
        for key in idle
    ]


def merged_settings(
    model: str | type | None,
    dataset: str | None,
    config_file_list: Sequence[str | Path] | None,
    config_dict: Mapping[str, Any] | None,
    *,
    argv: bool = False,
) -> dict[str, Any]:
    """What RecBole's arguments set, later ones winning: files, dictionary, command line, names.

    Args:
        model: a name or a class, which is kept under a name that `find_model` knows.
        dataset: a name.
        config_file_list: YAML files.
        config_dict: keys and values.
        argv: whether the running command's `--key=value` words count, where the key is known.

    Raises:
        UsageError: a file cannot be read, or a class is no model.
    """
    settings: dict[str, Any] = {}
    for path in config_file_list or ():
        settings |= load_yaml(Path(path))
    settings |= config_dict or {}
    if argv:
        settings |= _command_line(settings)
    for key, value in (("model", model), ("dataset", dataset)):
        if value is not None:
            settings[key] = value
    if isinstance(settings.get("model"), type):
        settings["model"] = hand_over(settings["model"])
    return settings


def _command_line(settings: Mapping[str, Any]) -> dict[str, Any]:
    words = (word[2:].partition("=") for word in sys.argv[1:] if word.startswith("--"))
    given = {key: parse_value(value) for key, equals, value in words if equals}
    chosen = dict(settings) | given
    keys = known_keys(str(chosen.get("model", "MIRec")), str(chosen.get("dataset", "")))
    return {key: value for key, value in given.items() if key in keys}


class MirecConfig(Config):  # type: ignore[misc]
    """RecBole's Config with our YAML layers, our models, and no hidden reading of `sys.argv`.

    Layers, later ones win: RecBole's overall, model and data set files; our overall, model
    (variant and schedule resolved) and data set files; the user's files; the user's settings.

    Args:
        model: a name, `package.module:Class`, or a class; default: among the other settings, or
            MIRec.
        dataset: folder name under `data_path`; default: among the other settings, or mirec-demo.
        config_file_list: YAML files; later ones win.
        config_dict: keys and values; these win over files.

    Attributes:
        settings: what was set, merged: plain values, from which the same configuration follows.

    Raises:
        UsageError: an unknown model; or all that is wrong with keys and values, in one message.

    Attributes:
        remarks: what a person should know of how the settings were read: log level and sentence.
    """

    # RecBole's own calls take `--key=value` from the command line; ours only what they are given.
    reads_command_line = False

    def __init__(
        self,
        model: str | type | None = None,
        dataset: str | None = None,
        config_file_list: Sequence[str | Path] | None = None,
        config_dict: Mapping[str, Any] | None = None,
    ):
        given = merged_settings(
            model, dataset, config_file_list, config_dict, argv=self.reads_command_line
        )
        settings = {"model": "MIRec", "dataset": "mirec-demo"} | given
        self.settings = {
            key: str(value) if isinstance(value, os.PathLike) else value
            for key, value in settings.items()
        }
        self.remarks: list[tuple[int, str]] = []
        self._problems: list[str] = []
        try:
            super().__init__(
                model=find_model(self._name),
                dataset=str(settings["dataset"]),
                config_dict={key: value for key, value in settings.items() if key != "model"},
            )
        except UsageError:
            raise
        except (TypeError, ValueError) as error:
            raise UsageError(f"{error}".rstrip(".") + ".") from None

    @property
    def _name(self) -> str:
        """The model as `find_model` knows it; `config["model"]` is its class's name."""
        return str(self.settings["model"])

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        # RecBole evaluates strings as Python here; ours are typed already.
        return config_dict

    def _load_internal_config_dict(self, model: str, model_class: type, dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        self.internal_config_dict.update(_our_yaml("overall.yaml"))
        flat, self._problems = _presets(_our_defaults(self._name), self.external_config_dict)
        self.internal_config_dict.update(flat)
        self.internal_config_dict.update(_our_yaml("dataset", f"{dataset}.yaml"))

    def _set_default_parameters(self) -> None:
        """Between RecBole's merging of the layers and its own checks: all of ours."""
        self._read_keys()
        values = self.final_config_dict
        self._problems += value_problems(values, needs_negatives=self._needs_negatives())
        metrics = self._read_metrics()
        refuse(self._problems)
        # RecBole's own evaluation is never called, but its constructors look these up.
        values["metrics"] = self.internal_config_dict["metrics"]
        super()._set_default_parameters()
        values["shown_metrics"] = metrics
        values["valid_metric_bigger"] = not smaller_is_better(values["valid_metric"])

    def _read_keys(self) -> None:
        """The user's keys over the defaults: what is known, what has an effect, what it implies."""
        given, values, defaults = (
            self.external_config_dict,
            self.final_config_dict,
            self.internal_config_dict,
        )
        ours = follows_schema(self.dataset, values)
        known = known_keys(self._name, self.dataset)
        unread = unread_keys(given, known, model=self.model, ours=ours)
        self._problems += key_problems(given, known, unread, model=self.model)
        for key in unread:
            values.pop(key)
            if key in defaults:
                values[key] = defaults[key]
        told = {key: reason for key, reason in unread.items() if given[key] is not None}
        if told:
            self.remarks.append((logging.WARNING, unread_line(told)))
        if ours:
            self._problems += schema_problems(given, values, defaults, self.dataset)
        else:
            self._problems += foreign_problems(given)
            self._read_foreign_fields()
        self._read_protocol(ours=ours)
        if type(values["topk"]) is int:
            values["topk"] = [values["topk"]]

    def _read_foreign_fields(self) -> None:
        """RecBole's names of users and items, and of the columns to load, where none are given."""
        given, values = self.external_config_dict, self.final_config_dict
        for key, name in FOREIGN_IDS.items():
            if key not in given and values[key] == SCHEMA_KEYS[key]:
                values[key] = name
        if "load_col" not in given and values["load_col"] == {"inter": list(FOREIGN_IDS.values())}:
            values["load_col"] = {"inter": [values[key] for key in FOREIGN_IDS]}
        loaded = values["load_col"]
        if "threshold" not in given and isinstance(loaded, dict):
            # RecBole's for ml-100k reads ratings, which need not be loaded.
            labelled = set(values.get("threshold") or ()) <= set(loaded.get("inter", ()))
            values["threshold"] = values.get("threshold") if labelled else None

    def _read_protocol(self, *, ours: bool) -> None:
        given, values = self.external_config_dict, self.final_config_dict
        asks = given.get("eval_args") is not None
        if asks:
            self._problems += eval_problems(given["eval_args"], given.get("protocol"))
        else:
            values["eval_args"] = self.internal_config_dict["eval_args"]
        if "protocol" in given or (ours and not asks):
            return
        values["protocol"] = schema.KNOWN_BRAND
        why = "eval_args" if asks else f"data set '{self.dataset}', which has no new brands,"
        self.remarks.append(
            (
                logging.INFO,
                f"By {why} the protocol is known-brand: 8:1:1 of each user's interactions, ranked "
                f"among all items.",
            )
        )

    def _read_metrics(self) -> list[str]:
        """The metrics that are shown; sets `valid_metric` to its name in results."""
        values, asked = self.final_config_dict, self.external_config_dict.get("metrics")
        topk = values["topk"] if isinstance(values["topk"], list) else []
        topk = [k for k in topk if type(k) is int and k > 0]  # a rule refuses the others
        shown = usual_metrics(topk)
        try:
            values["valid_metric"] = read_metric(values["valid_metric"])
            if values["valid_metric"].startswith(UNSEEN) and not values["eval_unseen_only"]:
                name = values["valid_metric"]
                raise UsageError(f"valid_metric {name} needs eval_unseen_only=True.")
        except UsageError as error:
            self._problems.append(str(error))
        if asked is not None:
            words = asked if isinstance(asked, list) else [asked]
            shown, problems = chosen_metrics(words, topk)
            self._problems += problems
            self.remarks += [(logging.INFO, line) for line in metric_remarks(words)]
        return with_metric(shown, str(values["valid_metric"]))

    def _needs_negatives(self) -> bool:
        # RecBole's autoencoders say pairwise and read no negatives.
        pairwise = getattr(self.model_class, "input_type", None) == InputType.PAIRWISE
        return pairwise and not issubclass(self.model_class, AutoEncoderMixin)
