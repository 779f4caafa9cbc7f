"""The deny-list: what is never said of an account, whatever a lexicon holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from dataset_convert import lexicon as built_in
from dataset_convert.common.errors import shown
from dataset_convert.features.lexicon_text import fold, phrase, plural, segments
from dataset_convert.problems import ConversionError

BUILT_IN = Path(built_in.__file__).parent
SENSITIVE_FILE = "sensitive.yaml"
_KEYS = ("words", "stems", "emoji")


@dataclass(frozen=True)
class Sensitive:
    """Words and signs of sensitive attributes.

    Attributes:
        words: Words and phrases, folded, that are denied with their plurals.
        stems: Denied wherever a word holds them, as in a hashtag that runs words together.
        emoji: Denied signs.
    """

    words: frozenset[str]
    stems: frozenset[str]
    emoji: frozenset[str]

    def forbids(self, text: str) -> bool:
        """Returns whether a concept, phrase, hashtag or emoji holds anything that is denied."""
        folded = fold(text)
        words = [word.lstrip("#") for run in segments(folded) for word in run]
        runs = (
            " ".join(words[start:stop])
            for start in range(len(words))
            for stop in range(start + 1, len(words) + 1)
        )
        return (
            any(sign in folded for sign in self.emoji)
            or any(stem in word for word in words for stem in self.stems)
            or any(run in self.words for run in runs)
        )


def load_sensitive(folder: Path = BUILT_IN) -> Sensitive:
    """Returns our deny-list, and what a folder's own `sensitive.yaml` adds to it.

    Args:
        folder: Of a lexicon; nothing in it can take a word off our list.

    Raises:
        ConversionError: A deny-list is not as it has to be.
    """
    terms: dict[str, set[str]] = {key: set() for key in _KEYS}
    for path in dict.fromkeys((BUILT_IN / SENSITIVE_FILE, folder / SENSITIVE_FILE)):
        if path.is_file():
            for key, found in _terms(path).items():
                terms[key] |= found
    words = frozenset(terms["words"] | {plural(word) for word in terms["words"]})
    return Sensitive(words, frozenset(terms["stems"]), frozenset(terms["emoji"]))


def _terms(path: Path) -> dict[str, set[str]]:
    try:
        groups = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConversionError(
            f"{path}: found {shown(' '.join(str(error).split()), 120)}; wanted YAML in UTF-8."
        ) from error
    if not isinstance(groups, dict):
        _refuse(path, "", groups, "groups of denied words, e.g. `religion: {words: [church]}`")
    terms: dict[str, set[str]] = {key: set() for key in _KEYS}
    for group, lists in groups.items():
        if not isinstance(lists, dict) or not lists.keys() <= set(_KEYS):
            _refuse(path, str(group), lists, f"lists under some of {', '.join(_KEYS)}")
        for key, entries in lists.items():
            where = f"{group}.{key}"
            if not isinstance(entries, list):
                _refuse(path, where, entries, "a list")
            terms[key] |= {_term(path, where, key, entry) for entry in entries}
    return terms


def _term(path: Path, where: str, key: str, entry: object) -> str:
    term = None
    if isinstance(entry, str):
        term = fold(entry).strip() if key == "emoji" else phrase(entry)
    if not term or (key == "stems" and " " in term):
        _refuse(path, where, entry, "one sign" if key == "emoji" else "a word in quotes")
    return term


def _refuse(path: Path, key: str, value: object, wanted: str) -> NoReturn:
    place = f"{path}, key '{key}'" if key else str(path)
    raise ConversionError(f"{place}: found {shown(str(value))}; wanted {wanted}.")
