"""Errors that a user can mend, one hierarchy, and words for their lines."""

import difflib
import re
import reprlib
from collections.abc import Iterable

# Problems that one message tells; what is left of thousands is counted.
MAX_PROBLEMS = 30
_NO_MEMORY = re.compile("out of memory|not enough memory|can.t allocate memory", re.IGNORECASE)
_BRIEF = reprlib.Repr()
_BRIEF.maxlist = _BRIEF.maxdict = 20
_BRIEF.maxstring = _BRIEF.maxother = 200


class UsageError(ValueError):
    """Something that the user handed in is wrong; the command ends with exit code 2."""


class DivergedError(UsageError):
    """A model's loss or scores became NaN in training."""


def no_memory(error: Exception) -> str | None:
    """What is wrong, in a sentence, where there was no memory left; None of all other errors."""
    words = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(words)
    ):
        return f"Not enough memory: {words or type(error).__name__}."
    return None


def refuse(problems: Iterable[str]) -> None:
    """Raise all that is wrong at once, one problem a line; nothing where nothing is.

    Raises:
        UsageError: there is a problem.
    """
    lines = [line for problem in problems for line in problem.splitlines()]
    if len(lines) == 1:
        raise UsageError(lines[0])
    if lines:
        told, n_more = lines[:MAX_PROBLEMS], len(lines) - MAX_PROBLEMS
        more = [f"and {n_more} more."] if n_more > 0 else []
        raise UsageError("\n  ".join([f"{len(lines)} settings are refused:", *told, *more]))


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
    # What is longer than any known word costs time and is like none.
    found = difflib.get_close_matches(word[:100].lower(), lowered, n=1, cutoff=0.6)
    if found:
        return f" Did you mean '{lowered[found[0]]}'?"
    if len(choices) <= 12:
        return f" Valid: {', '.join(choices)}."
    return ""


def shown(value: object, limit: int = 40) -> str:
    """Returns a value quoted for a message, cut where it is long; of a long list, its beginning."""
    if isinstance(value, str):
        return repr(value if len(value) <= limit else value[: limit - 3] + "...")
    try:
        text = _BRIEF.repr(value)
    except ValueError:  # a whole number of more digits than Python writes out
        return f"a {type(value).__name__} of thousands of digits"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def closest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that is most like another one; None where none is like it."""
    found = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def wanted_word(word: str, known: Iterable[str]) -> str:
    """Returns what is wanted in place of an unknown word: "'x'", or else "one of x, y"."""
    words = list(known)
    found = closest(word, words)
    return f"one of {', '.join(words)}" if found is None else f"'{found}'"
