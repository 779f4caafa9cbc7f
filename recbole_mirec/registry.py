"""Model names: ours first, then RecBole's, then `package.module:Class` of anybody."""

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from recbole.model import context_aware_recommender, general_recommender
from recbole.utils import ModelType

from recbole_mirec import compat as compat
from recbole_mirec import model as our_models
from recbole_mirec.errors import UsageError, nearest
from recbole_mirec.outside import find_outside, is_outside

_ROOMS = (our_models, general_recommender, context_aware_recommender)
# Models that import a package only in mid-training: module -> what to install.
_PACKAGES = {"NCL": {"faiss": "faiss-cpu"}}
# Models of RecBole's type TRADITIONAL whose solver visits its unknowns in a random order.
_DRAWING = ("SLIMElastic", "Random")


def _file_names(room: ModuleType) -> list[str]:
    return [found.name for found in pkgutil.iter_modules(room.__path__)]


def model_modules() -> dict[str, str]:
    """Importable modules of all models, by the lower-case model name."""
    return {
        name: f"{room.__name__}.{name}" for room in reversed(_ROOMS) for name in _file_names(room)
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
        for file_name in _file_names(package):
            module = importlib.import_module(f"{package.__name__}.{file_name}")
            names += [
                name
                for name, value in vars(module).items()
                if isinstance(value, type) and name.lower() == file_name
            ]
    return sorted(names)


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
    ours, *theirs = map(_file_names, _ROOMS)
    return name.lower() in set(ours).difference(*theirs)


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
