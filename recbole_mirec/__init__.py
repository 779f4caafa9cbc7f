"""Micro-influencer recommendation as a plug-in for RecBole.

Importing this package imports neither RecBole nor torch; what stands in `__all__` is imported when
it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbole_mirec.config import MirecConfig
    from recbole_mirec.experiment import (
        Experiment,
        ExperimentResult,
        load_data_and_model,
        prepare,
        run_experiment,
        run_recbole_mirec,
    )
    from recbole_mirec.plugin import register

__version__ = "0.1.0"
__all__ = [
    "Experiment",
    "ExperimentResult",
    "MirecConfig",
    "__version__",
    "load_data_and_model",
    "prepare",
    "register",
    "run_experiment",
    "run_recbole_mirec",
]

_HOMES = {
    "config": ("MirecConfig",),
    "plugin": ("register",),
    "experiment": (
        "Experiment",
        "prepare",
        "ExperimentResult",
        "load_data_and_model",
        "run_experiment",
        "run_recbole_mirec",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
INSTALL_RECBOLE = "RecBole is not installed. Type: pip install --no-deps recbole==1.2.1"


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = import_module(f"{__name__}.{_HOME_OF[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "recbole":
            raise
        raise ModuleNotFoundError(INSTALL_RECBOLE, name="recbole") from None
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
