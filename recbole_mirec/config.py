"""Configuration: layers of YAML, RecBole's keys as they are meant here, and one checker."""

import logging
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cache, partial
from importlib import resources
from operator import eq
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
    ValidationInfo,
    model_validator,
)
from recbole.config import Config
from recbole.model.abstract_recommender import AutoEncoderMixin
from recbole.utils import InputType, argument_list
from typing_extensions import TypedDict

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


def _that(holds: Callable[[Any], object], wanted: str) -> AfterValidator:
    """A rule for values by a test and its words, which follow "must"."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise ValueError(wanted)
        return value

    return AfterValidator(check)


# Kinds of values. Strict: '3' is no number, True is none, and 2.0 is no whole number.
_whole = partial(Field, strict=True, le=2**31 - 1)
_real = partial(Field, strict=True, allow_inf_nan=False, le=1e30)  # torch's single precision
Whole = Annotated[int, _whole(ge=0)]
Count = Annotated[int, _whole(ge=1)]
# NumPy's global generator takes 32 bits, and so does gensim's.
Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
Number = Annotated[float, _real(ge=-1e30)]
Weight = Annotated[float, _real(ge=0)]
Positive = Annotated[float, _real(gt=0)]
Share = Annotated[Weight, Field(lt=1)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Counts = Annotated[list[Count], Field(min_length=1)]
Depths = Annotated[
    Counts,
    Field(max_length=100),
    _that(lambda depths: len(set(depths)) == len(depths), "name each depth once"),
]
Names = Annotated[list[Text], Field(strict=True)]
Columns = dict[str, Annotated[Names, BeforeValidator(lambda names: [] if names == "*" else names)]]
Interval = Annotated[str, Field(strict=True, pattern=r"^\s*[\[(].+,.+[\])]\s*$")]
AnyCase = BeforeValidator(lambda word: word.lower() if isinstance(word, str) else word)


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
    dynamic: Flag = False
    candidate_num: Whole = 0

    @model_validator(mode="after")
    def _has_candidates(self) -> Self:
        if self.dynamic and self.candidate_num < 1:
            raise ValueError("have a candidate_num of at least 1 where it is dynamic")
        return self


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
    (Share, "tower_dropout"),
    (Flag, "drop_last static_negatives shuffle eval_unseen_only show_progress shared_towers"),
    (Counts, "tower_hidden topic_tower visual_tower concept_tower fusion_tower"),
    (Literal["cosine", "hellinger"], "combination"),
    (Literal["bpr", "logistic"], "loss"),
    (Literal[schema.PROTOCOLS], "protocol"),
    (Literal["auto", "graph", "vector"], "attribute_input"),
    (Literal["node2vec", "netmf"], "graph_method"),
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
    (Share, "dropout_prob hidden_dropout_prob attn_dropout_prob drop_ratio node_dropout"),
    (Share, "message_dropout"),
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
    (dict[str, Number] | None, "threshold clip_grad_norm"),
    (dict[str, Text] | None, "preload_weight"),
    (dict[str, Count] | None, "seq_len"),
    (dict[str, Interval] | None, "val_interval"),
    (Interval | None, "user_inter_num_interval item_inter_num_interval"),
    (dict[str, dict[str, Any]] | None, "discretization"),
    (Any, "metrics valid_metric"),  # read by the table of metrics
    (Flag | None, "normalize_all"),
    (Literal["first", "last"] | None, "rm_dup_inter"),
    (Annotated[Whole, _that(lambda n: n == 0, f"be 0: {ONE_PROCESS}")], "worker"),
    (Annotated[Flag, _that(lambda flag: not flag, f"be False: {OWN_FOLDER}")], "log_wandb"),
    # the last, since it is checked against others
    (Whole, "folds"),
    (Annotated[Whole, AfterValidator(_is_a_fold)], "fold"),
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


def _value_problems(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[str]:
    fields = {key: kind for key, kind in kinds.items() if key in values}
    try:
        TypeAdapter(TypedDict("Settings", fields)).validate_python(dict(values))  # type: ignore[operator]
    except ValidationError as error:
        parts = {
            "train_neg_sample_args": [*Negatives.model_fields],
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


def _kinds_of_schema(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What keys that would read our files as if they were another's must stay."""
    words = "for a data set in files of this project's schema"
    fixed = {
        key: _that(partial(eq, value), f"stay {value!r} {words}; leave it out")
        for key, value in SCHEMA_KEYS.items()
    }
    left_out = {
        key: _that((None, defaults.get(key)).__contains__, f"be left out {words}: {reason}")
        for key, reason in FOREIGN_KEYS.items()
    }
    return {key: Annotated[Any, rule] for key, rule in (fixed | left_out).items()}


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


