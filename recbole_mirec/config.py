"""Configuration: layers of YAML, RecBole's keys as they are meant here, and one checker."""

import logging
import math
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import recbole
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from recbole.config import Config
from recbole.model.abstract_recommender import AutoEncoderMixin
from recbole.utils import InputType, argument_list

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest, refuse, shown
from dataset_convert.common.settings import problems_of
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


def _that(holds: Callable[[Any], object], wanted: str) -> Any:
    """A kind of values by a test and its words, which follow "must"."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(wanted)
        return value

    return Annotated[Any, AfterValidator(check)]


def _any_case(*words: str) -> Any:
    lower = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
    return Annotated[Literal[words], lower]


def _each_once(depths: list[int]) -> list[int]:
    if len(set(depths)) < len(depths):
        raise ValueError("name each depth once")
    return depths


# Kinds of values. Strict: '3' is no number, True is none, and 2.0 is no whole number.
LARGEST = 2**31 - 1
Whole = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
Count = Annotated[int, Field(strict=True, ge=1, le=LARGEST)]
# NumPy's global generator takes 32 bits, and so does gensim's.
Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
# Torch computes in single precision.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e30, le=1e30)]
Weight = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e30)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1e30)]
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Counts = Annotated[list[Count], Field(min_length=1)]
Depths = Annotated[Counts, Field(max_length=100), AfterValidator(_each_once)]
Names = Annotated[list[Text], Field(strict=True)]
Columns = dict[str, Annotated[Names, BeforeValidator(lambda names: [] if names == "*" else names)]]
Interval = Annotated[str, Field(strict=True, pattern=r"^\s*[\[(].+,.+[\])]\s*$")]
Folder = _that(
    lambda value: (
        isinstance(value, str | os.PathLike)
        and str(value)
        and (Path(value).is_dir() or not Path(value).exists())
    ),
    "be the path of a folder",
)
Devices = _that(
    lambda value: re.fullmatch(r"None|(\d{1,4}(,\d{1,4})*)?", str(value)),
    "name GPUs, such as 0 or 0,1, or be '' for the CPU",
)


class Negatives(BaseModel):
    """Entries of `train_neg_sample_args`, with RecBole's defaults."""

    model_config = ConfigDict(extra="forbid")

    distribution: Literal["uniform", "popularity", "None"] | None = "uniform"
    sample_num: Count = 1
    alpha: Number = 1.0
    dynamic: Flag = False
    candidate_num: Whole = 0

    @model_validator(mode="after")
    def _has_candidates(self) -> Self:
        if self.dynamic and self.candidate_num < 1:
            raise ValueError("have a candidate_num of at least 1 where it is dynamic")
        return self


