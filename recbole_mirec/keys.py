"""Keys of configurations: what values each takes, and those that no run reads, with the reason."""

import math
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import eq
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from typing_extensions import TypedDict

from dataset_convert import schema
from dataset_convert.common.settings import problems_of
from recbole_mirec.data.accounts import LISTS, VECTOR
from recbole_mirec.nn.settings import METHODS, Count, DropShare, Held, Perspectives, Switch, Weight


def _that(holds: Callable[[Any], object], wanted: str) -> AfterValidator:
    """A rule for values by a test and its words, which follow "must"."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(wanted)
        return value

    return AfterValidator(check)


# Kinds of values, beside those of the networks. Strict: '3' is no number, True is none, and 2.0 is
# no whole number.
Whole = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
# NumPy's global generator takes 32 bits, and so does gensim's.
Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e30, le=1e30), Held]
Positive = Annotated[Number, Field(gt=0)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Counts = Annotated[list[Count], Field(min_length=1)]
Depths = Annotated[
    Counts,
    Field(max_length=100),
    _that(lambda depths: len(set(depths)) == len(depths), "name each depth once"),
]
Names = Annotated[list[Text], Field(strict=True)]
Columns = dict[str, Annotated[Names, BeforeValidator(lambda names: [] if names == "*" else names)]]
AnyCase = BeforeValidator(lambda word: word.lower() if isinstance(word, str) else word)


def _are_intervals(text: str) -> bool:
    parts = [re.fullmatch(r"\s*[\[(](.+),(.+)[\])]\s*", part) for part in text.split(";")]
    try:
        return all(part and float(part[1]) <= float(part[2]) for part in parts)
    except ValueError:
        return False


Intervals = Annotated[Text, _that(_are_intervals, "read like [5,inf) or [0,1);(3,4]")]


def _is_folder(value: Any) -> bool:
    named = isinstance(value, str | os.PathLike) and str(value) != ""
    return named and (Path(value).is_dir() or not Path(value).exists())


def _is_eight_to_one(split: Any) -> bool:
    shares = split.get("RS") if isinstance(split, dict) and len(split) == 1 else None
    if not isinstance(shares, list) or not all(type(share) in (int, float) for share in shares):
        return False
    total = math.fsum(shares)
    return total > 0 and [round(share / total, 9) for share in shares] == [0.8, 0.1, 0.1]


def _is_full(mode: Any) -> bool:
    return mode == "full" or (isinstance(mode, dict) and set(mode.values()) == {"full"})


class Negatives(BaseModel):
    """Entries of `train_neg_sample_args`, with RecBole's defaults."""

    model_config = ConfigDict(extra="forbid")

    distribution: Literal["uniform", "popularity", "None"] | None = "uniform"
    sample_num: Count = 1
    alpha: Number = 1.0
    dynamic: Switch = False
    candidate_num: Whole = 0

    @model_validator(mode="after")
    def _has_candidates(self) -> Self:
        if self.dynamic and self.candidate_num < 1:
            raise ValueError("have a candidate_num of at least 1 where it is dynamic")
        return self


class Clipping(BaseModel):
    """Entries of `clip_grad_norm`, with torch's defaults."""

    model_config = ConfigDict(extra="forbid")

    max_norm: Positive
    norm_type: Positive = 2.0


class EvalArgs(BaseModel):
    """Entries of `eval_args`, which can ask for protocol known-brand alone, RecBole's default."""

    model_config = ConfigDict(extra="forbid")

    split: Annotated[Any, _that(_is_eight_to_one, "be {RS: [0.8, 0.1, 0.1]} (known-brand)")] = None
    group_by: Literal["user"] = "user"
    order: Literal["RO"] = "RO"
    mode: Annotated[Any, _that(_is_full, "be full (known-brand)")] = "full"


def _is_a_fold(fold: int, info: ValidationInfo) -> int:
    """Check a fold against the keys that are checked before it."""
    others = info.data or {}
    n_folds, protocol = others.get("folds", 0), others.get("protocol", schema.NEW_BRAND)
    if n_folds and (n_folds < 2 or not 1 <= fold <= n_folds or protocol != schema.NEW_BRAND):
        raise ValueError(
            f"be one of 1 to 'folds', and 'folds' 0, or at least 2 with protocol=new-brand "
            f"(folds={n_folds}, protocol={protocol})"
        )
    if fold and "folds" in others and not n_folds:
        raise ValueError("be 0 where there are no folds; set 'folds' as well")
    return fold


