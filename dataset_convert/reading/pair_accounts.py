"""The accounts and collaborations behind rows of pairs."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dataset_convert import schema
from dataset_convert.problems import NAME, OWN, Problems
from dataset_convert.reading.accounts import ONE_ROLE
from dataset_convert.reading.pair_arrays import PairArrays, Place, identify_rows

SAME_BRAND = "the same brand in both rows of a pair: the positive row stays"
MERGED = "every pair once: rows of the same pair were merged"
ONE_PART = "a brand in train or in test: it stays in test, with all its pairs"
ONE_VECTOR = "the same vectors in every row of an account: the most frequent ones stay"

Pair = tuple[str, str]
"""Brand and influencer."""


@dataclass(frozen=True)
class PairAccounts:
    """What the rows say.

    Attributes:
        places: Side -> account -> where its vectors stand.
        pairs: Every collaboration once, in order of its first row.
        parts: Brand -> train or test; empty without test arrays.
    """

    places: Mapping[str, Mapping[str, Place]]
    pairs: Sequence[Pair]
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One side of a row.

    Attributes:
        place: Part and row, counted from 0.
        identity: Equal where the vectors are equal.
        name: The account's, from a list of pairs; "" where there is none.
    """

    place: Place
    identity: bytes
    name: str = ""


def name_accounts(
    rows: Sequence[Row],
    side: str,
    files: Mapping[str, str],
    taken: Collection[str],
    problems: Problems,
) -> tuple[dict[Place, str], dict[str, Place]]:
    """Gives every row its account.

    A row with a name is that account's. One without belongs to the account that has its vectors,
    or to a new one, numbered in order of first appearance: `brand_0001`. Where the rows of a name
    have different vectors, the most frequent ones stay, among equals the first.

    Args:
        rows: In their order.
        side: Brand or influencer.
        files: Part -> the name of an array, for messages.
        taken: Names of the other side, which no number may be.
        problems: Told of vectors that are left out, once an account and vector.

    Returns:
        Place -> account; account -> the place of its vectors.
    """
    places, owners = _named(rows, files, problems)
    account_of: dict[Place, str] = {}
    n_numbered = 0
    for row in rows:
        account = row.name or owners.get(row.identity)
        while account is None:
            n_numbered += 1
            number = f"{side}_{n_numbered:04d}"
            account = None if number in places or number in taken else number
        owners.setdefault(row.identity, account)
        places.setdefault(account, row.place)
        account_of[row.place] = account
    return account_of, places


def _named(
    rows: Sequence[Row], files: Mapping[str, str], problems: Problems
) -> tuple[dict[str, Place], dict[bytes, str]]:
    """Account -> place of its vectors, identity -> account, of the rows with a name."""
    counts: dict[str, Counter[bytes]] = {}
    first: dict[tuple[str, bytes], Place] = {}
    owners: dict[bytes, str] = {}
    for row in rows:
        if row.name:
            counts.setdefault(row.name, Counter())[row.identity] += 1
            first.setdefault((row.name, row.identity), row.place)
            owners.setdefault(row.identity, row.name)
    places = {}
    for name, variants in counts.items():
        kept = max(variants, key=variants.__getitem__)
        places[name] = first[name, kept]
        for identity in (other for other in variants if other != kept):
            part, row_number = first[name, identity]
            problems.skip(
                files[part],
                row=row_number + 1,
                column="",
                value=f"{name}, in {variants[identity]} of {variants.total()} rows",
                wanted=ONE_VECTOR,
            )
    return places, owners


