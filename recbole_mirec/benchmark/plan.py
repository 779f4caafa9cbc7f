"""What a benchmark is to do: a YAML plan, checked key by key, and the runs that it stands for."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.values import load_yaml
from recbole_mirec.config import all_defaults, properties_folder
from recbole_mirec.registry import find_model, is_deterministic
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
# Characters of a label or a name, and of what an error message shows.
_LONGEST, _SHOWN = 100, 60


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    # the perspectives of an ablation are the same ones in any order
    if len({frozenset(v) if isinstance(v, tuple) else v for v in values}) < len(values):
        raise ValueError(f"must list different values. Received: {_cut(repr(list(values)))}")
    return values


def _undecided(settings: dict[str, Any]) -> dict[str, Any]:
    for key in settings:
        if key in DECIDED:
            raise ValueError(f"cannot set '{key}': {DECIDED[key]}")
    return settings


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"must be of printable characters. Received: {_cut(repr(text))}")
    return text


Word = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=_LONGEST),
    AfterValidator(_printable),
]
Whole = Annotated[int, Strict(), Field(ge=0)]
Positive = Annotated[int, Strict(), Field(ge=1)]
Protocols = Annotated[
    tuple[Literal["new-brand", "known-brand"], ...],
    Field(min_length=1),
    AfterValidator(_different),
    AfterValidator(lambda given: tuple(name for name in schema.PROTOCOLS if name in given)),
]
Settings = Annotated[dict[str, JsonValue], AfterValidator(_undecided)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelKeys(BaseModel):
    """A model of the plan: `model`, perhaps `protocols`, and configuration keys of its own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, JsonValue]
    model: Word
    protocols: Protocols | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _undecided(self.model_extra or {})
        return self


class Ablations(_Keys):
    """Rows of the table of perspectives: label of the full model, and what each row keeps."""

    model: str
    perspectives: Annotated[
        tuple[Annotated[tuple[Word, ...], Field(min_length=1), AfterValidator(_different)], ...],
        Field(min_length=1),
    ]


class TuningBudget(_Keys):
    """The search that every model with a search space gets before its runs."""

    max_evals: Positive
    algo: Literal["exhaustive", "random", "bayes"] = "random"
    early_stop: Positive | None = None


@dataclass(frozen=True, eq=False)
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

    @property
    def deterministic(self) -> bool:
        """Whether the model's figures do not depend on a seed."""
        return is_deterministic(_class_of(self.model))

    @property
    def leaks(self) -> bool:
        """Whether the model says of itself that it reads what no model may."""
        return bool(getattr(_class_of(self.model), "leaks", False))


_class_of = cache(find_model)