ONE_PROCESS = "worker processes would each draw the same negatives from a copy of the sampler"
OWN_FOLDER = "a run is recorded in its own folder"
_KINDS: tuple[tuple[Any, str], ...] = (
    (Count, "epochs train_batch_size eval_batch_size eval_step tower_dimension n_concepts"),
    (Count, "graph_dimension graph_n_walks graph_window graph_epochs graph_negative"),
    (Count, "graph_netmf_negative"),
    (Annotated[Count, Field(ge=2)], "graph_walk_length list_size"),
    (Whole, "torch_threads stopping_step learning_rate_decay_steps"),
    (Seed, "seed graph_seed split_seed"),
    (Positive, "learning_rate learning_rate_decay graph_eta graph_p graph_q"),
    (Weight, "weight_decay graph_subsample triplet_margin tower_l1"),
    (DropShare, "tower_dropout"),
    (Switch, "drop_last static_negatives shuffle eval_unseen_only show_progress shared_towers"),
    (Switch, "refit"),
    (Counts, "tower_hidden topic_tower visual_tower concept_tower fusion_tower"),
    (Literal["cosine", "hellinger"], "combination"),
    (Literal["bpr", "logistic"], "loss"),
    (Literal["node2vec", "netmf"], "graph_method"),
    (Literal["auto", LISTS, VECTOR], "attribute_input"),
    (Perspectives, "perspectives"),
    (Literal[schema.PROTOCOLS], "protocol"),
    (Depths, "topk"),
    (Negatives | None, "train_neg_sample_args"),
    (EvalArgs, "eval_args"),
    (Annotated[Any, _that(_is_folder, "be the path of a folder")], "checkpoint_dir data_path"),
    (Text | None, "attribute_graph_file node_embedding_file"),
    # RecBole's, which mean the same in all of its models that have them
    (Count, "embedding_size mf_embedding_size mlp_embedding_size user_embedding_size k"),
    (Count, "item_embedding_size latent_dimension attention_size"),
    (Whole, "n_layers"),
    (Counts, "mlp_hidden_size"),
    (DropShare, "dropout_prob hidden_dropout_prob attn_dropout_prob drop_ratio node_dropout"),
    (DropShare, "message_dropout"),
    (Weight, "reg_weight reg_weight_1 reg_weight_2 shrink negative_weight gamma"),
    (Annotated[list[Weight], Field(min_length=1)], "reg_weights"),
    (Annotated[Number, Field(ge=-1, le=1)], "margin"),
    (Literal["mean", "user_attention", "self_attention"], "aggregator"),
    (Literal["item", "user"], "knn_method"),
    (Annotated[Literal["adam", "adamw", "sgd", "adagrad", "rmsprop"], AnyCase], "learner"),
    (Annotated[Literal["debug", "info", "warning", "error", "critical"], AnyCase], "state"),
    (Annotated[Whole, Field(le=100)], "loss_decimal_place"),
    (
        Annotated[
            Any,
            _that(
                lambda ids: re.fullmatch(r"None|(\d{1,4}(,\d{1,4})*)?", str(ids)),
                "name GPUs, such as 0 or 0,1, or be '' for the CPU",
            ),
        ],
        "gpu_id",
    ),
    # RecBole's, of its data
    (Text, "USER_ID_FIELD ITEM_ID_FIELD RATING_FIELD TIME_FIELD LABEL_FIELD NEG_PREFIX"),
    (Text, "field_separator seq_separator"),
    (Columns | None, "load_col unload_col unused_col"),
    (Names | None, "additional_feat_suffix alias_of_user_id alias_of_item_id normalize_field"),
    (Names, "numerical_features"),
    (Clipping | None, "clip_grad_norm"),
    (dict[str, Number] | None, "threshold"),
    (dict[str, Text] | None, "preload_weight"),
    (dict[str, Count] | None, "seq_len"),
    (dict[str, Intervals] | None, "val_interval"),
    (Intervals | None, "user_inter_num_interval item_inter_num_interval"),
    (dict[str, dict[str, Any]] | None, "discretization"),
    (Any, "metrics valid_metric"),  # read by the table of metrics
    (Switch | None, "normalize_all"),
    (Literal["first", "last"] | None, "rm_dup_inter"),
    (Annotated[Whole, _that(lambda n: n == 0, f"be 0: {ONE_PROCESS}")], "worker"),
    (Annotated[Switch, _that(lambda flag: not flag, f"be False: {OWN_FOLDER}")], "log_wandb"),
    # the last, since it is checked against others
    (Whole, "folds"),
    (Annotated[Whole, AfterValidator(_is_a_fold)], "fold"),
)
KINDS: dict[str, Any] = {key: kind for kind, keys in _KINDS for key in keys.split()}
# Those of MIRec's keys that are read by one of its methods alone.
METHOD_KINDS: dict[str, dict[str, Any]] = {
    method: {key: get_type_hints(kind, include_extras=True)[key] for key in kind.model_fields}
    for method, kind in METHODS.items()
}


def accepts(key: str, value: Any) -> bool:
    """Whether it is known of a key that it takes a value."""
    try:
        TypeAdapter(KINDS[key]).validate_python(value)
    except (KeyError, ValidationError):
        return False
    return True


def _kind_of(default: Any) -> Any:
    """What a key of RecBole's models takes of which only the default is known."""
    kinds = ((bool, Switch), (int | float, Number), (str, str), (list, list[Any]))
    return next((kind for known, kind in kinds if isinstance(default, known)), Any)


