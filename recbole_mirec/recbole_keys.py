"""What RecBole's configuration keys mean here: read, without an effect, renamed or refused."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import recbole

from dataset_convert import schema
from dataset_convert.synthetic.spec import SPECS
from recbole_mirec.errors import nearest

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
