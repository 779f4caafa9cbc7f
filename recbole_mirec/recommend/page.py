"""A brand's list as one page to mail: it needs no network, and decisions are kept in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dataset_convert import raw, schema
from dataset_convert.common.errors import UsageError
from dataset_convert.common.files import read_csv
from recbole_mirec import plots
from recbole_mirec.recommend.conditions import fulfils
from recbole_mirec.recommend.reasons import LANGUAGES, Explanation, Words
from recbole_mirec.templates import MISSING, render, script_digest, source

if TYPE_CHECKING:
    from recbole_mirec.recommend.recommender import Recommendation, Recommender

# Reasons of a part that a card shows, and candidates that the page's first sentences tell of.
_N_REASONS, _FIRST = 4, 10
DATE, SHARE = "last_post", "engagement"
# Texts of facts that a filter offers to choose from; more are found by searching.
_MOST_CHOICES = 40
_PSEUDONYM = re.compile(rf"\b({'|'.join(schema.SIDES)})-[0-9a-f]{{{schema.PSEUDONYM_DIGITS}}}\b")
_IS_LEFT_OUT = re.compile(r"\S+ (known partners|partners of|bekannte Partner|Partner von)")
# What a list's notes say, in German.
_NOTES = {
    r"(\S+) known partners of the brand are left out": r"\1 bekannte Partner der Marke fehlen hier",
    r"(\S+) partners of competitors are left out": r"\1 Partner von Wettbewerbern fehlen hier",
    r"not known of (.+): (.+)": r"nicht bekannt von \1: \2",
    r"(.+) is far from every brand .*": r"\1 ist weit von allen Marken entfernt, von denen das "
    r"Modell gelernt hat: die Liste ist eher geraten",
    r"only the first (\S+) characters of the brief were read": r"nur die ersten \1 Zeichen des "
    r"Textes wurden gelesen",
    r"diversity costs (\S+) of the mean score": r"die Vielfalt kostet \1 des mittleren Werts",
    r"there are (\S+) candidates, fewer than the (\S+) asked for": r"es gibt nur \1 Kandidaten, "
    r"verlangt waren \2",
    r"(\S+) candidates share the last score, of whom (\S+) are shown; .*": r"\1 Kandidaten haben "
    r"den letzten Wert, gezeigt werden \2; welche, sagt nichts",
    r"no chances are told: (\S+) brands are too few to calibrate on": r"keine Chancen: \1 Marken "
    r"sind zu wenige, um sie zu eichen",
}


@dataclass(frozen=True)
class Pick:
    """A candidate as pages show her.

    Attributes:
        id, name: what the data set calls her, and what people do.
        rank: from 1.
        fit: 100 is the best influencer for the brand, 0 the average one.
        chance: that she is a real partner, from 0 to 1; None: not told.
        partner: whether she is known to have worked with the brand.
        facts: name -> followers, country and the like, where known.
        why: her score's reasons.
    """

    id: str
    name: str
    rank: int
    fit: float
    chance: float | None
    partner: bool
    facts: Mapping[str, Any]
    why: Explanation

    def reasons(self, part: str) -> list[tuple[str, float]]:
        """What adds most to a part or takes most from it: name and value, largest first."""
        found = [one for one, _ in self.why.merged if one.part == part]
        own = [(self.why.called(one), one.value) for one in found]
        most = sorted(own, key=lambda item: -abs(item[1]))[:_N_REASONS]
        return sorted(most, key=lambda item: -item[1])


class ListView:
    """What a page shows of a list, in the words and figures of its language.

    Args:
        recommender: made the list.
        found: the list.
        asked: what `Recommender.recommend` was asked, by its arguments' names.
        title: whom it is for, in words; None: the brand's name.
        names: id -> the name behind a pseudonym.
        language: `en` or `de`.
        name_others: whether reasons name other brands.
    """

    def __init__(
        self,
        recommender: "Recommender",
        found: "Recommendation",
        *,
        asked: Mapping[str, Any] | None = None,
        title: str | None = None,
        names: Mapping[str, str] | None = None,
        language: str = "en",
        name_others: bool = False,
    ):
        self.found, self.language, self.about = found, language, recommender.bundle.about
        self._recommender, self._asked, self._names = recommender, asked or {}, names or {}
        self._how: dict[str, Any] = {"language": language, "name_others": name_others}
        self.title = title or self.named(found.brand.name)
        self.n_influencers = len(recommender.influencers)
        self.parts = recommender.parts

    # --- words and figures

    def say(self, *words: str) -> str:
        """Of English and German words those of the language."""
        return words[LANGUAGES.index(self.language)]

    def called(self, key: str) -> str:
        """What a part or a modality is called."""
        return Words(language=self.language).say(key)

    def number(self, value: float, digits: int = 0) -> str:
        """A number with the language's signs: 1,234.5 or 1.234,5."""
        text = f"{value:,.{digits}f}"
        return text if self.language == "en" else text.translate(str.maketrans(",.", ".,"))

    def share(self, value: float) -> str:
        """A share from 0 to 1 in percent."""
        return f"{self.number(100 * value, 1 if value < 0.0995 else 0)}\N{NO-BREAK SPACE}%"

    def signed(self, value: float) -> str:
        """What a part adds or, with a minus, takes away."""
        sign = "\N{MINUS SIGN}" if value < 0 else "+"
        return f"{sign}{self.number(abs(value), 2)}"

    def named(self, text: str) -> str:
        """A text with the names that are known in place of pseudonyms."""
        if not self._names:
            return text
        return _PSEUDONYM.sub(lambda found: self._names.get(found[0], found[0]), text)

    def why(self, pick: Pick) -> list[str]:
        """A candidate's largest reasons in words, the larger first."""
        return self.named(pick.why.sentence()).split("; ")

    def fact(self, name: str, value: Any) -> str:
        """A fact as people read it; unknown ones are a dash."""
        if value is None or pd.isna(value):
            return MISSING
        if name == DATE:
            return _day(value)
        if name == SHARE:
            return self.share(value)
        return value if isinstance(value, str) else self.number(value)

    # --- the list

    @cached_property
    def picks(self) -> list[Pick]:
        """The candidates, in the list's order."""
        brand, frame = self.found.brand, self.found.frame
        low, high = self._ends
        facts = frame[self.facts].astype(object).where(frame[self.facts].notna(), None)
        return [
            Pick(
                id=row[schema.INFLUENCER_ID],
                name=self.named(row[schema.INFLUENCER_ID]),
                rank=int(row["rank"]),
                fit=100 * (row["score"] - low) / (high - low),
                chance=row.get("chance"),
                partner=bool(row.get("partner", False)),
                facts={str(name): value for name, value in known.items()},
                why=self._recommender.explain(brand, row[schema.INFLUENCER_ID], **self._how),
            )
            for row, known in zip(frame.to_dict("records"), facts.to_dict("records"), strict=True)
        ]

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Scores whose fit is 0 and 100: the average, and the best of all who may be shown."""
        brand, frame = self.found.brand, self.found.frame
        best = self._recommender.recommend(brand, 1, with_partners="partner" in frame)
        low = float(self._recommender.shares(brand).sum(axis=1).mean())
        return low, max(float(best.frame["score"].iloc[0]), low + 1e-9)

    @cached_property
    def facts(self) -> list[str]:
        """Facts that are known of some candidate."""
        known = self.found.frame.dropna(axis=1, how="all")
        return [name for name in self._recommender.bundle.facts() if name in known]

    def choices(self, fact: str) -> list[str]:
        """Texts of a fact that a filter offers; see `choices`."""
        return choices(self.found.frame[fact])

    def is_number(self, fact: str) -> bool:
        """Whether a fact is compared as a number or as a day."""
        return pd.api.types.is_numeric_dtype(self.found.frame[fact])

    @cached_property
    def widest(self) -> float:
        """The largest share of a part in a score, by which bars are drawn."""
        return max((abs(x) for one in self.picks for x in one.why.parts.values()), default=1) or 1.0

    @property
    def hides_names(self) -> bool:
        """Whether ids are pseudonyms, and some candidate's name is not known."""
        return bool(self.about["pseudonyms"]) and any(x.name == x.id for x in self.picks)

    # --- what is said around it

    @property
    def expected(self) -> float:
        """How many of the first are likely to be real partners."""
        return float(sum(one.chance or 0.0 for one in self.first))

    @property
    def first(self) -> list[Pick]:
        """The candidates that the first sentences tell of."""
        return self.picks[:_FIRST]

    @property
    def reliability(self) -> list[list[float]]:
        """Of groups of held-out candidates: mean chance, share of real partners, how many."""
        found: list[list[float]] = self.about["confidence"].get("reliability", [])
        return found

    @cached_property
    def notes(self) -> list[str]:
        """What a reader has to know, in the language."""
        return [self._note(one) for one in self.found.notes]

    @property
    def cautions(self) -> list[str]:
        """Those of the notes that tell how far the list can be trusted, not who is left out."""
        return [one for one in self.notes if not _IS_LEFT_OUT.match(one)]

    @property
    def error(self) -> float:
        """Mean distance of a chance from what happened, by `reliability`."""
        chance, happened, n = np.array(self.reliability).T
        return float(np.average(np.abs(chance - happened), weights=n))

    def _note(self, note: str) -> str:
        if self.language == "de":
            for english, german in _NOTES.items():
                note = re.sub(rf"^{english}$", german, note, flags=re.DOTALL)
        modalities = "|".join(schema.MODALITIES)
        return re.sub(rf"\b({modalities})\b", lambda name: self.called(name[0]), note)

    @cached_property
    def left_out(self) -> list[str]:
        """Who is not on the list, and why."""
        asked, n_left = self._asked, self.found.n_candidates - len(self.picks)
        told = [one for one in self.notes if _IS_LEFT_OUT.match(one)]
        for condition in asked.get("where") or ():
            n = int((~fulfils(condition, self._recommender.bundle)).sum())
            words = self.say(
                "do not fulfil {}, or it is not known", "erfüllen {} nicht, oder man weiß es nicht"
            )
            told.append(f"{self.number(n)} {words.format(condition)}")
        for key, words in (
            ("include", self.say("all but {} who were asked for", "alle außer {} gewünschten")),
            ("exclude", self.say("{} who were named", "{} namentlich genannte")),
        ):
            if asked.get(key) is not None and len(asked[key]):
                told.append(words.format(self.number(len(asked[key]))))
        lower = self.say(
            "{} who score less than those shown", "{} mit kleinerem Wert als die gezeigten"
        )
        return [*told, lower.format(self.number(n_left))] if n_left else told

    @cached_property
    def key(self) -> str:
        """What decisions are kept under: the same for all lists of a brand by one data set."""
        own = self.found.brand.own
        text = [self.about["data_fingerprint"], self.found.brand.name]
        rows = [rows.tobytes() for _, (rows, _) in sorted(own.table.items())]
        return sha256("\n".join(map(str, text)).encode() + b"".join(rows)).hexdigest()[:24]

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the page's script sorts, filters and exports by."""
        return {
            "key": self.key,
            "brand": self.found.brand.name,
            "language": self.language,
            "picks": [
                {
                    "id": one.id,
                    "name": one.name,
                    "rank": one.rank,
                    "score": round(one.why.score, 6),
                    "fit": round(one.fit, 2),
                    "chance": one.chance,
                    "facts": {name: _plain(name, x) for name, x in one.facts.items()},
                    "parts": {name: round(x, 6) for name, x in one.why.parts.items()},
                }
                for one in self.picks
            ],
        }


