"""A lexicon in memory: its concepts, their ancestors, and where a text speaks of them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from dataset_convert.features.lexicon_text import HASH, fold, hashtags, plural, segments
from dataset_convert.features.sensitive import Sensitive


@dataclass(frozen=True)
class Concept:
    """What speaks of a concept; everything is folded.

    Attributes:
        parents: Concepts that hold of an account wherever this one does.
        words: Words and phrases, the concept's own name first.
        hashtags: Without hash, beside the words written together.
        emoji: Signs.
    """

    parents: tuple[str, ...]
    words: tuple[str, ...]
    hashtags: tuple[str, ...]
    emoji: tuple[str, ...]


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
    """Concepts with nothing of the deny-list among them; made by `lexicon.load_lexicon`.

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
    def _emoji_pattern(self) -> re.Pattern[str] | None:
        signs = sorted(self.emoji, key=lambda sign: (-len(sign), sign))
        return re.compile("|".join(map(re.escape, signs))) if signs else None

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
        concepts: set[str] = set()
        uncovered: set[str] = set()
        if self._emoji_pattern is not None:
            concepts |= {self.emoji[sign] for sign in self._emoji_pattern.findall(folded)}
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
