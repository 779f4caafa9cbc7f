"""Search spaces: the parameters of a params file, their grid and their form in hyperopt."""

import copy
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_convert.common.errors import UsageError
from recbole_mirec.tuning.options import (
    ConditionalError,
    plain,
    read_number,
    read_options,
    uncommented,
)
from recbole_mirec.tuning.parameter import BOUNDS, EXAMPLES, Kind, Parameter, line_error

__all__ = ["Kind", "Parameter", "SearchSpace", "read_space", "space_from_dict"]


@dataclass(frozen=True)
class SearchSpace:
    """The parameters that a study varies, in the order in which they were written.

    Raises:
        UsageError: a parameter stands twice; names both places.
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        seen: dict[str, Parameter] = {}
        for parameter in self.parameters:
            first = seen.setdefault(parameter.name, parameter)
            if first is not parameter:
                raise UsageError(
                    f"{parameter.where}: parameter '{parameter.name}' was given before "
                    f"({first.where}). Leave one of the two out."
                )

    def n_combinations(self) -> int | None:
        """Number of points of the grid; None where a parameter is continuous."""
        counts = [parameter.n_values() for parameter in self.parameters]
        return math.prod(count for count in counts if count) if None not in counts else None

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Every point of the grid: the last parameter varies fastest.

        Raises:
            UsageError: a parameter is continuous; names its place and what to write instead.
        """
        grids = []
        for parameter in self.parameters:
            grid = parameter.grid()
            if grid is None:
                raise line_error(
                    parameter.where,
                    f"'{parameter.name}' is {parameter.kind} and has no end of values, so an "
                    "exhaustive search is not possible; use choice, quniform or another algorithm",
                    f"{parameter.name} choice {_examples_of(parameter)}",
                )
            grids.append(grid)
        names = [parameter.name for parameter in self.parameters]
        return (
            copy.deepcopy(dict(zip(names, point, strict=True)))
            for point in itertools.product(*grids)
        )

    def hyperopt_space(self) -> dict[str, Any]:
        """The space for hyperopt; a choice is drawn as the index of its option."""
        from hyperopt import hp

        return {
            parameter.name: hp.choice(parameter.name, list(range(len(parameter.values))))
            if parameter.kind == "choice"
            else getattr(hp, parameter.kind)(parameter.name, *map(float, parameter.values))
            for parameter in self.parameters
        }

    def decode(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Configuration values of a point of `hyperopt_space`, in the space's order."""
        return {
            parameter.name: parameter.decode(point[parameter.name]) for parameter in self.parameters
        }

    def describe(self) -> list[dict[str, Any]]:
        """What the space holds, ready for JSON; equal for equal spaces, wherever they stood."""
        return [
            {"name": parameter.name, "kind": parameter.kind, "values": list(parameter.values)}
            for parameter in self.parameters
        ]


def read_space(path: Path) -> SearchSpace:
    """Read a params file in RecBole's format: one `name kind values` line a parameter.

    Fields stand apart by white space. Blank lines and comments (`#` at the start of a line or
    after white space) are left out. Options of a choice are read by `options.read_options`.

    Raises:
        UsageError: the file cannot be read, or a line is wrong; names the file and the line, and
            shows a line that works.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"Params file '{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: the file is no UTF-8 text.") from None
    parameters = [
        _read_line(content, f"{path}, line {number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if (content := uncommented(line))
    ]
    if not parameters:
        raise line_error(
            f"Params file '{path}'", "it holds no parameter, so nothing can be searched"
        )
    return SearchSpace(tuple(parameters))


def space_from_dict(content: Mapping[str, Mapping[str, Any]]) -> SearchSpace:
    """The space of RecBole's `params_dict`: kind -> name -> options or bounds.

    Raises:
        UsageError: as `read_space`; the place is called params_dict.
    """
    where = "params_dict"
    parameters = []
    for kind, entries in content.items():
        if not isinstance(entries, Mapping):
            raise UsageError(
                f"{where}: kind '{kind}' must map names to values, such as "
                f"{{'choice': {{'learning_rate': [0.001, 0.01]}}}}. Received: {entries!r}."
            )
        for name, values in entries.items():
            if not isinstance(values, list | tuple):
                raise UsageError(
                    f"{where}: parameter '{name}' must be a list of options or bounds. "
                    f"Received: {values!r}."
                )
            try:
                values = tuple(map(plain, values)) if kind == "choice" else tuple(values)
            except ConditionalError:
                raise _conditional(where, name) from None
            parameters.append(Parameter(str(name), kind, values, where))  # type: ignore[arg-type]
    if not parameters:
        raise line_error(where, "it holds no parameter, so nothing can be searched")
    return SearchSpace(tuple(parameters))


def _read_line(line: str, where: str) -> Parameter:
    fields = line.split(maxsplit=2)
    if len(fields) < 3:
        raise line_error(where, f"a line is 'name kind values', and this one is {line!r}")
    name, kind, text = fields
    values: Sequence[Any] = ()
    try:
        if kind == "choice":
            values = read_options(text)
        elif kind in BOUNDS:
            values = [read_number(part) for part in text.split(",")]
    except ConditionalError:
        raise _conditional(where, name) from None
    except ValueError as error:
        raise line_error(where, f"'{name}': {error}", EXAMPLES[kind]) from None
    # An unknown kind is refused by the parameter itself.
    return Parameter(name, kind, tuple(values), where)  # type: ignore[arg-type]


def _examples_of(parameter: Parameter) -> str:
    low, high = parameter.values
    ends = [low, (low + high) / 2, high]
    if parameter.kind == "loguniform":
        ends = [math.exp(end) for end in ends]
    return "[" + ",".join(f"{end:.4g}" for end in ends) + "]"


def _conditional(where: str, name: str) -> UsageError:
    return UsageError(
        f"{where}: an option of '{name}' brings parameters of its own, and conditional parameters "
        "are not supported. Write one params file for each case, or quote a mapping that is a "
        f"value: {name} choice ['{{content: 4.0, audience: 2.0}}']"
    )
