"""Reads a lexicon from its YAML files and extends it by an IsA file."""

import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import yaml

from dataset_convert import schema
from dataset_convert.common.errors import closest, shown
from dataset_convert.common.files import write_whole
from dataset_convert.features.concepts import Concept, Lexicon
from dataset_convert.features.lexicon_text import fold, phrase
from dataset_convert.features.sensitive import (
    BUILT_IN,
    SENSITIVE_FILE,
    Sensitive,
    load_sensitive,
)
from dataset_convert.problems import ConversionError, Problems

_PARENTS, _WORDS, _HASHTAGS, _EMOJI = _KEYS = ("parents", "words", "hashtags", "emoji")


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, where YAML would keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                line = node.value[i][0].start_mark.line + 1
                raise yaml.YAMLError(f"key '{key}' a second time in line {line}")
        return super().construct_mapping(node, deep=deep)


def load_lexicon(folder: Path = BUILT_IN) -> Lexicon:
    """Returns the lexicon of a folder: ours, or an edited copy.

    Every `*.yaml` file maps concepts to mappings with the keys `parents`, `words`, `hashtags` and
    `emoji`, each a list that may be left out. A concept's own name is a phrase of it, with spaces
    for its hyphens; regular English plurals and phrases written together as hashtags need not be
    listed. `sensitive.yaml` is the deny-list, see `sensitive.load_sensitive`.

    Args:
        folder: Where the files are.

    Raises:
        ConversionError: A file cannot be read, or an entry is not as it has to be; file and key
            are named.
    """
    paths = [path for path in sorted(folder.glob("*.yaml")) if path.name != SENSITIVE_FILE]
    if not paths:
        raise ConversionError(f"{folder}: found no *.yaml file; wanted the folder of a lexicon.")
    entries: dict[str, tuple[Path, Any]] = {}
    for path in paths:
        for name, value in _read(path).items():
            if name in entries:
                _refuse(path, str(name), name, f"it in one file, not in {entries[name][0]} too")
            entries[name] = (path, value)
    return _checked(entries, load_sensitive(folder))


def save_lexicon(lexicon: Lexicon, path: Path) -> None:
    """Writes a lexicon without its deny-list as JSON, for `read_saved_lexicon`."""
    concepts = {name: asdict(concept) for name, concept in sorted(lexicon.concepts.items())}
    text = json.dumps(concepts, ensure_ascii=False, indent=1)
    write_whole(path, f"{text}\n".encode())


