"""One conversion: a source's raw material in, features fitted and applied, a data set out.

What of an earlier conversion still holds is taken from it, as fingerprints of everything that it
came from tell.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from dataset_convert import privacy, raw, schema
from dataset_convert.atomic import (
    AtomicData,
    AtomicFileError,
    check_target,
    is_untouched,
    read_atomic,
    write_atomic,
)
from dataset_convert.common.commands import track
from dataset_convert.common.files import sha256_of, write_whole
from dataset_convert.common.words import counted
from dataset_convert.extraction import (
    KINDS,
    Features,
    extract,
    extractor_name,
    stream_of,
    wanted_extractors,
)
from dataset_convert.features.base import AUDIENCE, CONTENT, Extractor
from dataset_convert.features.hidden_names import SavedNames, names_of
from dataset_convert.features.ray_engine import engine_of
from dataset_convert.findings import name_warnings
from dataset_convert.name_checks import AccountNames, assert_no_names
from dataset_convert.problems import Concealment, ConversionError, Problems
from dataset_convert.raw import Post, RawMaterial
from dataset_convert.report import REPORT_FILE, WARNINGS, data_report
from dataset_convert.settings import ConversionSettings
from dataset_convert.splits import known_brand_split, new_brand_split

Tell = Callable[[str], None]
Tables = dict[schema.Side, pd.DataFrame]
Splits = dict[str, dict[str, pd.DataFrame]]

PROBLEMS_FILE: Final = "problems.csv"
_WHO_WORKS: Final = ("n_jobs", "engine", "ray_address")
_LIBRARIES: Final = (
    *("numpy", "pandas", "scipy", "scikit-learn", "duckdb", "python-calamine"),
    *("onnxruntime", "onnxruntime-gpu", "pillow", "tokenizers"),
)


def convert(
    material: RawMaterial,
    name: str,
    settings: ConversionSettings,
    *,
    folder: Path,
    problems: Problems,
    tell: Tell = print,
    force: bool = False,
    about: Mapping[str, Any] | None = None,
    causes: pd.DataFrame | None = None,
) -> AtomicData:
    """Turns raw material into a data set on disk, all or nothing.

    Beside the atomic files stand `features/<modality>/` (the fitted extractors), `report.html` and,
    where rows were left out, `problems.csv`. Under pseudonyms no name of an account is in them.
    Where a data set stands already, only what has changed is made anew.

    Args:
        material: What a source read.
        name: The data set's name.
        settings: What to do.
        folder: The data set's own folder.
        problems: Of the source.
        tell: Called with a line a step.
        force: Whether to make everything anew.
        about: What else the manifest says.
        causes: Why each pair is there, where a generator knows: for `causes.csv`.

    Returns:
        The data as it was read back.

    Raises:
        ConversionError: The material cannot make a data set, or a name would be in it.
        AtomicFileError: The data set is not as the contract wants it.
    """
    check_target(folder, name)
    plan = make_plan(material, name, settings, problems=problems, tell=tell)
    hidden = None
    if settings.pseudonyms:
        hidden = privacy.Pseudonyms(privacy.read_key(settings.key_file, outside=folder, tell=tell))
    marks = {
        modality: _feature_fingerprint(plan, modality, settings) for modality in plan.extractors
    }
    mark = _conversion_fingerprint(material, settings, marks, hidden)
    earlier = None if force else Earlier.find(folder, name, hidden)
    if earlier is not None and earlier.data.manifest[schema.CONVERSION] == mark:
        tell("Nothing has changed since it was written; --force makes everything anew.")
        return earlier.data
    for line in plan.lines():
        tell(line)
    learning = plan.material, plan.training, settings, plan.extractors
    with engine_of(settings, folder) as engine:
        features = extract(*learning, marks=marks, earlier=earlier, tell=tell, engine=engine)
    started = time.monotonic()
    data = _with_features(plan.data, features, tell)
    conceal = Concealment(AccountNames(material.accounts) if hidden else None)
    names = SavedNames.of(names_of(material.accounts), hidden)
    manifest = {
        **_manifest(material, settings, features),
        **(about or {}),
        **problems.told(conceal),
        schema.CONVERSION: mark,
    }
    data = replace(data, manifest=manifest)
    data = privacy.apply(data, hidden) if hidden else data
    written = write_atomic(
        data,
        folder,
        extra=partial(_add_extras, data, features, names, problems, conceal, causes),
        check=partial(_refuse_names, material, features) if hidden else None,
    )
    tell(f"written and read back, {time.monotonic() - started:.1f} s")
    return written


@dataclass(frozen=True, eq=False)
class Plan:
    """What a conversion will do, before anything is fitted or written."""

    material: RawMaterial
    data: AtomicData  # without features and manifest
    training: Collection[str]  # the accounts that extractors learn from
    extractors: Mapping[str, Extractor]  # modality -> one that is not fitted yet

    def lines(self) -> list[str]:
        """Returns what it will do, for people."""
        counts = (f"{len(self.data.accounts(side)):,} {side}s" for side in schema.SIDES)
        lines = [f"{', '.join(counts)}, {len(self.data.interactions):,} collaborations"]
        for what, number in (
            ("posts", self.material.n_posts),
            ("posts of audiences", self.material.n_audience_posts),
        ):
            lines += [] if number is None else [f"{number:,} {what}"]
        makes = ", ".join([*self.material.vectors, *self.extractors]) or "none"
        return [*lines, *split_lines(self.data.splits), f"Features: {makes}"]


def make_plan(
    material: RawMaterial,
    name: str,
    settings: ConversionSettings,
    *,
    problems: Problems,
    tell: Tell,
) -> Plan:
    """Checks that raw material makes a data set, as far as that can be told without fitting.

    Raises:
        ConversionError: It does not, or an option of an extractor is wrong.
    """
    brands, influencers = (accounts_of(material, side, tell) for side in schema.SIDES)
    interactions = _interactions(material, tell)
    splits = _splits(material, brands, interactions, settings, tell)
    learning = splits[schema.NEW_BRAND][schema.TRAIN]
    data = AtomicData(
        name=name,
        brands=brands,
        influencers=influencers,
        interactions=interactions,
        influencer_category=_influencer_category(material, brands, tell),
        splits=splits,
        manifest={},
        facts=facts_of(material),
    )
    training = {*learning[schema.BRAND_ID], *learning[schema.INFLUENCER_ID]}
    if settings.fit_on_all:
        training = set(material.accounts[raw.ACCOUNT])
    extractors = wanted_extractors(material, settings, problems, tell)
    return Plan(material, data, training, extractors)


def split_lines(splits: Mapping[str, Mapping[str, pd.DataFrame]]) -> list[str]:
    """Returns a line a protocol with the sizes of its parts."""
    return [
        f"{protocol}: "
        + ", ".join(
            f"{part} {len(pairs):,} pairs of {counted(pairs[schema.BRAND_ID].nunique(), 'brand')}"
            for part, pairs in parts.items()
        )
        for protocol, parts in splits.items()
    ]


def accounts_of(material: RawMaterial, side: schema.Side, tell: Tell) -> pd.DataFrame:
    """Returns one side's ids, follower counts and, of brands, categories; sorted by id."""
    rows = material.accounts[material.accounts[raw.ROLE] == side].sort_values(raw.ACCOUNT)
    table = pd.DataFrame({schema.ACCOUNT_ID[side]: rows[raw.ACCOUNT].to_numpy(dtype=object)})
    if side == schema.BRAND:
        unknown = rows[raw.CATEGORY].isna()
        if unknown.any():
            tell(f"{int(unknown.sum()):,} of {len(rows):,} brands have no category.")
        if not unknown.all():
            cells = [known if isinstance(known, str) else None for known in rows[raw.CATEGORY]]
            table[schema.BRAND_CATEGORY] = _objects(cells)
    followers = rows[raw.FOLLOWERS].to_numpy(dtype=np.float64)
    if not np.isnan(followers).all():
        table[schema.account_field(side, schema.FOLLOWERS)] = followers
    return table


