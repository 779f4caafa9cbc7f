"""What a reader of a model's figures or rankings has to know about them."""

from typing import Any

from recbole.utils import ModelType

from dataset_convert import schema
from recbole_mirec.config import MirecConfig
from recbole_mirec.data.dataset import MirecDataset, SplitDataset
from recbole_mirec.registry import is_ours

SYNTHETIC = "(synthetic data)"
FOLD_NOTE = (
    "Folds share the data set's features: what its conversion fitted, such as topics, may know a "
    "fold's accounts, but never their collaborations."
)


def is_synthetic(dataset: SplitDataset) -> bool:
    """Whether the data set says of itself that it is synthetic."""
    return isinstance(dataset, MirecDataset) and bool(dataset.atomic.manifest.get("synthetic"))


def data_title(name: str, *, synthetic: bool) -> str:
    """A data set's name as it stands beside figures."""
    return f"{name} {SYNTHETIC}" if synthetic else name


def protocol_title(protocol: str, folds: int, fold: int) -> str:
    """A protocol's name as it stands beside figures, with the fold where there are any."""
    return f"{protocol}, fold {fold} of {folds}" if folds else protocol


def experiment_notes(config: MirecConfig) -> tuple[str, ...]:
    """What belongs beside the metrics of an experiment."""
    notes = _model_notes(config, new_brand=config["protocol"] == schema.NEW_BRAND)
    return (*notes, FOLD_NOTE) if config["folds"] else notes


def ranking_notes(config: MirecConfig, *, n_collaborations: int) -> tuple[str, ...]:
    """What belongs beside the ranking of one brand.

    Args:
        config: the run's.
        n_collaborations: training collaborations of the brand.
    """
    return _model_notes(config, new_brand=n_collaborations == 0)


def score_note(model: Any) -> str:
    """What a score of the model is, in one line."""
    meaning = getattr(model, "score_meaning", "the model's own")
    return f"score: {meaning}; comparable within one brand only"


def _model_notes(config: MirecConfig, *, new_brand: bool) -> tuple[str, ...]:
    if is_ours(config.model_class):
        return tuple(getattr(config.model_class, "figure_notes", ()))
    if config["MODEL_TYPE"] in (ModelType.GENERAL, ModelType.TRADITIONAL):
        if not new_brand:
            return ()
        return (
            f"{config['model']} learns from past collaborations only. A new brand has none, "
            f"so it has no signal here and lands at chance.",
        )
    if config["USER_ID_FIELD"] != schema.BRAND_ID:
        return (
            f"{config['model']} reads ids and the token columns that load_col names, and of the "
            f"others those in numerical_features.",
        )
    return (
        f"{config['model']} reads ids, the brand's category, attribute and visual labels as "
        f"tokens; it has no use for topic vectors or label weights.",
    )
