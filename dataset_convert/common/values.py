"""Values as a person writes them: YAML's rules, in which 1e-3 is a number and a key stands once."""

import re
from pathlib import Path
from typing import Any

import yaml

from dataset_convert.common.errors import UsageError, shown

MAX_DEPTH = 40
# Values of a document, each alias counted with all that it stands for.
MAX_VALUES = 100_000
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_OURS = ("int", "float", "timestamp")
_PLAIN_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


class RefusedYaml(yaml.MarkedYAMLError):
    """A document that YAML allows and no settings are."""


class Loader(yaml.SafeLoader):
    """Safe YAML of plain values: null, truth values, numbers, texts, lists and mappings of texts.

    1e-3 is a number, as RecBole reads it, a date is a text, no key stands twice, and what is
    nested or repeated without end is refused before it is built.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node with what stands in it."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _refused(f"more than {MAX_DEPTH} levels deep", event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> Any:
        """The document, unless it is longer than any settings are."""
        node = super().get_single_node()
        if node is not None and _size(node, {}) > MAX_VALUES:
            raise _refused(f"holds more than {MAX_VALUES:,} values", node)
        return node

    def construct_scalar(self, node: Any) -> Any:
        """A text or what a number is read from."""
        text = super().construct_scalar(node)
        if isinstance(text, str) and _NO_TEXT.search(text):
            raise _refused("holds a character that no text has", node)
        return text

    def construct_number(self, node: Any) -> int:
        """A whole number that Python can write out again."""
        try:
            return int(super().construct_yaml_int(node))
        except ValueError:
            raise _refused("a whole number of too many digits", node) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, at whatever depth, whose keys are texts that stand once."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = str(getattr(key, "value", "")), key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and name in lines:
                raise _refused(
                    f"key {shown(name)} is set twice, first in line {lines[name]}; leave one out",
                    key,
                )
            if key.tag.rpartition(":")[2] not in ("str", "merge", "value"):
                raise _refused(
                    f"key {shown(name)} is no text; put it in quotation marks or leave it out", key
                )
            lines[name] = line
        return super().construct_mapping(node, deep)


def _refused(problem: str, found: Any) -> RefusedYaml:
    return RefusedYaml(problem=problem, problem_mark=found.start_mark)


def _size(node: Any, sizes: dict[int, float]) -> float:
    """Values in a node, in itself included: endless where it holds itself."""
    if id(node) not in sizes:
        sizes[id(node)] = float("inf")
        children = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        sizes[id(node)] = 1 + sum(_size(child, sizes) for child in children)
    return sizes[id(node)]


# Dates and times are texts; whole numbers must stay integers, so they are asked for first.
Loader.yaml_implicit_resolvers = {
    first: [entry for entry in entries if entry[0].rpartition(":")[2] not in _OURS]
    for first, entries in Loader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in (
    ("int", r"^[-+]?(?:0b[01_]+|0x[\da-fA-F_]+|0[0-7_]+|0|[1-9][\d_]*)$"),
    (
        "float",
        r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?$|^[-+]?\.inf$|^\.nan$",
    ),
):
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list("-+0123456789.")
    )
Loader.yaml_constructors = {
    tag: construct
    for tag, construct in Loader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] in _PLAIN_TAGS
}
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_number)


def parse_value(text: str) -> Any:
    """The value that a `--key=value` stands for, by YAML's rules (safe: nothing is executed).

    As in RecBole, the word None is null.

    Raises:
        UsageError: a mapping that holds a key twice, a document that no settings are.
    """
    if text == "None":
        return None
    try:
        return yaml.load(text, Loader=Loader)
    except RefusedYaml as error:
        raise UsageError(f"{shown(text)}: {error.problem}.") from None
    except yaml.YAMLError:
        if _NO_TEXT.search(text):
            raise UsageError(f"{shown(text)} is no text in UTF-8.") from None
        return text


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that maps keys to values.

    Raises:
        UsageError: the file is missing, is no text in UTF-8, no YAML or no mapping, or holds a key
            twice; names the file and the line.
    """
    place = f"Configuration file {shown(str(path), 200)}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{place} is no text in UTF-8; save it as UTF-8.") from None
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror}.") from None
    try:
        content = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "is no YAML"
        raise UsageError(f"{place}{line}: {problem}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(
            f"{place} must map keys to values ('key: value' lines). "
            f"Received: {type(content).__name__}."
        )
    return content
