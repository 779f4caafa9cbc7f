"""RecBole's Dataset of our atomic files or of RecBole's own, its columns and its parts."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
# RecBole's token of internal id 0.
PADDING = "[PAD]"


def column_problems(config: Any, folder: Path, name: str) -> Iterator[str]:
    """What is wrong with the columns that a data set is to be loaded with, one sentence each.

    Args:
        config: with `load_col`, `unload_col`, the fields of ids and the model's type.
        folder: of the data set.
        name: of the data set.
    """
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
    chosen = None if config["load_col"] is None else config["load_col"].get(INTER, [])
    left_out = (config["unload_col"] or {}).get(INTER, [])
    loaded = {
        column: kind
        for column, kind in header.items()
        if (chosen in (None, "*") or column in chosen) and column not in left_out
    }
    for key in ("USER_ID_FIELD", "ITEM_ID_FIELD"):
        if config[key] not in loaded:
            hint = nearest(str(config[key]), header)
            yield f"'{path}' is loaded without '{config[key]}', which {key} names.{hint}"
    if config["MODEL_TYPE"] == ModelType.CONTEXT:
        yield from _pair_features(config, loaded)


def _unknown_columns(config: Any, key: str, path: Path, columns: list[str]) -> Iterator[str]:
    if not path.is_file():
        yield f"Key '{key}' names columns of '{path}', which does not exist."
        return
    known = _header(config, path)
    for column in columns:
        if column not in known:
            yield f"Key '{key}': '{path}' has no column '{column}'.{nearest(str(column), known)}"


def _pair_features(config: Any, loaded: Mapping[str, str]) -> Iterator[str]:
    """Features of pairs, which a model would miss in every pair that did not happen."""
    embedded = (FeatureType.TOKEN.value, FeatureType.TOKEN_SEQ.value)
    for column, kind in loaded.items():
        if column in (config["USER_ID_FIELD"], config["ITEM_ID_FIELD"], config["LABEL_FIELD"]):
            continue
        if kind in embedded or column in (config["numerical_features"] or ()):
            yield (
                f"'{column}' is a feature of interactions, which pairs that did not happen lack; "
                f"{config['model']} ranks all pairs. Leave it out of load_col: inter."
            )


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

    Args:
        protocol: `new-brand`: candidates are the influencers of the part's brands; `known-brand`:
            all influencers, each brand's collaborations of earlier parts masked.
        part: `valid` or `test`.
        pairs: (pair, 2) internal ids of the part's collaborations.
        earlier_pairs: (pair, 2) collaborations that were known before, masked per brand.
        training_pairs: (pair, 2), which say what influencers have been seen.
        n_influencers: number of internal ids, padding included.
    """
    brands = np.unique(pairs[:, 0])
    if protocol == schema.NEW_BRAND:
        candidates = np.unique(pairs[:, 1])
    else:
        candidates = np.arange(1, n_influencers, dtype=np.int64)
    positives = _cells(pairs, brands, candidates)
    mask = ~_cells(earlier_pairs, brands, candidates) | positives
    unseen = ~np.isin(candidates, training_pairs[:, 1])
    return EvaluationSplit(protocol, part, brands, candidates, positives, mask, unseen)


def _cells(
    pairs: NDArray[np.int64], brands: NDArray[np.int64], candidates: NDArray[np.int64]
) -> NDArray[np.bool_]:
    inside = np.isin(pairs[:, 0], brands) & np.isin(pairs[:, 1], candidates)
    cells = np.zeros((len(brands), len(candidates)), dtype=bool)
    rows = np.searchsorted(brands, pairs[inside, 0])
    cells[rows, np.searchsorted(candidates, pairs[inside, 1])] = True
    return cells


