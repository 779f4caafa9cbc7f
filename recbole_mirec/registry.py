"""Model names: ours first, then RecBole's, then `package.module:Class` of anybody."""

import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path

from recbole.model import context_aware_recommender, general_recommender
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import ModelType

from recbole_mirec import compat as compat
from recbole_mirec import model as our_models
from recbole_mirec.errors import UsageError, nearest

_ROOMS = (our_models, general_recommender, context_aware_recommender)
# Models that import a package only in mid-training: module -> what to install.
_PACKAGES = {"NCL": {"faiss": "faiss-cpu"}}
# Models of RecBole's type TRADITIONAL whose solver visits its unknowns in a random order.
_DRAWING = ("SLIMElastic", "Random")
# Classes that were handed over, by the names that stand for them in settings and records.
_HANDED_OVER: dict[str, type] = {}


def model_modules() -> dict[str, str]:
    """Importable modules of all models, by the lower-case model name."""
    return {
        found.name: f"{room.__name__}.{found.name}"
        for room in reversed(_ROOMS)
        for found in pkgutil.iter_modules(room.__path__)
    }


def model_names(*, room: str | None = None) -> list[str]:
    """Names of the models that can be run, sorted.

    Args:
        room: restricts to `ours`, `general` or `context`.
    """
    chosen = dict(zip(("ours", "general", "context"), _ROOMS, strict=True))
    rooms = _ROOMS if room is None else (chosen[room],)
    names = []
    for package in rooms:
        for found in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            names += [
                name
                for name, value in vars(module).items()
                if isinstance(value, type) and name.lower() == found.name
            ]
    return sorted(names)


def is_outside(name: str) -> bool:
    """Whether a model's name is the `package.module:Class` of somebody else's."""
    return ":" in name


def class_name(name: str) -> str:
    """The name of a model's class, as it stands in folders and beside figures."""
    return name.rpartition(":")[2]


def hand_over(model_class: type) -> str:
    """A name by which `find_model` finds a class, in this process at least.

    Raises:
        UsageError: it is no model of RecBole's kind.
    """
    _check_kind(model_class, str(model_class))
    named = model_class.__module__.startswith(("recbole.", "recbole_mirec."))
    name = model_class.__name__
    if not named or name.lower() not in model_modules():
        name = f"{model_class.__module__}:{model_class.__qualname__}"
        _HANDED_OVER[name] = model_class
    return name


def find_model(name: str) -> type:
    """The class of a model: ours, RecBole's, or `package.module:Class`.

    Raises:
        UsageError: no model of that name; names the nearest one.
    """
    if is_outside(name):
        return _HANDED_OVER.get(name) or _find_outside(name)
    modules = model_modules()
    if name.lower() in modules:
        module = importlib.import_module(modules[name.lower()])
        found = getattr(module, name, None)
        if isinstance(found, type):
            return found
    raise UsageError(f"Unknown model '{name}'.{nearest(name, model_names())}")


def _find_outside(name: str) -> type:
    module_name, _, class_of_module = name.partition(":")
    # as `python -m` would; a script's own folder stands there instead
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"Model '{name}' cannot be imported: {error}.") from error
    found = getattr(module, class_of_module, None)
    if found is None:
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UsageError(
            f"Module '{module_name}' has no class '{class_of_module}'."
            f"{nearest(class_of_module, classes)}"
        )
    _check_kind(found, name)
    return found  # type: ignore[no-any-return]


def _check_kind(found: object, name: str) -> None:
    if not (isinstance(found, type) and issubclass(found, AbstractRecommender)):
        raise UsageError(
            f"'{name}' is no model: derive its class from GeneralRecommender or "
            f"ContextRecommender of recbole.model.abstract_recommender."
        )


def require_packages(model: str) -> None:
    """Check that a model can be trained with what is installed.

    Raises:
        UsageError: names the package to install.
    """
    for module, package in _PACKAGES.get(model, {}).items():
        if importlib.util.find_spec(module) is None:
            raise UsageError(f"Model {model} needs a package: pip install {package}")


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
