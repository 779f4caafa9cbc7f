"""Progress bars with rates for what takes long, on a terminal only."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(steps: Iterable[T], what: str, *, unit: str, total: int | None = None) -> Iterable[T]:
    """Returns the steps, shown as they pass: how many, how many a second, and the time left.

    Args:
        steps: Anything that is gone through once.
        what: The step's name, e.g. `content_topics: counting`.
        unit: What is counted, in the plural.
        total: How many there will be; None where unknown.
    """
    # None: tqdm keeps silent where standard error is no terminal.
    return tqdm(steps, what, total=total, unit=f" {unit}", leave=False, disable=None)
