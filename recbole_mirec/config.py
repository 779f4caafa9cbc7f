"""Configuration: layers of YAML and presets, read once, and all that is wrong in one message."""

import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import recbole
from recbole.config import Config
from recbole.model.abstract_recommender import AutoEncoderMixin
from recbole.utils import InputType, argument_list

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest, refuse, shown
from dataset_convert.common.values import Loader, load_yaml, parse_value
from dataset_convert.synthetic import SPECS
from recbole_mirec import compat as compat
from recbole_mirec.keys import (
    FOREIGN_IDS,
    REFUSED,
    SCHEMA_KEYS,
    UNREAD,
    UNREAD_BY_SCHEMA,
    Text,
    accepts,
    kinds_of,
    value_problems,
)
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
    variants: Mapping[str, Mapping[str, Any]] = defaults.get("variants", {})
    readers = {
        key: [name for name, preset in variants.items() if key in preset]
        for key in settings.keys() - flat.keys()
    }
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
        refuse(value_problems(self.settings, dict.fromkeys(("model", "dataset"), Text)))
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

    def _build_yaml_loader(self) -> type:
        # RecBole's changes PyYAML's own class, for each configuration once more.
        return Loader

    def _update_internal_config_dict(self, file: str) -> dict[str, Any]:
        # RecBole's files are parsed once in a process.
        found = deepcopy(_read_once(Path(file)))
        self.internal_config_dict |= found
        return found

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
        theirs = _recbole_yaml("overall.yaml") | _recbole_yaml("model", f"{self.model}.yaml")
        # RecBole's autoencoders say pairwise and read no negatives.
        pairwise = getattr(self.model_class, "input_type", None) == InputType.PAIRWISE
        draws = pairwise and not issubclass(self.model_class, AutoEncoderMixin)
        self._problems += value_problems(values, kinds_of(theirs, defaults, draws=draws, ours=ours))
        metrics = self._read_metrics()
        refuse(self._problems)
        # RecBole's own evaluation is never called, but its constructors look these up.
        values["metrics"] = defaults["metrics"]
        super()._set_default_parameters()
        values["shown_metrics"] = metrics
        values["valid_metric_bigger"] = not smaller_is_better(values["valid_metric"])

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
