"""Accounts as a model reads them: by name, new ones, briefs in words, folders of tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from dataset_convert.common.errors import UsageError, nearest, shown
from recbole_mirec.nn.fitted import CATEGORY, PRECEDENT, Array, Fitted, Static, gaussian
from recbole_mirec.recommend.bundle import Accounts, Bundle, check_files

if TYPE_CHECKING:
    from dataset_convert.raw import RawMaterial

MOST_TEXT = 2_000
"""Characters of a brief that are read."""
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|[\r\n]+")
# Share of training brands that are further from all others than a new one must be to be warned of.
_FAR = 0.01


class NothingKnownError(UsageError):
    """Nothing is known of an account that the model reads."""


@dataclass(frozen=True, eq=False)
class Account:
    """An account, encoded.

    Attributes:
        own: one row: what is known of it, its vectors, what they were made of.
        notes: what must be said of it.
        partners: of a new brand, the influencers that it is known to have worked with.
        sentences: of a brief, its sentences and their vectors, of which its text's is the mean.
    """

    own: Accounts
    notes: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()
    sentences: tuple[tuple[str, Array], ...] = ()

    @property
    def name(self) -> str:
        """Its id, or what a new one is called."""
        return str(self.own.known["account"].iloc[0])

    def vector(self, part: str) -> Array:
        """Its vector of a part."""
        found: Array = self.own.vectors[part][0].astype(np.float64)
        return found


class Directory:
    """Which account of a bundle a name means.

    Args:
        bundle: has the accounts.
        key_file: of the pseudonyms, where ids are some; None: the user's own.
    """

    def __init__(self, bundle: Bundle, key_file: Path | None):
        self.ids = {side: pd.Index(of.known["account"]) for side, of in bundle.sides.items()}
        self._read: dict[schema.Side, dict[str | None, list[int]]] = {}
        self._about, self._outside, self._key_file = bundle.about, bundle.model.parent, key_file

    def row(self, side: schema.Side, name: str) -> int:
        """The row of an account by id, by handle, or by the name behind its pseudonym.

        Raises:
            UsageError: it is unknown; with the nearest ones.
        """
        row = self.find(side, name)
        if row is not None:
            return row
        hidden = (
            " Its ids are pseudonyms, and the key that made them is not here: name its file "
            "(--key), or ask by pseudonym; the conversion's --ids lists whose they are."
            if self._about["pseudonyms"]
            else ""
        )
        near, place = nearest(name, map(str, self.ids[side])), self._about["dataset"]
        raise UsageError(f"Unknown {side} {shown(name)} in data set {place}.{near}{hidden}")

    def find(self, side: schema.Side, name: str) -> int | None:
        """The same; None where it is unknown."""
        ids, same = self.ids[side], _handle(name)
        if name in ids:
            return int(ids.get_loc(name))
        rows = self._handles(side).get(same, [])
        if same is None or len(rows) == 1:
            return rows[0] if same and rows else None
        hidden = self._pseudonym(side, same)
        return int(ids.get_loc(hidden)) if hidden in ids else None

    def _handles(self, side: schema.Side) -> dict[str | None, list[int]]:
        if side not in self._read:
            found = self._read[side] = {}
            for row, name in enumerate(self.ids[side]):
                found.setdefault(_handle(str(name)), []).append(row)
        return self._read[side]

    def _pseudonym(self, side: schema.Side, name: str) -> str | None:
        """What an account is called in this data set, where the key that says so is at hand."""
        from dataset_convert.privacy import DEFAULT_KEY_FILE, Pseudonyms, read_key

        wanted, path = self._about["pseudonyms"], self._key_file or DEFAULT_KEY_FILE
        if not wanted or not path.expanduser().is_file():
            return None
        key = Pseudonyms(read_key(path, outside=self._outside, tell=None))
        return key.of(side, name) if key.settings() == wanted else None


def _handle(name: str) -> str | None:
    """What all spellings of an account have in common; None of what names no account."""
    from dataset_convert.handles import handle
    from dataset_convert.values import BadValue

    try:
        return handle(name)
    except BadValue:
        return None


def new_account(
    bundle: Bundle,
    side: schema.Side,
    name: str,
    values: Mapping[str, Any],
    known: Mapping[str, Any] | None = None,
) -> Account:
    """An account that the model has not seen, from what extractors say of it.

    Args:
        bundle: the model.
        side: brand or influencer.
        name: what it is called.
        values: modality -> topics or sentence vectors (dimension), labels -> weights, or a list of
            attributes; what is left out or None is missing.
        known: a brand's `category`, `followers`, facts.

    Raises:
        UsageError: nothing that the model reads is known of it, or a vector is no such vector.
    """
    fitted, table, known = bundle.fitted, {}, known or {}
    for modality, (rows, _) in bundle.sides[side].table.items():
        value = values.get(modality)
        if modality == CATEGORY:
            value = [known[CATEGORY]] if known.get(CATEGORY) else None
        names = bundle.about["vocabulary"].get(modality)
        row, is_known = _row(modality, value, rows.shape[1], names)
        least = 0.0 if modality in fitted.layout.rooted else -np.inf
        if not (np.isfinite(row) & (row >= least)).all():
            kind = "shares or weights of at least 0" if least == 0 else "finite numbers"
            raise UsageError(f"{modality} must be {kind}. Received: {row.min()} to {row.max()}.")
        table[modality] = row, np.array([is_known])
    static = fitted.static(side, table)
    told = {"account": name, "side": side, **known}
    told = {key: _whole(value) for key, value in told.items()}
    account = Account(Accounts(pd.DataFrame([told]), fitted.vectors(side, static), table))
    refuse_unknown(fitted, side, account)
    lacking = [x for x in fitted.layout.modalities(side) if not static.inputs[x][1].any()]
    if CATEGORY in table and not table[CATEGORY][1].any():
        lacking.append(CATEGORY)
    notes = [f"not known of {name}: {', '.join(lacking)}"] if lacking else []
    if side == schema.BRAND and _is_far(fitted, static):
        notes.append(
            f"{name} is far from every brand that the model has learnt from: take its list as a "
            f"guess"
        )
    return replace(account, notes=tuple(notes))


def refuse_unknown(fitted: Fitted, side: schema.Side, account: Account) -> None:
    """See that something is known of an account.

    Raises:
        NothingKnownError: nothing is.
    """
    if not any(account.vector(part).any() for part in fitted.layout.perspectives):
        read = ", ".join(fitted.layout.modalities(side))
        raise NothingKnownError(
            f"Nothing is known of {shown(account.name)} that the model reads ({read}), so there is "
            f"no list for it. Say more of it, in words that the data set's posts use."
        )


def _whole(value: Any) -> Any:
    """A text without halves of characters, as broken input has them."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _row(
    modality: str, value: Any, width: int, names: list[str] | None
) -> tuple[NDArray[np.float32], bool]:
    """A value as the model's row (1, width), and whether it says anything."""
    row = np.zeros((1, width), np.float32)
    if value is None:
        return row, False
    if names is not None and not isinstance(value, np.ndarray):
        weights = value if isinstance(value, Mapping) else dict.fromkeys(value, 1.0)
        row[0] = [weights.get(word, 0.0) for word in names]
    else:
        vector = np.asarray(value)
        if vector.shape != (width,) or vector.dtype.kind not in "fiu":
            found = f"{vector.dtype} of shape {vector.shape}"
            raise UsageError(f"{modality} must be {width} numbers. Received: {found}.")
        with np.errstate(over="ignore"):
            row[0] = vector
    return row, names is None or bool(row.any())


