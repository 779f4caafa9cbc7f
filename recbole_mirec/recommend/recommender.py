"""`Recommender`: a fitted model in use, for known brands, new ones and briefs in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, shown
from dataset_convert.holders import BUNDLE, RUN_FILE
from recbole_mirec.nn.fitted import CATEGORY, Array
from recbole_mirec.recommend import accounts, reasons
from recbole_mirec.recommend.accounts import Account
from recbole_mirec.recommend.bundle import (
    FORMAT,
    Bundle,
    read_bundle,
    save_bundle,
    write_bundle,
)
from recbole_mirec.recommend.conditions import fulfils
from recbole_mirec.recommend.confidence import chances
from recbole_mirec.recommend.published import Published

_BRAND, _INFLUENCER = schema.BRAND, schema.INFLUENCER
# Rows that are scored at once, so that their copies in double precision stay small.
_AT_ONCE = 1024
# Decimals beyond which scores are equal: what is left is rounding.
_DECIMALS = 9


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A brand's best candidates.

    Attributes:
        brand: whom it is for.
        frame: rank, influencer_id, score, what each part adds to it, and what is known.
        n_candidates: influencers ranked, after all that was left out.
        notes: what a reader has to know.
    """

    brand: Account
    frame: pd.DataFrame
    n_candidates: int
    notes: tuple[str, ...]


