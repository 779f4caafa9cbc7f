"""Attribute lists: what biographies, profile categories and hashtags say an account is about."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dataset_convert import raw, schema
from dataset_convert.features.base import Extractor, FilePath, Fitted, Options, Whole
from dataset_convert.features.lexicon import (
    BUILT_IN,
    Lexicon,
    extend_by_isa,
    fold,
    load_lexicon,
    read_saved_lexicon,
    save_lexicon,
)
from dataset_convert.features.text import stop_words
from dataset_convert.name_checks import AccountNames, phrases
from dataset_convert.problems import Problems
from dataset_convert.raw import RawMaterial

UNCOVERED_ACCOUNTS: Final = 5
"""Fewer accounts than these share no word that a report may print: it could be somebody's name."""

_N_UNCOVERED: Final = 100
_LEXICON: Final = "lexicon.json"


class LexiconOptions(Options):
    """Which attributes there are.

    Attributes:
        minimum_accounts: Training accounts that an attribute needs.
        hashtag_posts: How many of an account's own posts must carry an attribute as a hashtag for
            it to count; None leaves the posts unread. Hashtags are looked up in this process, as
            handing captions to others would take longer.
        lexicon: A folder with a lexicon; None for ours.
        isa: An IsA file that extends it.
        isa_minimum_count: Lines of it with a lower count are passed over.
    """

    minimum_accounts: Whole = 5
    hashtag_posts: Whole | None = None
    lexicon: FilePath | None = None
    isa: FilePath | None = None
    isa_minimum_count: Whole = 1


class AttributeFit(Fitted):
    """Attribute -> training accounts that have it, sorted."""

    n_accounts: dict[str, int]


@dataclass
class _Reading:
    """What one account says; `attributes` holds ancestors too."""

    side: str
    attributes: set[str] = field(default_factory=set)
    uncovered: set[str] = field(default_factory=set)