def properties_folder() -> Path:
    """Folder of our YAML defaults: inside an installed wheel, or in a checkout beside us."""
    inside = Path(str(resources.files("recbole_mirec"))) / "properties"
    if (inside / "overall.yaml").is_file():
        return inside
    return Path(__file__).resolve().parent.parent / "properties"


@cache
def _read_once(path: Path) -> dict[str, Any]:
    return load_yaml(path) if path.is_file() else {}


def _recbole_yaml(*parts: str) -> dict[str, Any]:
    return deepcopy(_read_once(Path(recbole.__file__).parent.joinpath("properties", *parts)))


def _our_yaml(*parts: str) -> dict[str, Any]:
    return deepcopy(_read_once(properties_folder().joinpath(*parts)))


def _our_defaults(model: str) -> dict[str, Any]:
    return outside_yaml(model) if is_outside(model) else _our_yaml("model", f"{model}.yaml")


def model_defaults(model: str) -> dict[str, Any]:
    """Keys and defaults of a model's own YAML files, presets still unresolved."""
    return _recbole_yaml("model", f"{model}.yaml") | _our_defaults(model)


def all_defaults(model: str) -> dict[str, Any]:
    """Every key's default for a model before any data set's, presets still unresolved."""
    return _recbole_yaml("overall.yaml") | _our_yaml("overall.yaml") | model_defaults(model)


def known_keys(model: str, dataset: str) -> set[str]:
    """Every key that means something to RecBole, to us, to the model or to the data set."""
    defaults = all_defaults(model)
    presets = (*defaults.pop("variants", {}).values(), *defaults.pop("schedules", {}).values())
    samples = [_recbole_yaml("dataset", f"{name}.yaml") for name in ("sample", dataset)]
    keys = set().union(defaults, *presets, *samples, _our_yaml("dataset", f"{dataset}.yaml"))
    for name in ("general", "training", "evaluation", "dataset"):
        keys |= set(getattr(argument_list, f"{name}_arguments"))
    return keys | {"model", "dataset"} | (outside_keys(model) if is_outside(model) else set())


