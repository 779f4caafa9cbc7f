"""What a benchmark is to do, from a YAML plan that is checked key by key."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.values import load_yaml
from recbole_mirec.config import all_defaults, properties_folder
from recbole_mirec.runs import versions
from recbole_mirec.tuning.trial import ALGORITHMS

NEEDED = ("name", "dataset", "protocols", "seeds", "main", "models")
OPTIONAL = ("folds", "jobs", "settings", "ablations", "tuning")
TUNING_KEYS = ("max_evals", "algo", "early_stop")
ABLATION_KEYS = ("model", "perspectives")

# Configuration keys that the plan or the benchmark itself decides, and by what.
DECIDED: dict[str, str] = {
    "model": "each of the plan's 'models' names its own",
    "dataset": "the plan's 'dataset' says it",
    "protocol": "the plan's 'protocols' say it",
    "seed": "the plan's 'seeds' say it",
    "folds": "the plan's 'folds' says it",
    "fold": "every fold of the plan's 'folds' is run",
    "checkpoint_dir": "everything stands in the benchmark's folder",
    "eval_args": "the plan's 'protocols' say it",
    "metrics": "a benchmark's tables have metrics of their own",
    "eval_unseen_only": "a benchmark always reports the unseen influencers as well",
    "torch_threads": "runs take one thread each, so that they repeat bit by bit; set 'jobs'",
    "show_progress": "the benchmark has its own progress bar",
}
# Keys that say where and how runs are made, not what they compute.
_INCIDENTAL = ("data_path", "state", "gpu_id")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ModelEntry:
    """A model under its label.

    Attributes:
        label: how tables name it.
        settings: its configuration keys; `model` among them.
        protocols: those it is run under.
        tuned_as: label whose tuned settings it takes: an ablation its full model's.
        perspectives: those kept where the entry is an ablation; None where it is not.
    """

    label: str
    settings: Mapping[str, Any]
    protocols: tuple[str, ...]
    tuned_as: str
    perspectives: tuple[str, ...] | None = None

    @property
    def model(self) -> str:
        """Name of the model's class."""
        return str(self.settings["model"])

    @property
    def slug(self) -> str:
        """The label as a folder's name."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", self.label).strip("-.") or "model"


@dataclass(frozen=True)
class TuningBudget:
    """The search that every model with a search space gets before its runs.

    Attributes:
        max_evals: trials of each study.
        algo: random, bayes or exhaustive.
        early_stop: trials in a row without a better score that end a study; None: never.
    """

    max_evals: int
    algo: str
    early_stop: int | None = None


@dataclass(frozen=True)
class BenchmarkPlan:
    """A benchmark as it was asked for.

    Attributes:
        name: of the benchmark's folder.
        dataset: name of the data set.
        protocols: `new-brand`, `known-brand` or both.
        seeds: of the runs of every model that depends on one.
        folds: of a cross-validation by brand; 0: the data set's own split.
        jobs: runs at a time.
        settings: configuration keys that all models share.
        main: label of the model that the others are compared with.
        models: in the order of the tables.
        ablations: rows of the table of perspectives, their full model left out.
        ablated: label of the ablations' full model; None where there are none.
        tuning: None: every model runs with the settings it has.
    """

    name: str
    dataset: str
    protocols: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: int
    jobs: int
    settings: Mapping[str, Any]
    main: str
    models: tuple[ModelEntry, ...]
    ablations: tuple[ModelEntry, ...]
    ablated: str | None
    tuning: TuningBudget | None

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Models, then ablations."""
        return self.models + self.ablations

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """All that the benchmark's figures depend on.

        Args:
            data_fingerprint: of the data set's files.
        """
        shared = {key: value for key, value in self.settings.items() if key not in _INCIDENTAL}
        identity = {
            "name": self.name,
            "dataset": self.dataset,
            "protocols": self.protocols,
            "seeds": self.seeds,
            "folds": self.folds,
            "settings": shared,
            "main": self.main,
            "models": {entry.label: _described(entry) for entry in self.models},
            "ablations": {entry.label: _described(entry) for entry in self.ablations},
            "ablated": self.ablated,
            "tuning": None if self.tuning is None else vars(self.tuning),
            "defaults": {entry.model: _digest(all_defaults(entry.model)) for entry in self.models},
            "data": data_fingerprint,
            "versions": versions(),
        }
        plain: dict[str, Any] = json.loads(json.dumps(identity, default=str))
        return plain