_KINDS: tuple[tuple[Any, str], ...] = (
    (Count, "epochs train_batch_size eval_batch_size eval_step tower_dimension n_concepts"),
    (Count, "graph_dimension graph_n_walks graph_window graph_epochs graph_negative"),
    (Count, "graph_netmf_negative"),
    (Annotated[Count, Field(ge=2)], "graph_walk_length list_size"),
    (Whole, "torch_threads stopping_step folds fold learning_rate_decay_steps"),
    (Seed, "seed graph_seed split_seed"),
    (Positive, "learning_rate learning_rate_decay graph_eta graph_p graph_q"),
    (Weight, "weight_decay graph_subsample triplet_margin tower_l1"),
    (Share, "tower_dropout"),
    (Flag, "drop_last static_negatives shuffle eval_unseen_only show_progress shared_towers"),
    (Counts, "tower_hidden topic_tower visual_tower concept_tower fusion_tower"),
    (Literal["cosine", "hellinger"], "combination"),
    (Literal["bpr", "logistic"], "loss"),
    (Literal[schema.PROTOCOLS], "protocol"),
    (Depths, "topk"),
    (Negatives | None, "train_neg_sample_args"),
    (Folder, "checkpoint_dir data_path"),
    (Text | None, "attribute_graph_file node_embedding_file"),
    # RecBole's, which mean the same in all of its models that have them
    (Count, "embedding_size mf_embedding_size mlp_embedding_size user_embedding_size"),
    (Count, "item_embedding_size latent_dimension attention_size k"),
    (Whole, "n_layers"),
    (Counts, "mlp_hidden_size"),
    (Share, "dropout_prob hidden_dropout_prob attn_dropout_prob drop_ratio node_dropout"),
    (Share, "message_dropout"),
    (Weight, "reg_weight reg_weight_1 reg_weight_2 shrink negative_weight gamma"),
    (Annotated[list[Weight], Field(min_length=1)], "reg_weights"),
    (Annotated[Number, Field(ge=-1, le=1)], "margin"),
    (Literal["mean", "user_attention", "self_attention"], "aggregator"),
    (Literal["item", "user"], "knn_method"),
    (_any_case("adam", "adamw", "sgd", "adagrad", "rmsprop"), "learner"),
    (_any_case("debug", "info", "warning", "error", "critical"), "state"),
    (Annotated[Whole, Field(le=100)], "loss_decimal_place"),
    (Devices, "gpu_id"),
    # RecBole's, of its data
    (Text, "USER_ID_FIELD ITEM_ID_FIELD RATING_FIELD TIME_FIELD LABEL_FIELD NEG_PREFIX"),
    (Text, "field_separator seq_separator"),
    (Columns | None, "load_col unload_col unused_col"),
    (Names | None, "additional_feat_suffix alias_of_user_id alias_of_item_id normalize_field"),
    (Names, "numerical_features"),
    (dict[str, Number] | None, "threshold clip_grad_norm"),
    (dict[str, Text] | None, "preload_weight"),
    (dict[str, Count] | None, "seq_len"),
    (dict[str, Interval] | None, "val_interval"),
    (Interval | None, "user_inter_num_interval item_inter_num_interval"),
    (dict[str, dict[str, Any]] | None, "discretization"),
    (Any, "metrics valid_metric eval_args"),  # read by functions of their own
    (Flag | None, "normalize_all"),
    (Literal["first", "last"] | None, "rm_dup_inter"),
    (
        _that(
            lambda value: type(value) is int and value == 0,
            "be 0: worker processes would each draw the same negatives from a copy of the sampler",
        ),
        "worker",
    ),
    (
        _that(
            lambda value: value is False,
            "be False: a run is recorded in its own folder and nowhere else",
        ),
        "log_wandb",
    ),
)
KINDS: dict[str, Any] = {key: kind for kind, keys in _KINDS for key in keys.split()}


def accepts(key: str, value: Any) -> bool:
    """Whether it is known of a key that it takes a value."""
    try:
        TypeAdapter(KINDS[key]).validate_python(value)
    except (KeyError, ValidationError):
        return False
    return True


def _kind_of(default: Any) -> Any:
    """What a key of RecBole's models takes of which only the default is known."""
    kinds = ((bool, Flag), (int | float, Number), (str, str), (list, list[Any]))
    return next((kind | None for known, kind in kinds if isinstance(default, known)), Any)


def _value_problems(
    values: Mapping[str, Any], theirs: Mapping[str, Any], *, needs_negatives: bool
) -> list[str]:
    """What is wrong with the values of a configuration; `theirs` are RecBole's defaults."""
    kinds = {key: _kind_of(default) for key, default in theirs.items()} | KINDS
    # By numbers, since a key may have a name that no field of pydantic's has.
    fields: dict[str, Any] = {
        f"key_{place}": (kinds[key], Field(alias=key))
        for place, key in enumerate(values)
        if key in kinds
    }
    problems, wrong = [], set()
    try:
        create_model("Settings", **fields).model_validate(dict(values))
    except ValidationError as error:
        problems = problems_of(error, known=Negatives.model_fields)
        wrong = {entry["loc"][0] for entry in error.errors()}
    if needs_negatives and "train_neg_sample_args" not in wrong:
        given = values["train_neg_sample_args"] or {"distribution": None}
        if given.get("distribution", "") in (None, "None"):
            problems.append("The model learns from negatives; leave train_neg_sample_args out.")
    if wrong.isdisjoint(("folds", "fold", "protocol")):
        problems += _fold_problems(values["folds"], values["fold"], values["protocol"])
    return problems


