"""What a benchmark is to do: a YAML plan, checked key by key, and the runs that it stands for."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest, refuse
from dataset_convert.common.settings import problems_of
from dataset_convert.common.values import load_yaml
from recbole_mirec.config import all_defaults, properties_folder
from recbole_mirec.registry import find_model, is_deterministic, leaks
from recbole_mirec.runs import versions
from recbole_mirec.tuning.trial import INCIDENTAL, short_digest

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
    def deterministic(self) -> bool:
        """Whether the model's figures do not depend on a seed."""
        return is_deterministic(_class_of(self.model))

    @property
    def leaks(self) -> bool:
        """Whether the model reads what no model may."""
        return leaks(self.model)


def slug(label: str) -> str:
    """A label as a folder's name."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", label).strip("-.") or "model"


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One run: a model under a protocol, its seed, and its fold from 1; 0: none.

    Attributes:
        settings: all configuration keys but `checkpoint_dir`.
        title: the run in a few words.
        folder: in the benchmark's.
        study: folder of the study whose winner's settings the run takes, if its model is tuned.
    """

    entry: ModelEntry
    protocol: str
    seed: int
    fold: int
    settings: Mapping[str, Any]
    title: str
    folder: Path
    study: Path


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    # perspectives are the same ones in any order
    if len({frozenset(one) if isinstance(one, tuple) else one for one in values}) < len(values):
        raise ValueError("list different values")
    return values


def _undecided(settings: dict[str, Any]) -> dict[str, Any]:
    for key in settings:
        if key in DECIDED:
            raise ValueError(f"not set '{key}': {DECIDED[key]}")
    return settings


