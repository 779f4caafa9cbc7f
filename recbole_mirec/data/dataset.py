"""RecBole's Dataset of our atomic files or of RecBole's own, its columns and its parts."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from recbole.data.dataset import Dataset
from recbole.utils import FeatureSource, FeatureType, ModelType

from dataset_convert import schema, splits
from dataset_convert.atomic import AtomicData, read_atomic
from dataset_convert.common.errors import UsageError, nearest, refuse
from recbole_mirec import compat as compat
from recbole_mirec.data.accounts import AccountTables, build_account_tables

INTER = "inter"
# Side files of what filters and pages show.
TOKENS = (FeatureType.TOKEN.value, FeatureType.TOKEN_SEQ.value)


def _column_problems(config: Any, folder: Path, name: str) -> Iterator[str]:
    """What is wrong with the columns that a data set is to be loaded with, one sentence each."""
    path = folder / f"{name}.{INTER}"
    if not path.is_file():
        yield (
            f"Data set file '{path}' does not exist. Put RecBole's atomic files there; nothing is "
            f"downloaded."
        )
        return
    for key in ("load_col", "unload_col"):
        for suffix, columns in (config[key] or {}).items():
            if columns != "*":
                yield from _unknown_columns(config, key, folder / f"{name}.{suffix}", columns)
    header = _header(config, path)
    chosen = "*" if config["load_col"] is None else config["load_col"].get(INTER, [])
    left_out = (config["unload_col"] or {}).get(INTER, [])
    loaded = [c for c in header if (chosen == "*" or c in chosen) and c not in left_out]
    for key in ("USER_ID_FIELD", "ITEM_ID_FIELD"):
        if config[key] not in loaded:
            hint = nearest(str(config[key]), header)
            yield f"'{path}' is loaded without '{config[key]}', which {key} names.{hint}"
    if config["MODEL_TYPE"] == ModelType.CONTEXT:
        ids = [config[key] for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "LABEL_FIELD")]
        numbers = config["numerical_features"] or ()
        for column in loaded:
            if column not in ids and (header[column] in TOKENS or column in numbers):
                yield (
                    f"'{column}' is a feature of interactions, which pairs that did not happen "
                    f"lack; {config['model']} ranks all pairs. Leave it out of load_col: inter."
                )


def _unknown_columns(config: Any, key: str, path: Path, columns: list[str]) -> Iterator[str]:
    if not path.is_file():
        yield f"Key '{key}' names columns of '{path}', which does not exist."
        return
    known = _header(config, path)
    for column in columns:
        if column not in known:
            yield f"Key '{key}': '{path}' has no column '{column}'.{nearest(str(column), known)}"


def _header(config: Any, path: Path) -> dict[str, str]:
    """Columns of a file and their types."""
    with path.open(encoding=config["encoding"]) as file:
        columns = file.readline().rstrip("\r\n").split(config["field_separator"])
    return dict(column.partition(":")[::2] for column in columns)


@dataclass(frozen=True, eq=False)
class EvaluationSplit:
    """Brands, candidates and truth of one part, in internal ids.

    Attributes:
        protocol: `new-brand` or `known-brand`.
        part: `valid` or `test`.
        brands: internal ids (brand), each with at least one positive.
        candidates: internal ids (candidate) that every brand ranks.
        positives: bool (brand, candidate), the part's collaborations.
        mask: bool (brand, candidate), True = the candidate counts for the brand; collaborations
            of earlier parts are left out.
        unseen: bool (candidate), True = no training collaboration.
        brand_category: int (brand), or None where the data set has no categories.
        candidate_category: int (candidate), -1 unknown, or None; a label in disguise, for cAUC.
    """

    protocol: str
    part: str
    brands: NDArray[np.int64]
    candidates: NDArray[np.int64]
    positives: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    unseen: NDArray[np.bool_]
    brand_category: NDArray[np.int64] | None = None
    candidate_category: NDArray[np.int64] | None = None


def build_evaluation_split(
    protocol: str,
    part: str,
    pairs: NDArray[np.int64],
    earlier_pairs: NDArray[np.int64],
    training_pairs: NDArray[np.int64],
    n_influencers: int,
) -> EvaluationSplit:
    """Lay out one part of a split for ranking; brands and candidates ascend by internal id.

    Under `new-brand`, candidates are the influencers of the part's brands; under `known-brand` all
    but padding, each brand's `earlier_pairs` masked. Pairs are (pair, 2) internal ids, those of
    training say what influencers have been seen.
    """
    brands = np.unique(pairs[:, 0])
    if protocol == schema.NEW_BRAND:
        candidates = np.unique(pairs[:, 1])
    else:
        candidates = np.arange(1, n_influencers, dtype=np.int64)

    def cells(of: NDArray[np.int64]) -> NDArray[np.bool_]:
        inside = of[np.isin(of[:, 0], brands) & np.isin(of[:, 1], candidates)]
        found = np.zeros((len(brands), len(candidates)), dtype=bool)
        rows, columns = np.searchsorted(brands, inside[:, 0]), inside[:, 1]
        found[rows, np.searchsorted(candidates, columns)] = True
        return found

    positives = cells(pairs)
    mask = ~cells(earlier_pairs) | positives
    unseen = ~np.isin(candidates, training_pairs[:, 1])
    return EvaluationSplit(protocol, part, brands, candidates, positives, mask, unseen)


class SplitDataset(Dataset):  # type: ignore[misc]
    """Any RecBole data set under the `known-brand` protocol: 8:1:1 per user, seeded.

    Serves data that does not follow our schema, such as RecBole's bundled ml-100k, with the columns
    that `load_col` names; RecBole's context-aware models read those of users and items as features.
    """

    accounts: AccountTables | None = None
    closed_parts: frozenset[str] = frozenset()
    # whether brands of validation are training brands
    refitting: bool = False

    def _load_data(self, token: str, dataset_path: str) -> None:
        """RecBole's, after a check of the columns; nothing is ever downloaded."""
        refuse(_column_problems(self.config, Path(dataset_path), token))
        super()._load_data(token, dataset_path)

    def _load_feat(self, filepath: str, source: Any) -> Any:
        """RecBole's, where NA, null and nan in columns of tokens are words like any other."""
        loaded: Any = super()._load_feat(filepath, source)
        for field in () if loaded is None else loaded:
            kind, values = self.field2type[field], loaded[field]
            if kind.value in TOKENS and (values.isna() | (values.map(np.size) == 0)).any():
                words = pd.read_csv(
                    filepath,
                    delimiter=self.config["field_separator"],
                    usecols=[f"{field}:{kind.value}"],
                    dtype=str,
                    encoding=self.config["encoding"],
                    engine="python",
                    keep_default_na=False,
                ).iloc[:, 0]
                if kind == FeatureType.TOKEN:
                    loaded[field] = words.mask(words == "")
                else:
                    lists = words.fillna("").str.split(self.config["seq_separator"])
                    loaded[field] = lists.map(lambda texts: np.array([t for t in texts if t]))
        return loaded

    def build(self) -> list[Dataset]:
        """Split the interactions; returns the train, valid and (where there is one) test part."""
        self._change_feat_format()
        part_of = self._part_of_interactions()
        if n_left_out := int((part_of == "").sum()):
            self.logger.info(
                f"{n_left_out} of {len(part_of)} interactions stand in no part of the split and "
                f"are left out."
            )
        if self.refitting:
            part_of[part_of == schema.VALID] = schema.TRAIN
        self.pairs: dict[str, NDArray[np.int64]] = {}
        built = []
        for part in schema.PARTS:
            rows = np.flatnonzero(part_of == part)
            if part == schema.TRAIN:
                rows = np.random.default_rng(self.config["seed"]).permutation(rows)
            elif not len(rows):
                continue
            inter = self.inter_feat[rows]
            ids = [inter[field].numpy() for field in (self.uid_field, self.iid_field)]
            self.pairs[part] = np.column_stack(ids).astype(np.int64)
            built.append(self.copy(inter))
        return built

    def _part_of_interactions(self) -> NDArray[np.str_]:
        """The part of every interaction, "" for none."""
        fields = {schema.BRAND_ID: self.uid_field, schema.INFLUENCER_ID: self.iid_field}
        frame = pd.DataFrame({n: self.id2token(f, self.inter_feat[f]) for n, f in fields.items()})
        try:
            parts = self.split_parts(frame)
        except UsageError:
            raise
        except ValueError as error:
            folds, protocol = self.config["folds"], self.config["protocol"]
            raise UsageError(
                f"Data set '{self.dataset_name}' has no split files for "
                f"{f'{folds} folds' if folds else protocol}, and none can be drawn: {error}."
            ) from None
        named = pd.concat([rows[list(fields)].assign(part=part) for part, rows in parts.items()])
        return frame.merge(named, how="left")["part"].fillna("").to_numpy(dtype=str)

    def split_parts(self, interactions: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
        """Part -> the pairs of brand and influencer, as the files name them, that stand in it.

        Raises:
            ValueError: they cannot be split so.
        """
        if self.config["protocol"] != schema.KNOWN_BRAND:
            raise UsageError(
                f"Protocol '{self.config['protocol']}' needs atomic files of brands and "
                f"influencers, which data set '{self.dataset_name}' is not; set "
                f"protocol=known-brand."
            )
        twice = interactions[interactions.duplicated()]
        if len(twice):
            raise UsageError(
                f"Data set '{self.dataset_name}' holds the interaction of "
                f"{' with '.join(map(str, twice.iloc[0]))} more than once; set rm_dup_inter=first."
            )
        return splits.known_brand_split(interactions, seed=self.config["split_seed"])

    def evaluation_split(self, part: str) -> EvaluationSplit | None:
        """Brands, candidates and truth of `valid` or `test`; None where there is no such part.

        Raises:
            PermissionError: the part is closed: nothing may be measured on it now.
        """
        if part in self.closed_parts:
            raise PermissionError(f"The {part} part is closed: nothing may be measured on it now.")
        if part not in self.pairs:
            return None
        training, protocol = self.pairs[schema.TRAIN], str(self.config["protocol"])
        return build_evaluation_split(
            protocol, part, self.pairs[part], self.known_before(part), training, self.item_num
        )

    def known_before(self, part: str) -> NDArray[np.int64]:
        """Collaborations of the parts before one: (pair, 2) internal ids."""
        earlier = schema.PARTS[: schema.PARTS.index(part)]
        return np.concatenate([self.pairs[name] for name in earlier if name in self.pairs])

    def fingerprint(self) -> str:
        """Digest of the data set's files, to tell a checkpoint of other data.

        Facts about accounts are left out: no model loads them, and they change from day to day.
        """
        digest = hashlib.sha256()
        facts = {schema.facts_file(self.dataset_name, side) for side in schema.SIDES}
        for path in sorted(Path(self.dataset_path).glob(f"{self.dataset_name}.*")):
            if path.name not in facts:
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()


@lru_cache(maxsize=1)
def _read(folder: Path, name: str, _state: tuple[tuple[Any, ...], ...]) -> AtomicData:
    """Reads files; as long as they do not change, once for all runs of a process in a row."""
    return _without_empty_categories(read_atomic(folder, name))


def _without_empty_categories(data: AtomicData) -> AtomicData:
    """The data with brands of no category as missing ones: files have an empty cell there."""
    if schema.BRAND_CATEGORY not in data.brands:
        return data
    named = data.brands[schema.BRAND_CATEGORY].replace("", None)
    if named.isna().all():
        return replace(data, brands=data.brands.drop(columns=schema.BRAND_CATEGORY))
    return replace(data, brands=data.brands.assign(**{schema.BRAND_CATEGORY: named}))


class MirecDataset(SplitDataset):
    """A brand-micro-influencer data set from checked atomic files.

    The files are read once, by the module that also writes them. RecBole gets the id columns,
    and for its context-aware models the token columns; account features stay out of the batches
    and are looked up by id in `accounts`.
    """

    atomic: AtomicData

    def _load_data(self, token: str, dataset_path: str) -> None:
        folder = Path(dataset_path)
        if not folder.is_dir():
            raise UsageError(
                f"Data set folder '{folder}' does not exist. Convert your material with "
                f"`python -m dataset_convert --help`, or use --dataset=mirec-demo (synthetic)."
            )
        files = [(x.name, x.stat()) for x in sorted(folder.iterdir()) if x.is_file()]
        state = tuple((name, of.st_ino, of.st_size, of.st_mtime_ns) for name, of in files)
        self.atomic = _read(folder.absolute(), token, state)
        # Such models of ours take features from the account tables instead of the batches.
        looks_up = getattr(self.config.model_class, "looks_features_up", False)
        context = self.config["MODEL_TYPE"] == ModelType.CONTEXT and not looks_up
        ids = dict.fromkeys(schema.ACCOUNT_ID.values(), FeatureType.TOKEN.value)
        self.inter_feat = self._register(self.atomic.interactions, ids, FeatureSource.INTERACTION)
        feats = []
        for side, frame, source, source_of_id in (
            (schema.BRAND, self.atomic.brands, FeatureSource.USER, FeatureSource.USER_ID),
            (schema.INFLUENCER, self.atomic.influencers, FeatureSource.ITEM, FeatureSource.ITEM_ID),
        ):
            own = schema.ACCOUNT_ID[side]
            types = schema.account_types(side) if context else {own: ids[own]}
            types = {name: kind for name, kind in types.items() if kind in TOKENS and name in frame}
            feats.append(self._register(frame, types, source))
            self.field2source[own] = source_of_id
        self.user_feat, self.item_feat = feats

    def _get_remap_list(self, field_list: Any) -> list[Any]:
        """RecBole's, interactions last: ids follow the account files, not the collaborations."""
        remapped: list[Any] = super()._get_remap_list(field_list)
        return sorted(remapped, key=lambda entry: entry[0] is self.inter_feat)

    def _register(
        self, frame: pd.DataFrame, types: Mapping[str, str], source: FeatureSource
    ) -> pd.DataFrame:
        """Copy columns and tell RecBole their type, source and length."""
        loaded = frame[list(types)].reset_index(drop=True).copy()
        for field, kind in types.items():
            self.field2type[field] = FeatureType(kind)
            self.field2source[field] = source
            self.field2seqlen[field] = 1
            if kind == FeatureType.TOKEN_SEQ.value:
                values = [np.array(value or [], dtype=str) for value in loaded[field]]
                loaded[field] = pd.Series(values, dtype=object)
                self.field2seqlen[field] = max(map(len, values), default=1)
        return loaded

    def split_parts(self, interactions: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
        """As the base class, by the split files, or drawn where there are none; or of a fold."""
        config, brands = self.config, self.atomic.brands
        protocol, seed, n_valid = config["protocol"], config["split_seed"], config["valid_brands"]
        if protocol in self.atomic.splits:
            parts = self.atomic.splits[protocol]
        elif protocol == schema.KNOWN_BRAND:
            if interactions[schema.BRAND_ID].value_counts().max() < 3:
                raise UsageError(
                    f"Data set '{self.dataset_name}' has no split of {protocol}, and none can be "
                    f"drawn: no brand has three collaborations. Use protocol={schema.NEW_BRAND}."
                )
            parts = splits.known_brand_split(interactions, seed=seed)
        else:
            counts = {"n_valid": n_valid, "n_test": config["test_brands"]}
            parts = splits.new_brand_split(brands, interactions, **counts, seed=seed)
        if not config["folds"]:
            return parts
        # over the brands of training and validation; the test brands stay out
        rest = pd.concat([parts[p] for p in (schema.TRAIN, schema.VALID) if p in parts])
        folds = {"n_folds": config["folds"], "fold": config["fold"]}
        return splits.new_brand_fold(brands, rest, **folds, n_valid=n_valid, seed=seed)

    def build(self) -> list[Dataset]:
        """Split the interactions and build the account tables from training accounts."""
        built = super().build()
        tokens, training = {}, {}
        for side, ids in zip(schema.SIDES, self.pairs[schema.TRAIN].T, strict=True):
            tokens[side] = self.field2id_token[schema.ACCOUNT_ID[side]].tolist()
            training[side] = np.isin(np.arange(len(tokens[side])), ids)
        accounts = build_account_tables(self.atomic, tokens, training)
        for dataset in (self, *built):
            dataset.accounts, dataset.pairs = accounts, self.pairs
        return built

    def categories(self, side: schema.Side) -> NDArray[np.int64]:
        """Category number of a side's accounts by internal id, in the order of the brands' names.

        -1 where an account has none that a brand has, and for padding. An influencer's is a label
        in disguise.
        """
        brands = self.atomic.brands.set_index(schema.BRAND_ID)
        of_brands = brands.get(schema.BRAND_CATEGORY, pd.Series(dtype=object))
        of = {schema.BRAND: of_brands, schema.INFLUENCER: self.atomic.influencer_category}
        known, tokens = of[side], self.field2id_token[schema.ACCOUNT_ID[side]]
        if known is None:
            return np.full(len(tokens), -1)
        names = sorted({*of_brands.dropna()})
        return pd.Categorical(known.reindex(tokens), categories=names).codes.astype(np.int64)

    def evaluation_split(self, part: str) -> EvaluationSplit | None:
        """As the base class, with the categories for cAUC."""
        split = super().evaluation_split(part)
        if split is None or schema.BRAND_CATEGORY not in self.atomic.brands:
            return split
        split = replace(split, brand_category=self.categories(schema.BRAND)[split.brands])
        if self.atomic.influencer_category is None:
            return split
        candidates = self.categories(schema.INFLUENCER)[split.candidates]
        return replace(split, candidate_category=candidates)
