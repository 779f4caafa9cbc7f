"""The answer is no feature: names of accounts, addresses and numbers leave all texts.

A caption that thanks a brand by its name gives a collaboration away, and a biography that names a
partner does too. So extractors read a material whose texts name nobody.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd

from dataset_convert import raw
from dataset_convert.common.files import write_whole
from dataset_convert.features.base import one_line
from dataset_convert.name_checks import words_of
from dataset_convert.privacy import Pseudonyms, scrub
from dataset_convert.raw import Post, RawMaterial

NAMES_FILE: Final = "names.json"

MIN_CODE: Final = 4
"""Shorter names are not looked for before the digits of a code such as ANNABAKES10."""
_WORD = re.compile(r"[^\W_]+")
_MENTION = re.compile(r"[@\uff20][\w.]+")
_ADDRESS_SIGN = re.compile(r"[@\uff20.:(\[{<]")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(?<![^\W_])\d(?:[\d.,' \u00a0/-]*\d){2}(?![^\W_])")
"""Of three digits at least: 'formula 1' and 'mom of 2' say what somebody is about."""
_GAP: Final = "\n"
"""Runs of words end at a line break: what stood before and after is no phrase."""
_DIGITS: Final = "0123456789"


@dataclass(frozen=True)
class SavedNames:
    """The names of a data set's accounts as keyed hashes, so that no name can be read or tried out.

    Attributes:
        digests: Of the names, run together.
        longest: Letters and digits of a name.
        key: Of the hashes.
    """

    digests: frozenset[str]
    longest: int
    key: Pseudonyms

    @classmethod
    def of(cls, names: Iterable[str], pseudonyms: Pseudonyms | None) -> "SavedNames":
        """Returns names to be saved, under a key of their own where ids are no secret."""
        keys, key = _keys_of(names), pseudonyms or Pseudonyms(b"")
        return cls(frozenset(map(key.digest, keys)), max(map(len, keys), default=0), key)

    def and_those_of(self, other: "SavedNames | None") -> "SavedNames":
        """Returns these and others under the same key."""
        if other is None:
            return self
        longest = max(self.longest, other.longest)
        return SavedNames(self.digests | other.digests, longest, self.key)

    @classmethod
    def load(cls, folder: Path, pseudonyms: Pseudonyms | None) -> "SavedNames | None":
        """Returns what `save` wrote; None where that needs a key which is not given.

        Raises:
            ConversionError: There is nothing, or it is of another key.
        """
        path, key = folder / NAMES_FILE, pseudonyms or Pseudonyms(b"")
        with one_line(path, "the names of a data set's accounts, under the key that is given"):
            saved = json.loads(path.read_text())
            if saved["key"] != key.settings()["key_fingerprint"]:
                if pseudonyms is None:
                    return None
                raise ValueError(f"those of the key {saved['key']}")
            return cls(frozenset(saved["sha256"]), int(saved["longest"]), key)

    def save(self, folder: Path) -> None:
        """Writes them."""
        fingerprint = self.key.settings()["key_fingerprint"]
        content = {"key": fingerprint, "longest": self.longest, "sha256": sorted(self.digests)}
        write_whole(folder / NAMES_FILE, f"{json.dumps(content, indent=1)}\n".encode())


class HiddenNames:
    """Takes names out of texts, whatever the letter case and the signs between words.

    A name is found where whole words, run together, are its letters and digits: Green Leaf,
    @green.leaf, #GreenLeaf and GREENLEAF20 are the account green_leaf, and greenleafs is not. Of
    all that begins at a word the longest name counts.

    Args:
        names: Ids and display names; those without a letter are passed over.
        saved: Further ones.
    """

    def __init__(self, names: Iterable[str], saved: SavedNames | None = None) -> None:
        self._keys = _keys_of(names)
        self._starts = frozenset(key[:n] for key in self._keys for n in range(1, len(key) + 1))
        self._saved = saved

    def hide(self, text: str) -> str:
        """Returns a text without names, mentions, addresses, and numbers of three digits or more.

        Takes time linear in the length of the text, however many names there are. A text without
        any of them is returned as it is, others in Unicode's composed form, a line break in place
        of what was taken out.
        """
        if _ADDRESS_SIGN.search(text):
            text = _MENTION.sub(_GAP, scrub(text))
        if _DIGIT.search(text):
            text = _NUMBER.sub(_GAP, text)
        plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
        places = list(self._places(_WORD.findall(plain.casefold())))
        if not places:
            return text
        found = list(_WORD.finditer(plain))
        spans = [word.span() for word in found]
        # What casefold cuts in two, such as a Turkish capital i, would shift the places.
        places = list(self._places(["".join(words_of(word[0])) for word in found]))
        kept, end = [], 0
        for first, last in places:
            start = spans[first][0]
            kept += [plain[end:start].removesuffix("#"), _GAP]
            end = spans[last][1]
        return "".join([*kept, plain[end:]])

    def _places(self, words: list[str]) -> Iterator[tuple[int, int]]:
        """Yields the first and last word of each name."""
        starts, i = self._starts, -1
        for first, word in enumerate(words):
            if first <= i or not (self._saved or word in starts or word[-1] in _DIGITS):
                continue
            code = word.rstrip(_DIGITS)
            last = first if len(code) >= MIN_CODE and self._is_name(code) else -1
            joined, i = word, first
            while joined in starts or (self._saved and len(joined) <= self._saved.longest):
                last = i if self._is_name(joined) else last
                i += 1
                if i == len(words):
                    break
                joined += words[i]
            i = last
            if last >= 0:
                yield first, last

    def _is_name(self, joined: str) -> bool:
        saved = self._saved
        return joined in self._keys or (
            saved is not None and saved.key.digest(joined) in saved.digests
        )


def _keys_of(names: Iterable[str]) -> frozenset[str]:
    keys = {"".join(words_of(name)) for name in names} - {""}
    return frozenset(key for key in keys if not key.isdecimal())


def names_of(accounts: pd.DataFrame) -> list[str]:
    """Returns the ids and display names of a material's accounts."""
    return [*accounts[raw.ACCOUNT], *accounts[raw.NAME].dropna()]


def without_names(material: RawMaterial, saved: SavedNames | None = None) -> RawMaterial:
    """Returns the material with captions and biographies that name none of its accounts.

    The names of all accounts are taken out, test accounts too: nothing else of them is used.

    Args:
        material: What a source read.
        saved: The names of accounts of an earlier conversion, which are taken out as well.
    """
    accounts = material.accounts
    hide = HiddenNames(names_of(accounts), saved).hide

    def hidden(stream: Callable[[], Iterator[Post]]) -> Callable[[], Iterator[Post]]:
        def posts() -> Iterator[Post]:
            for post in stream():
                text = hide(post.text)
                yield post if text is post.text else replace(post, text=text)

        return posts

    biographies = accounts[raw.BIOGRAPHY].map(
        lambda text: hide(scrub(text)) if isinstance(text, str) else text
    )
    return replace(
        material,
        accounts=accounts.assign(**{raw.BIOGRAPHY: biographies}),
        posts=hidden(material.posts),
        audience_posts=hidden(material.audience_posts),
    )