def facts_of(material: RawMaterial) -> dict[schema.Side, pd.DataFrame]:
    """Returns what is known of accounts and no model sees, by side."""
    return {
        side: material.facts[side]
        .rename(columns={raw.ACCOUNT: schema.ACCOUNT_ID[side]})
        .sort_values(schema.ACCOUNT_ID[side], ignore_index=True)
        for side in schema.SIDES
        if side in material.facts
    }


def _interactions(material: RawMaterial, tell: Tell) -> pd.DataFrame:
    """The pairs, with competence and timestamp where every pair has one."""
    pairs = material.collaborations[list(schema.INTERACTION_TYPES)]
    for column in (schema.COMPETENCE, schema.TIMESTAMP):
        n_missing = int(pairs[column].isna().sum())
        if 0 < n_missing < len(pairs):
            tell(f"{n_missing:,} of {len(pairs):,} pairs have no {column}, so that none is used.")
        if n_missing:
            pairs = pairs.drop(columns=column)
    return pairs


def _splits(
    material: RawMaterial,
    brands: pd.DataFrame,
    interactions: pd.DataFrame,
    settings: ConversionSettings,
    tell: Tell,
) -> Splits:
    """The splits of both protocols.

    Of the protocol new-brand it is the source's own where it has one; validation brands are then
    carved from its training brands.
    """
    named = material.brand_parts
    pool = brands if not named else brands[brands[schema.BRAND_ID].map(named.get) == schema.TRAIN]
    drawn: dict[str, pd.DataFrame] = {}
    if schema.VALID not in named.values() and not (named and settings.n_valid == 0):
        n_test = 0 if named else settings.n_test
        of_pool = interactions[interactions[schema.BRAND_ID].isin(pool[schema.BRAND_ID])]
        try:
            drawn = new_brand_split(
                pool, of_pool, n_valid=settings.n_valid, n_test=n_test, seed=settings.seed
            )
        except ValueError:
            raise ConversionError(
                f"The brands cannot be split: {len(pool)} can be drawn from, which do not give "
                f"validation brands for n_valid {settings.n_valid} and test brands for n_test "
                f"{n_test} and leave one for training. Change 'splits' in the configuration, e.g. "
                "to 'n_valid: 0' and 'n_test: 0', so that all brands are learnt from."
            ) from None
    parts = dict(named) | {
        brand: part for part, pairs in drawn.items() for brand in pairs[schema.BRAND_ID]
    }
    n_without = int((~interactions[schema.BRAND_ID].drop_duplicates().isin(parts)).sum())
    if n_without:
        tell(f"{n_without} brands are in no part of the split, and so not of {schema.NEW_BRAND}.")
    ordered = interactions.sort_values([schema.BRAND_ID, schema.INFLUENCER_ID])
    part_of = ordered[schema.BRAND_ID].map(parts.get)
    split = {part: ordered[part_of == part].reset_index(drop=True) for part in schema.PARTS}
    for part in (schema.TRAIN, schema.VALID):
        if split[part].empty and (part == schema.TRAIN or settings.n_valid):
            raise ConversionError(
                f"The brands cannot be split: no pair is of a brand of the part '{part}'."
            )
    splits = {schema.NEW_BRAND: {part: pairs for part, pairs in split.items() if len(pairs)}}
    try:
        splits[schema.KNOWN_BRAND] = known_brand_split(interactions, seed=settings.seed)
    except ValueError:
        tell(f"{schema.KNOWN_BRAND}: left out, because no brand has three collaborations")
    return splits