def value_problems(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[str]:
    """What is wrong with values by their keys' kinds, a sentence each."""
    fields = {key: kind for key, kind in kinds.items() if key in values}
    try:
        TypeAdapter(TypedDict("Settings", fields)).validate_python(dict(values))  # type: ignore[operator]
    except ValidationError as error:
        parts = {
            "train_neg_sample_args": [*Negatives.model_fields],
            "clip_grad_norm": [*Clipping.model_fields],
            "eval_args": [*EvalArgs.model_fields],
        }
        return problems_of(error, parts=parts)
    return []


def _by_key(*groups: tuple[str, str]) -> dict[str, str]:
    return {key: words for words, keys in groups for key in keys.split()}


# Keys of RecBole that no run reads, and why.
UNREAD = _by_key(
    (
        "data are read afresh and never pickled",
        "save_dataset dataset_save_path save_dataloaders dataloaders_save_path",
    ),
    ("one process trains", "nproc world_size ip port group_offset"),
    (
        "no model here reads sequences or knowledge graphs",
        "ITEM_LIST_LENGTH_FIELD LIST_SUFFIX POSITION_FIELD MAX_ITEM_LIST_LENGTH "
        "HEAD_ENTITY_ID_FIELD TAIL_ENTITY_ID_FIELD RELATION_ID_FIELD ENTITY_ID_FIELD kg_reverse_r "
        "entity_kg_num_interval relation_kg_num_interval alias_of_entity_id alias_of_relation_id "
        "transform",
    ),
    ("the direction follows from 'valid_metric'", "valid_metric_bigger"),
    ("a brand's training positives are always masked", "repeatable"),
    ("figures are kept in full and rounded in tables only", "metric_decimal_place"),
    ("'gpu_id' chooses the device; gpu_id='' is the CPU", "use_gpu"),
    (OWN_FOLDER, "wandb_project"),
    ("files are named by --config_files", "config_file"),
)
# Keys that a data set of our schema has no use for, and why.
UNREAD_BY_SCHEMA = _by_key(
    (
        "the columns are chosen by the model",
        "load_col unload_col unused_col additional_feat_suffix seq_len RATING_FIELD TIME_FIELD "
        "threshold alias_of_user_id alias_of_item_id preload_weight normalize_field normalize_all "
        "discretization",
    ),
    ("split files are found by their names", "benchmark_filename"),
)
# Keys that nothing would read, and what to set instead.
REFUSED = {
    key: f"is not RecBole's any more; set '{new}'"
    for new, keys in (
        ("train_neg_sample_args", "neg_sampling training_neg_sample_num"),
        ("eval_args", "eval_setting group_by_user split_ratio leave_one_num"),
        ("user_inter_num_interval", "min_user_inter_num max_user_inter_num"),
        ("item_inter_num_interval", "min_item_inter_num max_item_inter_num"),
    )
    for key in keys.split()
} | {"method": "has no effect here: it follows from 'variant'"}
# Keys whose value is given for a data set of our schema, and keys that it has no place for.
SCHEMA_KEYS = {
    "USER_ID_FIELD": schema.BRAND_ID,
    "ITEM_ID_FIELD": schema.INFLUENCER_ID,
    "field_separator": schema.FIELD_SEPARATOR,
    "seq_separator": schema.SEQUENCE_SEPARATOR,
}
FOREIGN_KEYS = _by_key(
    (
        "filtering would change the split and the candidates; filter before converting",
        "val_interval user_inter_num_interval item_inter_num_interval filter_inter_by_user_or_item",
    ),
    ("every pair stands once in files that are accepted", "rm_dup_inter"),
    ("only token fields are registered for RecBole's context-aware models", "numerical_features"),
)
# RecBole's names of users and items where a data set that is not of our schema says none.
FOREIGN_IDS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id"}


def kinds_of(
    theirs: Mapping[str, Any], defaults: Mapping[str, Any], *, draws: bool, ours: bool
) -> dict[str, Any]:
    """The kinds of values that keys take in a run.

    Args:
        theirs: RecBole's own keys, with their defaults.
        defaults: all keys with the values that they have where nobody sets them.
        draws: whether the model learns from negatives.
        ours: whether the data set follows our schema.
    """
    kinds = {key: _kind_of(default) for key, default in theirs.items()} | KINDS
    kinds |= METHOD_KINDS.get(defaults.get("method", ""), {})
    rules: dict[str, AfterValidator] = {}
    if ours:
        # keys that would read our files as if they were another's
        words = "for a data set in files of this project's schema"
        for key, value in SCHEMA_KEYS.items():
            rules[key] = _that(partial(eq, value), f"stay {value!r} {words}; leave it out")
        for key, reason in FOREIGN_KEYS.items():
            default = [defaults.get(key)]
            rules[key] = _that(default.__contains__, f"be left out {words}: {reason}")
    else:
        wanted = "be left out: the split that it names would be another; set eval_args"
        rules["benchmark_filename"] = _that(partial(eq, None), wanted)
    kinds |= {key: Annotated[Any, rule] for key, rule in rules.items()}
    if draws:
        drawn = _that(
            lambda args: args is not None and args.distribution not in (None, "None"),
            "be left out, or have a distribution: the model learns from negatives",
        )
        kinds["train_neg_sample_args"] = Annotated[Negatives | None, drawn]
    return kinds