def read_saved_lexicon(path: Path) -> Lexicon:
    """Returns what `save_lexicon` wrote, with our deny-list as it is today.

    Raises:
        ConversionError: The file is not as it was written.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path}: found {error}; wanted a saved lexicon.") from error
    if not isinstance(entries, dict):
        raise ConversionError(f"{path}: found {shown(str(entries))}; wanted a saved lexicon.")
    return _checked({name: (path, value) for name, value in entries.items()}, load_sensitive())


def extend_by_isa(
    lexicon: Lexicon, path: Path, *, minimum_count: int, problems: Problems
) -> Lexicon:
    """Returns a lexicon with the instances of an IsA file in it.

    Lines are `concept<TAB>instance<TAB>count`: how often the instance was seen to be one of the
    concept's kind. An instance belongs to the concept with which it has the highest count (the
    first in the alphabet where counts are equal). If the lexicon knows the instance already, the
    concept becomes a parent of what it knows, unless it lies below it; else the instance becomes a
    word of the concept. A concept that the lexicon does not know is made.

    Args:
        lexicon: Left as it is.
        path: UTF-8, no header; read line by line.
        minimum_count: Lines with a lower count are passed over.
        problems: Told of lines that are not as above.

    Raises:
        ConversionError: The file cannot be read.
        ValueError: `minimum_count` is not positive.
    """
    if minimum_count < 1:
        raise ValueError(
            "The 'minimum_count' parameter of extend_by_isa must be at least 1. "
            f"Received: {minimum_count}"
        )
    best: dict[str, tuple[int, str]] = {}
    n_left_out = lexicon.n_left_out
    for concept, instance, count in _isa_lines(path, minimum_count, problems):
        if lexicon.sensitive.forbids(concept) or lexicon.sensitive.forbids(instance):
            n_left_out += 1
        else:
            best[instance] = min(best.get(instance, (-count, concept)), (-count, concept))
    concepts = _with_instances(lexicon, {name: pair[1] for name, pair in sorted(best.items())})
    return Lexicon(concepts, lexicon.sensitive, n_left_out)


def _with_instances(lexicon: Lexicon, concept_of: Mapping[str, str]) -> dict[str, Concept]:
    concepts = dict(lexicon.concepts)
    # All new concepts first: an instance may be one of them.
    for text in sorted(set(concept_of.values())):
        if text not in lexicon.phrases:
            concepts[text.replace(" ", "-")] = Concept((), (text,), (), ())
    extended = Lexicon(concepts, lexicon.sensitive, 0)
    name_of = dict(extended.phrases)
    for instance, text in concept_of.items():
        concept, known = name_of[text], name_of.get(instance)
        if known is None:
            words = (*concepts[concept].words, instance)
            concepts[concept] = replace(concepts[concept], words=words)
        elif known not in extended.with_ancestors([concept]):
            parents = dict.fromkeys((*concepts[known].parents, concept))
            concepts[known] = replace(concepts[known], parents=tuple(parents))
    return dict(sorted(concepts.items()))


def _isa_lines(
    path: Path, minimum_count: int, problems: Problems
) -> Iterator[tuple[str, str, int]]:
    wanted = "concept, instance and a whole count with tabs between"
    try:
        with path.open(encoding="utf-8-sig") as file:
            for row, line in enumerate(file, start=1):
                concept, instance, count = _isa_line(line)
                # Such files are mostly rare lines: only the others are worth folding.
                if count is not None and count < minimum_count:
                    continue
                folded = (phrase(concept), phrase(instance))
                if count is None or folded[0] is None or folded[1] is None:
                    problems.skip(path.name, row=row, column="", value=line.strip(), wanted=wanted)
                else:
                    yield folded[0], folded[1], count
    except (OSError, UnicodeDecodeError) as error:
        problems.refuse(str(path), value=error, wanted="an IsA file in UTF-8")


def _isa_line(line: str) -> tuple[str, str, int | None]:
    parts = line.rstrip("\r\n").split("\t")
    if len(parts) != 3 or re.fullmatch("[0-9]{1,18}", parts[2].strip()) is None:
        return "", "", None
    return parts[0], parts[1], int(parts[2])


def _read(path: Path) -> dict[Any, Any]:
    try:
        # _UniqueKeyLoader is a SafeLoader.
        entries = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeyLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = shown(" ".join(str(error).split()), 160)
        raise ConversionError(f"{path}: found {said}; wanted YAML in UTF-8.") from error
    if not isinstance(entries, dict):
        wanted = "concepts, e.g. `lipstick: {parents: [makeup]}`"
        raise ConversionError(f"{path}: found {shown(str(entries))}; wanted {wanted}.")
    return entries


def _checked(entries: Mapping[str, tuple[Path, Any]], sensitive: Sensitive) -> Lexicon:
    concepts = {name: _concept(path, name, value) for name, (path, value) in entries.items()}
    files = {name: path for name, (path, _) in entries.items()}
    _check_parents(concepts, files)
    for key in (_WORDS, _HASHTAGS, _EMOJI):
        _check_distinct(concepts, files, key)
    return _without_sensitive(concepts, sensitive)


def _concept(path: Path, name: Any, value: Any) -> Concept:
    own = phrase(name) if isinstance(name, str) else None
    forbidden = (*schema.FORBIDDEN_IN_TOKENS, "_", "#", "@")
    if own is None or name != name.lower() or name.split() != [name]:
        _refuse(path, str(name), name, "a name in lower case, with '-' for spaces (and quoted)")
    if any(character in name for character in forbidden):
        _refuse(path, name, name, f"a name with none of {' '.join(forbidden)}")
    value = {} if value is None else value
    if not isinstance(value, dict):
        _refuse(path, name, value, f"a mapping with some of {', '.join(_KEYS)}")
    for key in value:
        if key not in _KEYS:
            wanted = f"one of {', '.join(_KEYS)}{_perhaps(str(key), _KEYS)}"
            _refuse(path, f"{name}.{key}", key, wanted)
    lists = {key: _entries(path, name, key, value.get(key, [])) for key in _KEYS}
    return Concept(
        parents=lists[_PARENTS],
        words=tuple(dict.fromkeys((own, *lists[_WORDS]))),
        hashtags=lists[_HASHTAGS],
        emoji=lists[_EMOJI],
    )


def _entries(path: Path, name: str, key: str, values: Any) -> tuple[str, ...]:
    where = f"{name}.{key}"
    if not isinstance(values, list | tuple):
        _refuse(path, where, values, "a list, e.g. [one, two]")
    return tuple(dict.fromkeys(_entry(path, where, key, value) for value in values))


def _entry(path: Path, where: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        _refuse(path, where, value, "text; put quotes around numbers and around yes, no, on, off")
    if key == _PARENTS:
        return value
    if key == _EMOJI:
        sign = fold(value)
        if not sign or any(character.isalnum() or character.isspace() for character in sign):
            _refuse(path, where, value, "a sign without letters, digits and spaces")
        return sign
    words = phrase(value.removeprefix("#") if key == _HASHTAGS else value)
    if words is None or (key == _HASHTAGS and " " in words):
        wanted = "one word" if key == _HASHTAGS else "a word, or words with spaces between"
        _refuse(path, where, value, wanted)
    return words


def _perhaps(word: str, known: Iterable[str]) -> str:
    near = closest(word, known)
    return f" ('{near}'?)" if near else ""


def _check_parents(concepts: Mapping[str, Concept], files: Mapping[str, Path]) -> None:
    for name, concept in concepts.items():
        for parent in concept.parents:
            if parent not in concepts:
                wanted = f"a concept{_perhaps(parent, concepts)}"
                _refuse(files[name], f"{name}.{_PARENTS}", parent, wanted)
    settled: set[str] = set()
    for name in concepts:
        _check_no_cycle(name, concepts, files, settled)


def _check_no_cycle(
    name: str, concepts: Mapping[str, Concept], files: Mapping[str, Path], settled: set[str]
) -> None:
    # A stack of our own, since a chain of parents may be longer than Python's recursion allows.
    chain = {name: iter(concepts[name].parents)}
    while chain:
        lowest = next(reversed(chain))
        parent = next(chain[lowest], None)
        if parent is None:
            settled.add(lowest)
            del chain[lowest]
        elif parent in chain:
            _refuse(files[lowest], f"{lowest}.{_PARENTS}", parent, "no ancestor of itself")
        elif parent not in settled:
            chain[parent] = iter(concepts[parent].parents)


def _check_distinct(concepts: Mapping[str, Concept], files: Mapping[str, Path], key: str) -> None:
    seen: dict[str, str] = {}
    for name, concept in concepts.items():
        for term in getattr(concept, key):
            if term in seen:
                other = f"{seen[term]} in {files[seen[term]]}"
                _refuse(files[name], f"{name}.{key}", term, f"what {other} does not have too")
            seen[term] = name


def _without_sensitive(concepts: Mapping[str, Concept], sensitive: Sensitive) -> Lexicon:
    allowed = {name for name in concepts if not sensitive.forbids(name)}
    n_left_out = len(concepts) - len(allowed)
    kept = {}
    for name in allowed:
        lists = {}
        for key in (_WORDS, _HASHTAGS, _EMOJI):
            terms = getattr(concepts[name], key)
            lists[key] = tuple(term for term in terms if not sensitive.forbids(term))
            n_left_out += len(terms) - len(lists[key])
        parents = tuple(parent for parent in concepts[name].parents if parent in allowed)
        kept[name] = Concept(parents=parents, **lists)
    return Lexicon(dict(sorted(kept.items())), sensitive, n_left_out)


def _refuse(path: Path, key: str, value: Any, wanted: str) -> NoReturn:
    raise ConversionError(f"{path}, key '{key}': found {shown(str(value))}; wanted {wanted}.")