class Recommender:
    """Ranks the influencers of a bundle for any brand, and tells why.

    Made by `load`. Brands are told by id, by handle, or as an `Account` that `brief`, `folder` or
    `new_account` has made. A score is the sum of its parts, exactly, and compares within one brand.

    Args:
        bundle: the model and its accounts.
        key_file: of the pseudonyms, where ids are some; None: the user's own.
    """

    def __init__(self, bundle: Bundle, *, key_file: Path | None = None):
        self._key_file = key_file
        self._use(bundle)

    @classmethod
    def load(
        cls, place: str | Path, *, confidence: bool = False, key_file: Path | None = None
    ) -> "Recommender":
        """Of a bundle, or of a finished run, whose bundle is written at the first use.

        With `confidence` a run's bundle tells chances, for which five models are trained.

        Raises:
            UsageError: it is neither, or cannot be used.
        """
        folder = Path(place)
        if (folder / RUN_FILE).is_file():
            own = folder / "bundle"
            if not _is_of(folder, own, confidence=confidence):
                from recbole_mirec.experiment import open_run
                from recbole_mirec.runs import read_run

                run = read_run(folder)
                made = open_run(run.record["settings"], run.folder)
                write_bundle(made, own, confidence=confidence)
            folder = own
        return cls(read_bundle(folder), key_file=key_file)

    def _use(self, bundle: Bundle) -> None:
        """Work on other accounts from now on."""
        self.bundle, self.fitted, self._sides = bundle, bundle.fitted, bundle.sides
        self.parts = self.fitted.layout.parts
        self._directory = accounts.Directory(bundle, self._key_file)
        self._ids = self._directory.ids
        self._scored: tuple[Account, Array] | None = None
        for cached in ("_lengths", "_learnt", "_categories"):
            self.__dict__.pop(cached, None)

    @property
    def influencers(self) -> list[str]:
        """Their ids, in the order of the vectors."""
        return [str(name) for name in self._ids[_INFLUENCER]]

    @property
    def brands(self) -> list[str]:
        """The data set's, by id."""
        return [str(name) for name in self._ids[_BRAND]]

    def id_of(self, side: schema.Side, name: str) -> str | None:
        """The id that a handle, or with the key a real name, stands for; None: it is unknown."""
        row = self._directory.find(side, name)
        return None if row is None else str(self._ids[side][row])

    # --- lists

    def recommend(
        self,
        brand: str | Account,
        k: int = 10,
        *,
        where: Iterable[str] = (),
        include: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        competitors: Iterable[str] = (),
        diversity: float = 0.0,
        with_partners: bool = False,
    ) -> Recommendation:
        """The best influencers for a brand.

        Args:
            brand: an id, a handle, or an account.
            k: how many, at least 1.
            where: conditions such as `followers>=5000` or `country=DE,AT`; see `fulfils`.
            include: the only candidates; None: all.
            exclude: influencers to leave out.
            competitors: brands whose partners are left out.
            diversity: from 0, by score alone, to 1: how much a candidate loses by being like those
                above her (maximal marginal relevance, Carbonell and Goldstein, SIGIR 1998).
            with_partners: whether known partners are shown, marked.

        Raises:
            UsageError: an unknown brand or influencer, a condition that cannot be read, nobody
                left, an account of which nothing is known.
        """
        if k < 1:
            raise UsageError(f"k must be at least 1. Received: {k}.")
        if not 0 <= diversity <= 1:
            raise UsageError(f"diversity must be from 0 to 1. Received: {diversity}.")
        account = self.account(brand)
        accounts.refuse_unknown(self.fitted, _BRAND, account)
        kept, notes = self._kept(where, include, exclude, competitors)
        partners = self._partners(account)
        if not with_partners:
            left_out = int((kept & partners).sum())
            kept &= ~partners
            notes += [f"{left_out} known partners of the brand are left out"] * bool(left_out)
        rows = np.flatnonzero(kept)
        if not len(rows):
            raise UsageError("Nobody is left to rank after what was left out; leave out less.")
        shares = self.shares(account)
        scores = shares.sum(axis=1)[rows].round(_DECIMALS)
        order = _best(scores, max(10 * k, 100))
        chosen = order[:k]
        if diversity:
            chosen = self._diverse(rows, scores, order, k, diversity)
            lost = scores[order[:k]].mean() - scores[chosen].mean()
            notes.append(f"diversity costs {lost:.3f} of the mean score")
        if k > len(scores) or not diversity:
            notes += tie_notes(scores, scores[chosen], k)
        frame = self._frame(rows[chosen], shares[rows[chosen]])
        chance = chances(self.bundle.about["confidence"], scores[chosen])
        if chance is not None:
            frame.insert(3, "chance", chance)
        elif "n_brands" in self.bundle.about["confidence"]:
            n_brands = self.bundle.about["confidence"]["n_brands"]
            notes.append(f"no chances are told: {n_brands} brands are too few to calibrate on")
        if with_partners:
            frame["partner"] = partners[rows[chosen]]
        return Recommendation(account, frame, len(rows), (*account.notes, *notes))

    def listed(
        self, found: Recommendation, *, name_others: bool = False, language: str = "en"
    ) -> tuple[str, pd.DataFrame]:
        """A list as text, and as a table with its reasons in words, `why`."""
        about, frame = self.bundle.about, found.frame.copy()
        frame["why"] = [
            self.explain(found.brand, name, name_others=name_others, language=language).sentence()
            for name in frame[schema.INFLUENCER_ID]
        ]
        title = (
            f"{found.brand.name}: the best {len(frame)} of {found.n_candidates} influencers, by "
            f"{about['model']} on {about['dataset']}{' (synthetic data)' * about['synthetic']}"
        )
        shown = frame.drop(columns="why").round(3).to_string(index=False, na_rep="-")
        why = [f"{row.rank}. {row.influencer_id}: {row.why}" for row in frame.itertuples()]
        notes = [f"score: {about['score']}; comparable within one brand only", *found.notes]
        frame.insert(0, schema.BRAND_ID, found.brand.name)
        return "\n".join([title, shown, "", *why, *(f"Note: {note}" for note in notes)]), frame

    def _kept(
        self,
        where: Iterable[str],
        include: Iterable[str] | None,
        exclude: Iterable[str],
        competitors: Iterable[str],
    ) -> tuple[NDArray[np.bool_], list[str]]:
        kept, notes = np.ones(len(self._ids[_INFLUENCER]), dtype=bool), list[str]()
        if include is not None:
            kept[:] = False
            kept[[self._directory.row(_INFLUENCER, name) for name in include]] = True
        kept[[self._directory.row(_INFLUENCER, name) for name in exclude]] = False
        theirs = np.zeros_like(kept)
        for name in competitors:
            theirs |= self._partners(self.account(name))
        if n_theirs := int((kept & theirs).sum()):
            notes.append(f"{n_theirs} partners of competitors are left out")
            kept &= ~theirs
        for condition in where:
            some = fulfils(condition, self.bundle)
            if not (kept & some).any():
                raise UsageError(
                    f"Nobody is left: no candidate fulfils {shown(condition, 100)}. Ask for less "
                    f"there."
                )
            kept &= some
        return kept, notes

    def _frame(self, rows: NDArray[np.int64], shares: Array) -> pd.DataFrame:
        frame = pd.DataFrame({"rank": np.arange(1, len(rows) + 1)})
        frame[schema.INFLUENCER_ID] = self._ids[_INFLUENCER][rows]
        frame["score"] = shares.sum(axis=1)
        for place, part in enumerate(self.parts):
            frame[part] = shares[:, place]
        for name in self.bundle.facts():
            frame[name] = self._sides[_INFLUENCER].known[name].iloc[rows].to_numpy()
            if name == schema.FOLLOWERS:
                frame[name] = frame[name].round().astype("Int64")
        return frame

    def shares(self, brand: Account) -> Array:
        """What each part adds to the score of every influencer: float64 (influencer, part)."""
        if self._scored is not None and self._scored[0] is brand:
            return self._scored[1]
        found = np.empty((len(self._ids[_INFLUENCER]), len(self.parts)))
        for place, part in enumerate(self.parts):
            rows, own = self._sides[_INFLUENCER].vectors[part], brand.vector(part)
            for start in range(0, len(rows), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                found[some, place] = rows[some].astype(np.float64) @ own
        self._scored = brand, found
        return found

    def _partners(self, brand: Account) -> NDArray[np.bool_]:
        pairs, row = self.bundle.partners, self._directory.find(_BRAND, brand.name)
        name = brand.name if row is None else self._ids[_BRAND][row]
        names = pairs.loc[pairs[_BRAND] == name, _INFLUENCER]
        found: NDArray[np.bool_] = self._ids[_INFLUENCER].isin(names)
        rows = [self._directory.find(_INFLUENCER, name) for name in brand.partners]
        found[[row for row in rows if row is not None]] = True
        return found

    # --- likeness

    def similar(self, influencer: str, k: int = 10) -> pd.DataFrame:
        """The influencers most like one, by the cosine of what she is to brands: from -1 to 1.

        Raises:
            UsageError: she is unknown.
        """
        row = self._directory.row(_INFLUENCER, influencer)
        cosines = self._cosines(row, slice(None))
        cosines[row] = -np.inf
        best = _best(cosines, min(k, len(cosines) - 1))
        names = self._ids[_INFLUENCER][best]
        return pd.DataFrame({schema.INFLUENCER_ID: names, "cosine": cosines[best]})

    @cached_property
    def _lengths(self) -> Array:
        """Of the vectors of all perspectives together."""
        vectors = [self._sides[_INFLUENCER].vectors[x] for x in self.fitted.layout.perspectives]
        squares: Any = sum(np.einsum("ij,ij->i", of, of) for of in vectors)
        found: Array = np.maximum(np.sqrt(squares), 1e-12)
        return found

    def _cosines(self, row: int, rows: Any) -> Array:
        vectors = [self._sides[_INFLUENCER].vectors[x] for x in self.fitted.layout.perspectives]
        products: Any = sum(of[rows] @ of[row] for of in vectors)
        found: Array = products / (self._lengths[rows] * self._lengths[row])
        return found

    def _diverse(
        self, rows: NDArray[np.int64], scores: Array, pool: Any, k: int, diversity: float
    ) -> NDArray[np.int64]:
        """The best candidate first, then whoever scores best less her likeness to those above."""
        worth = scores[pool] / (float(np.std(scores[pool])) or 1.0)
        likeness, left = np.zeros(len(pool)), np.ones(len(pool), dtype=bool)
        chosen: list[int] = []
        for _ in range(min(k, len(pool))):
            value = np.where(left, (1 - diversity) * worth - diversity * likeness, -np.inf)
            best = int(value.argmax())
            cosines = self._cosines(int(rows[pool[best]]), rows[pool])
            likeness = np.maximum(likeness, cosines) if chosen else cosines
            left[best] = False
            chosen.append(best)
        return np.asarray(pool[chosen])

    # --- reasons

    def explain(
        self,
        brand: str | Account,
        influencer: str,
        *,
        name_others: bool = False,
        language: str = "en",
    ) -> reasons.Explanation:
        """Why she has her score: named contributions that add up to it; see `contributions`.

        Args:
            brand: an id, a handle, or an account.
            influencer: her id.
            name_others: whether other brands are named; otherwise they are told by category, since
                lists are mailed from one client to another.
            language: `en` or `de`.

        Raises:
            UsageError: one of them is unknown, or the language is.
        """
        if language not in reasons.LANGUAGES:
            known = ", ".join(reasons.LANGUAGES)
            raise UsageError(f"language must be one of {known}. Received: {shown(language)}.")
        account, row = self.account(brand), self._directory.row(_INFLUENCER, influencer)
        partners, candidates = self._partners(account), self.shares(account)
        words = self._words(account, row, partners, name_others=name_others, language=language)
        kept = ~partners
        kept[row] = True
        parts = dict(zip(self.parts, map(float, candidates[row]), strict=True))
        totals = candidates.sum(axis=1)
        ranks = {
            part: _rank((totals - own)[kept], float(totals[row] - own[row]))
            for part, own in zip(self.parts, candidates.T, strict=True)
        }
        found = self._known(_INFLUENCER, row)
        if isinstance(self.fitted, Published):
            named = self.fitted.contributions(account, found, words)
        else:
            ridge = self.bundle.about["brand_ridge"]
            named = reasons.contributions(self.fitted, account, found, words, ridge)
        return reasons.Explanation(
            brand=account.name,
            influencer=found.name,
            score=float(totals[row]),
            parts=parts,
            reasons=reasons.with_rounding(named, parts, words),
            rank=_rank(totals[kept], float(totals[row])),
            n_candidates=int(kept.sum()),
            rank_without=ranks,
            words=words,
        )

    def _words(
        self, brand: Account, row: int, partners: Any, *, name_others: bool, language: str
    ) -> reasons.Words:
        about = self.bundle.about
        pairs, her = self.bundle.partners, self._ids[_INFLUENCER][row]
        hers = pairs[_BRAND][pairs["training"] & (pairs[_INFLUENCER] == her)]
        theirs: list[str] = []
        if brand.name in about["precedents"]:
            rows = np.setdiff1d(np.flatnonzero(partners), [row])
            best = rows[np.argsort(-self._cosines(row, rows), kind="stable")[:2]]
            theirs = [str(self._ids[_INFLUENCER][place]) for place in best]
        return reasons.Words(
            topics=about["topics"],
            vocabulary=about["vocabulary"],
            sensitive=frozenset(about["sensitive"]),
            precedents=about["precedents"],
            category=self._categories,
            named=frozenset(filter(None, about["precedents"])) if name_others else (),
            own=brand.name,
            partners=theirs,
            hers=frozenset(hers) - {brand.name},
            seen=self._seen(brand, row),
            language=language,
        )

    @cached_property
    def _categories(self) -> Mapping[str, Any]:
        """Brand -> its category, where any is known."""
        brands = self._sides[_BRAND].known
        has = CATEGORY in brands
        return dict(zip(brands["account"], brands[CATEGORY], strict=True)) if has else {}

    @cached_property
    def _learnt(self) -> NDArray[np.int64]:
        """Rows of both sides, (2, pair), of the training pairs."""
        pairs = self.bundle.partners[self.bundle.partners["training"]]
        rows = np.array([self._ids[side].get_indexer(pairs[side]) for side in schema.SIDES])
        return rows[:, (rows >= 0).all(axis=0)]

    def _seen(self, brand: Account, row: int) -> dict[int, tuple[str, int]]:
        """Of each attribute of hers, the brand's that most training pairs have it with."""
        if schema.ATTRIBUTES not in self._sides[_BRAND].table:
            return {}
        learnt = self._learnt
        brands, influencers = (self._sides[x].table[schema.ATTRIBUTES][0] for x in schema.SIDES)
        names = self.bundle.about["vocabulary"][schema.ATTRIBUTES]
        untold = np.isin(names, self.bundle.about["sensitive"])
        own = np.flatnonzero((brand.own.table[schema.ATTRIBUTES][0][0] > 0) & ~untold)
        hers = np.flatnonzero(influencers[row])
        if not len(own):
            return {}
        counts = brands[learnt[0]][:, own].T @ influencers[learnt[1]][:, hers]
        told = [str(names[own[place]]).replace("_", " ") for place in counts.argmax(axis=0)]
        most = counts.max(axis=0).astype(int).tolist()
        return dict(zip(hers.tolist(), zip(told, most, strict=True), strict=True))

    # --- accounts

    def account(self, brand: str | Account) -> Account:
        """A brand of the bundle by id or handle; an account as it is.

        Raises:
            UsageError: it is unknown; with the nearest ones.
        """
        if isinstance(brand, Account):
            return brand
        return self._known(_BRAND, self._directory.row(_BRAND, brand))

    def _known(self, side: schema.Side, row: int) -> Account:
        return Account(self._sides[side].take([row]))

    def new_account(
        self, side: schema.Side, name: str, values: Mapping[str, Any], known: Any = None
    ) -> Account:
        """An account that the model has not seen; see `accounts.new_account`."""
        return accounts.new_account(self.bundle, side, name, values, known)

    def brief(self, text: str) -> Account:
        """A brand told in words; see `accounts.brief`."""
        return accounts.brief(self.bundle, text)

    def folder(
        self, place: str | Path, config: Path | None = None
    ) -> tuple[dict[schema.Side, list[Account]], list[str]]:
        """The accounts of a folder of the converter's tables; see `accounts.folder`."""
        return accounts.folder(self.bundle, Path(place), config)

    def add_influencers(self, new: Iterable[Account]) -> None:
        """Let further influencers be candidates, in this process; `export` keeps them.

        Raises:
            UsageError: one is there already, or has vectors that are not finite.
        """
        new, seen = list(new), set[str]()
        for one in new:
            if one.name in seen or self._directory.find(_INFLUENCER, one.name) is not None:
                raise UsageError(f"Influencer {shown(one.name)} is there already: leave her out.")
            if not all(np.isfinite(one.vector(part)).all() for part in self.parts):
                raise UsageError(f"Influencer {shown(one.name)} has vectors that are not finite.")
            seen.add(one.name)
        joined = self._sides[_INFLUENCER].joined([one.own for one in new])
        self._use(self.bundle.with_side(_INFLUENCER, joined))

    def forget(self, name: str) -> None:
        """Take an account out, with all that is kept of it; `export` writes what is left.

        A brand that the model learnt from stays in the model as numbers without a name: train again
        to take it out of those, too.

        Raises:
            UsageError: it is unknown.
        """
        is_brand = self._directory.find(_BRAND, name) is not None
        side = _BRAND if is_brand else _INFLUENCER
        row, pairs = self._directory.row(side, name), self.bundle.partners
        known = str(self._ids[side][row])
        kept = np.flatnonzero(np.arange(len(self._ids[side])) != row)
        left = self.bundle.with_side(side, self._sides[side].take(kept))
        precedents = ["" if name == known else name for name in left.about["precedents"]]
        about = {**left.about, "precedents": precedents}
        self._use(replace(left, partners=pairs[pairs[side] != known], about=about))

    def export(self, folder: str | Path) -> None:
        """Write the bundle as it is now, added and forgotten accounts included.

        Raises:
            UsageError: the folder holds something else.
        """
        save_bundle(self.bundle, Path(folder))


def tie_notes(scores: NDArray[Any], shown: NDArray[Any], k: int) -> list[str]:
    """What is said of a list of k that ends with `shown`, of all candidates' scores."""
    if k > len(scores):
        return [f"there are {len(scores)} candidates, fewer than the {k} asked for"]
    tied, there = (int((some == shown[-1]).sum()) for some in (scores, shown))
    if tied == there:
        return []
    return [
        f"{tied} candidates share the last score, of whom {there} are shown; which ones says "
        f"nothing"
    ]


def _best(scores: Array, n: int) -> NDArray[np.int64]:
    """Places of the n highest scores, equal ones by their order."""
    last = np.partition(scores, -n)[-n] if n < len(scores) else -np.inf
    pool = np.flatnonzero(scores >= last)
    found: NDArray[np.int64] = pool[np.argsort(-scores[pool], kind="stable")[:n]]
    return found


def _rank(scores: Array, own: float) -> int:
    return 1 + int((scores.round(_DECIMALS) > round(own, _DECIMALS)).sum())


def _is_of(run: Path, own: Path, *, confidence: bool) -> bool:
    """Whether a run's bundle is of its present model, and has chances where they are asked for."""
    if not (own / BUNDLE).is_file():
        return False
    if f'"format": {FORMAT},' not in (own / BUNDLE).read_text(encoding="utf-8"):
        return False
    written = (own / BUNDLE).stat().st_mtime_ns
    is_new = all(path.stat().st_mtime_ns <= written for path in run.rglob("best.safetensors"))
    return is_new and bool(not confidence or read_bundle(own).about["confidence"])
