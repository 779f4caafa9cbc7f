"""What a benchmark is to do: a YAML plan, checked key by key, and the runs that it stands for."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from pydantic_core import ErrorDetails

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest, shown
from dataset_convert.common.values import load_yaml
from recbole_mirec.config import all_defaults, properties_folder
from recbole_mirec.registry import find_model, is_deterministic, leaks
from recbole_mirec.runs import versions

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
# What every run of a benchmark has in common.
COMMON = {"torch_threads": 1, "show_progress": False, "eval_unseen_only": True}
# Keys that say where and how runs are made, not what they compute.
_INCIDENTAL = ("data_path", "state", "gpu_id")

_class_of = cache(find_model)


@dataclass(frozen=True, eq=False)
class ModelEntry:
    """A model under its label, with its configuration keys and the protocols it is run under.

    An ablation is `tuned_as` its full model, of which it keeps some `perspectives`.
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

    @property
    def deterministic(self) -> bool:
        """Whether the model's figures do not depend on a seed."""
        return is_deterministic(_class_of(self.model))

    @property
    def leaks(self) -> bool:
        """Whether the model reads what no model may."""
        return leaks(self.model)


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One run: a model under a protocol, its seed, and its fold from 1; 0: none.

    `settings` are all its configuration keys but `checkpoint_dir`.
    """

    entry: ModelEntry
    protocol: str
    seed: int
    fold: int
    settings: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where the run stands in the benchmark's folder."""
        name = f"seed-{self.seed}" + (f"-fold-{self.fold}" if self.fold else "")
        return Path("runs", self.entry.slug, self.protocol, name)

    @property
    def title(self) -> str:
        """The run in a few words."""
        fold = f", fold {self.fold}" if self.fold else ""
        return f"{self.entry.label}, {self.protocol}, seed {self.seed}{fold}"

    @property
    def study_folder(self) -> Path:
        """Where the study of the run's model stands, if it is tuned."""
        fold = f"-fold-{self.fold}" if self.fold else ""
        return Path("tuning", self.entry.slug, self.protocol + fold)

    @property
    def study(self) -> tuple[str, str, int]:
        """Label, protocol and fold of the study whose winner's settings the run takes."""
        return self.entry.tuned_as, self.protocol, self.fold


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    # perspectives are the same ones in any order
    if len({frozenset(one) if isinstance(one, tuple) else one for one in values}) < len(values):
        raise ValueError(f"must list different values. Received: {shown(str(list(values)))}.")
    return values


def _undecided(settings: dict[str, Any]) -> dict[str, Any]:
    for key in settings:
        if key in DECIDED:
            raise ValueError(f"cannot set '{key}': {DECIDED[key]}.")
    return settings