def find_accounts(
    arrays: PairArrays, positive: int, names: Mapping[str, Sequence[Pair]], problems: Problems
) -> PairAccounts:
    """Finds the accounts behind the rows, and the collaborations: the positive rows.

    Brands come from positive rows; influencers from negative rows, too. Equal vectors in train and
    test are one account.

    Args:
        arrays: Rows of pairs.
        positive: Which row of a pair is the positive one, 0 or 1.
        names: Part -> the names of its pairs, in order; a part without has no names.
        problems: Told of rows that are left out.

    Raises:
        ConversionError: Rows that do not alternate; no pair that can be used.
    """
    files = {
        side: {part: next(iter(sides[side].values())).file for part, sides in arrays.arrays.items()}
        for side in schema.SIDES
    }
    rows: dict[str, list[Row]] = {side: [] for side in schema.SIDES}
    for part, sides in arrays.arrays.items():
        for side, of_side in sides.items():
            identities = identify_rows(of_side, f"{part}: {side}s", problems)
            if side == schema.BRAND:
                _check_brands(identities, positive, files[side][part], problems)
            rows[side] += _rows(identities, part, side, positive, names.get(part))
    brand_files, influencer_files = files[schema.BRAND], files[schema.INFLUENCER]
    brands, brand_places = name_accounts(
        rows[schema.BRAND], schema.BRAND, brand_files, (), problems
    )
    kept = _without_brands(rows[schema.INFLUENCER], brand_places, influencer_files, problems)
    influencers, places = name_accounts(
        kept, schema.INFLUENCER, influencer_files, brand_places, problems
    )
    return PairAccounts(
        places={schema.BRAND: brand_places, schema.INFLUENCER: places},
        pairs=_pairs(brands, influencers, ", ".join(influencer_files.values()), problems),
        parts=_parts(brands, brand_files, problems),
    )


def _pairs(
    brands: Mapping[Place, str], influencers: Mapping[Place, str], files: str, problems: Problems
) -> list[Pair]:
    found = [(brand, influencers[place]) for place, brand in brands.items() if place in influencers]
    if not found:
        wanted = "a pair whose brand and influencer both have vectors"
        problems.refuse(files, value="no pair", wanted=wanted)
    pairs = list(dict.fromkeys(found))
    if len(pairs) < len(found):
        repeated = f"{len(found) - len(pairs):,} repeated rows"
        problems.skip(files, row=None, column="", value=repeated, wanted=MERGED, kind=OWN)
    return pairs


def _rows(
    identities: Sequence[bytes], part: str, side: str, positive: int, names: Sequence[Pair] | None
) -> list[Row]:
    """Rows that are an account's; of brands the positive ones alone."""
    column = 0 if side == schema.BRAND else 1
    found = []
    for number, identity in enumerate(identities):
        is_positive = number % 2 == positive
        if identity and (is_positive or side == schema.INFLUENCER):
            name = names[number // 2][column] if names and is_positive else ""
            found.append(Row((part, number), identity, name))
    return found


def _check_brands(
    identities: Sequence[bytes], positive: int, file: str, problems: Problems
) -> None:
    differing = [
        row
        for row in range(1 - positive, len(identities), 2)
        if identities[row] and identities[row ^ 1] and identities[row] != identities[row ^ 1]
    ]
    if 4 * len(differing) > len(identities):
        value = f"{len(differing)} of {len(identities) // 2} pairs with two brands"
        wanted = "a positive and a negative row of the same brand in turn"
        problems.refuse(file, value=value, wanted=wanted)
    for row in differing:
        problems.skip(
            file, row=row + 1, column="", value="another one", wanted=SAME_BRAND, kind=OWN
        )


def _without_brands(
    rows: Sequence[Row], brands: Mapping[str, Place], files: Mapping[str, str], problems: Problems
) -> list[Row]:
    for row in rows:
        if row.name in brands:
            part, number = row.place
            problems.skip(
                files[part],
                row=number + 1,
                column="",
                value=row.name,
                wanted=ONE_ROLE,
                kind=NAME,
            )
    return [row for row in rows if row.name not in brands]


def _parts(
    brands: Mapping[Place, str], files: Mapping[str, str], problems: Problems
) -> dict[str, str]:
    if schema.TEST not in files:
        return {}
    parts: dict[str, str] = {}
    first: dict[str, int] = {}
    for (part, row), brand in brands.items():
        first.setdefault(brand, row)
        if parts.setdefault(brand, part) != part:
            parts[brand] = schema.TEST
            file = files[schema.TRAIN]
            place = first[brand] + 1
            problems.skip(file, row=place, column="", value=brand, wanted=ONE_PART, kind=NAME)
    return parts