class SplitDataset(Dataset):  # type: ignore[misc]
    """Any RecBole data set under the `known-brand` protocol: 8:1:1 per user, seeded.

    Serves data that does not follow our schema, such as RecBole's bundled ml-100k, with the columns
    that `load_col` names; RecBole's context-aware models read those of users and items as features.
    """

    accounts: AccountTables | None = None
    closed_parts: frozenset[str] = frozenset()

    def _load_data(self, token: str, dataset_path: str) -> None:
        """RecBole's, after a check of the columns; nothing is ever downloaded."""
        refuse(column_problems(self.config, Path(dataset_path), token))
        super()._load_data(token, dataset_path)

    def _load_feat(self, filepath: str, source: Any) -> pd.DataFrame | None:
        """RecBole's, where NA, null and nan in columns of tokens are words like any other."""
        loaded: pd.DataFrame | None = super()._load_feat(filepath, source)
        if loaded is None:
            return None
        for field in loaded:
            kind = self.field2type[field]
            if kind in (FeatureType.TOKEN, FeatureType.TOKEN_SEQ):
                lost = [not len(v) if isinstance(v, np.ndarray) else v != v for v in loaded[field]]
                if any(lost):
                    words = self._words(filepath, str(field), kind)
                    loaded[field] = loaded[field].mask(np.array(lost) & (words.map(len) > 0), words)
        return loaded

    def _words(self, path: str, field: str, kind: FeatureType) -> "pd.Series[Any]":
        """A column of tokens, read without what pandas takes for missing."""
        words = pd.read_csv(
            path,
            delimiter=self.config["field_separator"],
            usecols=[f"{field}:{kind.value}"],
            dtype=str,
            encoding=self.config["encoding"],
            engine="python",
            keep_default_na=False,
        ).iloc[:, 0]
        if kind == FeatureType.TOKEN:
            return words
        separator = self.config["seq_separator"]
        return words.map(lambda text: np.array([word for word in text.split(separator) if word]))

    def _parse_intervals_str(self, intervals_str: Any) -> Any:
        """RecBole's, which only warns of what is no interval and then filters by the others."""
        try:
            found = super()._parse_intervals_str(intervals_str)
        except (IndexError, ValueError):
            found = []
        wanted = 0 if found is None else str(intervals_str).count(";") + 1
        if wanted > len(found or ()) or any(low > high for _, low, high, _ in found or ()):
            raise UsageError(
                f"Intervals must read like [5,inf) or [0,1);(3,4]. Received: {intervals_str!r}."
            )
        return found

    def _data_filtering(self) -> None:
        """RecBole's, after a check that no account bears the name of its padding."""
        for feat in (self.inter_feat, self.user_feat, self.item_feat):
            for field in {self.uid_field, self.iid_field} & set(() if feat is None else feat):
                if (feat[field] == PADDING).any():
                    raise UsageError(
                        f"Data set '{self.dataset_name}' holds the {field} '{PADDING}', by which "
                        f"RecBole means no account at all. Give it another name."
                    )
        super()._data_filtering()

    def build(self) -> list[Dataset]:
        """Split the interactions; returns the train, valid and (where there is one) test part."""
        self._change_feat_format()
        parts = self.part_of_interactions()
        n_left_out = int((parts == "").sum())
        if n_left_out:
            self.logger.info(
                f"{n_left_out} of {len(parts)} interactions stand in no part of the split and are "
                f"left out."
            )
        self.pairs: dict[str, NDArray[np.int64]] = {}
        built = []
        for part in schema.PARTS:
            rows = np.flatnonzero(parts == part)
            if part == schema.TRAIN:
                rows = np.random.default_rng(self.config["seed"]).permutation(rows)
            elif not len(rows):
                continue
            inter = self.inter_feat[rows]
            self.pairs[part] = np.column_stack(
                [inter[self.uid_field].numpy(), inter[self.iid_field].numpy()]
            ).astype(np.int64)
            built.append(self.copy(inter))
        return built

    def part_of_interactions(self) -> NDArray[np.str_]:
        """The part, `train`, `valid` or `test`, of every interaction."""
        if self.config["protocol"] != schema.KNOWN_BRAND:
            raise UsageError(
                f"Protocol '{self.config['protocol']}' needs atomic files of brands and "
                f"influencers, which data set '{self.dataset_name}' is not; set "
                f"protocol=known-brand."
            )
        frame = self._interactions()
        if frame.duplicated().any():
            pair = " with ".join(map(str, frame[frame.duplicated()].iloc[0]))
            raise UsageError(
                f"Data set '{self.dataset_name}' holds the interaction of {pair} more than once; "
                f"set rm_dup_inter=first."
            )
        with self._splitting("cannot be split by known-brand"):
            return _parts(frame, splits.known_brand_split(frame, seed=self.config["split_seed"]))

    def _interactions(self) -> pd.DataFrame:
        """Brand and influencer of every interaction, as the files name them."""
        fields = {schema.BRAND_ID: self.uid_field, schema.INFLUENCER_ID: self.iid_field}
        return pd.DataFrame(
            {name: self.id2token(field, self.inter_feat[field]) for name, field in fields.items()}
        )

    @contextmanager
    def _splitting(self, what: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise UsageError(f"Data set '{self.dataset_name}' {what}: {error}.") from None

    def evaluation_split(self, part: str) -> EvaluationSplit | None:
        """Brands, candidates and truth of `valid` or `test`; None where there is no such part.

        Raises:
            PermissionError: the part is closed: nothing may be measured on it now.
        """
        if part in self.closed_parts:
            raise PermissionError(f"The {part} part is closed: nothing may be measured on it now.")
        if part not in self.pairs:
            return None
        earlier = [self.pairs[name] for name in schema.PARTS[: schema.PARTS.index(part)]]
        return build_evaluation_split(
            str(self.config["protocol"]),
            part,
            self.pairs[part],
            np.concatenate(earlier),
            self.pairs[schema.TRAIN],
            self.item_num,
        )

    def fingerprint(self) -> str:
        """Digest of the data set's files, to tell a checkpoint of other data."""
        digest = hashlib.sha256()
        for path in sorted(Path(self.dataset_path).glob(f"{self.dataset_name}.*")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()


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
        self.atomic = read_atomic(folder, token)
        # Such models of ours take features from the account tables instead of the batches.
        looks_up = getattr(self.config.model_class, "looks_features_up", False)
        context = self.config["MODEL_TYPE"] == ModelType.CONTEXT and not looks_up
        ids = {schema.BRAND_ID: FeatureType.TOKEN, schema.INFLUENCER_ID: FeatureType.TOKEN}
        self.inter_feat = self._register(self.atomic.interactions, ids, FeatureSource.INTERACTION)
        self.user_feat = self._account_feat(self.atomic.brands, schema.BRAND, context)
        self.item_feat = self._account_feat(self.atomic.influencers, schema.INFLUENCER, context)

    def _get_remap_list(self, field_list: Any) -> list[Any]:
        """RecBole's, interactions last: ids follow the account files, not the collaborations."""
        remapped: list[Any] = super()._get_remap_list(field_list)
        return sorted(remapped, key=lambda entry: entry[0] is self.inter_feat)

    def _account_feat(self, frame: pd.DataFrame, side: schema.Side, context: bool) -> pd.DataFrame:
        fields = {schema.ACCOUNT_ID[side]: FeatureType.TOKEN}
        if context:
            fields |= {
                name: FeatureType(kind)
                for name, kind in schema.account_types(side).items()
                if kind in ("token", "token_seq") and name in frame
            }
        is_brand = side == schema.BRAND
        source = FeatureSource.USER if is_brand else FeatureSource.ITEM
        loaded = self._register(frame, fields, source)
        self.field2source[schema.ACCOUNT_ID[side]] = (
            FeatureSource.USER_ID if is_brand else FeatureSource.ITEM_ID
        )
        return loaded

    def _register(
        self, frame: pd.DataFrame, fields: Mapping[str, FeatureType], source: FeatureSource
    ) -> pd.DataFrame:
        """Copy columns and tell RecBole their type, source and length."""
        loaded = frame[list(fields)].reset_index(drop=True).copy()
        for field, kind in fields.items():
            self.field2type[field] = kind
            self.field2source[field] = source
            self.field2seqlen[field] = 1
            if kind == FeatureType.TOKEN_SEQ:
                values = [np.array(value or [], dtype=str) for value in loaded[field]]
                loaded[field] = pd.Series(values, dtype=object)
                self.field2seqlen[field] = max(map(len, values), default=1)
        return loaded

    def part_of_interactions(self) -> NDArray[np.str_]:
        """The part of every interaction: from the split files, or drawn where there are none."""
        config, brands = self.config, self.atomic.brands
        protocol, seed = str(config["protocol"]), config["split_seed"]
        parts = self.atomic.splits.get(protocol)
        if parts is None:
            with self._splitting(f"has no split files for {protocol}, and none can be drawn"):
                if protocol == schema.KNOWN_BRAND:
                    parts = splits.known_brand_split(self.atomic.interactions, seed=seed)
                else:
                    parts = splits.new_brand_split(
                        brands,
                        self.atomic.interactions,
                        n_valid=config["valid_brands"],
                        n_test=config["test_brands"],
                        seed=seed,
                    )
        if config["folds"]:
            # over the brands of training and validation; the test brands stay out
            with self._splitting(f"cannot be cut into {config['folds']} folds"):
                parts = splits.new_brand_fold(
                    brands,
                    pd.concat([parts[schema.TRAIN], parts[schema.VALID]]),
                    n_folds=config["folds"],
                    fold=config["fold"],
                    n_valid=config["valid_brands"],
                    seed=seed,
                )
        return _parts(self._interactions(), parts)

    def build(self) -> list[Dataset]:
        """Split the interactions and build the account tables from training accounts."""
        built = super().build()
        training = {
            schema.BRAND: np.isin(np.arange(self.user_num), self.pairs[schema.TRAIN][:, 0]),
            schema.INFLUENCER: np.isin(np.arange(self.item_num), self.pairs[schema.TRAIN][:, 1]),
        }
        tokens = {
            side: self.field2id_token[schema.ACCOUNT_ID[side]].tolist() for side in schema.SIDES
        }
        accounts = build_account_tables(self.atomic, tokens, training)
        for dataset in (self, *built):
            dataset.accounts = accounts
            dataset.pairs = self.pairs
        for modality, reason in accounts.left_out.items():
            self.logger.info(f"Modality {modality} is not used: {reason}.")
        return built

    def brand_categories(self) -> NDArray[np.int64]:
        """Category number of every brand by internal id, in the order of the categories' names.

        -1 where a brand has none, and for padding.
        """
        if schema.BRAND_CATEGORY not in self.atomic.brands:
            return np.full(self.user_num, -1)
        known = self.atomic.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY]
        tokens = self.field2id_token[self.uid_field]
        return _codes(known.reindex(tokens), sorted(set(known.dropna())))

    def evaluation_split(self, part: str) -> EvaluationSplit | None:
        """As the base class, with the categories for cAUC."""
        split = super().evaluation_split(part)
        if split is None or schema.BRAND_CATEGORY not in self.atomic.brands:
            return split
        categories: dict[str, Any] = {"brand_category": self.brand_categories()[split.brands]}
        if self.atomic.influencer_category is not None:
            influencer_tokens = self.id2token(self.iid_field, split.candidates)
            known = self.atomic.influencer_category.reindex(influencer_tokens)
            names = sorted(set(self.atomic.brands[schema.BRAND_CATEGORY].dropna()))
            categories["candidate_category"] = _codes(known, names)
        return EvaluationSplit(**(vars(split) | categories))


def _codes(categories: "pd.Series[Any]", names: list[str]) -> NDArray[np.int64]:
    return pd.Categorical(categories, categories=names).codes.astype(np.int64)


def _parts(interactions: pd.DataFrame, parts: Mapping[str, pd.DataFrame]) -> NDArray[np.str_]:
    pairs = [schema.BRAND_ID, schema.INFLUENCER_ID]
    named = pd.concat([frame[pairs].assign(part=part) for part, frame in parts.items()])
    joined = interactions.merge(named, on=pairs, how="left")
    return joined["part"].fillna("").to_numpy(dtype=str)
