"""The lexicon: texts folded to plain words, the concepts they speak of, files that hold them."""

import json
import re
import unicodedata
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import yaml
from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError

from dataset_convert import lexicon as built_in
from dataset_convert import schema
from dataset_convert.common.errors import closest, shown
from dataset_convert.common.files import write_whole
from dataset_convert.common.settings import problems_of
from dataset_convert.features.base import one_line
from dataset_convert.problems import ConversionError, Problems

BUILT_IN: Final = Path(built_in.__file__).parent
SENSITIVE_FILE: Final = "sensitive.yaml"
TRANSLATIONS_FILE: Final = "translations.yaml"
"""Its entries add to concepts of the other files."""
HASH: Final = "#"
AnyEntry = TypeVar("AnyEntry", "Concept", "Sensitive")
_TERMS: Final = ("words", "hashtags", "emoji")
_NOT_IN_NAMES: Final = (*schema.FORBIDDEN_IN_TOKENS, *"_#@ ")
_N_TOLD: Final = 3

# Lengths are bounded here and below, so that no text takes more than linear time.
_ESCAPE = re.compile(r"\\{1,4}(?:u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|[nrt])")
_ACCENTS_AND_VARIANTS = re.compile("[\u0300-\u036f\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_DOMAIN = re.compile(
    r"\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.(?:com|net|org|info|shop|store|blog|io|ly|ee|me|tv|co)\b"
    r"(?:/\S*)?"
)
_NAME_OR_MAIL = re.compile(r"[\w.+-]{0,64}@[\w.-]{1,255}")
_APOSTROPHE = re.compile("['\u2018\u2019\u02bc`]")
# Vowel signs of the Indic scripts, Thai and Lao are no letters to `re` but stand inside words.
_LETTER = r"(?:[^\W_]|[\u0900-\u0dff\u0e00-\u0eff])"
_TOKEN = re.compile(rf"#(?:{_LETTER}|_)+|{_LETTER}+|[^\w \t#-]")
_ISA_LINE = re.compile(r"([^\t]*)\t([^\t]*)\t\s*([0-9]{1,18})\s*")
_HASHTAG = re.compile(rf"[#\uff03](?:{_LETTER}|_)+")


def fold(text: str) -> str:
    r"""Returns a text as it is compared: lower case, plain letters, escapes decoded.

    A literal `\n` becomes a line break and a literal `\ud83d\udc84` the emoji; skin tones,
    variation selectors, Latin accents and apostrophes are left out, `&` is read as "and".
    """
    plain = unicodedata.normalize("NFKC", _unescaped(text)).casefold()
    plain = _ACCENTS_AND_VARIANTS.sub("", unicodedata.normalize("NFKD", plain))
    plain = _APOSTROPHE.sub("", unicodedata.normalize("NFC", plain))
    return plain.replace("&", " and ")


def segments(text: str) -> list[list[str]]:
    """Returns the words of a folded text, in runs that no punctuation or line break divides.

    Links, mentions and e-mail addresses are left out. A hashtag is a run of its own and keeps its
    hash, its underscores are left out.
    """
    text = _DOMAIN.sub("\n", _LINK.sub("\n", text))
    if "@" in text:
        text = _NAME_OR_MAIL.sub("\n", text)
    runs: list[list[str]] = [[]]
    for token in _TOKEN.findall(text):
        if token[0] == HASH:
            runs += [[token.replace("_", "")], []]
        elif token[0].isalnum():
            runs[-1].append(token)
        else:
            runs.append([])
    return [run for run in runs if run]


def hashtags(text: str) -> set[str]:
    """Returns the distinct hashtags of a text, folded, without hash and underscores."""
    tags = fold(" ".join(_HASHTAG.findall(_unescaped(text)))).replace("_", "")
    return {tag for tag in tags.replace(HASH, " ").split() if tag}


def phrase(text: str) -> str | None:
    """Returns a phrase of the lexicon as its words with spaces between; None if it is none."""
    runs = segments(fold(text))
    if len(runs) != 1 or runs[0][0].startswith(HASH):
        return None
    return " ".join(runs[0])


