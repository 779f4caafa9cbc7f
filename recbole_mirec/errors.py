"""Errors that a user can mend: one line that names what, where and the remedy."""

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Something that the user handed in is wrong; the command ends with exit code 2."""


class DivergedError(UsageError):
    """A model's loss or scores became NaN in training."""


def refuse(problems: Iterable[str]) -> None:
    """Raise all that is wrong at once, one problem a line; nothing where nothing is.

    Raises:
        UsageError: there is a problem.
    """
    lines = [line for problem in problems for line in problem.splitlines()]
    if len(lines) == 1:
        raise UsageError(lines[0])
    if lines:
        raise UsageError("\n  ".join([f"{len(lines)} settings are refused:", *lines]))


def nearest(word: str, options: Iterable[str]) -> str:
    """Sentence that names the nearest valid word, for the end of an error message.

    Args:
        word: what was received.
        options: the valid words.

    Returns:
        " Did you mean 'x'?" where an option resembles the word, otherwise the list of options
        where it is short, otherwise "".
    """
    choices = sorted(set(options))
    lowered = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if found:
        return f" Did you mean '{lowered[found[0]]}'?"
    if len(choices) <= 12:
        return f" Valid: {', '.join(choices)}."
    return ""