def _described(entry: ModelEntry) -> dict[str, Any]:
    described = {"protocols": entry.protocols, **entry.settings}
    return {key: value for key, value in described.items() if key not in _INCIDENTAL}


def folder_name(identity: Mapping[str, Any]) -> str:
    """Where a benchmark stands if nobody says: the same plan finds the same folder again.

    Other versions of the packages find it as well, and are refused.
    """
    lasting = {key: value for key, value in identity.items() if key != "versions"}
    return f"{identity['name']}-{_digest(lasting)}"


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def find_plan(name: str) -> Path:
    """A plan's file: a path, or the name of a plan that comes with the package.

    Raises:
        UsageError: there is none; names the plans that come with the package.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = properties_folder() / "benchmark"
    if (shipped / f"{name}.yaml").is_file():
        return shipped / f"{name}.yaml"
    names = sorted(found.stem for found in shipped.glob("*.yaml"))
    raise UsageError(
        f"Plan '{name}' is no file and none of the plans that come with us: {', '.join(names)}."
    )


def read_plan(path: Path, settings: Mapping[str, Any] | None = None) -> BenchmarkPlan:
    """Read a plan's file.

    Args:
        path: the YAML file.
        settings: configuration keys over the plan's own `settings`.

    Raises:
        UsageError: names the file, the key, what it must be and what it is.
    """
    content = load_yaml(path)
    try:
        return make_plan(content, settings or {})
    except UsageError as error:
        raise UsageError(f"Plan '{path}': {error}") from None


def make_plan(content: Mapping[str, Any], settings: Mapping[str, Any]) -> BenchmarkPlan:
    """A plan from its keys; see `read_plan`."""
    _check_known("key", content, NEEDED + OPTIONAL)
    for key in NEEDED:
        if key not in content:
            raise UsageError(f"Key '{key}' is missing.")
    protocols = _protocols("protocols", content["protocols"], schema.PROTOCOLS)
    shared = _settings("settings", content.get("settings", {})) | _settings("settings", settings)
    models = _models(content["models"], protocols)
    labels = [entry.label for entry in models]
    ablated, ablations = _ablations(content.get("ablations"), models)
    plan = BenchmarkPlan(
        name=_name(content["name"]),
        dataset=_text("dataset", content["dataset"]),
        protocols=protocols,
        seeds=_seeds(content["seeds"]),
        folds=_whole("folds", content.get("folds", 0), 0),
        jobs=_whole("jobs", content.get("jobs", 2), 1),
        settings=shared,
        main=_label("main", content["main"], labels),
        models=models,
        ablations=ablations,
        ablated=ablated,
        tuning=_tuning(content.get("tuning")),
    )
    _check_together(plan)
    return plan


def _check_together(plan: BenchmarkPlan) -> None:
    if plan.folds == 1 or (plan.folds and plan.protocols != (schema.NEW_BRAND,)):
        raise UsageError(
            f"Key 'folds' must be 0, or at least 2 with protocols: [new-brand]. "
            f"Received: {plan.folds} with {', '.join(plan.protocols)}."
        )
    folders: dict[str, str] = {}
    for entry in plan.entries:
        other = folders.setdefault(entry.slug.lower(), entry.label)
        if other != entry.label:
            raise UsageError(
                f"Labels '{other}' and '{entry.label}' would share the folder '{entry.slug}'; "
                f"change one."
            )
    main = next(entry for entry in plan.models if entry.label == plan.main)
    if main.protocols != plan.protocols:
        raise UsageError(
            f"Model '{plan.main}' is the main one, so it must be run under all protocols. "
            f"Received: {', '.join(main.protocols)}."
        )


def _check_known(what: str, content: Mapping[str, Any], known: Collection[str]) -> None:
    for key in content:
        if key not in known:
            raise UsageError(f"Unknown {what} '{key}'.{nearest(str(key), known)}")


def _models(content: Any, protocols: tuple[str, ...]) -> tuple[ModelEntry, ...]:
    if not isinstance(content, Mapping) or not content:
        raise UsageError(f"Key 'models' must map labels to settings. Received: {content!r}.")
    return tuple(_entry(str(label), value, protocols) for label, value in content.items())


def _entry(label: str, content: Any, protocols: tuple[str, ...]) -> ModelEntry:
    where = f"models: {label}"
    if not isinstance(content, Mapping) or "model" not in content:
        raise UsageError(f"Key '{where}' must hold 'model: NAME'. Received: {content!r}.")
    settings = dict(content)
    own = settings.pop("protocols", list(protocols))
    model = _text(f"{where}: model", settings.pop("model"))
    return ModelEntry(
        label,
        {"model": model, **_settings(where, settings)},
        _protocols(f"{where}: protocols", own, protocols),
        tuned_as=label,
    )


def _ablations(
    content: Any, models: tuple[ModelEntry, ...]
) -> tuple[str | None, tuple[ModelEntry, ...]]:
    if content is None:
        return None, ()
    if not isinstance(content, Mapping) or set(ABLATION_KEYS) - set(content):
        raise UsageError(
            f"Key 'ablations' must hold {' and '.join(ABLATION_KEYS)}. Received: {content!r}."
        )
    _check_known("key of ablations", content, ABLATION_KEYS)
    labels = [entry.label for entry in models]
    full = models[labels.index(_label("ablations: model", content["model"], labels))]
    rows = content["perspectives"]
    if not isinstance(rows, list) or not rows or not all(map(_is_words, rows)):
        raise UsageError(
            f"Key 'ablations: perspectives' must list lists of perspectives, such as "
            f"[[content], [content, attribute]]. Received: {rows!r}."
        )
    return full.label, tuple(
        ModelEntry(
            f"{full.label} [{' + '.join(kept)}]",
            {**full.settings, "perspectives": list(kept)},
            full.protocols,
            full.label,
            tuple(kept),
        )
        for kept in rows
    )


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _tuning(content: Any) -> TuningBudget | None:
    if content is None:
        return None
    if not isinstance(content, Mapping) or "max_evals" not in content:
        raise UsageError(f"Key 'tuning' must hold max_evals, at least. Received: {content!r}.")
    _check_known("key of tuning", content, TUNING_KEYS)
    algorithm = content.get("algo", "random")
    if algorithm not in ALGORITHMS:
        raise UsageError(
            f"Key 'tuning: algo' must be one of {', '.join(ALGORITHMS)}. Received: {algorithm!r}."
        )
    early_stop = content.get("early_stop")
    return TuningBudget(
        _whole("tuning: max_evals", content["max_evals"], 1),
        algorithm,
        None if early_stop is None else _whole("tuning: early_stop", early_stop, 1),
    )


def _settings(where: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise UsageError(f"Key '{where}' must map keys to values. Received: {content!r}.")
    for key in content:
        if key in DECIDED:
            raise UsageError(f"Key '{key}' cannot be set in '{where}': {DECIDED[key]}.")
    return dict(content)


def _protocols(key: str, content: Any, allowed: Collection[str]) -> tuple[str, ...]:
    if not isinstance(content, list) or not content or len(set(map(str, content))) < len(content):
        raise UsageError(f"Key '{key}' must list different protocols. Received: {content!r}.")
    for protocol in content:
        if protocol not in allowed:
            raise UsageError(
                f"Unknown protocol '{protocol}' in '{key}'.{nearest(str(protocol), allowed)}"
            )
    return tuple(name for name in schema.PROTOCOLS if name in content)


def _seeds(content: Any) -> tuple[int, ...]:
    if not isinstance(content, list) or not content or len(set(map(str, content))) < len(content):
        raise UsageError(f"Key 'seeds' must list different whole numbers. Received: {content!r}.")
    return tuple(_whole("seeds", seed, 0) for seed in content)


def _whole(key: str, value: Any, minimum: int) -> int:
    if type(value) is not int or value < minimum:
        raise UsageError(
            f"Key '{key}' must hold whole numbers of at least {minimum}. Received: {value!r}."
        )
    return value


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"Key '{key}' must be a name. Received: {value!r}.")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise UsageError(
            f"Key 'name' must hold letters, digits, '.', '_' and '-' only. Received: {value!r}."
        )
    return value


def _label(key: str, value: Any, labels: Collection[str]) -> str:
    if value not in labels:
        raise UsageError(
            f"Key '{key}' must be a label of 'models'. Received: {value!r}."
            f"{nearest(str(value), labels)}"
        )
    return str(value)
