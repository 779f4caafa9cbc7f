"""Micro-influencer recommendation as a plug-in for RecBole.

Importing this package imports neither RecBole nor torch; what stands in `__all__` is imported when
it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbole_mirec.config import MirecConfig as MirecConfig
    from recbole_mirec.evaluation.metrics import METRICS as METRICS
    from recbole_mirec.experiment import Experiment as Experiment
    from recbole_mirec.experiment import ExperimentResult as ExperimentResult
    from recbole_mirec.experiment import load_data_and_model as load_data_and_model
    from recbole_mirec.experiment import prepare as prepare
    from recbole_mirec.experiment import run_experiment as run_experiment
    from recbole_mirec.experiment import run_recbole_mirec as run_recbole_mirec
    from recbole_mirec.plugin import register as register
    from recbole_mirec.recommend.recommender import Recommender as Recommender
    from recbole_mirec.registry import MODELS as MODELS

__version__ = "0.1.0"
INSTALL_RECBOLE = "RecBole is not installed. Type: pip install --no-deps recbole==1.2.1"
_HOMES = {
    "config": "MirecConfig",
    "evaluation.metrics": "METRICS",
    "experiment": "Experiment ExperimentResult load_data_and_model prepare run_experiment "
    "run_recbole_mirec",
    "plugin": "register",
    "recommend.recommender": "Recommender",
    "registry": "MODELS",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "recbole":
            raise
        raise ModuleNotFoundError(INSTALL_RECBOLE, name="recbole") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