def _influencer_category(
    material: RawMaterial, brands: pd.DataFrame, tell: Tell
) -> "pd.Series[str] | None":
    """The side file for cAUC, which needs one set of categories on both sides."""
    rows = material.accounts[material.accounts[raw.ROLE] == schema.INFLUENCER]
    known = rows.set_index(raw.ACCOUNT)[raw.CATEGORY].sort_index()
    if schema.BRAND_CATEGORY not in brands or known.isna().any():
        return None
    if set(known) != set(brands[schema.BRAND_CATEGORY].dropna()):
        tell("Brands and influencers have different categories, so that there is no cAUC.")
        return None
    return known


def _with_features(data: AtomicData, features: Features, tell: Tell) -> AtomicData:
    """The data set with the columns of every modality that both sides have something of."""
    tables: Tables = {side: data.accounts(side).copy() for side in schema.SIDES}
    have = {
        side: [
            modality
            for modality, values in features.values.items()
            if any(values.get(account) is not None for account in table[schema.ACCOUNT_ID[side]])
        ]
        for side, table in tables.items()
    }
    for modality, values in list(features.values.items()):
        cells_of = {
            side: [values.get(account) for account in table[schema.ACCOUNT_ID[side]]]
            for side, table in tables.items()
        }
        n_known = {side: sum(x is not None for x in cells) for side, cells in cells_of.items()}
        told = (f"{n_known[side]} of {len(cells)} {side}s" for side, cells in cells_of.items())
        left_out = not schema.of_use(modality, have)
        why = "; left out, because one side has none of it" if left_out else ""
        tell(f"{modality}: {', '.join(told)}{why}")
        if left_out:
            features.drop(modality)
            continue
        for side, cells in cells_of.items():
            if n_known[side]:
                for field, column in columns_of(side, modality, cells).items():
                    tables[side][field] = column
    # They stand in the tables now, in far less space than labels and weights take in mappings.
    features.values.clear()
    return replace(data, brands=tables[schema.BRAND], influencers=tables[schema.INFLUENCER])


