"""Attribute lists: what biographies, profile categories and hashtags say an account is about."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from dataset_convert import raw, schema
from dataset_convert.features.base import Extractor, FilePath, Fitted, Options, Sums, Whole
from dataset_convert.features.lexicon import (
    Lexicon,
    extend_by_isa,
    fold,
    load_lexicon,
    our_lexicon,
    read_saved_lexicon,
    save_lexicon,
)
from dataset_convert.features.text import stop_words
from dataset_convert.name_checks import AccountNames, phrases
from dataset_convert.problems import Problems
from dataset_convert.raw import Post, RawMaterial

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

    n_accounts: dict[str, int] = Field(default_factory=dict)


class Readings(Sums):
    """What accounts say.

    Attributes:
        sides: Account -> brand or influencer.
        attributes: Account -> what its profile names, ancestors too.
        uncovered: Account -> words of its profile that no concept has.
        n_posts: Account -> of each attribute, how many posts carry it as a hashtag.
        names: Of all accounts.
    """

    names: AccountNames

    def __init__(self) -> None:
        super().__init__()
        self.sides: dict[str, str] = {}
        self.attributes: dict[str, set[str]] = {}
        self.uncovered: dict[str, set[str]] = {}
        self.n_posts: dict[str, Counter[str]] = {}

    def add(self, other: Any) -> None:
        """Adds what other posts say."""
        for account, counts in other.n_posts.items():
            self.n_posts.setdefault(account, Counter()).update(counts)


class AttributeExtractor(Extractor):
    """Attributes S_a of an account (Wang et al., TMM 2023, section on data and before (13)).

    The concepts of a lexicon that the account's biography or profile category names, with all
    their ancestors: a lipstick is makeup and a cosmetic too. Those with too few training accounts
    are left out, so that a rare concept lives on in its parents. The category is read where it is
    the account's own: of every brand, and of influencers only where the source says so, since
    otherwise it is the category of the brands that they worked with, a label in disguise.

    Departures from the paper: its lexicon is not published; ours is another one.
    """

    name = "lexicon"
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
            if options.lexicon is None:
                self._lexicon = our_lexicon()
            else:
                self._lexicon = load_lexicon(Path(options.lexicon).expanduser())
            if options.isa is not None:
                self._lexicon = extend_by_isa(
                    self._lexicon,
                    Path(options.isa).expanduser(),
                    minimum_count=options.isa_minimum_count,
                    problems=self.problems or Problems(),
                )
        return self._lexicon

    def check_models(self) -> Lexicon:
        """Returns the lexicon, read."""
        return self.lexicon

    def batch(self, posts: list[Post]) -> Readings:
        """Counts the posts of each account whose hashtags name an attribute or what lies below."""
        read = Readings()
        for post in posts:
            found = self.lexicon.with_ancestors(self.lexicon.find_hashtags(post.text))
            read.n_posts.setdefault(post.account, Counter()).update(found)
        return read

    def total(self, material: RawMaterial) -> Readings:
        """Returns what all accounts say."""
        read = self._profiles(material)
        if self.options.hashtag_posts is not None:
            read.add(self.sums(material.posts()))
        return read

    def conclude(self, total: Readings, training: Collection[str]) -> None:
        """Learns which attributes are frequent among the training accounts."""
        lists = {name: one for name, one in self._lists(total).items() if name in training}
        counts = Counter(name for one in lists.values() for name in one)
        n_accounts = {
            name: counts[name]
            for name in sorted(counts)
            if counts[name] >= self.options.minimum_accounts
            and not self.lexicon.sensitive.forbids(name)
        }
        coverage = {}
        for side in schema.SIDES:
            ours = [one for account, one in lists.items() if total.sides[account] == side]
            n_covered = sum(bool(one & n_accounts.keys()) for one in ours)
            coverage[side] = {"accounts": len(ours), "with_attributes": n_covered}
        report = {
            "coverage": coverage,
            "n_concepts_of_lexicon": len(self.lexicon.concepts),
            "n_left_out_as_sensitive": self.lexicon.n_left_out,
            "n_rare_attributes": len(counts) - len(n_accounts),
            "uncovered_words": self._uncovered(total, training),
        }
        self.fitted = AttributeFit(n_accounts=n_accounts, report=report)

    def values(self, total: Readings) -> dict[str, list[str]]:
        """Returns the attributes of an account, sorted; accounts without any are absent."""
        known = self.fitted.n_accounts.keys()
        lists = {account: sorted(one & known) for account, one in self._lists(total).items()}
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

    def _profiles(self, material: RawMaterial) -> Readings:
        read, accounts = Readings(), material.accounts
        read.names = AccountNames(accounts)
        columns = (raw.ACCOUNT, raw.ROLE, raw.BIOGRAPHY, raw.CATEGORY)
        rows = zip(*(accounts[column] for column in columns), strict=True)
        for account, side, biography, category in rows:
            is_own = side == schema.BRAND or material.influencer_category_is_profile
            # What is missing is None or NaN.
            texts = [biography, category] if is_own else [biography]
            found = [self.lexicon.find(text) for text in texts if isinstance(text, str)]
            named = (self.lexicon.with_ancestors(one.concepts) for one in found)
            read.sides[account], read.attributes[account] = side, set().union(*named)
            read.uncovered[account] = set().union(*(one.uncovered for one in found))
        return read

    def _lists(self, read: Readings) -> dict[str, set[str]]:
        least, nothing = self.options.hashtag_posts, Counter[str]()
        return {
            account: named
            | {name for name, n in read.n_posts.get(account, nothing).items() if n >= least}
            for account, named in read.attributes.items()
        }

    def _uncovered(self, read: Readings, training: Collection[str]) -> dict[str, int]:
        say_nothing = {fold(word) for words in stop_words().values() for word in words}
        ours = (words for account, words in read.uncovered.items() if account in training)
        counts = Counter(word for words in ours for word in words)
        frequent = {
            word: count
            for word, count in counts.items()
            if count >= max(UNCOVERED_ACCOUNTS, self.options.minimum_accounts)
            and len(word) > 2
            and not any(character.isdigit() for character in word)
            and word not in say_nothing
            and word not in read.names
            and not self.lexicon.sensitive.forbids(word)
        }
        return dict(list(_most_frequent(frequent).items())[:_N_UNCOVERED])


def _most_frequent(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