class AttributeExtractor(Extractor):
    """Attributes S_a of an account (Wang et al., TMM 2023, section on data and before (13)).

    The concepts of a lexicon that the account's biography or profile category names, with all
    their ancestors: a lipstick is makeup and a cosmetic too. Those with too few training accounts
    are left out, so that a rare concept lives on in its parents. The category is read where it is
    the account's own: of every brand, and of influencers only where the source says so, since
    otherwise it is the category of the brands that they worked with, a label in disguise.

    Departures from the paper: its lexicon is not published; ours is another one.
    """

    takes = LexiconOptions
    learns = AttributeFit
    modalities = (schema.ATTRIBUTES,)
    file = "attributes.json"
    _lexicon: Lexicon | None = None

    @property
    def lexicon(self) -> Lexicon:
        """The lexicon of the options, read when it is first asked for."""
        if self._lexicon is None:
            options = self.options
            folder = BUILT_IN if options.lexicon is None else Path(options.lexicon).expanduser()
            self._lexicon = load_lexicon(folder)
            if options.isa is not None:
                self._lexicon = extend_by_isa(
                    self._lexicon,
                    Path(options.isa).expanduser(),
                    minimum_count=options.isa_minimum_count,
                    problems=self.problems or Problems(),
                )
        return self._lexicon

    def check_models(self) -> None:
        """Reads the lexicon."""
        assert self.lexicon

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns which attributes are frequent among the training accounts."""
        everybody, chosen = self._read(material), frozenset(training)
        readings = {account: one for account, one in everybody.items() if account in chosen}
        counts = Counter(name for reading in readings.values() for name in reading.attributes)
        n_accounts = {
            name: counts[name]
            for name in sorted(counts)
            if counts[name] >= self.options.minimum_accounts
            and not self.lexicon.sensitive.forbids(name)
        }
        coverage = {}
        for side in schema.SIDES:
            ours = [reading for reading in readings.values() if reading.side == side]
            n_covered = sum(bool(reading.attributes & n_accounts.keys()) for reading in ours)
            coverage[side] = {"accounts": len(ours), "with_attributes": n_covered}
        report = {
            "coverage": coverage,
            "n_concepts_of_lexicon": len(self.lexicon.concepts),
            "n_left_out_as_sensitive": self.lexicon.n_left_out,
            "n_rare_attributes": len(counts) - len(n_accounts),
            "uncovered_words": self._uncovered(readings, AccountNames(material.accounts)),
        }
        self._fitted = AttributeFit(n_accounts=n_accounts, report=report)
        self.keep(material, everybody)

    def transform(self, material: RawMaterial) -> dict[str, list[str]]:
        """Returns the attributes of an account, sorted; accounts without any are absent."""
        known = self.fitted.n_accounts.keys()
        readings: dict[str, _Reading] = self.kept(material) or self._read(material)
        lists = {account: sorted(one.attributes & known) for account, one in readings.items()}
        return {account: names for account, names in lists.items() if names}

    def files(self) -> tuple[Path, ...]:
        """Returns the files of the lexicon, if it is not ours."""
        folder, isa = self.options.lexicon, self.options.isa
        files = () if folder is None else sorted(Path(folder).expanduser().glob("*.yaml"))
        return (*files, *(() if isa is None else (Path(isa).expanduser(),)))

    def dimensions(self) -> list[str]:
        """Returns the attributes that can occur, sorted."""
        return list(self.fitted.n_accounts)

    def own_words(self) -> frozenset[str]:
        """Returns the attributes and their words: the lexicon's, whoever bears one as a name."""
        return frozenset(found for name in self.fitted.n_accounts for found in phrases(name))

    def report(self) -> dict[str, Any]:
        """Returns what the fit found among the training accounts.

        `coverage`: per side, how many accounts there are and how many have an attribute;
        `attributes`: accounts per attribute; `n_rare_attributes`: those left out as too rare;
        `uncovered_words`: accounts per word that no concept has, the most frequent 100, none with
        fewer than `UNCOVERED_ACCOUNTS` accounts, none that is sensitive and no name of an account.
        Members of audiences are not asked: so many accounts do not bear the name of one fan.
        """
        return super().report() | {"attributes": _most_frequent(self.fitted.n_accounts)}

    def save(self, folder: Path) -> None:
        """Writes options, attributes and report, and the lexicon beside them."""
        super().save(folder)
        save_lexicon(self.lexicon, folder / _LEXICON)

    def _load_more(self, folder: Path) -> None:
        self._lexicon = read_saved_lexicon(folder / _LEXICON)

    def _read(self, material: RawMaterial) -> dict[str, _Reading]:
        readings: dict[str, _Reading] = {}
        for account, side, texts in _profiles(material):
            reading = readings[account] = _Reading(side)
            for text in texts:
                found = self.lexicon.find(text)
                reading.attributes |= self.lexicon.with_ancestors(found.concepts)
                reading.uncovered |= found.uncovered
        if self.options.hashtag_posts is not None:
            self._read_hashtags(material, readings, self.options.hashtag_posts)
        return readings

    def _read_hashtags(
        self, material: RawMaterial, readings: Mapping[str, _Reading], minimum_posts: int
    ) -> None:
        n_posts: dict[str, Counter[str]] = {account: Counter() for account in readings}
        for post in material.posts():
            if post.account in n_posts:
                found = self.lexicon.find_hashtags(post.text)
                n_posts[post.account].update(self.lexicon.with_ancestors(found))
        for account, counts in n_posts.items():
            readings[account].attributes |= {
                name for name, count in counts.items() if count >= minimum_posts
            }

    def _uncovered(self, readings: Mapping[str, _Reading], names: AccountNames) -> dict[str, int]:
        say_nothing = {fold(word) for words in stop_words().values() for word in words}
        counts = Counter(word for reading in readings.values() for word in reading.uncovered)
        frequent = {
            word: count
            for word, count in counts.items()
            if count >= max(UNCOVERED_ACCOUNTS, self.options.minimum_accounts)
            and len(word) > 2
            and not any(character.isdigit() for character in word)
            and word not in say_nothing
            and word not in names
            and not self.lexicon.sensitive.forbids(word)
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