def read_names(path: Path, recommender: "Recommender") -> dict[str, str]:
    """The names behind pseudonyms: id -> name.

    Args:
        path: a table as the conversion's `--ids` writes it, or any whose first column has names,
            which the key of the pseudonyms then joins.
        recommender: has the ids, and the key where it is at hand.

    Raises:
        UsageError: it is no table, or names nobody.
    """
    try:
        table = read_csv(path, dtype=str, encoding="utf-8-sig").fillna("")
    except ValueError as error:
        raise UsageError(f"'{path}' is no table of names: {error}.") from None
    if {"pseudonym", raw.ACCOUNT} <= {*table}:
        found = dict(zip(table["pseudonym"], table[raw.ACCOUNT], strict=True))
    else:
        names = [str(table.columns[0]), *table.iloc[:, 0]]
        found = {recommender.id_of(side, x): x for x in names for side in schema.SIDES if x}
    found = {name: found[name] for name in found if name is not None and found[name] != name}
    if not found:
        raise UsageError(
            f"'{path}' names nobody of the data set: give the conversion's --ids file, or a list "
            f"of names and the key of the pseudonyms (--key)."
        )
    return found


def choices(column: "pd.Series[Any]") -> list[str]:
    """Texts of a fact that a filter offers; none of numbers, nor where there are too many."""
    texts = sorted({x for x in column if isinstance(x, str)})
    return texts if len(texts) <= _MOST_CHOICES else []


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _plain(name: str, value: Any) -> Any:
    """A fact as a script compares it."""
    if value is None or isinstance(value, str):
        return value
    return _day(value) if name == DATE else float(value) * (100 if name == SHARE else 1)


def render_shortlist(view: ListView) -> str:
    """Returns the page of a list, as HTML; nothing on it runs but its own script."""
    script = source("shortlist.js")
    page = render(
        "shortlist.html.j2",
        view=view,
        plots=plots,
        script=script,
        style=source("shortlist.css"),
        digest=script_digest(script),
    )
    # Line breaks between tags are a third of what a browser has to read.
    seen, mark, rest = page.partition("<script")
    return re.sub(r">\s*\n\s*<", "><", seen) + mark + rest