def plural(words: str) -> str:
    """Returns the regular English plural of the last word; of other words nothing sensible."""
    if words.endswith(("s", "x", "z", "ch", "sh")):
        return f"{words}es"
    if words.endswith("y") and words[-2:-1] not in ("", *"aeiou"):
        return f"{words[:-1]}ies"
    return f"{words}s"


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    decoded = _ESCAPE.sub(lambda escape: _character(escape["short"] or escape["long"]), text)
    # Two escapes of a surrogate pair are one character; half a pair is none.
    return decoded.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(code: str | None) -> str:
    return chr(int(code, 16)) if code and int(code, 16) <= 0x10FFFF else "\n"


def _words(text: str) -> str:
    if (found := phrase(text)) is None:
        raise ValueError("be a word, or words with spaces between")
    return found


def _tag(text: str) -> str:
    found = phrase(text.removeprefix(HASH))
    if found is None or " " in found:
        raise ValueError("be one word")
    return found


def _sign(text: str) -> str:
    sign = fold(text)
    if not sign or any(character.isalnum() or character.isspace() for character in sign):
        raise ValueError("be a sign without letters, digits and spaces")
    return sign


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """The longest ones first; of none of them it finds nothing."""
    ordered = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, ordered)) or "(?!)")


Word = Annotated[str, AfterValidator(_words)]
Tag = Annotated[str, AfterValidator(_tag)]
Sign = Annotated[str, AfterValidator(_sign)]


@dataclass(frozen=True)
class Sensitive:
    """Words and signs of sensitive attributes.

    Attributes:
        words: Words and phrases, folded, that are denied with their plurals.
        stems: Denied wherever a word holds them, as in a hashtag that runs words together.
        emoji: Denied signs.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    words: frozenset[Word] = frozenset()
    stems: frozenset[Tag] = frozenset()
    emoji: frozenset[Sign] = frozenset()

    def forbids(self, text: str) -> bool:
        """Returns whether a concept, phrase, hashtag or emoji holds anything that is denied."""
        folded = fold(text)
        words = [word.lstrip("#") for run in segments(folded) for word in run]
        runs = (
            " ".join(words[start:stop])
            for start in range(len(words))
            for stop in range(start + 1, len(words) + 1)
        )
        return bool(
            self._signs.search(folded)
            or self._parts.search(" ".join(words))
            or any(run in self.words for run in runs)
        )

    @cached_property
    def _signs(self) -> re.Pattern[str]:
        return _any_of(self.emoji)

    @cached_property
    def _parts(self) -> re.Pattern[str]:
        return _any_of(self.stems)


@dataclass(frozen=True)
class Concept:
    """What speaks of a concept; everything is folded.

    Attributes:
        parents: Concepts that hold of an account wherever this one does.
        words: Words and phrases, the concept's own name first.
        hashtags: Without hash, beside the words written together.
        emoji: Signs.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    parents: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()
    hashtags: tuple[Tag, ...] = ()
    emoji: tuple[Sign, ...] = ()