def _fold_problems(n_folds: int, fold: int, protocol: str) -> Iterator[str]:
    if not n_folds and fold:
        yield f"Key 'fold' is {fold}, but there are no folds; set 'folds' as well."
    if n_folds and protocol != schema.NEW_BRAND:
        yield (
            f"Key 'folds' cuts brands, which protocol '{protocol}' does not; leave it out, or set "
            f"protocol=new-brand."
        )
    if n_folds and (n_folds == 1 or not 1 <= fold <= n_folds):
        yield (
            f"Key 'folds' must be 0 or at least 2, and 'fold' one of 1 to 'folds'. "
            f"Received: {n_folds} and {fold}."
        )


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
    ("a run is recorded in its own folder", "wandb_project"),
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
# Keys that RecBole had before, and the one to set instead.
RENAMED = _by_key(
    ("train_neg_sample_args", "neg_sampling training_neg_sample_num"),
    ("eval_args", "eval_setting group_by_user split_ratio leave_one_num"),
    ("user_inter_num_interval", "min_user_inter_num max_user_inter_num"),
    ("item_inter_num_interval", "min_item_inter_num max_item_inter_num"),
)
# Keys whose value is given for a data set of our schema, and keys that it has no place for.
SCHEMA_KEYS = {
    "USER_ID_FIELD": schema.BRAND_ID,
    "ITEM_ID_FIELD": schema.INFLUENCER_ID,
    "field_separator": schema.FIELD_SEPARATOR,
    "seq_separator": schema.SEQUENCE_SEPARATOR,
}
FOREIGN_KEYS = _by_key(
    (
        "filtering would change the split and the candidates; filter the material before "
        "converting it",
        "val_interval user_inter_num_interval item_inter_num_interval filter_inter_by_user_or_item",
    ),
    ("every pair stands once in files that are accepted", "rm_dup_inter"),
    ("only token fields are registered for RecBole's context-aware models", "numerical_features"),
)
# RecBole's names of users and items where a data set that is not of our schema says none.
FOREIGN_IDS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id"}


def _is_eight_to_one(split: Any) -> bool:
    shares = split.get("RS") if isinstance(split, dict) and len(split) == 1 else None
    if not isinstance(shares, list) or not all(type(share) in (int, float) for share in shares):
        return False
    total = math.fsum(shares)
    return total > 0 and [round(share / total, 9) for share in shares] == [0.8, 0.1, 0.1]


# The one way to evaluate that eval_args can ask for: RecBole's default, our `known-brand`.
_IS_SUPPORTED: dict[str, Callable[[Any], bool]] = {
    "split": _is_eight_to_one,
    "group_by": lambda value: value == "user",
    "order": lambda value: value == "RO",
    "mode": lambda value: (
        value == "full" or (isinstance(value, dict) and set(value.values()) == {"full"})
    ),
}
SUPPORTED_EVAL = (
    "supported is split {RS: [0.8, 0.1, 0.1]}, group_by user, order RO, mode full, which is "
    "protocol known-brand"
)


def _eval_problems(eval_args: Any, protocol: Any) -> Iterator[str]:
    """What of the user's `eval_args` cannot be done; what is left out is default."""
    if not isinstance(eval_args, dict):
        received = shown(eval_args, 120)
        yield f"Key 'eval_args' must be a mapping; {SUPPORTED_EVAL}. Received: {received}."
        return
    strange = [entry for entry in eval_args if entry not in _IS_SUPPORTED]
    for entry in strange:
        yield f"Unknown entry {shown(entry)} of eval_args.{nearest(entry, _IS_SUPPORTED)}"
    wrong = [
        f"{entry} {shown(value, 120)}"
        for entry, value in eval_args.items()
        if entry not in strange and not _IS_SUPPORTED[entry](value)
    ]
    if wrong:
        yield f"Key 'eval_args' asks for {', '.join(wrong)}; {SUPPORTED_EVAL}."
    elif protocol not in (None, schema.KNOWN_BRAND):
        yield (
            f"Key 'eval_args' is protocol known-brand, and protocol is {shown(protocol)}; leave "
            f"one of them out."
        )


