"""What the extractors with models check alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dataset_convert.common.files import sha256_of
from dataset_convert.problems import ConversionError


def check_batches(of: str, batch_size: int, providers: Sequence[str]) -> None:
    """Checks the options of batches and of what they run on.

    Args:
        of: The class that has them, for messages.
        batch_size: At least 1.
        providers: A list of names, not empty.

    Raises:
        ValueError: One of them is wrong; says which.
    """
    check_whole(of, "batch_size", batch_size)
    if (
        isinstance(providers, str)
        or not isinstance(providers, Sequence)
        or not providers
        or not all(isinstance(name, str) for name in providers)
    ):
        raise ValueError(
            f"The 'providers' parameter of {of} must be a list of names, e.g. "
            f"[CPUExecutionProvider]. Received: {providers!r}"
        )


def check_whole(of: str, name: str, value: object) -> None:
    """Checks that an option is a whole number of at least 1.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The '{name}' parameter of {of} must be a whole number of at least 1. "
            f"Received: {value!r}"
        )


def refuse_changed(sha256: Mapping[str, str]) -> None:
    """Checks that files are the same as when an extractor was fitted.

    Args:
        sha256: Path -> SHA-256; empty before a fit.

    Raises:
        ConversionError: One is missing or another one.
    """
    for path, wanted in sha256.items():
        try:
            found = sha256_of(Path(path).expanduser())
        except OSError as error:
            raise ConversionError(
                f"{path}: found {error.strerror}; wanted the file that the data set was converted "
                f"with. Put it there, or convert the data set again."
            ) from None
        if found != wanted:
            raise ConversionError(
                f"{path}: found another file than the data set was converted with; put that one "
                f"there, or convert the data set again."
            )


def check_folder(of: str, model: object) -> Path:
    """Returns the option `model` as a path.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(model, str | Path) or not str(model):
        raise ValueError(
            f"The 'model' parameter of {of} must be the path of a model's folder. "
            f"Received: {model!r}"
        )
    return Path(model).expanduser()


def written(path: Path) -> str:
    """Returns a path as it is saved: without the name of the user, whose folder becomes `~`."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