Word = Annotated[str, Field(min_length=1, max_length=100)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[int, Field(strict=True, ge=1)]
_Listed = (Field(min_length=1), AfterValidator(_different))
Protocols = Annotated[
    tuple[Literal["new-brand", "known-brand"], ...],
    *_Listed,
    AfterValidator(lambda given: tuple(name for name in schema.PROTOCOLS if name in given)),
]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelKeys(_Keys, extra="allow"):
    """A model of the plan: `model`, perhaps `protocols`, and configuration keys of its own."""

    model: Word
    protocols: Protocols | None = None

    @model_validator(mode="after")
    def _check(self) -> "ModelKeys":
        _undecided(self.model_extra or {})
        return self


class Ablations(_Keys):
    """Rows of the table of perspectives: label of the full model, and what each row keeps."""

    model: Word
    perspectives: Annotated[tuple[Annotated[tuple[Word, ...], *_Listed], ...], *_Listed]


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

    name: Annotated[Word, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    dataset: Word
    protocols: Protocols
    seeds: Annotated[tuple[Whole, ...], *_Listed]
    folds: Annotated[Whole, Field(le=10_000)] = 0
    jobs: Positive = 2
    settings: Annotated[dict[str, Any], AfterValidator(_undecided)] = {}
    main: Word
    models: Annotated[dict[Word, ModelKeys], Field(min_length=1)]
    ablations: Ablations | None = None
    tuning: TuningBudget | None = None

    @cached_property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Models, then ablations."""
        found = []
        for label, keys in self.models.items():
            settings = {"model": keys.model, **(keys.model_extra or {})}
            found.append(ModelEntry(label, settings, keys.protocols or self.protocols, label))
        kept = self.ablations.perspectives if self.ablations else ()
        ablated = [
            entry for entry in found if self.ablations and entry.label == self.ablations.model
        ]
        found += [
            replace(
                full,
                label=f"{full.label} [{' + '.join(names)}]",
                settings={**full.settings, "perspectives": list(names)},
                perspectives=names,
            )
            for full in ablated
            for names in kept
        ]
        return tuple(found)

    @property
    def families(self) -> list[tuple[list[ModelEntry], str]]:
        """Models and the label they are held against; a full model with its ablations, likewise."""
        found = [([entry for entry in self.entries if entry.perspectives is None], self.main)]
        if self.ablations is not None:
            full = self.ablations.model
            found.append(([entry for entry in self.entries if entry.tuned_as == full], full))
        return found

    def identity(self, data_fingerprint: str) -> dict[str, Any]:
        """All that the benchmark's figures depend on, with the fingerprint of the data's files."""
        found = self.model_dump(exclude={"jobs"})
        for settings in (found["settings"], *found["models"].values()):
            for key in INCIDENTAL:
                settings.pop(key, None)
        found |= {
            "defaults": {
                entry.model: short_digest(all_defaults(entry.model)) for entry in self.entries
            },
            "data": data_fingerprint,
            "versions": versions(),
        }
        return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]


def folder_name(identity: Mapping[str, Any]) -> str:
    """Where a benchmark stands if nobody says: the same plan finds the same folder again.

    Other versions of the packages find it as well, and are refused.
    """
    lasting = {key: value for key, value in identity.items() if key != "versions"}
    return f"{identity['name']}-{short_digest(lasting)}"


def planned_runs(plan: BenchmarkPlan) -> list[PlannedRun]:
    """All runs of a plan, in the order of its tables.

    A model that does not depend on a seed is run under the first one alone.
    """
    found = []
    for entry in plan.entries:
        seeds = plan.seeds[:1] if entry.deterministic else plan.seeds
        folds = range(1, plan.folds + 1) if plan.folds else (0,)
        for protocol, seed, fold in product(entry.protocols, seeds, folds):
            own = {"dataset": plan.dataset, "protocol": protocol, "seed": seed}
            own |= {"folds": plan.folds, "fold": fold} if fold else {}
            behind, said = (f"-fold-{fold}", f", fold {fold}") if fold else ("", "")
            run = PlannedRun(
                entry=entry,
                protocol=protocol,
                seed=seed,
                fold=fold,
                settings={**plan.settings, **entry.settings, **own, **COMMON},
                title=f"{entry.label}, {protocol}, seed {seed}{said}",
                folder=Path("runs", slug(entry.label), protocol, f"seed-{seed}{behind}"),
                study=Path("tuning", slug(entry.tuned_as), f"{protocol}{behind}"),
            )
            found.append(run)
    return found


def read_plan(name: str, settings: Mapping[str, Any] | None = None) -> BenchmarkPlan:
    """Read a plan's file: a path, or the name of a plan that comes with the package.

    Args:
        name: of the file or the plan.
        settings: configuration keys over the plan's own `settings`.

    Raises:
        UsageError: there is none; or it names the file, the key, what it must be and what it is.
    """
    shipped = properties_folder() / "benchmark"
    path = next((one for one in (Path(name), shipped / f"{name}.yaml") if one.is_file()), None)
    if path is None:
        names = ", ".join(sorted(one.stem for one in shipped.glob("*.yaml")))
        raise UsageError(
            f"Plan '{name}' is no file and none of the plans that come with us: {names}."
        )
    try:
        return make_plan(load_yaml(path), settings or {})
    except UsageError as error:
        raise UsageError(f"Plan '{path}': {error}") from None


def make_plan(content: Mapping[str, Any], settings: Mapping[str, Any]) -> BenchmarkPlan:
    """A plan from its keys; see `read_plan`."""
    shared = content.get("settings", {})
    if isinstance(shared, Mapping):
        content = {**content, "settings": {**shared, **settings}}
    try:
        plan = BenchmarkPlan.model_validate(content)
    except ValidationError as error:
        parts: dict[str, type[BaseModel]] = {"models": ModelKeys, "ablations": Ablations}
        parts["tuning"] = TuningBudget
        fields = {key: list(kind.model_fields) for key, kind in parts.items()}
        refuse(problems_of(error, known=list(BenchmarkPlan.model_fields), parts=fields))
        raise
    refuse(_problems(plan))
    return plan


def _problems(plan: BenchmarkPlan) -> Iterator[str]:
    """What is wrong with keys together."""
    protocols = ", ".join(plan.protocols)
    if plan.folds == 1 or (plan.folds and plan.protocols != (schema.NEW_BRAND,)):
        yield (
            f"Key 'folds' must be 0, or at least 2 with protocols: [new-brand]. "
            f"Received: {plan.folds} with {protocols}."
        )
    full = plan.ablations.model if plan.ablations else plan.main
    for key, label in {"main": plan.main, "ablations: model": full}.items():
        if label not in plan.models:
            yield (
                f"Key '{key}' must be a label of 'models'. Received: '{label}'."
                f"{nearest(label, plan.models)}"
            )
    folders: dict[str, ModelEntry] = {}
    for entry in plan.entries:
        if re.search(r"[\x00-\x1f\x7f]", entry.label):
            yield f"Labels must have no control characters. Received: {entry.label!r}."
        missing = set(plan.protocols) - set(entry.protocols)
        if set(entry.protocols) - set(plan.protocols) or (entry.label == plan.main and missing):
            yield (
                f"Key 'models: {entry.label}: protocols' must be among the plan's, and all of "
                f"them for the main model: {protocols}. "
                f"Received: {', '.join(entry.protocols)}."
            )
        # whatever the file system thinks of capital letters
        other = folders.setdefault(slug(entry.label).lower(), entry)
        if other is not entry:
            yield (
                f"Labels '{other.label}' and '{entry.label}' would share the folder "
                f"'{slug(entry.label)}'; change one."
            )
