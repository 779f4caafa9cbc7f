"""Configuration: read once at the edge, checked key by key, with the defaults in YAML only."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import recbole
from recbole.config import Config
from recbole.model.abstract_recommender import AutoEncoderMixin
from recbole.utils import InputType, argument_list

from dataset_convert import schema
from recbole_mirec import compat as compat
from recbole_mirec.config_rules import value_problems
from recbole_mirec.errors import UsageError, nearest, refuse
from recbole_mirec.metric_names import (
    UNSEEN,
    chosen_metrics,
    metric_remarks,
    read_metric,
    smaller_is_better,
    usual_metrics,
    with_metric,
)
from recbole_mirec.outside import hand_over, is_outside, outside_keys, outside_yaml
from recbole_mirec.recbole_keys import (
    FOREIGN_IDS,
    SCHEMA_KEYS,
    eval_problems,
    follows_schema,
    foreign_problems,
    key_problems,
    schema_problems,
    unread_keys,
    unread_line,
)
from recbole_mirec.registry import find_model
from recbole_mirec.values import load_yaml, parse_value


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
