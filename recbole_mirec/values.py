"""Values as a person writes them: YAML's rules, in which 1e-3 is a number."""

import re
from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number, as RecBole reads it."""


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
    """
    if text == "None":
        return None
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError:
        return text