def _cell(value: Any) -> Any:
    """A value as it stands in a table: labels and weights side by side, which is smaller."""
    return (list(value), _vector(list(value.values()))) if isinstance(value, Mapping) else value


def columns_of(side: schema.Side, modality: str, values: list[Any]) -> dict[str, "pd.Series[Any]"]:
    """Returns the columns of a modality; of the values one at least is not None."""
    cells = [_cell(value) for value in values]
    if isinstance(next(cell for cell in cells if cell is not None), tuple):
        fields = (schema.labels_field(side, modality), schema.weights_field(side, modality))
        return {
            field: _objects([None if cell is None else cell[place] for cell in cells])
            for place, field in enumerate(fields)
        }
    if modality != schema.ATTRIBUTES:
        cells = [None if cell is None else _vector(cell) for cell in cells]
    return {schema.account_field(side, modality): _objects(cells)}


def _vector(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _objects(cells: list[Any]) -> "pd.Series[Any]":
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return pd.Series(column, dtype=object)


def _manifest(
    material: RawMaterial, settings: ConversionSettings, features: Features
) -> dict[str, Any]:
    ids, roles = material.accounts[raw.ACCOUNT], material.accounts[raw.ROLE]
    return {
        "synthetic": material.synthetic,
        "seed": settings.seed,
        "fit_on": "all" if settings.fit_on_all else "training",
        "input_fingerprints": dict(material.fingerprints),
        "posts": {"own": material.n_posts, "audience": material.n_audience_posts},
        "dimensions": {
            modality: extractor.dimensions() for modality, extractor in features.extractors.items()
        },
        schema.FEATURES: features.entries,
        # What only the accounts' own names can tell.
        WARNINGS: [
            asdict(one) for side in schema.SIDES for one in name_warnings(ids[roles == side], side)
        ],
    }


def _add_extras(
    data: AtomicData,
    features: Features,
    names: SavedNames,
    problems: Problems,
    conceal: Concealment,
    causes: pd.DataFrame | None,
    building: Path,
) -> None:
    for modality, extractor in features.extractors.items():
        place = building / schema.FEATURES / modality
        place.mkdir(parents=True)
        extractor.save(place)
    if features.extractors:
        names.save(building / schema.FEATURES)
    if len(problems):
        problems.write(building / PROBLEMS_FILE, conceal=conceal)
    if causes is not None:
        causes.to_csv(building / privacy.CAUSES_FILE, index=False, lineterminator="\n")
    write_whole(building / REPORT_FILE, data_report(data))


def _refuse_names(material: RawMaterial, features: Features, building: Path) -> None:
    words = {word for one in features.extractors.values() for word in one.own_words()}
    words |= set(material.accounts[raw.CATEGORY].dropna())
    for facts in material.facts.values():
        tokens = [x for x, kind in schema.FACT_TYPES.items() if kind == "token" and x in facts]
        words |= {word for name in tokens for word in facts[name].dropna()}
    assert_no_names(building, names_of(material.accounts), allowed=words)


@dataclass(frozen=True, eq=False)
class Earlier:
    """A data set as an earlier conversion left it."""

    folder: Path
    data: AtomicData
    pseudonyms: privacy.Pseudonyms | None  # under which its ids are; None for plain ids

    @classmethod
    def find(cls, folder: Path, name: str, pseudonyms: privacy.Pseudonyms | None) -> Self | None:
        """Returns the data set of a folder if it is whole and its ids are of the same kind."""
        try:
            data = read_atomic(folder, name)
        except (AtomicFileError, OSError):
            return None
        now = None if pseudonyms is None else pseudonyms.settings()
        is_ours = schema.CONVERSION in data.manifest and is_untouched(folder, data.manifest)
        is_known = is_ours and data.manifest.get(schema.PSEUDONYMS) == now
        return cls(folder, data, pseudonyms) if is_known else None

    def extractor(self, modality: str, options: Mapping[str, Any], mark: str) -> Extractor | None:
        """Returns the fitted extractor of a modality if it was made from the same things.

        Args:
            modality: Of `schema.MODALITIES`.
            options: Of its extractor.
            mark: The fingerprint of everything that its values depend on now.
        """
        entry = self.data.manifest[schema.FEATURES].get(modality, {})
        if entry.get(schema.FINGERPRINT) != mark:
            return None
        try:
            kind = KINDS[extractor_name(modality, options)]
            return kind.load(self.folder / schema.FEATURES / modality)
        except (ConversionError, OSError):
            return None

    def values(self, modality: str, accounts: pd.DataFrame) -> dict[str, Any]:
        """Returns account of the material -> value of a modality, where it is known."""
        found: dict[str, Any] = {}
        for side in schema.SIDES:
            table = self.data.accounts(side)
            ids = accounts[raw.ACCOUNT][accounts[raw.ROLE] == side]
            hide = self.pseudonyms
            account_of = {
                account if hide is None else hide.of(side, account): account for account in ids
            }
            cells = _cells(table, side, modality)
            for key, cell in zip(table[schema.ACCOUNT_ID[side]], cells, strict=True):
                if cell is not None and key in account_of:
                    found[account_of[key]] = cell
        return found


def _cells(table: pd.DataFrame, side: schema.Side, modality: str) -> list[Any]:
    field = schema.account_field(side, modality)
    if field in table:
        return list(table[field])
    if schema.labels_field(side, modality) not in table:
        return [None] * len(table)
    labels = table[schema.labels_field(side, modality)]
    weights = table[schema.weights_field(side, modality)]
    return [
        None if names is None else dict(zip(names, values, strict=True))
        for names, values in zip(labels, weights, strict=True)
    ]


def _feature_fingerprint(plan: Plan, modality: str, settings: ConversionSettings) -> str:
    """The SHA-256 of everything that the values of a modality depend on.

    Options, code, libraries, files of the extractor, the accounts and the part of the material
    that it reads, pictures included, and which accounts it learns from.
    """
    options, material = settings.features[modality], plan.material
    kind = KINDS[extractor_name(modality, options)]
    stream = stream_of(modality)
    read = {CONTENT: [raw.POSTS], AUDIENCE: [raw.AUDIENCE]}.get(stream, [raw.ACCOUNTS, raw.POSTS])
    accounts = material.accounts
    posts = material.audience_posts if stream == AUDIENCE else material.posts
    return _digest(
        modality,
        options,
        makers(),
        [_file_digest(path) for path in plan.extractors[modality].files()],
        [material.fingerprints.get(part) for part in read],
        sorted(zip(accounts[raw.ACCOUNT], accounts[raw.ROLE], strict=True)),
        sorted(set(accounts[raw.NAME].dropna())),
        sorted(plan.training),
        _images_digest(posts()) if kind.reads_images else "",
    )


def _conversion_fingerprint(
    material: RawMaterial,
    settings: ConversionSettings,
    marks: Mapping[str, str],
    pseudonyms: privacy.Pseudonyms | None,
) -> str:
    """The SHA-256 of everything that a data set depends on; `marks` say where who works matters."""
    told = {key: value for key, value in asdict(settings).items() if key not in _WHO_WORKS}
    hidden = None if pseudonyms is None else pseudonyms.settings()
    return _digest(told, material.fingerprints, marks, hidden, makers())


@cache
def makers() -> dict[str, str]:
    """Returns what values depend on beside the material: the SHA-256 of our code, versions."""
    root, code = Path(__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".yaml", ".j2"):
            code.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    found = {"code": code.hexdigest(), "python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _file_digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}.") from None


def _images_digest(posts: Iterable[Post]) -> str:
    digest = hashlib.sha256()
    for post in track(posts, "pictures: have they changed?", unit="posts"):
        if post.image is not None:
            content = _file_digest(post.image) if post.image.is_file() else ""
            digest.update(f"{post.account}\0{post.image.name}\0{content}\0".encode())
    return digest.hexdigest()


def _digest(*things: Any) -> str:
    text = json.dumps(things, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
