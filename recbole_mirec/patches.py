"""Two ways to change a function of an installed package, for everybody who holds it already."""

import inspect
import textwrap
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

_TABLE = "_recbole_mirec_diverted"


def rewrite(function: Any, *changes: tuple[str, str]) -> None:
    """Compile a function anew from its installed source with some words replaced, in place.

    Args:
        function: a Python function, or a class's method, that closes over nothing.
        changes: words that stand in its source, and what shall stand there instead.

    Raises:
        LookupError: the source does not hold the words: another release than the one repaired.
    """
    lines, first = inspect.getsourcelines(function)
    source = "".join(lines)
    for old, new in changes:
        if old not in source:
            raise LookupError(f"{function.__qualname__} does not hold {old!r}.")
        source = source.replace(old, new)
    # Behind as many lines as before, so that tracebacks show the right ones.
    text = "\n" * (first - 1) + textwrap.dedent(source)
    made: dict[str, Any] = {}
    exec(compile(text, inspect.getfile(function), "exec"), function.__globals__, made)
    function.__code__ = made[function.__name__].__code__
    function.rewritten = True


def is_rewritten(function: Any) -> bool:
    """Whether `rewrite` has changed a function."""
    return hasattr(function, "rewritten")


def divert(function: Any, ours: Callable[..., Any]) -> None:
    """Let every call of a function lead to ours, which gets the original function first.

    Args:
        function: a Python function that closes over nothing.
        ours: takes the original function, then what the caller gave.
    """
    name = function.__name__
    original = FunctionType(
        function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    original.__doc__ = function.__doc__
    function.__globals__.setdefault(_TABLE, {})[name] = partial(ours, original)
    made: dict[str, Any] = {}
    body = f"def {name}(*given, **named): return {_TABLE}[{name!r}](*given, **named)"
    exec(compile(body, f"<call of {name}>", "exec"), function.__globals__, made)
    function.__code__ = made[name].__code__
    function.__defaults__ = function.__kwdefaults__ = None
    # signature and help stay the original's
    function.__wrapped__ = original


def is_diverted(function: Any) -> bool:
    """Whether `divert` has changed a function."""
    return function.__name__ in function.__globals__.get(_TABLE, {})
