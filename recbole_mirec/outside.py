"""Models of somebody else: a class that is handed over, or one named `package.module:Class`."""

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from recbole.model.abstract_recommender import AbstractRecommender

from recbole_mirec.errors import UsageError, nearest
from recbole_mirec.values import load_yaml

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
