"""Colours that people with any colour vision tell apart, and colours of cells."""

from typing import Final

CATEGORIES: Final = (
    *("#008df9", "#ff6e3a", "#009f81", "#9f0162", "#ffc33b", "#8400cd"),
    *("#00c2f9", "#e20134", "#00c9a0", "#ff5aaf", "#a40122", "#e08cdb"),
)
"""Twelve colours after M. Krzywinski's palette for colour blindness (mk.bcgsc.ca/colorblind), the
palest two made darker so that a small mark stands out on white."""
UNKNOWN: Final = "#b5bcc2"
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
MAIN: Final = "#d55e00"
"""Of the main model, in every figure; also `--orange` of the style sheet."""
_PALE, _MIDDLE, _STRONG = (247, 250, 252), (108, 174, 214), (8, 69, 124)


def category_colour(place: int) -> str:
    """The colour of the n-th name; they repeat after twelve."""
    return CATEGORIES[place % len(CATEGORIES)]


def model_colour(place: int) -> str:
    """The colour of the n-th model beside the main one: none that could be taken for its."""
    others = [colour for colour in CATEGORIES if colour != "#ff6e3a"]
    return others[place % len(others)]


def cell_colours(strength: float) -> tuple[str, str]:
    """Background and letters of a cell, from pale (0) to strong (1); contrast at least 4.5."""
    strength = min(max(strength, 0.0), 1.0)
    low, high, part = (
        (_PALE, _MIDDLE, 2 * strength) if strength < 0.5 else (_MIDDLE, _STRONG, 2 * strength - 1)
    )
    ground = tuple(round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    letters = max((BLACK, WHITE), key=lambda ink: contrast(ground, ink))
    return _written(ground), _written(letters)


def tint(colour: str, share: float) -> str:
    """A colour mixed with white; `share` of it is the colour."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return _written(tuple(round(255 + (part - 255) * share) for part in parts))


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Contrast ratio of two colours by WCAG 2, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    linear = [
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in colour
    ]
    return float(sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))


def _written(colour: tuple[int, ...]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