@dataclass(frozen=True)
class Found:
    """What was found in a text.

    Attributes:
        concepts: Those that the text names itself, without ancestors.
        uncovered: Its words and hashtags (with their hash) that no concept has.
    """

    concepts: frozenset[str]
    uncovered: frozenset[str]


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Concepts with nothing of the deny-list among them; made by `load_lexicon`.

    Attributes:
        concepts: Name -> concept; every parent is among them and no concept is its own ancestor.
        sensitive: The deny-list.
        n_left_out: How many concepts, words, hashtags and emoji the deny-list took out.
    """

    concepts: Mapping[str, Concept]
    sensitive: Sensitive
    n_left_out: int

    @cached_property
    def phrases(self) -> dict[str, str]:
        """Phrase -> concept, with regular plurals where no concept has that word itself."""
        own = {word: name for name, concept in self.concepts.items() for word in concept.words}
        plurals = {plural(word): own[word] for word in sorted(own, reverse=True)}
        return plurals | own

    @cached_property
    def hashtags(self) -> dict[str, str]:
        """Hashtag -> concept: its hashtags, and its phrases written together."""
        own = {tag: name for name, concept in self.concepts.items() for tag in concept.hashtags}
        together = {text.replace(" ", ""): name for text, name in self.phrases.items()}
        return together | own

    @cached_property
    def emoji(self) -> dict[str, str]:
        """Emoji -> concept."""
        return {sign: name for name, concept in self.concepts.items() for sign in concept.emoji}

    @cached_property
    def _emoji_pattern(self) -> re.Pattern[str]:
        return _any_of(self.emoji)

    @cached_property
    def _longest(self) -> int:
        return max((text.count(" ") + 1 for text in self.phrases), default=0)

    def with_ancestors(self, names: Iterable[str]) -> set[str]:
        """Returns concepts and all their ancestors."""
        reached: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += self.concepts[name].parents
        return reached

    def find(self, text: str) -> Found:
        """Returns the concepts of a biography or a category.

        Phrases are looked for within runs of words that no punctuation divides: the longest ones
        first and from left to right, and no word is counted in two of them. So "wedding
        photographer" is not also a wedding, unless that is a parent of it.

        Args:
            text: As the account wrote it; any length, any language, "" included.
        """
        folded = fold(text)
        concepts = {self.emoji[sign] for sign in self._emoji_pattern.findall(folded)}
        uncovered: set[str] = set()
        for run in segments(folded):
            if run[0].startswith(HASH):
                name = self.hashtags.get(run[0].removeprefix(HASH))
                named, left = ({name}, set()) if name else (set(), {run[0]})
            else:
                named, left = self._find_phrases(run)
            concepts |= named
            uncovered |= left
        return Found(frozenset(concepts), frozenset(uncovered))

    def find_hashtags(self, text: str) -> set[str]:
        """Returns the concepts of a caption's hashtags, without ancestors."""
        return {self.hashtags[tag] for tag in hashtags(text) if tag in self.hashtags}

    def _find_phrases(self, run: list[str]) -> tuple[set[str], set[str]]:
        named: set[str] = set()
        taken = [False] * len(run)
        for length in range(min(self._longest, len(run)), 0, -1):
            for start in range(len(run) - length + 1):
                place = slice(start, start + length)
                name = self.phrases.get(" ".join(run[place]))
                if name is not None and not any(taken[place]):
                    named.add(name)
                    taken[place] = [True] * length
        return named, {word for word, covered in zip(run, taken, strict=True) if not covered}


def load_lexicon(folder: Path = BUILT_IN) -> Lexicon:
    """Returns the lexicon of a folder: ours, or an edited copy.

    Every `*.yaml` file maps concepts to mappings with the keys `parents`, `words`, `hashtags` and
    `emoji`, each a list that may be left out. A concept's own name is a phrase of it, with spaces
    for its hyphens; regular English plurals and phrases written together as hashtags need not be
    listed. `sensitive.yaml` is the deny-list, see `load_sensitive`; `translations.yaml` has words
    in other languages for concepts of the other files.

    Args:
        folder: Where the files are.

    Raises:
        ConversionError: A file cannot be read, or an entry is not as it has to be; file and key
            are named.
    """
    paths = [path for path in sorted(folder.glob("*.yaml")) if path.name != SENSITIVE_FILE]
    paths.sort(key=lambda path: path.name == TRANSLATIONS_FILE)
    if not paths:
        raise ConversionError(f"{folder}: found no *.yaml file; wanted the folder of a lexicon.")
    entries: dict[str, tuple[Path, Concept]] = {}
    for path in paths:
        for name, entry in _read(path, Concept).items():
            if path.name == TRANSLATIONS_FILE and name in entries:
                known = entries[name][1]
                entry = replace(known, words=(*known.words, *entry.words))
            elif name in entries:
                _refuse(path, name, name, f"it in one file, not in {entries[name][0]} too")
            entries[name] = (path, entry)
    return _checked(entries, load_sensitive(folder))