class BenchmarkPlan(_Keys):
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
        models: by their labels, in the order of the tables.
        ablations: of one of the models; None: no table of perspectives.
        tuning: None: every model runs with the settings it has.
    """

    name: Annotated[Word, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    dataset: Word
    protocols: Protocols
    seeds: Annotated[tuple[Whole, ...], Field(min_length=1), AfterValidator(_different)]
    folds: Annotated[Whole, Field(le=10_000)] = 0
    jobs: Positive = 2
    settings: Settings = {}
    main: str
    models: Annotated[dict[Word, ModelKeys], Field(min_length=1)]
    ablations: Ablations | None = None
    tuning: TuningBudget | None = None

    @cached_property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Models, then ablations."""
        models = {
            label: ModelEntry(
                label,
                {"model": keys.model, **(keys.model_extra or {})},
                keys.protocols or self.protocols,
                tuned_as=label,
            )
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

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.folds == 1 or (self.folds and self.protocols != (schema.NEW_BRAND,)):
            raise ValueError(
                f"Key 'folds' must be 0, or at least 2 with protocols: [new-brand]. "
                f"Received: {self.folds} with {', '.join(self.protocols)}"
            )
        named = {"main": self.main}
        named |= {"ablations: model": self.ablations.model} if self.ablations else {}
        for key, label in named.items():
            if label not in self.models:
                raise ValueError(
                    f"Key '{key}' must be a label of 'models'. Received: {_cut(repr(label))}."
                    f"{nearest(label[:_LONGEST], self.models)}"
                )
        folders: dict[str, ModelEntry] = {}
        for entry in self.entries:
            if not set(entry.protocols) <= set(self.protocols):
                raise ValueError(
                    f"Key 'models: {entry.label}: protocols' must be among the plan's own, "
                    f"{', '.join(self.protocols)}. Received: {', '.join(entry.protocols)}"
                )
            if entry.label == self.main and entry.protocols != self.protocols:
                raise ValueError(
                    f"Model '{self.main}' is the main one, so it must be run under all protocols. "
                    f"Received: {', '.join(entry.protocols)}"
                )
            # whatever the file system thinks of capital letters
            other = folders.setdefault(entry.slug.lower(), entry)
            if other is not entry:
                raise ValueError(
                    f"Labels '{other.label}' and '{entry.label}' would share the folder "
                    f"'{entry.slug}'; change one"
                )
        return self

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """All that the benchmark's figures depend on.

        Args:
            data_fingerprint: of the data set's files.
        """

        def described(ablations: bool) -> dict[str, Any]:
            return {
                entry.label: _lasting({"protocols": entry.protocols, **entry.settings})
                for entry in self.entries
                if (entry.perspectives is not None) == ablations
            }

        identity = {
            "name": self.name,
            "dataset": self.dataset,
            "protocols": self.protocols,
            "seeds": self.seeds,
            "folds": self.folds,
            "settings": _lasting(self.settings),
            "main": self.main,
            "models": described(ablations=False),
            "ablations": described(ablations=True),
            "ablated": self.ablations and self.ablations.model,
            "tuning": self.tuning and self.tuning.model_dump(),
            "defaults": {entry.model: _digest(all_defaults(entry.model)) for entry in self.entries},
            "data": data_fingerprint,
            "versions": versions(),
        }
        plain: dict[str, Any] = json.loads(json.dumps(identity, default=str))
        return plain


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


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One run.

    Attributes:
        entry: the model under its label.
        protocol: that it is run under.
        seed: of the run.
        fold: of a cross-validation, from 1; 0: none.
        settings: configuration keys; without `checkpoint_dir`.
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
    def tuned_as(self) -> tuple[str, str, int]:
        """Label, protocol and fold of the study whose winner's settings the run takes."""
        return self.entry.tuned_as, self.protocol, self.fold


def planned_runs(plan: BenchmarkPlan) -> list[PlannedRun]:
    """All runs of a plan, in the order of its tables.

    A model that does not depend on a seed is run under the first one alone.
    """
    found = []
    for entry in plan.entries:
        for protocol in entry.protocols:
            for seed in plan.seeds[:1] if entry.deterministic else plan.seeds:
                for fold in range(1, plan.folds + 1) if plan.folds else (0,):
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
    path = Path(name)
    shipped = properties_folder() / "benchmark"
    for found in (path, shipped / f"{name}.yaml"):
        if found.is_file():
            return found
    names = ", ".join(sorted(found.stem for found in shipped.glob("*.yaml")))
    raise UsageError(
        f"Plan {_cut(repr(name))} is no file and none of the plans that come with us: {names}."
    )


def read_plan(path: Path, settings: Mapping[str, Any] | None = None) -> BenchmarkPlan:
    """Read a plan's file.

    Args:
        path: the YAML file.
        settings: configuration keys over the plan's own `settings`.

    Raises:
        UsageError: names the file, the key, what it must be and what it is.
    """
    try:
        content = load_yaml(path)
    except (UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"Plan '{path}' cannot be read: {_cut(str(error))}.") from None
    try:
        return make_plan(content, settings or {})
    except UsageError as error:
        raise UsageError(f"Plan '{path}': {error}") from None


def make_plan(content: Mapping[str, Any], settings: Mapping[str, Any]) -> BenchmarkPlan:
    """A plan from its keys; see `read_plan`."""
    shared = content.get("settings", {})
    if isinstance(shared, Mapping):
        content = {**content, "settings": {**shared, **settings}}
    try:
        return BenchmarkPlan.model_validate(content)
    except ValidationError as error:
        first, *others = (_problem(one) for one in error.errors(include_url=False))
        more = f" ({len(others)} more problems.)" if others else ""
        raise UsageError(first + more) from None


_WANTED = {
    "dict_type": "must map keys to values",
    "model_type": "must map keys to values",
    "tuple_type": "must be a list",
    "invalid_key": "must be text: put it in quotation marks",
    "invalid-json-value": "must be text, a number, True, False, null, or a list or mapping of them",
    "recursion_loop": "must not hold itself",
    "recursion_depth_exceeded": "must not be nested that deep",
}
_KNOWN: dict[tuple[Any, ...], type[BaseModel]] = {
    (): BenchmarkPlan,
    ("ablations",): Ablations,
    ("tuning",): TuningBudget,
}


def _problem(error: ErrorDetails) -> str:
    """One thing that is wrong: the key, what it must be, what it is, the nearest valid word."""
    kind, place, received = error["type"], error["loc"], error["input"]
    words = [_cut(str(part)) for part in place if part not in ("dict", "list", "[key]")]
    where = ": ".join(words[:4] + ["..."] * (len(words) > 4))
    if kind == "missing":
        return f"Key '{where}' is missing."
    if kind == "extra_forbidden":
        known = _KNOWN[place[:-1]].model_fields
        return f"Unknown key '{where}'.{nearest(words[-1], known)}"
    if kind == "value_error":
        text = str(error["ctx"]["error"])
        text = f"Key '{where}' {text}" if where else text
        return text if text.endswith(("?", ".")) else f"{text}."
    wanted = _WANTED.get("invalid_key" if place[-1:] == ("[key]",) else kind)
    wanted = wanted or re.sub(r"^\w+ should", "must", error["msg"])
    options = re.findall("'([^']+)'", error["ctx"]["expected"]) if kind == "literal_error" else []
    like = nearest(received, options) if options and isinstance(received, str) else ""
    return f"Key '{where}' {wanted}. Received: {_cut(repr(received))}.{like}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