@cache
def _keys_of_all_models() -> set[str]:
    """Keys of every model of RecBole, sequential and knowledge-based ones included."""
    folder = Path(recbole.__file__).parent / "properties" / "model"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")]
    return {key for text in texts for key in re.findall(r"^(\w+)\s*:", text, re.MULTILINE)}


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
        if (table := defaults.get(f"{kind}s")) is None:
            continue
        chosen = str(settings.get(kind, flat[kind]))
        if chosen not in table:
            return flat, [f"Unknown {kind} {shown(chosen)}.{nearest(chosen, table)}"]
        flat |= table[chosen]
    readers = {key: variants_that_read(key, defaults) for key in settings if key not in flat}
    return flat, [
        f"Key '{key}' has no effect with variant={settings.get('variant', flat['variant'])}; leave "
        f"it out, or set variant={' or '.join(names)}."
        for key, names in readers.items()
        if names
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

    A class is kept under a name that `find_model` knows. Of the running command's `--key=value`
    words only known keys count, and only with `argv`.

    Raises:
        UsageError: a file cannot be read, or a class is no model.
    """
    settings: dict[str, Any] = {}
    for path in config_file_list or ():
        settings |= load_yaml(Path(path))
    settings |= config_dict or {}
    if argv:
        words = (word[2:].partition("=") for word in sys.argv[1:] if word.startswith("--"))
        given = {key: parse_value(value) for key, equals, value in words if equals}
        chosen = {"model": "MIRec", "dataset": ""} | settings | given
        known = known_keys(str(chosen["model"]), str(chosen["dataset"]))
        settings |= {key: value for key, value in given.items() if key in known}
    settings |= {key: name for key, name in (("model", model), ("dataset", dataset)) if name}
    if isinstance(settings.get("model"), type):
        settings["model"] = hand_over(settings["model"])
    return settings


class MirecConfig(Config):  # type: ignore[misc]
    """RecBole's Config with our YAML layers, our models, and no hidden reading of `sys.argv`.

    Layers, later ones win: RecBole's overall, model and data set files; our overall, model
    (variant and schedule resolved) and data set files; the user's files; the user's settings.

    `model` is a name, `package.module:Class` or a class, by default MIRec; `dataset` a folder under
    `data_path`, by default mirec-demo.

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
        self.settings = {"model": "MIRec", "dataset": "mirec-demo"} | {
            key: str(value) if isinstance(value, os.PathLike) else value
            for key, value in given.items()
        }
        self.remarks: list[tuple[int, str]] = []
        refuse(_value_problems(self.settings, dict.fromkeys(("model", "dataset"), Text)))
        try:
            super().__init__(
                find_model(self.settings["model"]),
                self.settings["dataset"],
                config_dict={key: value for key, value in self.settings.items() if key != "model"},
            )
        except UsageError:
            raise
        except (TypeError, ValueError) as error:
            raise UsageError(f"{error}".rstrip(".") + ".") from None

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        # RecBole evaluates strings as Python here; ours are typed already.
        return config_dict

    def _load_internal_config_dict(self, model: str, model_class: type, dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        # of the name in the settings, which `config["model"]`, the class's, need not be
        ours = _our_defaults(self.settings["model"])
        flat, self._problems = resolve_presets(ours, self.external_config_dict)
        self.internal_config_dict |= _our_yaml("overall.yaml") | flat
        self.internal_config_dict |= _our_yaml("dataset", f"{dataset}.yaml")

    def _set_default_parameters(self) -> None:
        """Between RecBole's merging of the layers and its own checks: all of ours."""
        values, defaults = self.final_config_dict, self.internal_config_dict
        ours = follows_schema(self.dataset, values)
        self._read_keys(ours=ours)
        if not ours:
            self._read_foreign_fields()
        self._read_protocol(ours=ours)
        if type(values["topk"]) is int:
            values["topk"] = [values["topk"]]
        self._problems += _value_problems(values, self._kinds(ours=ours))
        metrics = self._read_metrics()
        refuse(self._problems)
        # RecBole's own evaluation is never called, but its constructors look these up.
        values["metrics"] = defaults["metrics"]
        super()._set_default_parameters()
        values["shown_metrics"] = metrics
        values["valid_metric_bigger"] = not smaller_is_better(values["valid_metric"])

    def _kinds(self, *, ours: bool) -> dict[str, Any]:
        """The kinds of values that keys take in this run."""
        theirs = _recbole_yaml("overall.yaml") | _recbole_yaml("model", f"{self.model}.yaml")
        kinds = {key: _kind_of(default) for key, default in theirs.items()} | KINDS
        # RecBole's autoencoders say pairwise and read no negatives.
        pairwise = getattr(self.model_class, "input_type", None) == InputType.PAIRWISE
        if pairwise and not issubclass(self.model_class, AutoEncoderMixin):
            drawn = _that(
                lambda args: args is not None and args.distribution not in (None, "None"),
                "be left out, or have a distribution: the model learns from negatives",
            )
            kinds["train_neg_sample_args"] = Annotated[Negatives | None, drawn]
        if ours:
            return kinds | _kinds_of_schema(self.internal_config_dict)
        words = "be left out: the split that it names would be another; set eval_args"
        return kinds | {"benchmark_filename": Annotated[Any, _that(partial(eq, None), words)]}

    def _read_keys(self, *, ours: bool) -> None:
        """Which of the user's keys are known; those that nothing reads are default again."""
        given, values, defaults = (
            self.external_config_dict,
            self.final_config_dict,
            self.internal_config_dict,
        )
        known = known_keys(self.settings["model"], self.dataset)
        reasons = dict.fromkeys(
            _keys_of_all_models() - known, f"model {self.model} has no such key"
        )
        reasons |= UNREAD | (UNREAD_BY_SCHEMA if ours else {})
        told: dict[str, list[str]] = {}
        for key in given:
            if key in REFUSED:
                self._problems.append(f"Key '{key}' {REFUSED[key]}.")
            elif key in reasons:
                values.pop(key)
                values |= {key: defaults[key]} if key in defaults else {}
                if given[key] is not None:
                    told.setdefault(reasons[key], []).append(key)
            elif key not in known:
                near = nearest(key, known)
                self._problems.append(f"Unknown key {shown(key, 60)} for model {self.model}.{near}")
        if told:
            parts = "; ".join(f"{', '.join(keys)} ({reason})" for reason, keys in told.items())
            self.remarks.append((logging.WARNING, f"Keys that have no effect here: {parts}."))

    def _read_foreign_fields(self) -> None:
        """RecBole's names of users and items, and of the columns to load, where none are given."""
        given, values = self.external_config_dict, self.final_config_dict
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
        if not asks:
            values["eval_args"] = {}  # what we do, and not what RecBole has for some models
        elif given.get("protocol", schema.KNOWN_BRAND) != schema.KNOWN_BRAND:
            self._problems.append(
                f"Key 'eval_args' is protocol known-brand, and protocol is "
                f"{shown(given['protocol'])}; leave one of them out."
            )
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
            values["valid_metric"] = name = read_metric(values["valid_metric"])
            if name.startswith(UNSEEN) and not values["eval_unseen_only"]:
                raise UsageError(f"valid_metric {name} needs eval_unseen_only=True.")
        except UsageError as error:
            self._problems.append(str(error))
        if asked is not None:
            words = asked if isinstance(asked, list) else [asked]
            shown_metrics, problems = chosen_metrics(words, topk)
            self._problems += problems
            self.remarks += [(logging.INFO, line) for line in metric_remarks(words)]
        return with_metric(shown_metrics, str(values["valid_metric"]))
