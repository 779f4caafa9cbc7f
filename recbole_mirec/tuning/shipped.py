"""The search spaces that come with the package."""

from recbole_mirec.config import properties_folder
from recbole_mirec.tuning.space import SearchSpace, read_space


def shipped_space(model: str, variant: str | None = None) -> SearchSpace | None:
    """The space that comes with a model, its variant's own before the model's; None: none does."""
    for name in (f"{model}-{variant}", model):
        path = properties_folder() / "tuning" / f"{name}.hyper"
        if path.is_file():
            return read_space(path)
    return None


def shipped_names() -> list[str]:
    """Models, and models with a variant, that a space comes with."""
    return sorted(path.stem for path in (properties_folder() / "tuning").glob("*.hyper"))
