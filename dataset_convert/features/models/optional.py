"""Libraries that only some extractors need, asked for where they are used."""

import importlib
from typing import Any

from dataset_convert.problems import ConversionError


def need(module: str) -> Any:
    """Returns a library of the optional extra `models`.

    Args:
        module: The name that is imported.

    Raises:
        ConversionError: It is not installed, or cannot be imported; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConversionError(
            f"The library '{module}', which models of one's own need, cannot be imported "
            f'({error}): pip install -e ".[models]".'
        ) from None
