"""The source formats, one module each, found by name: a new one is one file."""

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError

from dataset_convert.common.errors import wanted_word
from dataset_convert.common.settings import problems_of
from dataset_convert.problems import ConversionError, Problems
from dataset_convert.raw import RawMaterial

Options = TypeVar("Options", bound=BaseModel)


class Source(Protocol):
    """What a module of this package defines to be a source.

    Attributes:
        DESCRIPTION: One line for people who choose a source.
    """

    DESCRIPTION: str

    def read(self, folder: Path, options: Mapping[str, Any], problems: Problems) -> RawMaterial:
        """Reads and checks a folder.

        Args:
            folder: Where the files are.
            options: The mapping `source` of the configuration.
            problems: Told of rows that are left out.

        Raises:
            ConversionError: A file that cannot be trusted, or a wrong option.
        """


def source_names() -> list[str]:
    """Returns the names of all sources, sorted."""
    return sorted(name for name in _module_names() if _load(name) is not None)


def find_source(name: str) -> Source:
    """Returns the source of a name: its module's, with '-' for '_'.

    Raises:
        ConversionError: There is none; the nearest name is in the message.
    """
    source = _load(name) if name in _module_names() else None
    if source is None:
        raise ConversionError(
            f"Unknown source {name!r}; wanted {wanted_word(name, source_names())}."
        )
    return source


def check_options(
    model: type[Options], options: Mapping[str, Any], parts: Mapping[str, Collection[str]]
) -> Options:
    """Returns the options of a source, checked.

    Args:
        model: Has a field an option.
        options: The mapping `source` of the configuration, without the source's name.
        parts: Option that is a mapping -> its keys, of which a wrong one is told the nearest.

    Raises:
        ConversionError: An unknown key, or a value that is none.
    """
    try:
        return model.model_validate(options)
    except ValidationError as error:
        lines = problems_of(error, known=[*model.model_fields], parts=parts)
        raise ConversionError(f"Option 'source': {' '.join(' '.join(lines).split())}") from None


def _module_names() -> list[str]:
    return [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)]


def _load(name: str) -> Source | None:
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    is_source = hasattr(module, "DESCRIPTION") and hasattr(module, "read")
    return cast(Source, module) if is_source else None