def _is_far(fitted: Fitted, static: Static) -> bool:
    """Whether a brand is further from all training brands than nearly all of them."""
    if PRECEDENT not in fitted.layout.parts:
        return False
    nearness = _nearness(fitted)
    return len(nearness) > 0 and bool(static.precedent.max() < np.quantile(nearness, _FAR))


@lru_cache(maxsize=1)
def _nearness(fitted: Fitted) -> Array:
    """Of each training brand, its kernel to the nearest other one."""
    marks = fitted.arrays["landmarks brand"]
    near = gaussian(marks, marks, float(fitted.arrays["width brand"]))
    np.fill_diagonal(near, 0.0)
    return near.max(axis=1) if len(near) > 1 else np.zeros(0)


def brief(bundle: Bundle, text: str) -> Account:
    """A brand told in words, such as what it sells, to whom and where.

    Raises:
        UsageError: the data set has no extractors, or they find nothing in it.
    """
    from dataset_convert import raw

    text, name = str(_whole(text)).strip(), "brief"
    cut = text[:MOST_TEXT]
    said = [x for x in map(str.strip, _SENTENCE.split(cut)) if x]
    # the brief, whose posts its sentences are, and beside it each sentence as an account
    names = [name, *(f"{name} {place}" for place in range(1, len(said) + 1))]
    accounts = pd.DataFrame(
        [[x, schema.BRAND, x, cut if x == name else None, None, np.nan] for x in names]
    )
    accounts.columns = pd.Index(raw.ACCOUNT_COLUMNS)
    pairs = pd.DataFrame(columns=[*schema.ACCOUNT_ID.values()])
    posts = [
        raw.Post(x, one) for one, own in zip(said, names[1:], strict=True) for x in (name, own)
    ]
    found, refusals = described(bundle, raw.RawMaterial(accounts, pairs, posts=lambda: iter(posts)))
    made = {account.name: account for account in found[schema.BRAND]}
    if name not in made:
        raise NothingKnownError(refusals[0])
    texts = {x: account.own.table.get(schema.CONTENT_TEXT) for x, account in made.items()}
    rows = {x: both[0][0].astype(np.float64) for x, both in texts.items() if both and both[1][0]}
    parts = [(one, rows[x]) for one, x in zip(said, names[1:], strict=True) if x in rows]
    account = made[name]
    if parts and np.allclose(np.mean([row for _, row in parts], axis=0), rows[name], atol=1e-5):
        account = replace(account, sentences=tuple(parts))
    if cut == text:
        return account
    told = f"only the first {MOST_TEXT:,} characters of the brief were read"
    return replace(account, notes=(*account.notes, told))


