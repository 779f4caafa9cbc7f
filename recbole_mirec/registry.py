"""Models by name: ours, RecBole's, and `package.module:Class` of anybody."""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from recbole.model import context_aware_recommender, general_recommender
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import ModelType

from dataset_convert.common.errors import UsageError, nearest, shown
from dataset_convert.common.values import load_yaml
from recbole_mirec import compat as compat


class ModelEntry(NamedTuple):
    """One of our models: where it is, as `module:Class`, and what it is, in a line.

    One that is `deterministic` gives the same figures under every seed; one that `leaks` reads
    what no model may, and its figures are no baseline.
    """

    home: str
    note: str
    deterministic: bool = False
    leaks: bool = False


# Our models by name; they win over RecBole's of the same name.
MODELS: dict[str, ModelEntry] = {
    name: ModelEntry(f"recbole_mirec.model.{module}:{name}", *said)
    for module, name, *said in (
        ("mirec", "MIRec", "this project's model; variants mirec, reference, paper"),
        ("untrained", "Random", "a random order: what chance gives"),
        ("untrained", "Popularity", "training collaborations counted", True),
        ("untrained", "Cosine", "untrained similarity of the features", True),
        ("untrained", "MIV", "influence alone: followers and competence", True),
        ("untrained", "CategoryOracle", "LEAKS, and is no baseline", True, True),
        ("two_tower", "ContentTwoTower", "two networks on the same features"),
        ("two_tower", "MIR", "after Gan et al. (2019): lists by competence"),
        ("two_tower", "HPTR", "MIR's vectors by triplets"),
        ("concepts", "CAMERA", "after Wang et al. (2022): attention to the pair"),
        ("concepts", "CATR", "CAMERA's concepts without attention"),
    )
}
# RecBole's models by room: what its packages import from their modules.
_THEIRS: dict[str, dict[str, type]] = {
    room: {name: value for name, value in vars(package).items() if isinstance(value, type)}
    for room, package in (("general", general_recommender), ("context", context_aware_recommender))
}
# Models that import a package only in mid-training: the module, and what to install.
_PACKAGES = {"NCL": ("faiss", "faiss-cpu")}
# A model of RecBole's type TRADITIONAL whose solver visits its unknowns in a random order.
_DRAWING = "SLIMElastic"
# Classes that were handed over, by the names that stand for them in settings and records.
_HANDED_OVER: dict[str, type] = {}


def is_outside(name: str) -> bool:
    """Whether a model's name is the `package.module:Class` of somebody else's."""
    return ":" in name


def class_name(name: str) -> str:
    """The name of a model's class, as it stands in folders and beside figures."""
    return name.rpartition(":")[2]


def hand_over(model_class: type) -> str:
    """A name by which a class is found, in this process at least; RecBole's and ours keep theirs.

    Raises:
        UsageError: it is no model of RecBole's kind.
    """
    _check_kind(model_class, str(model_class))
    if model_class.__module__.startswith(("recbole.", "recbole_mirec.")):
        return model_class.__name__
    name = f"{model_class.__module__}:{model_class.__qualname__}"
    _HANDED_OVER[name] = model_class
    return name


def find_model(name: str) -> type:
    """The class of a model: ours, RecBole's, or `package.module:Class`.

    Raises:
        UsageError: no model of that name, with the nearest one; or it cannot be imported.
    """
    if is_outside(name):
        return _HANDED_OVER.get(name) or _imported(name)
    if name in MODELS:
        module, _, wanted = MODELS[name].home.partition(":")
        return getattr(importlib.import_module(module), wanted)  # type: ignore[no-any-return]
    if name in (theirs := _THEIRS["general"] | _THEIRS["context"]):
        return theirs[name]
    raise UsageError(f"Unknown model {shown(name)}.{nearest(name, model_names())}")


def _imported(name: str) -> type:
    module_name, _, wanted = name.partition(":")
    # as `python -m` would; a script's own folder stands there instead
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError, SyntaxError) as error:
        raise UsageError(f"Model {shown(name, 100)} cannot be imported: {error}.") from error
    found = getattr(module, wanted, None)
    if found is None:
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UsageError(
            f"Module '{module_name}' has no class '{wanted}'.{nearest(wanted, classes)}"
        )
    return _check_kind(found, name)


def _check_kind(found: object, name: str) -> type:
    if isinstance(found, type) and issubclass(found, AbstractRecommender):
        return found
    raise UsageError(
        f"'{name}' is no model: derive its class from GeneralRecommender or ContextRecommender of "
        f"recbole.model.abstract_recommender."
    )


def model_names(*, room: str | None = None) -> list[str]:
    """Names of the models that can be run, sorted; of the room ours, general or context alone."""
    rooms: dict[str, Iterable[str]] = {"ours": MODELS, **_THEIRS}
    return sorted(set(chain(*rooms.values()) if room is None else rooms[room]))


def outside_yaml(name: str) -> dict[str, Any]:
    """Defaults of a model's keys: `<Class>.yaml` beside its module, where there is one."""
    model_class = find_model(name)
    source = inspect.getsourcefile(inspect.getmodule(model_class) or model_class)
    path = Path(source or "").with_name(f"{model_class.__name__}.yaml")
    return load_yaml(path) if path.is_file() else {}


def outside_keys(name: str) -> set[str]:
    """Keys that a model's module reads: the words of its `config["key"]`."""
    model_class = find_model(name)
    try:
        source = inspect.getsource(inspect.getmodule(model_class) or model_class)
    except (OSError, TypeError):
        return set()
    return set(re.findall(r"""config\[\s*["'](\w+)["']\s*\]""", source))


def require_packages(model: str) -> None:
    """Raise a UsageError that names the package which a model needs and nobody has installed."""
    module, package = _PACKAGES.get(model, (None, ""))
    if module is not None and importlib.util.find_spec(module) is None:
        raise UsageError(f"Model {model} needs a package: pip install {package}")


def is_only_ours(name: str) -> bool:
    """Whether a model is one of ours, under a name that RecBole has no model of."""
    ours, theirs = ({one.lower() for one in names} for names in (MODELS, chain(*_THEIRS.values())))
    return name.lower() in ours - theirs


def is_ours(model_class: type) -> bool:
    """Whether a model is this project's own and not RecBole's."""
    return model_class.__module__.startswith("recbole_mirec.")


def is_deterministic(model_class: type) -> bool:
    """Whether a model gives the same figures under every seed.

    RecBole's of its type `TRADITIONAL` do, which compute their scores in one pass over the data.
    """
    if is_ours(model_class):
        return MODELS[model_class.__name__].deterministic
    drawing = model_class.__name__ == _DRAWING
    return getattr(model_class, "type", None) == ModelType.TRADITIONAL and not drawing


def leaks(name: str) -> bool:
    """Whether a model reads what no model may, so that its figures are no baseline."""
    return name in MODELS and MODELS[name].leaks
