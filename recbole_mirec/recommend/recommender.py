"""`Recommender`: a fitted model in use, for known brands, new ones and briefs in words."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest
from dataset_convert.handles import handle as same_handle
from recbole_mirec.nn.fitted import CATEGORY, PRECEDENT, Array, Static, Table
from recbole_mirec.recommend import reasons
from recbole_mirec.recommend.bundle import BUNDLE, Bundle, read_bundle, save_bundle, write_bundle
from recbole_mirec.recommend.confidence import chances

# Characters of a brief that are read.
MOST_TEXT = 2_000
# Share of training brands that are further from all others than a new one must be to be warned of.
_FAR = 0.01
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*")


@dataclass(frozen=True, eq=False)
class Account:
    """An account, encoded.

    Attributes:
        name: its id, or what a new one is called.
        table: modality -> rows and mask, of one row.
        vectors: part -> (1, dimension).
        notes: what must be said of it.
    """

    name: str
    table: Table
    vectors: Mapping[str, NDArray[Any]]
    notes: tuple[str, ...] = ()


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

    Made by `load`. Brands are told by id, by handle, as an `Account` that `account`, `brief` or
    `described` has made. A score is the sum of its parts, exactly, and compares within one brand.
    """

    def __init__(self, bundle: Bundle):
        self.bundle, self.fitted = bundle, bundle.fitted
        self.parts = self.fitted.layout.parts
        self._influencers = dict(bundle.vectors[schema.INFLUENCER])
        self._tables = dict(bundle.features[schema.INFLUENCER])
        self._facts = bundle.accounts[schema.INFLUENCER]

    @classmethod
    def load(cls, place: str | Path, *, confidence: bool = False) -> "Recommender":
        """Of a bundle, or of a finished run, whose bundle is written at the first use.

        With `confidence` a run's bundle tells chances, for which five models are trained.

        Raises:
            UsageError: it is neither, or cannot be used.
        """
        folder = Path(place)
        if (folder / BUNDLE).is_file():
            return cls(read_bundle(folder))
        own = folder / "bundle"
        is_run = (folder / "run.json").is_file()
        there = read_bundle(own).about["confidence"] if (own / BUNDLE).is_file() else None
        if is_run and (there is None or (confidence and not there)):
            from recbole_mirec.experiment import open_run
            from recbole_mirec.runs import read_run

            run = read_run(folder)
            made = open_run(run.record["settings"], run.folder)
            write_bundle(made, own, confidence=confidence)
        return cls(read_bundle(own if is_run else folder))

    @property
    def influencers(self) -> list[str]:
        """Their ids, in the order of the vectors."""
        return [str(name) for name in self._facts["account"]]

    @property
    def brands(self) -> list[str]:
        """The data set's, by id."""
        return [str(name) for name in self.bundle.accounts[schema.BRAND]["account"]]

    def recommend(
        self,
        brand: "str | Account",
        k: int = 10,
        *,
        where: Iterable[str] = (),
        include: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        diversity: float = 0.0,
        with_partners: bool = False,
    ) -> Recommendation:
        """The best influencers for a brand.

        Args:
            brand: an id, a handle, or an account.
            k: how many, at least 1.
            where: conditions on facts, such as `followers>=5000` or `country=DE,AT`; what is not
                known fulfils none.
            include: the only candidates; None: all.
            exclude: influencers to leave out.
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
        account = self.account(schema.BRAND, brand) if isinstance(brand, str) else brand
        notes = [*account.notes]
        partners = np.isin(self.influencers, self._partners_of(account.name))
        kept = self._kept(where, include, exclude)
        if not with_partners and (left_out := int((kept & partners).sum())):
            kept &= ~partners
            notes.append(f"{left_out} known partners of the brand are left out")
        rows = np.flatnonzero(kept)
        if not len(rows):
            raise UsageError("Nobody is left to rank after what was left out.")
        shares = self.shares(account, rows)
        scores = shares.sum(axis=1)
        # equal scores by the order of the bundle
        order = np.argsort(-scores, kind="stable")
        chosen = order[:k]
        if diversity:
            chosen = self._diverse(rows, scores, order, k, diversity)
            lost = scores[order[:k]].mean() - scores[chosen].mean()
            notes.append(f"diversity costs {lost:.3f} of the mean score")
        elif k > len(rows):
            notes.append(f"there are {len(rows)} candidates, fewer than the {k} asked for")
        elif (tied := int((scores == scores[order[k - 1]]).sum())) > (
            shown := int((scores[chosen] == scores[order[k - 1]]).sum())
        ):
            notes.append(f"{tied} candidates share the last score, of whom {shown} are shown")
        frame = self._frame(rows[chosen], shares[chosen])
        n_brands = self.bundle.about["confidence"].get("n_brands")
        if n_brands is not None and "chance" not in frame:
            notes.append(f"no chances are told: {n_brands} brands are too few to calibrate on")
        if with_partners:
            frame["partner"] = partners[rows[chosen]]
        return Recommendation(account, frame, len(rows), tuple(notes))

    def _kept(
        self, where: Iterable[str], include: Iterable[str] | None, exclude: Iterable[str]
    ) -> NDArray[np.bool_]:
        names = np.array(self.influencers)
        kept = ~np.isin(names, self._known(exclude))
        if include is not None:
            kept &= np.isin(names, self._known(include))
        for condition in where:
            fulfils = self._fulfils(condition)
            if not (kept & fulfils).any():
                raise UsageError(f"Nobody is left: no candidate fulfils {condition}.")
            kept &= fulfils
        return kept

    def _frame(self, rows: NDArray[np.int64], shares: Array) -> pd.DataFrame:
        frame = pd.DataFrame({"rank": np.arange(1, len(rows) + 1)})
        frame[schema.INFLUENCER_ID] = np.array(self.influencers)[rows]
        frame["score"] = shares.sum(axis=1)
        chance = chances(self.bundle.about["confidence"], shares.sum(axis=1))
        if chance is not None:
            frame["chance"] = chance
        for place, part in enumerate(self.parts):
            frame[part] = shares[:, place]
        for name in self._fact_names():
            frame[name] = self._facts[name].to_numpy()[rows]
        return frame

    def _fact_names(self) -> list[str]:
        known = self._facts.drop(columns=["account", "side", CATEGORY], errors="ignore")
        return [str(name) for name in known.dropna(axis=1, how="all")]

    def shares(self, brand: Account, rows: NDArray[np.int64]) -> Array:
        """What each part adds to the score of some influencers: float64 (influencer, part)."""
        found = [
            self._influencers[part][rows].astype(np.float64)
            @ brand.vectors[part][0].astype(np.float64)
            for part in self.parts
        ]
        return np.stack(found, axis=1)

    def similar(self, influencer: str, k: int = 10) -> pd.DataFrame:
        """The influencers most like one, by the cosine of what she is to brands: from -1 to 1.

        Raises:
            UsageError: she is unknown.
        """
        row = self._row(schema.INFLUENCER, influencer)
        vectors = self._unit
        cosines = vectors @ vectors[row]
        cosines[row] = -np.inf
        best = np.argsort(-cosines, kind="stable")[: min(k, len(cosines) - 1)]
        names = np.array(self.influencers)[best]
        return pd.DataFrame({schema.INFLUENCER_ID: names, "cosine": cosines[best]})

    def explain(
        self, brand: "str | Account", influencer: str, *, name_others: bool = False
    ) -> "reasons.Explanation":
        """Why she has her score: named contributions that add up to it; see `reasons.explain`.

        Args:
            brand: an id, a handle, or an account.
            influencer: her id.
            name_others: whether other brands are named; otherwise they are told by category, since
                lists are mailed from one client to another.
        """
        account = self.account(schema.BRAND, brand) if isinstance(brand, str) else brand
        row = self._row(schema.INFLUENCER, influencer)
        table = {name: (of[[row]], mask[[row]]) for name, (of, mask) in self._tables.items()}
        shares = self.shares(account, np.array([row]))[0]
        other = {part: self._influencers[part][[row]] for part in self.parts}
        found = Account(influencer, table, other)
        words = self._words(name_others=name_others, own=account.name)
        return reasons.explain(self.fitted, account, found, shares, words)

    def account(self, side: schema.Side, name: str) -> Account:
        """An account of the bundle by id or handle.

        Raises:
            UsageError: it is unknown; with the nearest ones.
        """
        row = self._row(side, name)
        features, vectors = self.bundle.features[side], self.bundle.vectors[side]
        if side == schema.INFLUENCER:
            features, vectors = self._tables, self._influencers
        table = {key: (of[[row]], mask[[row]]) for key, (of, mask) in features.items()}
        found = str(self._accounts(side)["account"].iloc[row])
        return Account(found, table, {part: vectors[part][[row]] for part in self.parts})

    def new_account(
        self, side: schema.Side, name: str, values: Mapping[str, Any], category: str | None = None
    ) -> Account:
        """An account that the model has not seen, from what extractors say of it.

        Args:
            side: brand or influencer.
            name: what it is called.
            values: modality -> topics or sentence vectors (dimension), labels -> weights, or a list
                of attributes; what is left out or None is missing.
            category: a brand's own.

        Raises:
            UsageError: nothing that the model reads is known of it.
        """
        table, missing = self._table_of(side, values, category)
        if not any(mask.any() for key, (_, mask) in table.items() if key != CATEGORY):
            raise UsageError(
                f"Nothing is known of '{name}' that the model reads "
                f"({', '.join(self.fitted.layout.modalities(side))}), so there is no list for it."
            )
        static = self.fitted.static(side, table)
        notes = [f"not known of {name}: {', '.join(missing)}"] if missing else []
        if side == schema.BRAND and self._is_far(static):
            notes.append(
                f"{name} is far from every brand that the model has learnt from: take its list as "
                f"a guess"
            )
        return Account(name, table, self.fitted.vectors(side, static), tuple(notes))

    def brief(self, text: str) -> Account:
        """A brand told in words, such as what it sells, to whom and where.

        Raises:
            UsageError: the data set has no extractors, or they find nothing in it.
        """
        from dataset_convert.raw import ACCOUNT_COLUMNS, Post, RawMaterial

        cut = text.strip()[:MOST_TEXT]
        name, empty = "brief", pd.DataFrame(columns=["brand_id", "influencer_id"])
        row = [name, schema.BRAND, name, cut, None, np.nan]
        material = RawMaterial(
            accounts=pd.DataFrame([row], columns=list(ACCOUNT_COLUMNS)),
            collaborations=empty,
            posts=lambda: iter([Post(name, cut)]),
            audience_posts=lambda: iter(()),
            brand_parts={},
            influencer_category_is_profile=False,
            vectors={},
            fingerprints={},
            synthetic=False,
        )
        account = self.described(material)[name]
        if len(text.strip()) <= MOST_TEXT:
            return account
        said = f"only the first {MOST_TEXT:,} characters of the brief were read"
        return Account(name, account.table, account.vectors, (*account.notes, said))

    def described(self, material: Any) -> dict[str, Account]:
        """The accounts of raw material, described by the data set's own extractors; see `raw`.

        Raises:
            UsageError: the bundle has no extractors, or nothing is known of an account.
        """
        from dataset_convert.extraction import describe

        if self.bundle.extractors is None:
            raise UsageError(
                "This bundle's data set has no extractors, so texts and posts cannot be described: "
                "its features were given as vectors."
            )
        values = describe(self.bundle.extractors, material)
        found = {}
        for account in material.accounts.itertuples(index=False):
            own = {modality: of.get(account.account_id) for modality, of in values.items()}
            side = schema.BRAND if account.role == schema.BRAND else schema.INFLUENCER
            found[account.account_id] = self.new_account(
                side, account.account_id, own, account.category
            )
        return found

    def add_influencers(self, accounts: Iterable[Account]) -> None:
        """Let further influencers be candidates, in this process; `export` keeps them.

        Raises:
            UsageError: one is there already.
        """
        for account in accounts:
            if account.name in set(self.influencers):
                raise UsageError(f"Influencer '{account.name}' is there already.")
            for part in self.parts:
                both = self._influencers[part], account.vectors[part].astype(np.float32)
                self._influencers[part] = np.concatenate(both)
            for name, (rows, mask) in self._tables.items():
                own = account.table[name]
                joined = np.concatenate([rows, own[0].astype(rows.dtype)])
                self._tables[name] = joined, np.concatenate([mask, own[1]])
            row = pd.DataFrame([{"account": account.name, "side": schema.INFLUENCER}])
            self._facts = pd.concat([self._facts, row], ignore_index=True)
        self.__dict__.pop("_unit", None)

    def forget(self, name: str) -> None:
        """Take an account out, with all that is kept of it; `export` writes what is left.

        A brand that the model learnt from stays in the model as numbers without a name: train again
        to take it out of those, too.

        Raises:
            UsageError: it is unknown.
        """
        side = next((x for x in schema.SIDES if name in set(self._accounts(x)["account"])), None)
        row = self._row(side or schema.INFLUENCER, name)
        kept = np.arange(len(self._accounts(side or schema.INFLUENCER))) != row
        bundle = self.bundle
        partners = bundle.partners
        partners = partners[(partners[list(schema.SIDES)] != name).all(axis=1)]
        about = dict(bundle.about)
        if side == schema.BRAND:
            precedents = ["" if known == name else known for known in about["precedents"]]
            about["precedents"] = precedents
            vectors = {part: rows[kept] for part, rows in bundle.vectors[side].items()}
            table = {
                k: (rows[kept], mask[kept]) for k, (rows, mask) in bundle.features[side].items()
            }
            bundle = replace(
                bundle,
                vectors={**bundle.vectors, side: vectors},
                features={**bundle.features, side: table},
                accounts={**bundle.accounts, side: bundle.accounts[side][kept]},
            )
        else:
            self._influencers = {part: rows[kept] for part, rows in self._influencers.items()}
            self._tables = {k: (rows[kept], mask[kept]) for k, (rows, mask) in self._tables.items()}
            self._facts = self._facts[kept].reset_index(drop=True)
            self.__dict__.pop("_unit", None)
        self.bundle = replace(bundle, partners=partners, about=about)

    def export(self, folder: str | Path) -> None:
        """Write the bundle as it is now, added and forgotten accounts included.

        Raises:
            UsageError: the folder holds something else.
        """
        bundle, side = self.bundle, schema.INFLUENCER
        now = replace(
            bundle,
            vectors={**bundle.vectors, side: self._influencers},
            features={**bundle.features, side: self._tables},
            accounts={**bundle.accounts, side: self._facts},
        )
        save_bundle(now, Path(folder))

    def _table_of(
        self, side: schema.Side, values: Mapping[str, Any], category: str | None
    ) -> tuple[dict[str, Any], list[str]]:
        table: dict[str, Any] = {}
        missing = []
        for name, (rows, _) in self.bundle.features[side].items():
            width = rows.shape[1]
            own, value = np.zeros((1, width), np.float32), values.get(name)
            names = self.bundle.about["vocabulary"].get(name)
            if name == CATEGORY:
                value = [category] if category in names else None
            if names is not None and value is not None and not isinstance(value, np.ndarray):
                weights = value if isinstance(value, Mapping) else dict.fromkeys(value, 1.0)
                for place, word in enumerate(names):
                    own[0, place] = weights.get(word, 0.0)
                known = bool(own.any())
            elif value is not None:
                vector = np.asarray(value, np.float32)
                if vector.shape != (width,) or not np.isfinite(vector).all():
                    raise UsageError(
                        f"Modality {name} must be {width} finite numbers. Received: "
                        f"{vector.shape[-1] if vector.ndim else 1}, finite: "
                        f"{bool(np.isfinite(vector).all())}."
                    )
                own[0], known = vector, True
            else:
                known = False
            table[name] = own, np.array([known])
            if not known:
                missing.append(name)
        return table, missing

    def _is_far(self, static: Static) -> bool:
        """Whether a brand is further from all training brands than nearly all of them."""
        if PRECEDENT not in self.parts:
            return False
        nearness = self._nearness
        return len(nearness) > 0 and bool(static.precedent.max() < np.quantile(nearness, _FAR))

    @cached_property
    def _nearness(self) -> Array:
        """Of each training brand, its kernel to the nearest other one."""
        from recbole_mirec.nn.fitted import gaussian

        marks = self.fitted.arrays["landmarks brand"]
        near = gaussian(marks, marks, float(self.fitted.arrays["width brand"]))
        np.fill_diagonal(near, 0.0)
        return near.max(axis=1) if len(near) > 1 else np.zeros(0)

    @cached_property
    def _unit(self) -> NDArray[np.float32]:
        rows = np.hstack([self._influencers[part] for part in self.fitted.layout.perspectives])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        found: NDArray[np.float32] = rows / np.maximum(lengths, 1e-12)
        return found

    def _diverse(
        self, rows: NDArray[np.int64], scores: Array, order: Any, k: int, diversity: float
    ) -> NDArray[np.int64]:
        """The best candidate first, then whoever scores best less her likeness to those above."""
        pool = order[: max(10 * k, 100)]
        unit, spread = self._unit[rows[pool]], float(np.std(scores[pool])) or 1.0
        likeness, worth = np.full(len(pool), -1.0), scores[pool] / spread
        chosen: list[int] = []
        for _ in range(min(k, len(pool))):
            value = (1 - diversity) * worth - diversity * np.maximum(likeness, -1.0) * bool(chosen)
            value[chosen] = -np.inf
            chosen.append(int(value.argmax()))
            likeness = np.maximum(likeness, unit @ unit[chosen[-1]])
        return np.asarray(pool[chosen])

    def _partners_of(self, brand: str) -> list[str]:
        partners = self.bundle.partners
        return [str(x) for x in partners.loc[partners[schema.BRAND] == brand, schema.INFLUENCER]]

    def _fulfils(self, condition: str) -> NDArray[np.bool_]:
        found = _CONDITION.fullmatch(condition)
        known = self._fact_names()
        if not found or found[1] not in known:
            told = f"The bundle knows {', '.join(known)}" if known else "The bundle knows no facts"
            raise UsageError(
                f"Condition '{condition[:100]}' must read like followers>=5000 or country=DE,AT. "
                f"{told}."
            )
        name, sign, wanted = found.groups()
        column = self._facts[name]
        if sign in ("=", "!="):
            words = [word.strip().casefold() for word in wanted.split(",")]
            there = column.map(lambda value: _word(value) in words).to_numpy(dtype=bool)
            return there if sign == "=" else ~there & column.notna().to_numpy()
        try:
            bound = float(wanted)
        except ValueError:
            raise UsageError(
                f"Condition '{condition[:100]}' needs a number behind {sign}."
            ) from None
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        compare: dict[str, Callable[..., Any]] = {
            "<": np.less,
            ">": np.greater,
            "<=": np.less_equal,
            ">=": np.greater_equal,
        }
        held: NDArray[np.bool_] = compare[sign](numbers, bound)
        return held

    def _known(self, names: Iterable[str]) -> list[str]:
        return [self.influencers[self._row(schema.INFLUENCER, name)] for name in names]

    def _accounts(self, side: schema.Side) -> pd.DataFrame:
        return self._facts if side == schema.INFLUENCER else self.bundle.accounts[side]

    def _row(self, side: schema.Side, name: str) -> int:
        names = [str(x) for x in self._accounts(side)["account"]]
        if name in names:
            return names.index(name)
        handle = same_handle(name)
        alike = [row for row, known in enumerate(names) if same_handle(known) == handle]
        if len(alike) == 1:
            return alike[0]
        hidden = (
            " Its ids are pseudonyms: the conversion's --ids lists whose they are."
            if self.bundle.about["pseudonyms"]
            else ""
        )
        raise UsageError(f"Unknown {side} '{name[:100]}'.{nearest(name, names)}{hidden}")

    def _words(self, *, name_others: bool, own: str) -> "reasons.Words":
        about, brands = self.bundle.about, self.bundle.accounts[schema.BRAND]
        category: Any = brands.set_index("account")[CATEGORY] if CATEGORY in brands else {}
        others = []
        for brand in about["precedents"]:
            kind = category.get(brand)
            kind = f"a brand of category {kind}" if isinstance(kind, str) and kind else "a brand"
            others.append(brand if name_others or brand == own else kind)
        return reasons.Words(about["topics"], about["vocabulary"], tuple(others))


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).casefold()