Word = Annotated[
    str, StringConstraints(min_length=1, max_length=100), StringConstraints(pattern=r"^\P{C}+$")
]
Whole = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[int, Field(strict=True, ge=1)]
Protocols = Annotated[
    tuple[Literal["new-brand", "known-brand"], ...],
    Field(min_length=1),
    AfterValidator(_different),
    AfterValidator(lambda given: tuple(name for name in schema.PROTOCOLS if name in given)),
]
Perspectives = Annotated[tuple[Word, ...], Field(min_length=1), AfterValidator(_different)]
Settings = Annotated[dict[str, JsonValue], AfterValidator(_undecided)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelKeys(_Keys, extra="allow"):
    """A model of the plan: `model`, perhaps `protocols`, and configuration keys of its own."""

    __pydantic_extra__: dict[str, JsonValue]
    model: Word
    protocols: Protocols | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The model's configuration keys."""
        return {"model": self.model, **self.__pydantic_extra__}

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        _undecided(self.__pydantic_extra__)
        return self


class Ablations(_Keys):
    """Rows of the table of perspectives: label of the full model, and what each row keeps."""

    model: Word
    perspectives: Annotated[
        tuple[Perspectives, ...], Field(min_length=1), AfterValidator(_different)
    ]


class TuningBudget(_Keys):
    """The search that every model with a search space gets before its runs."""

    max_evals: Positive
    algo: Literal["exhaustive", "random", "bayes"] = "random"
    early_stop: Positive | None = None

    @property
    def words(self) -> str:
        """The budget of a study."""
        return f"{self.max_evals} trials of {self.algo} search"


class BenchmarkPlan(_Keys):
    """A benchmark as it was asked for; docs/benchmark.md says what each key is."""

    name: Annotated[Word, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    dataset: Word
    protocols: Protocols
    seeds: Annotated[tuple[Whole, ...], Field(min_length=1), AfterValidator(_different)]
    folds: Annotated[Whole, Field(le=10_000)] = 0
    jobs: Positive = 2
    settings: Settings = {}
    main: Word
    models: Annotated[dict[Word, ModelKeys], Field(min_length=1)]
    ablations: Ablations | None = None
    tuning: TuningBudget | None = None

    @cached_property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Models, then ablations."""
        models = {
            label: ModelEntry(label, keys.settings, keys.protocols or self.protocols, label)
            for label, keys in self.models.items()
        }
        if self.ablations is None:
            return tuple(models.values())
        full = models[self.ablations.model]
        ablations = (
            replace(
                full,
                label=f"{full.label} [{' + '.join(kept)}]",
                settings={**full.settings, "perspectives": list(kept)},
                perspectives=kept,
            )
            for kept in self.ablations.perspectives
        )
        return (*models.values(), *ablations)

    @property
    def families(self) -> list[tuple[list[ModelEntry], str]]:
        """Models and the label they are held against; a full model with its ablations, likewise."""
        found = [([entry for entry in self.entries if entry.perspectives is None], self.main)]
        if self.ablations is not None:
            full = self.ablations.model
            found.append(([entry for entry in self.entries if entry.tuned_as == full], full))
        return found

    @pydantic.model_validator(mode="after")
    def _check_together(self) -> Self:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        protocols = ", ".join(self.protocols)
        if self.folds == 1 or (self.folds and self.protocols != (schema.NEW_BRAND,)):
            yield (
                f"Key 'folds' must be 0, or at least 2 with protocols: [new-brand]. "
                f"Received: {self.folds} with {protocols}."
            )
        for key, keys in (("main", self.main), ("ablations: model", self.ablations)):
            label = keys.model if isinstance(keys, Ablations) else keys
            if label is not None and label not in self.models:
                yield (
                    f"Key '{key}' must be a label of 'models'. Received: '{label}'."
                    f"{nearest(label, self.models)}"
                )
        folders: dict[str, ModelEntry] = {}
        for entry in self.entries:
            missing = set(self.protocols) - set(entry.protocols)
            if set(entry.protocols) - set(self.protocols) or (entry.label == self.main and missing):
                yield (
                    f"Key 'models: {entry.label}: protocols' must be among the plan's, and all of "
                    f"them for the main model: {protocols}. "
                    f"Received: {', '.join(entry.protocols)}."
                )
            # whatever the file system thinks of capital letters
            other = folders.setdefault(entry.slug.lower(), entry)
            if other is not entry:
                yield (
                    f"Labels '{other.label}' and '{entry.label}' would share the folder "
                    f"'{entry.slug}'; change one."
                )

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """All that the benchmark's figures depend on.

        Args:
            data_fingerprint: of the data set's files.
        """
        described = {
            entry.label: _lasting({"protocols": entry.protocols, **entry.settings})
            for entry in self.entries
        }
        plain = {"name", "dataset", "protocols", "seeds", "folds", "main", "tuning"}
        identity = self.model_dump(include=plain) | {
            "settings": _lasting(self.settings),
            "models": {label: described[label] for label in self.models},
            "ablations": {k: value for k, value in described.items() if k not in self.models},
            "ablated": self.ablations and self.ablations.model,
            "defaults": {entry.model: _digest(all_defaults(entry.model)) for entry in self.entries},
            "data": data_fingerprint,
            "versions": versions(),
        }
        return json.loads(json.dumps(identity, default=str))  # type: ignore[no-any-return]


def _lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _INCIDENTAL}


def folder_name(identity: Mapping[str, Any]) -> str:
    """Where a benchmark stands if nobody says: the same plan finds the same folder again.

    Other versions of the packages find it as well, and are refused.
    """
    lasting = {key: value for key, value in identity.items() if key != "versions"}
    return f"{identity['name']}-{_digest(lasting)}"


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def planned_runs(plan: BenchmarkPlan) -> list[PlannedRun]:
    """All runs of a plan, in the order of its tables.

    A model that does not depend on a seed is run under the first one alone.
    """
    found = []
    folds = range(1, plan.folds + 1) if plan.folds else (0,)
    for entry in plan.entries:
        seeds = plan.seeds[:1] if entry.deterministic else plan.seeds
        for protocol, seed, fold in product(entry.protocols, seeds, folds):
            own = {"dataset": plan.dataset, "protocol": protocol, "seed": seed}
            own |= {"folds": plan.folds, "fold": fold} if fold else {}
            settings = {**plan.settings, **entry.settings, **own, **COMMON}
            found.append(PlannedRun(entry, protocol, seed, fold, settings))
    return found


def find_plan(name: str) -> Path:
    """A plan's file: a path, or the name of a plan that comes with the package.

    Raises:
        UsageError: there is none; names the plans that come with the package.
    """
    shipped = properties_folder() / "benchmark"
    for path in (Path(name), shipped / f"{name}.yaml"):
        if path.is_file():
            return path
    names = ", ".join(sorted(path.stem for path in shipped.glob("*.yaml")))
    raise UsageError(f"Plan '{name}' is no file and none of the plans that come with us: {names}.")


def read_plan(path: Path, settings: Mapping[str, Any] | None = None) -> BenchmarkPlan:
    """Read a plan's file.

    Args:
        path: the YAML file.
        settings: configuration keys over the plan's own `settings`.

    Raises:
        UsageError: names the file, the key, what it must be and what it is.
    """
    try:
        return make_plan(load_yaml(path), settings or {})
    except (UsageError, UnicodeDecodeError, RecursionError) as error:
        problem = error if isinstance(error, UsageError) else "no UTF-8 text, or nested too deep"
        raise UsageError(f"Plan '{path}': {problem}") from None


def make_plan(content: Mapping[str, Any], settings: Mapping[str, Any]) -> BenchmarkPlan:
    """A plan from its keys; see `read_plan`."""
    shared = content.get("settings", {})
    if isinstance(shared, Mapping):
        content = {**content, "settings": {**shared, **settings}}
    try:
        return BenchmarkPlan.model_validate(content)
    except pydantic.ValidationError as error:
        # a misspelt key tells more than that the right one is missing
        first = max(error.errors(), key=lambda one: one["type"] == "extra_forbidden")
        raise UsageError(_problem(first)) from None


_WANTED = {
    **dict.fromkeys(("dict_type", "model_type"), "must map keys to values"),
    "tuple_type": "must be a list",
    "invalid_key": "must be text: put it in quotation marks",
    "string_pattern_mismatch": "must have no control characters, and the plan's 'name' nothing but "
    "letters, digits, '.', '_' and '-'",
    "invalid-json-value": "must be text, a number, True, False, null, or a list or mapping of them",
}
_PARTS: dict[str, type[BaseModel]] = {"ablations": Ablations, "tuning": TuningBudget}


def _problem(error: ErrorDetails) -> str:
    """What is wrong: the key, what it must be, what it is, the nearest valid word."""
    kind, place, value = error["type"], error["loc"], error["input"]
    words = [str(part)[:100] for part in place if part not in ("dict", "list", "[key]")]
    where = shown(": ".join(words), 120)
    if kind == "missing":
        return f"Key {where} is missing."
    if kind == "extra_forbidden":
        known = _PARTS.get(words[0], BenchmarkPlan) if place[1:] else BenchmarkPlan
        return f"Unknown key {where}.{nearest(words[-1], known.model_fields)}"
    if kind == "value_error":
        text = str(error["ctx"]["error"])
        return f"Key {where} {text}" if place else text
    no_text = kind == "string_type" and place[-1] == "[key]"
    wanted = _WANTED.get("invalid_key" if no_text else kind)
    wanted = wanted or re.sub(r"^\w+ should", "must", error["msg"])
    received = shown(value) if isinstance(value, str) else shown(repr(value)).strip("'\"")
    options = re.findall("'([^']+)'", error.get("ctx", {}).get("expected", ""))
    like = nearest(str(value)[:100], options) if options else ""
    return f"Key {where} {wanted}. Received: {received}.{like}"
