"""Round numbers along an axis, and how they are written."""

import math
from collections.abc import Sequence

MOST_TICKS = 6


def number_label(value: float) -> str:
    """Returns a number with four digits as a person reads it: 0.0005, 5e-5, 1e12."""
    return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Returns ticks of one axis with the same number of decimals, the fewest that tell them."""
    exact = (n for n in range(7) if all(abs(round(t, n) - t) <= 1e-9 * abs(t) for t in ticks))
    decimals = next(exact, None)
    return [number_label(t) if decimals is None else f"{t:,.{decimals}f}" for t in ticks]


def nice_ticks(low: float, high: float, most: int = MOST_TICKS) -> tuple[float, ...]:
    """Returns round numbers from low to high, one, two or five times a power of ten apart.

    Args:
        low: The least value, finite.
        high: The greatest, above low.
        most: The most ticks wanted.
    """
    exponent = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * 10.0**exponent
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    # By division where the step is a fraction: 3 * 0.1 is not 0.3, but 3 / 10 is.
    if exponent < 0:
        return tuple(n * factor / 10**-exponent for n in range(first, last + 1))
    return tuple(float(n * step) for n in range(first, last + 1))
