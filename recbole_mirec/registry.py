"""Models by name: ours, RecBole's, and `package.module:Class` of anybody."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from recbole.model import context_aware_recommender, general_recommender
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import ModelType

from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.common.values import load_yaml
from recbole_mirec import compat as compat

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


def find_outside(name: str) -> type:
    """The class of a name with a colon.

    Raises:
        UsageError: it cannot be imported, or is no model.
    """
    if name in _HANDED_OVER:
        return _HANDED_OVER[name]
    module_name, _, wanted = name.partition(":")
    # as `python -m` would; a script's own folder stands there instead
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise UsageError(f"Model '{name}' cannot be imported: {error}.") from error
    found = getattr(module, wanted, None)
    if found is None:
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UsageError(
            f"Module '{module_name}' has no class '{wanted}'.{nearest(wanted, classes)}"
        )
    _check_kind(found, name)
    return found  # type: ignore[no-any-return]


def outside_yaml(name: str) -> dict[str, Any]:
    """Defaults of a model's keys: `<Class>.yaml` beside its module, where there is one."""
    model_class = find_outside(name)
    source = inspect.getsourcefile(inspect.getmodule(model_class) or model_class)
    path = Path(source or "").with_name(f"{model_class.__name__}.yaml")
    return load_yaml(path) if path.is_file() else {}


def outside_keys(name: str) -> set[str]:
    """Keys that a model's module reads: the words of its `config["key"]`."""
    model_class = find_outside(name)
    try:
        source = inspect.getsource(inspect.getmodule(model_class) or model_class)
    except (OSError, TypeError):
        return set()
    return set(re.findall(r"""config\[\s*["'](\w+)["']\s*\]""", source))


def _check_kind(found: object, name: str) -> None:
    if not (isinstance(found, type) and issubclass(found, AbstractRecommender)):
        raise UsageError(
            f"'{name}' is no model: derive its class from GeneralRecommender or "
            f"ContextRecommender of recbole.model.abstract_recommender."
        )


# Our models: name -> its room in `recbole_mirec.model`.
MODELS: dict[str, str] = {
    "MIRec": "mirec",
    "Random": "untrained",
    "Popularity": "untrained",
    "Cosine": "untrained",
    "MIV": "untrained",
    "CategoryOracle": "untrained",
    "ContentTwoTower": "two_tower",
    "MIR": "two_tower",
    "HPTR": "two_tower",
    "CAMERA": "concepts",
    "CATR": "concepts",
}
_THEIRS = (general_recommender, context_aware_recommender)
# Models that import a package only in mid-training: module -> what to install.
_PACKAGES = {"NCL": {"faiss": "faiss-cpu"}}
# Models of RecBole's type TRADITIONAL whose solver visits its unknowns in a random order.
_DRAWING = ("SLIMElastic", "Random")


def _file_names(room: ModuleType) -> list[str]:
    return [found.name for found in pkgutil.iter_modules(room.__path__)]


def model_modules() -> dict[str, str]:
    """Importable modules of all models, by the lower-case model name; ours win."""
    theirs = {name: f"{room.__name__}.{name}" for room in _THEIRS for name in _file_names(room)}
    ours = {name.lower(): f"recbole_mirec.model.{room}" for name, room in MODELS.items()}
    return theirs | ours


def model_names(*, room: str | None = None) -> list[str]:
    """Names of the models that can be run, sorted.

    Args:
        room: restricts to `ours`, `general` or `context`.
    """
    chosen = dict(zip(("general", "context"), _THEIRS, strict=True))
    names = list(MODELS) if room in (None, "ours") else []
    for package in chosen.values() if room is None else filter(None, [chosen.get(room)]):
        for file_name in _file_names(package):
            module = importlib.import_module(f"{package.__name__}.{file_name}")
            names += [
                name
                for name, value in vars(module).items()
                if isinstance(value, type) and name.lower() == file_name
            ]
    return sorted(set(names))


def find_model(name: str) -> type:
    """The class of a model: ours, RecBole's, or `package.module:Class`.

    Raises:
        UsageError: no model of that name; names the nearest one.
    """
    if is_outside(name):
        return find_outside(name)
    modules = model_modules()
    if name.lower() in modules:
        module = importlib.import_module(modules[name.lower()])
        found = getattr(module, name, None)
        if isinstance(found, type):
            return found
    raise UsageError(f"Unknown model '{name}'.{nearest(name, model_names())}")


def require_packages(model: str) -> None:
    """Check that a model can be trained with what is installed.

    Raises:
        UsageError: names the package to install.
    """
    for module, package in _PACKAGES.get(model, {}).items():
        if importlib.util.find_spec(module) is None:
            raise UsageError(f"Model {model} needs a package: pip install {package}")


def is_only_ours(name: str) -> bool:
    """Whether a model is one of ours, under a name that RecBole has no model of."""
    ours = {own.lower() for own in MODELS}
    return name.lower() in ours.difference(*map(_file_names, _THEIRS))


def is_ours(model_class: type) -> bool:
    """Whether a model is this project's own and not RecBole's."""
    return model_class.__module__.startswith("recbole_mirec.")


def is_deterministic(model_class: type) -> bool:
    """Whether a model gives the same figures under every seed.

    Models of RecBole's type `TRADITIONAL` compute their scores in one pass over the data; one of
    ours that draws all the same says `deterministic = False`.
    """
    traditional = getattr(model_class, "type", None) == ModelType.TRADITIONAL
    drawing = model_class.__name__ in _DRAWING
    return bool(getattr(model_class, "deterministic", traditional and not drawing))
