"""Values as a person writes them: YAML's rules, in which 1e-3 is a number and a key stands once."""

import re
from pathlib import Path
from typing import Any

import yaml

from dataset_convert.common.errors import UsageError


class KeyTwiceError(yaml.MarkedYAMLError):
    """A mapping that holds a key twice."""


class Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number, as RecBole reads it, and no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, at whatever depth.

        Raises:
            KeyTwiceError: names the key and both its lines.
        """
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = str(getattr(key, "value", "")), key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and name in lines:
                raise KeyTwiceError(
                    problem=f"key '{name}' is set twice, first in line {lines[name]}; leave one "
                    f"out",
                    problem_mark=key.start_mark,
                )
            lines[name] = line
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?$|^[-+]?\.inf$|^\.nan$"),
    list("-+0123456789."),
)
# Whole numbers must stay integers: the resolver above is asked after YAML's own.
for _first in "-+0123456789":
    _resolvers = Loader.yaml_implicit_resolvers[_first]
    _resolvers.sort(key=lambda entry: entry[0] != "tag:yaml.org,2002:int")


def parse_value(text: str) -> Any:
    """The value that a `--key=value` stands for, by YAML's rules (safe: nothing is executed).

    As in RecBole, the word None is null.

    Raises:
        UsageError: a mapping that holds a key twice.
    """
    if text == "None":
        return None
    try:
        return yaml.load(text, Loader=Loader)
    except KeyTwiceError as error:
        raise UsageError(f"'{text}': {error.problem}.") from None
    except yaml.YAMLError:
        return text


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that maps keys to values.

    Raises:
        UsageError: the file is missing, is no YAML or no mapping, or holds a key twice; names the
            file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Configuration file '{path}' cannot be read: {error.strerror}.") from None
    try:
        content = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", "is no YAML")
        raise UsageError(f"Configuration file '{path}'{line}: {problem}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(
            f"Configuration file '{path}' must map keys to values ('key: value' lines). "
            f"Received: {type(content).__name__}."
        )
    return content
