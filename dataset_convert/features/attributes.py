"""Attribute lists: what biographies, profile categories and hashtags say an account is about."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from dataset_convert import raw, schema
from dataset_convert.common.files import write_whole
from dataset_convert.features.concepts import Lexicon
from dataset_convert.features.lexicon import read_saved_lexicon, save_lexicon
from dataset_convert.features.lexicon_text import fold
from dataset_convert.features.stop_words import STOP_WORDS
from dataset_convert.name_checks import AccountNames, phrases
from dataset_convert.problems import ConversionError
from dataset_convert.raw import RawMaterial

UNCOVERED_ACCOUNTS: Final = 5
"""Fewer accounts than these share no word that a report may print: it could be somebody's name."""

_N_UNCOVERED: Final = 100
_FITTED, _LEXICON = "attributes.json", "lexicon.json"


@dataclass
class _Reading:
    """What one account says; `attributes` holds ancestors too."""

    side: str
    attributes: set[str] = field(default_factory=set)
    uncovered: set[str] = field(default_factory=set)


class AttributeExtractor:
    """Attributes S_a of an account (Wang et al., TMM 2023, section on data and before (13)).

    The concepts of a lexicon that the account's biography or profile category names, with all
    their ancestors: a lipstick is makeup and a cosmetic too. Those with too few training accounts
    are left out, so that a rare concept lives on in its parents. The category is read where it is
    the account's own: of every brand, and of influencers only where the source says so, since
    otherwise it is the category of the brands that they worked with, a label in disguise.

    Departures from the paper: its lexicon is not published; ours is another one.

    Args:
        lexicon: Of `lexicon.load_lexicon`.
        minimum_accounts: Training accounts that an attribute needs, at least 1.
        hashtag_posts: How many of an account's own posts must carry an attribute as a hashtag for
            it to count, at least 1; None leaves the posts unread. Hashtags are looked up in this
            process, as handing captions to others would take longer.
        files: What the lexicon was read from, if it is not ours.

    Raises:
        ValueError: A parameter is out of its range.
    """

    modality = schema.ATTRIBUTES

    def __init__(
        self,
        lexicon: Lexicon,
        *,
        minimum_accounts: int,
        hashtag_posts: int | None = None,
        files: tuple[Path, ...] = (),
    ) -> None:
        for name, value in (
            ("minimum_accounts", minimum_accounts),
            ("hashtag_posts", 1 if hashtag_posts is None else hashtag_posts),
        ):
            if value < 1:
                raise ValueError(
                    f"The '{name}' parameter of AttributeExtractor must be at least 1. "
                    f"Received: {value}"
                )
        self._lexicon = lexicon
        self._minimum_accounts = minimum_accounts
        self._hashtag_posts = hashtag_posts
        self._files = files
        self._n_accounts: dict[str, int] | None = None
        self._report: dict[str, Any] = {}

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns which attributes are frequent among the training accounts.

        Args:
            material: Everything the source holds.
            training: The accounts whose texts are read. Of the others only the names are used:
                no name of an account is among the uncovered words.
        """
        readings = self._read(material, frozenset(training))
        counts = Counter(name for reading in readings.values() for name in reading.attributes)
        self._n_accounts = {
            name: counts[name]
            for name in sorted(counts)
            if counts[name] >= self._minimum_accounts and not self._lexicon.sensitive.forbids(name)
        }
        self._report = self._summary(
            readings,
            AccountNames(material.accounts),
            n_rare=len(counts) - len(self._n_accounts),
        )

    def transform(self, material: RawMaterial) -> dict[str, list[str]]:
        """Returns the account's attributes, distinct and sorted; accounts without any are absent.

        Raises:
            ValueError: Nothing is fitted yet.
        """
        known = self._fitted.keys()
        readings = self._read(material, None)
        lists = {account: sorted(one.attributes & known) for account, one in readings.items()}
        return {account: names for account, names in lists.items() if names}

    def files(self) -> tuple[Path, ...]:
        """Returns the files of the lexicon, if it is not ours."""
        return self._files

    def dimensions(self) -> list[str]:
        """Returns the attributes that can occur, sorted.

        Raises:
            ValueError: Nothing is fitted yet.
        """
        return list(self._fitted)

    def own_words(self) -> frozenset[str]:
        """Returns the attributes and their words: the lexicon's, whoever bears one as a name.

        Raises:
            ValueError: Nothing is fitted yet.
        """
        return frozenset(found for name in self._fitted for found in phrases(name))

    def report(self) -> dict[str, Any]:
        """Returns what the fit found among the training accounts.

        `coverage`: per side, how many accounts there are and how many have an attribute;
        `attributes`: accounts per attribute; `n_rare_attributes`: those left out as too rare;
        `uncovered_words`: accounts per word that no concept has, the most frequent 100, none with
        fewer than `UNCOVERED_ACCOUNTS` accounts, none that is sensitive and no name of an account.
        Members of audiences are not asked: so many accounts do not bear the name of one fan.

        Raises:
            ValueError: Nothing is fitted yet.
        """
        return self._report | {"attributes": _most_frequent(self._fitted)}

    def save(self, folder: Path) -> None:
        """Writes the settings, the attributes, the report and the lexicon.

        Args:
            folder: Made where it is missing.

        Raises:
            ValueError: Nothing is fitted yet.
        """
        content = {
            "minimum_accounts": self._minimum_accounts,
            "hashtag_posts": self._hashtag_posts,
            "n_accounts": self._fitted,
            "report": self._report,
        }
        folder.mkdir(parents=True, exist_ok=True)
        save_lexicon(self._lexicon, folder / _LEXICON)
        text = json.dumps(content, ensure_ascii=False, indent=1)
        write_whole(folder / _FITTED, f"{text}\n".encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Returns a fitted extractor as it was saved.

        Raises:
            ConversionError: A file is missing or not as it was written.
        """
        path = folder / _FITTED
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            extractor = cls(
                read_saved_lexicon(folder / _LEXICON),
                minimum_accounts=content["minimum_accounts"],
                hashtag_posts=content["hashtag_posts"],
            )
            extractor._n_accounts = dict(content["n_accounts"])
            extractor._report = dict(content["report"])
        except ConversionError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConversionError(f"{path}: found {error!r}; wanted a saved extractor.") from error
        return extractor

    @property
    def _fitted(self) -> dict[str, int]:
        if self._n_accounts is None:
            raise ValueError("AttributeExtractor knows no attributes yet; call fit or load first.")
        return self._n_accounts

    def _read(self, material: RawMaterial, only: Collection[str] | None) -> dict[str, _Reading]:
        readings: dict[str, _Reading] = {}
        for account, side, texts in _profiles(material):
            if only is not None and account not in only:
                continue
            reading = readings[account] = _Reading(side)
            for text in texts:
                found = self._lexicon.find(text)
                reading.attributes |= self._lexicon.with_ancestors(found.concepts)
                reading.uncovered |= found.uncovered
        if self._hashtag_posts is not None:
            self._read_hashtags(material, readings, self._hashtag_posts)
        return readings

    def _read_hashtags(
        self, material: RawMaterial, readings: Mapping[str, _Reading], minimum_posts: int
    ) -> None:
        n_posts: dict[str, Counter[str]] = {account: Counter() for account in readings}
        for post in material.posts():
            if post.account in n_posts:
                found = self._lexicon.find_hashtags(post.text)
                n_posts[post.account].update(self._lexicon.with_ancestors(found))
        for account, counts in n_posts.items():
            readings[account].attributes |= {
                name for name, count in counts.items() if count >= minimum_posts
            }

    def _summary(
        self, readings: Mapping[str, _Reading], names: AccountNames, *, n_rare: int
    ) -> dict[str, Any]:
        known = self._fitted.keys()
        coverage = {}
        for side in schema.SIDES:
            ours = [reading for reading in readings.values() if reading.side == side]
            n_covered = sum(bool(reading.attributes & known) for reading in ours)
            coverage[side] = {"accounts": len(ours), "with_attributes": n_covered}
        return {
            "coverage": coverage,
            "n_concepts_of_lexicon": len(self._lexicon.concepts),
            "n_left_out_as_sensitive": self._lexicon.n_left_out,
            "n_rare_attributes": n_rare,
            "uncovered_words": self._uncovered(readings, names),
        }

    def _uncovered(self, readings: Mapping[str, _Reading], names: AccountNames) -> dict[str, int]:
        stop_words = {fold(word) for words in STOP_WORDS.values() for word in words.split()}
        counts = Counter(word for reading in readings.values() for word in reading.uncovered)
        frequent = {
            word: count
            for word, count in counts.items()
            if count >= max(UNCOVERED_ACCOUNTS, self._minimum_accounts)
            and len(word) > 2
            and not any(character.isdigit() for character in word)
            and word not in stop_words
            and word not in names
            and not self._lexicon.sensitive.forbids(word)
        }
        return dict(list(_most_frequent(frequent).items())[:_N_UNCOVERED])


def _profiles(material: RawMaterial) -> Iterator[tuple[str, str, list[str]]]:
    accounts = material.accounts
    rows = zip(
        accounts[raw.ACCOUNT],
        accounts[raw.ROLE],
        accounts[raw.BIOGRAPHY],
        accounts[raw.CATEGORY],
        strict=True,
    )
    for account, side, biography, category in rows:
        texts = [biography]
        if side == schema.BRAND or material.influencer_category_is_profile:
            texts.append(category)
        # What is missing is None or NaN.
        yield account, side, [text for text in texts if isinstance(text, str)]


def _most_frequent(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