@lru_cache(maxsize=1)
def our_lexicon() -> Lexicon:
    """Returns the lexicon that comes with this package, read once."""
    return load_lexicon()


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
    entries = {name: (path, entry) for name, entry in _read(path, Concept).items()}
    return _checked(entries, load_sensitive())


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
    """
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
    with one_line(path, "an IsA file in UTF-8"), path.open(encoding="utf-8-sig") as file:
        for row, line in enumerate(file, start=1):
            fields = _ISA_LINE.fullmatch(line)
            # Such files are mostly rare lines: only the others are worth folding.
            if fields and int(fields[3]) < minimum_count:
                continue
            concept, instance = (phrase(fields[1]), phrase(fields[2])) if fields else (None, None)
            if fields is None or concept is None or instance is None:
                problems.skip(path.name, row=row, column="", value=line.strip(), wanted=wanted)
            else:
                yield concept, instance, int(fields[3])


def load_sensitive(folder: Path = BUILT_IN) -> Sensitive:
    """Returns our deny-list, and what a folder's own `sensitive.yaml` adds to it.

    Args:
        folder: Of a lexicon; nothing in it can take a word off our list.

    Raises:
        ConversionError: A deny-list is not as it has to be.
    """
    paths = dict.fromkeys((BUILT_IN / SENSITIVE_FILE, folder / SENSITIVE_FILE))
    groups = [one for path in paths if path.is_file() for one in _read(path, Sensitive).values()]
    words = {word for one in groups for word in one.words}
    return Sensitive(
        words=frozenset(words | {plural(word) for word in words}),
        stems=frozenset(stem for one in groups for stem in one.stems),
        emoji=frozenset(sign for one in groups for sign in one.emoji),
    )


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses a key that stands twice in a mapping; in C, as a lexicon is long."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Returns a mapping of a document."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                line = node.value[i][0].start_mark.line + 1
                raise yaml.YAMLError(f"key '{key}' a second time in line {line}")
        found: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return found


def _read(path: Path, kind: type[AnyEntry]) -> dict[str, AnyEntry]:
    """Returns name -> entry of a file in YAML or JSON."""
    is_json = path.suffix == ".json"
    with one_line(path, "a saved lexicon" if is_json else "YAML in UTF-8"):
        text = path.read_text(encoding="utf-8-sig")
        content: Any = json.loads(text) if is_json else yaml.load(text, Loader=_Loader)  # safe
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        wanted = "names (in quotes: numbers, yes, no, on, off) with lists under them"
        raise ConversionError(f"{path}: found {shown(str(content))}; wanted {wanted}.")
    given = {name: {} if one is None else one for name, one in content.items()}  # may stand alone
    try:
        return TypeAdapter(dict[str, kind]).validate_python(given)  # type: ignore[valid-type]
    except ValidationError as error:
        keys = [field.name for field in fields(kind)]
        told = problems_of(error, parts=dict.fromkeys(given, keys))
        raise ConversionError(f"{path}: {' '.join(told[:_N_TOLD])}") from None


def _checked(entries: Mapping[str, tuple[Path, Concept]], sensitive: Sensitive) -> Lexicon:
    concepts: dict[str, Concept] = {}
    seen: dict[tuple[str, str], str] = {}
    for name, (path, entry) in entries.items():
        own = phrase(name)
        if own is None or name != name.lower() or set(name) & {*_NOT_IN_NAMES}:
            wanted = "a name in lower case, with '-' for spaces, with none of"
            _refuse(path, name, name, f"{wanted} {' '.join(_NOT_IN_NAMES).strip()}")
        lists = {key: tuple(dict.fromkeys(terms)) for key, terms in vars(entry).items()}
        concepts[name] = Concept(**lists | {"words": tuple(dict.fromkeys((own, *entry.words)))})
        for parent in entry.parents:
            if parent not in entries:
                near = closest(parent, entries)
                wanted = f"a concept ('{near}'?)" if near else "a concept"
                _refuse(path, f"{name}.parents", parent, wanted)
        for key in _TERMS:
            for term in getattr(concepts[name], key):
                other = seen.setdefault((key, term), name)
                if other != name:
                    wanted = f"what {other} in {entries[other][0]} does not have too"
                    _refuse(path, f"{name}.{key}", term, wanted)
    try:
        TopologicalSorter({name: one.parents for name, one in concepts.items()}).prepare()
    except CycleError as error:
        parent, name = error.args[1][:2]
        _refuse(entries[name][0], f"{name}.parents", parent, "no ancestor of itself")
    return _without_sensitive(concepts, sensitive)


def _without_sensitive(concepts: Mapping[str, Concept], sensitive: Sensitive) -> Lexicon:
    allowed = [name for name in sorted(concepts) if not sensitive.forbids(name)]
    n_left_out = len(concepts) - len(allowed)
    kept = {}
    for name in allowed:
        one = concepts[name]
        lists = {
            key: tuple(term for term in getattr(one, key) if not sensitive.forbids(term))
            for key in _TERMS
        }
        n_left_out += sum(len(getattr(one, key)) - len(lists[key]) for key in _TERMS)
        parents = tuple(parent for parent in one.parents if parent in allowed)
        kept[name] = Concept(parents, **lists)
    return Lexicon(kept, sensitive, n_left_out)


def _refuse(path: Path, key: str, value: Any, wanted: str) -> NoReturn:
    raise ConversionError(f"{path}, key '{key}': found {shown(str(value))}; wanted {wanted}.")