def follows_schema(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a data set is of brands and influencers, in files of our schema."""
    folder = Path(str(values["data_path"]), name)
    try:
        if name in SPECS or (folder / schema.MANIFEST_FILE).is_file():
            return True
        if values["USER_ID_FIELD"] != schema.BRAND_ID:
            return False
        with (folder / f"{name}.inter").open(encoding="utf-8") as file:
            return f"{schema.BRAND_ID}:" in file.readline()
    except (OSError, UnicodeDecodeError):
        return True


def _keys_of_all_models() -> set[str]:
    """Keys of every model of RecBole, sequential and knowledge-based ones included."""
    folder = Path(recbole.__file__).parent / "properties" / "model"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")]
    return {key for text in texts for key in re.findall(r"^(\w+)\s*:", text, re.MULTILINE)}


def _unread_keys(
    given: Collection[str], known: Collection[str], *, model: str, ours: bool
) -> dict[str, str]:
    """The user's keys of RecBole that this run does not read, and why."""
    reasons = UNREAD | UNREAD_BY_SCHEMA if ours else UNREAD
    unread = {key: reasons[key] for key in given if key in reasons}
    strange = [key for key in given if key not in known and key not in unread]
    theirs = _keys_of_all_models() - set(RENAMED) if strange else set()
    return unread | {key: f"model {model} has no such key" for key in strange if key in theirs}


def _unread_line(unread: Mapping[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for key, reason in unread.items():
        by_reason.setdefault(reason, []).append(key)
    parts = [f"{', '.join(keys)} ({reason})" for reason, keys in by_reason.items()]
    return f"Keys that have no effect here: {'; '.join(parts)}."


def _key_problems(
    given: Mapping[str, Any], known: Collection[str], unread: Collection[str], *, model: str
) -> Iterator[str]:
    """Keys that nothing would read, one sentence each, with the right one where there is one."""
    for key in given:
        if key in RENAMED:
            yield f"Key '{key}' is not RecBole's any more; set '{RENAMED[key]}'."
        elif key == "method":
            yield "Key 'method' has no effect here: it follows from 'variant'."
        elif key not in known and key not in unread:
            yield f"Unknown key {shown(key, 60)} for model {model}.{nearest(key, known)}"


def _schema_problems(
    given: Mapping[str, Any], values: Mapping[str, Any], defaults: Mapping[str, Any], name: str
) -> Iterator[str]:
    """Keys that would read a data set of our schema as if it were another's."""
    for key, value in SCHEMA_KEYS.items():
        if values[key] != value:
            yield (
                f"Key '{key}' must stay {value!r} for data set '{name}', whose files follow this "
                f"project's schema; leave it out. Received: {shown(values[key])}."
            )
    for key, reason in FOREIGN_KEYS.items():
        if given.get(key) is not None and given[key] != defaults.get(key):
            yield f"Key '{key}' cannot be set for data set '{name}': {reason}."


def properties_folder() -> Path:
    """Folder of our YAML defaults: inside an installed wheel, or in a checkout beside us."""
    inside = Path(str(resources.files("recbole_mirec"))) / "properties"
    if (inside / "overall.yaml").is_file():
        return inside
    return Path(__file__).resolve().parent.parent / "properties"


@cache
def _read_once(path: Path) -> dict[str, Any]:
    return load_yaml(path) if path.is_file() else {}


def _yaml(folder: Path, *parts: str) -> dict[str, Any]:
    return deepcopy(_read_once(folder.joinpath(*parts)))


def _recbole_yaml(*parts: str) -> dict[str, Any]:
    return _yaml(Path(recbole.__file__).parent / "properties", *parts)


def _our_yaml(*parts: str) -> dict[str, Any]:
    return _yaml(properties_folder(), *parts)


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
    defaults = all_defaults(model)
    presets = (*defaults.get("variants", {}).values(), *defaults.get("schedules", {}).values())
    samples = [_recbole_yaml("dataset", f"{name}.yaml") for name in ("sample", dataset)]
    keys = set().union(defaults, *presets, *samples, _our_yaml("dataset", f"{dataset}.yaml"))
    for name in ("general", "training", "evaluation", "dataset"):
        keys |= set(getattr(argument_list, f"{name}_arguments"))
    if is_outside(model):
        keys |= outside_keys(model)
    return keys - {"variants", "schedules"} | {"model", "dataset"}


def variants_that_read(key: str, defaults: Mapping[str, Any]) -> list[str]:
    """Variants whose preset holds a key; none where it is of all variants, or of no model's."""
    variants: Mapping[str, Mapping[str, Any]] = defaults.get("variants", {})
    return [name for name, preset in variants.items() if key in preset and key not in defaults]


def resolve_presets(
    defaults: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Lay the chosen variant and schedule over the shared defaults of a model.

    Args:
        defaults: a model's YAML, perhaps with `variants` and `schedules`, each name -> keys.
        settings: what the user set; `variant` and `schedule` choose the presets.

    Returns:
        Flat keys and values, without the preset tables; and what is wrong: a variant or schedule
        that does not exist, keys that other variants read and the chosen one does not.
    """
    flat = {key: value for key, value in defaults.items() if key not in ("variants", "schedules")}
    for kind in ("variant", "schedule"):
        table = defaults.get(f"{kind}s")
        if table is None:
            continue
        chosen = str(settings.get(kind, flat[kind]))
        if chosen not in table:
            return flat, [f"Unknown {kind} {shown(chosen)}.{nearest(chosen, table)}"]
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
    settings |= {key: name for key, name in (("model", model), ("dataset", dataset)) if name}
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
        remarks: what a person should know of how the settings were read: log level and sentence.

    Raises:
        UsageError: an unknown model; or all that is wrong with keys and values, in one message.
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
        refuse(
            f"Key '{key}' must be a text. Received: {shown(settings[key])}."
            for key in ("model", "dataset")
            if not isinstance(settings[key], str) or not settings[key]
        )
        self.settings = {
            key: str(value) if isinstance(value, os.PathLike) else value
            for key, value in settings.items()
        }
        self.remarks: list[tuple[int, str]] = []
        self._problems: list[str] = []
        try:
            super().__init__(
                model=find_model(self._name),
                dataset=settings["dataset"],
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
        flat, self._problems = resolve_presets(_our_defaults(self._name), self.external_config_dict)
        self.internal_config_dict.update(flat)
        self.internal_config_dict.update(_our_yaml("dataset", f"{dataset}.yaml"))

    def _set_default_parameters(self) -> None:
        """Between RecBole's merging of the layers and its own checks: all of ours."""
        self._read_keys()
        values = self.final_config_dict
        theirs = _recbole_yaml("overall.yaml") | _recbole_yaml("model", f"{self.model}.yaml")
        self._problems += _value_problems(values, theirs, needs_negatives=self._needs_negatives())
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
        unread = _unread_keys(given, known, model=self.model, ours=ours)
        self._problems += _key_problems(given, known, unread, model=self.model)
        for key in unread:
            values.pop(key)
            if key in defaults:
                values[key] = defaults[key]
        told = {key: reason for key, reason in unread.items() if given[key] is not None}
        if told:
            self.remarks.append((logging.WARNING, _unread_line(told)))
        if ours:
            self._problems += _schema_problems(given, values, defaults, self.dataset)
        else:
            self._read_foreign_fields()
        self._read_protocol(ours=ours)
        if type(values["topk"]) is int:
            values["topk"] = [values["topk"]]

    def _read_foreign_fields(self) -> None:
        """RecBole's names of users and items, and of the columns to load, where none are given."""
        given, values = self.external_config_dict, self.final_config_dict
        if given.get("benchmark_filename") is not None:
            self._problems.append(
                "Key 'benchmark_filename' is not read, and the split that it names would be "
                "another; leave it out, and set eval_args."
            )
        for key, name in FOREIGN_IDS.items():
            if key not in given and values[key] == SCHEMA_KEYS[key]:
                values[key] = name
        if "load_col" not in given and values["load_col"] == {"inter": list(FOREIGN_IDS.values())}:
            values["load_col"] = {"inter": [values[key] for key in FOREIGN_IDS]}
        if "threshold" not in given and accepts("load_col", values["load_col"]):
            # RecBole's for ml-100k reads ratings, which need not be loaded.
            loaded = (values["load_col"] or {}).get("inter", ())
            labelled = set(values.get("threshold") or ()) <= set(loaded)
            values["threshold"] = values.get("threshold") if labelled else None

    def _read_protocol(self, *, ours: bool) -> None:
        given, values = self.external_config_dict, self.final_config_dict
        asks = given.get("eval_args") is not None
        if asks:
            self._problems += _eval_problems(given["eval_args"], given.get("protocol"))
        else:
            values["eval_args"] = self.internal_config_dict["eval_args"]
        if "protocol" in given or (ours and not asks):
            return
        values["protocol"] = schema.KNOWN_BRAND
        why = "eval_args" if asks else f"data set '{self.dataset}', which has no new brands,"
        line = (
            f"By {why} the protocol is known-brand: 8:1:1 of each user's interactions, ranked "
            f"among all items."
        )
        self.remarks.append((logging.INFO, line))

    def _read_metrics(self) -> list[str]:
        """The metrics that are shown; sets `valid_metric` to its name in results."""
        values, asked = self.final_config_dict, self.external_config_dict.get("metrics")
        topk = values["topk"] if accepts("topk", values["topk"]) else []
        shown_metrics = usual_metrics(topk)
        try:
            values["valid_metric"] = read_metric(values["valid_metric"])
            if values["valid_metric"].startswith(UNSEEN) and not values["eval_unseen_only"]:
                name = values["valid_metric"]
                raise UsageError(f"valid_metric {name} needs eval_unseen_only=True.")
        except UsageError as error:
            self._problems.append(str(error))
        if asked is not None:
            words = asked if isinstance(asked, list) else [asked]
            shown_metrics, problems = chosen_metrics(words, topk)
            self._problems += problems
            self.remarks += [(logging.INFO, line) for line in metric_remarks(words)]
        return with_metric(shown_metrics, str(values["valid_metric"]))

    def _needs_negatives(self) -> bool:
        # RecBole's autoencoders say pairwise and read no negatives.
        pairwise = getattr(self.model_class, "input_type", None) == InputType.PAIRWISE
        return pairwise and not issubclass(self.model_class, AutoEncoderMixin)