def folder(
    bundle: Bundle, place: Path, config: Path | None = None
) -> tuple[dict[schema.Side, list[Account]], list[str]]:
    """The accounts of a folder of the converter's tables, and what must be said of it all.

    Args:
        bundle: the model.
        place: has brands, influencers or both, their posts and whatever else is known of them.
        config: the conversion's, whose `source` says how the tables are read; None: by their
            names.

    Raises:
        UsageError: a table cannot be read, or the data set has no extractors.
    """
    from dataset_convert.problems import Problems
    from dataset_convert.settings import read_settings
    from dataset_convert.sources.tables import read

    problems = Problems()
    material = read(place, read_settings(config).source, problems, accounts_only=True)
    problems.check_losses()
    found, refusals = described(bundle, material)
    return found, [*problems.summary(), *refusals]


@lru_cache(maxsize=1)
def _extractors(bundle: Bundle) -> Path:
    if bundle.extractors is None:
        raise UsageError(
            "This bundle's data set has no extractors, so texts and posts cannot be described: its "
            "features were given as vectors."
        )
    check_files(bundle.extractors.parent, bundle.about, extractors=True)
    return bundle.extractors


def described(
    bundle: Bundle, material: "RawMaterial"
) -> tuple[dict[schema.Side, list[Account]], list[str]]:
    """The accounts of raw material, described by the data set's own extractors.

    Args:
        bundle: the model and the extractors.
        material: what a source has read; its collaborations are partners to leave out.

    Returns:
        side -> accounts, without those of which nothing is known; and a sentence for each of these.

    Raises:
        UsageError: the bundle has no extractors, or they are not those that were written.
    """
    from dataset_convert import raw
    from dataset_convert.extraction import describe
    from dataset_convert.privacy import scrub

    texts = [scrub(x) if isinstance(x, str) else x for x in material.accounts[raw.BIOGRAPHY]]
    material = replace(material, accounts=material.accounts.assign(**{raw.BIOGRAPHY: texts}))
    values = describe(_extractors(bundle), material)
    worked = material.collaborations.groupby(schema.BRAND_ID)[schema.INFLUENCER_ID].agg(tuple)
    found: dict[schema.Side, list[Account]] = {side: [] for side in schema.SIDES}
    refusals: list[str] = []
    for row in material.accounts.to_dict("records"):
        name, side = row[raw.ACCOUNT], row[raw.ROLE]
        own = {modality: of.get(name) for modality, of in values.items()}
        known = {schema.FOLLOWERS: row[raw.FOLLOWERS]}
        if side == schema.BRAND:
            known[CATEGORY] = row[raw.CATEGORY]
        if side in material.facts:
            facts = material.facts[side].set_index(raw.ACCOUNT)
            known |= facts.loc[name].to_dict() if name in facts.index else {}
        try:
            account = new_account(bundle, side, name, own, known)
        except NothingKnownError as error:
            refusals.append(str(error))
            continue
        found[side].append(replace(account, partners=tuple(worked.get(name, ()))))
    return found, refusals
