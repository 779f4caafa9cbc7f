"""Configuration: read once at the edge, checked key by key, with the defaults in YAML only."""

import inspect
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import recbole
import yaml
from recbole.config import Config
from recbole.model.abstract_recommender import AutoEncoderMixin
from recbole.utils import InputType, argument_list

from dataset_convert import schema
from dataset_convert.synthetic.spec import SPECS
from recbole_mirec import compat as compat
from recbole_mirec.config_rules import RULES, check, number, whole
from recbole_mirec.errors import UsageError, nearest
from recbole_mirec.registry import find_model, hand_over, is_outside
from recbole_mirec.results import smaller_is_better
from recbole_mirec.values import Loader
from recbole_mirec.values import parse_value as parse_value

NEGATIVE_ARGUMENTS = ("distribution", "sample_num", "alpha", "dynamic", "candidate_num")

# Keys of RecBole that a user of ours would set in vain, and what to set instead.
REPLACED_KEYS: dict[str, str] = {
    "eval_args": "set 'protocol' (new-brand or known-brand)",
    "benchmark_filename": "split files are found by their names; set 'protocol'",
    "load_col": "the columns are chosen by the model",
    "unload_col": "the columns are chosen by the model",
    "valid_metric_bigger": "the direction follows from 'valid_metric'",
    "metrics": "every metric is computed; set 'valid_metric' to choose what selects the epoch",
    "save_dataset": "data sets are read afresh and never pickled",
    "save_dataloaders": "data loaders are never pickled",
    "dataset_save_path": "data sets are never pickled",
    "dataloaders_save_path": "data loaders are never pickled",
    "repeatable": "a brand's training positives are always masked",
    "metric_decimal_place": "figures are kept in full and rounded in tables only",
    "method": "it follows from 'variant'",
    "use_gpu": "RecBole chooses the device by 'gpu_id'; set gpu_id='' for the CPU",
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


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that maps keys to values.

    Raises:
        UsageError: the file is missing, is no YAML or no mapping; names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Configuration file '{path}' cannot be read: {error.strerror}.") from None
    try:
        content = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", "is no YAML")
        raise UsageError(f"Configuration file '{path}'{line}: {problem}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(
            f"Configuration file '{path}' must map keys to values ('key: value' lines). "
            f"Received: {type(content).__name__}."
        )
    return content


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
    if is_outside(model):
        return outside_yaml(find_model(model))
    return _recbole_yaml("model", f"{model}.yaml") | _our_yaml("model", f"{model}.yaml")


def outside_yaml(model_class: type) -> dict[str, Any]:
    """Defaults of somebody else's model: `<Class>.yaml` beside its module, where there is one."""
    source = inspect.getsourcefile(model_class)
    path = Path(source or "").with_name(f"{model_class.__name__}.yaml")
    return load_yaml(path) if path.is_file() else {}


def keys_read_by(model_class: type) -> set[str]:
    """Keys that the module of somebody else's model reads: the words of its `config["key"]`."""
    try:
        source = inspect.getsource(inspect.getmodule(model_class) or model_class)
    except (OSError, TypeError):
        return set()
    return set(re.findall(r"""config\[\s*["'](\w+)["']\s*\]""", source))


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
        keys |= keys_read_by(find_model(model))
    return keys | {"model", "dataset"}


def check_keys(settings: Mapping[str, Any], model: str, dataset: str) -> None:
    """Refuse keys that nothing would read.

    Raises:
        UsageError: names the key, and the nearest valid one or what to set instead.
    """
    keys = known_keys(model, dataset)
    for key in settings:
        if key in REPLACED_KEYS:
            raise UsageError(f"Key '{key}' has no effect here: {REPLACED_KEYS[key]}.")
        if key not in keys:
            raise UsageError(f"Unknown key '{key}' for model {model}.{nearest(key, keys)}")


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
        UsageError: a variant or schedule of that name does not exist; or the user set a key that
            other variants read and the chosen one does not.
    """
    flat = {key: value for key, value in defaults.items() if key not in ("variants", "schedules")}
    for kind in ("variant", "schedule"):
        table = defaults.get(f"{kind}s")
        if table is None:
            continue
        chosen = str(settings.get(kind, flat[kind]))
        if chosen not in table:
            raise UsageError(f"Unknown {kind} '{chosen}'.{nearest(chosen, table)}")
        flat |= table[chosen]
    for key in settings:
        readers = variants_that_read(key, defaults)
        if readers and key not in flat:
            raise UsageError(
                f"Key '{key}' has no effect with variant={settings.get('variant', flat['variant'])}"
                f"; leave it out, or set variant={' or '.join(readers)}."
            )
    return flat


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
        UsageError: an unknown model, key, variant, schedule, protocol or metric.
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
        name = str(settings["model"])
        model_class = find_model(name)
        check_keys(settings, name, str(settings["dataset"]))
        self.settings = {
            key: str(value) if isinstance(value, os.PathLike) else value
            for key, value in settings.items()
        }
        try:
            super().__init__(
                model=model_class,
                dataset=str(settings["dataset"]),
                config_dict={key: value for key, value in settings.items() if key != "model"},
            )
        except UsageError:
            raise
        except (TypeError, ValueError) as error:
            raise UsageError(f"{error}".rstrip(".") + ".") from None
        _check_values(self)

    def _set_default_parameters(self) -> None:
        metric = str(self.final_config_dict["valid_metric"])
        self.final_config_dict["valid_metric"] = metric
        super()._set_default_parameters()
        self.final_config_dict["valid_metric_bigger"] = not smaller_is_better(metric)

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _convert_config_dict(self, config_dict: dict[str, Any]) -> dict[str, Any]:
        # RecBole evaluates strings as Python here; ours are typed already.
        return config_dict

    def _load_internal_config_dict(self, model: str, model_class: type, dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        self.internal_config_dict.update(_our_yaml("overall.yaml"))
        name = str(self.settings["model"])
        ours = model_defaults(name) if is_outside(name) else _our_yaml("model", f"{model}.yaml")
        self.internal_config_dict.update(resolve_presets(ours, self.settings))
        self.internal_config_dict.update(_our_yaml("dataset", f"{dataset}.yaml"))


def _check_values(config: MirecConfig) -> None:
    protocol = str(config["protocol"])
    if protocol not in schema.PROTOCOLS:
        raise UsageError(f"Unknown protocol '{protocol}'.{nearest(protocol, schema.PROTOCOLS)}")
    for key, rule in RULES.items():
        if key in config.final_config_dict:
            check(key, config[key], rule)
    if not isinstance(config["topk"], list) or not config["topk"]:
        raise UsageError(f"Key 'topk' must be a list of cut-offs. Received: {config['topk']!r}.")
    for cutoff in config["topk"]:
        check("topk", cutoff, whole(1))
    _check_negatives(config)
    _check_folds(config)
    _check_data_keys(config)


def _check_folds(config: MirecConfig) -> None:
    n_folds, fold = config["folds"], config["fold"]
    if not n_folds:
        if fold:
            raise UsageError(f"Key 'fold' is {fold}, but there are no folds; set 'folds' as well.")
        return
    if config["protocol"] != schema.NEW_BRAND:
        raise UsageError(
            f"Key 'folds' cuts brands, which protocol '{config['protocol']}' does not; leave it "
            f"out, or set protocol=new-brand."
        )
    if n_folds == 1 or not 1 <= fold <= n_folds:
        raise UsageError(
            f"Key 'folds' must be 0 or at least 2, and 'fold' one of 1 to 'folds'. "
            f"Received: {n_folds} and {fold}."
        )


def _check_negatives(config: MirecConfig) -> None:
    key = "train_neg_sample_args"
    arguments = config[key]
    for name in arguments:
        if name not in NEGATIVE_ARGUMENTS:
            raise UsageError(f"Unknown entry '{name}' of {key}.{nearest(name, NEGATIVE_ARGUMENTS)}")
    if arguments["distribution"] == "none":
        # RecBole's autoencoders say pairwise and read no negatives.
        reads_none = issubclass(config.model_class, AutoEncoderMixin)
        if config["MODEL_INPUT_TYPE"] == InputType.PAIRWISE and not reads_none:
            raise UsageError(f"Model {config['model']} learns from negatives; leave {key} out.")
        return
    check(f"{key}: sample_num", arguments["sample_num"], whole(1))
    check(f"{key}: candidate_num", arguments["candidate_num"], whole(int(arguments["dynamic"])))
    check(f"{key}: alpha", arguments["alpha"], number(-math.inf))


def _check_data_keys(config: MirecConfig) -> None:
    """Refuse keys that would read a data set of our schema as if it were another's."""
    name = config["dataset"]
    ours = config["USER_ID_FIELD"] == schema.BRAND_ID or name in SPECS
    if not ours and not Path(config["data_path"], schema.MANIFEST_FILE).is_file():
        return
    for key, value in SCHEMA_KEYS.items():
        if config[key] != value:
            raise UsageError(
                f"Key '{key}' must stay {value!r} for data set '{name}', whose files follow this "
                f"project's schema; leave it out. Received: {config[key]!r}."
            )
    for key, reason in FOREIGN_KEYS.items():
        if key in config.settings:
            raise UsageError(f"Key '{key}' cannot be set for data set '{name}': {reason}.")
