"""What models share: account features, pairs to learn from, values kept until training."""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import (
    LISTS,
    AccountTables,
    attribute_source,
    available_perspectives,
    check_perspectives,
    incidence_features,
)


class ForgetsInTraining:
    """Forgets `_kept`, tensors by side, where parameters change: in training and in loading.

    To be named before the module class that it is mixed into.
    """

    _kept: dict[schema.Side, Tensor] | None = None

    def train(self, mode: bool = True) -> Any:
        """As torch's; training forgets what was computed, since parameters will change."""
        if mode:
            self._kept = None
        return super().train(mode)  # type: ignore[misc]

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's; what was computed is forgotten."""
        self._kept = None
        return super().load_state_dict(*args, **kwargs)  # type: ignore[misc]


class InfluencerScores(GeneralRecommender):  # type: ignore[misc]
    """Models that rank influencers by one number each, whatever the brand.

    Ties stay ties: the metrics give what a random order of the tied gives on average.

    Args:
        config: RecBole's field names are read.
        dataset: gives the numbers of brands and influencers.
        scores: float (influencer) by internal id, padding first.
    """

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE

    def __init__(self, config: Any, dataset: Any, scores: "np.ndarray[Any, Any]"):
        super().__init__(config, dataset)
        values = torch.from_numpy(scores.astype(np.float32))
        self.register_buffer("scores", values, persistent=False)
        # RecBole's optimizer wants a parameter and its loop a loss.
        self.unused = nn.Parameter(torch.zeros(1))

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.unused.sum() * 0.0

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        scores: Tensor = self.scores[interaction[self.ITEM_ID]]
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), a fresh tensor."""
        scores: Tensor = self.scores.repeat(len(interaction[self.USER_ID]))
        return scores


class TrainingPairs(nn.Module):
    """Training collaborations on the model's device, left out of checkpoints.

    Args:
        pairs: int64 (pair, 2), internal ids.
        weights: float64 (pair), above 0 on average.
        n_accounts: side -> number of internal ids.
    """

    def __init__(
        self,
        pairs: NDArray[np.int64],
        weights: NDArray[np.float64],
        n_accounts: dict[schema.Side, int],
    ):
        super().__init__()
        self.n_accounts = n_accounts
        self.pairs: Tensor
        self.weights: Tensor
        self.brands: Tensor
        self.influencers: Tensor
        self.register_buffer("pairs", torch.from_numpy(pairs), persistent=False)
        self.register_buffer("weights", torch.from_numpy(weights).float(), persistent=False)
        for name, column in (("brands", 0), ("influencers", 1)):
            ids = torch.from_numpy(np.unique(pairs[:, column]))
            self.register_buffer(name, ids, persistent=False)

    def is_training(self, side: schema.Side) -> Tensor:
        """True at internal ids with a training collaboration: bool (account)."""
        ids = self.brands if side == schema.BRAND else self.influencers
        mask = torch.zeros(self.n_accounts[side], dtype=torch.bool, device=ids.device)
        mask[ids] = True
        return mask

    def some_influencers(self, wanted: Tensor, most: int) -> Tensor:
        """Training influencers, sorted: all, or the wanted ones and as many others as drawn.

        Args:
            wanted: internal ids that must be among them.
            most: how many at most; more only where more are wanted.
        """
        everyone = self.influencers
        if len(everyone) <= most:
            return everyone
        wanted = torch.unique(wanted)
        others = everyone[~torch.isin(everyone, wanted)]
        drawn = torch.randperm(len(others), device=others.device)[: max(most - len(wanted), 0)]
        return torch.cat([wanted, others[drawn]]).sort().values

    def matrix(self, brands: Tensor, influencers: Tensor) -> Tensor:
        """1 where a brand and an influencer collaborated: float32 (brand, influencer).

        Args:
            brands: sorted internal ids; likewise the influencers.
            influencers: of the columns.
        """
        return self._placed(self.pairs, torch.ones_like(self.weights), brands, influencers)

    def batch_weights(
        self, batch_brands: Tensor, batch_influencers: Tensor, brands: Tensor, influencers: Tensor
    ) -> Tensor:
        """Weights of the pairs of a batch in such a matrix; 0 for pairs not in the batch."""
        width = self.n_accounts[schema.INFLUENCER]
        keys = batch_brands * width + batch_influencers
        in_batch = torch.isin(self.pairs[:, 0] * width + self.pairs[:, 1], keys)
        return self._placed(self.pairs[in_batch], self.weights[in_batch], brands, influencers)

    def _placed(self, pairs: Tensor, values: Tensor, brands: Tensor, influencers: Tensor) -> Tensor:
        rows, columns = (
            _places(ids, n)
            for ids, n in (
                (brands, self.n_accounts[schema.BRAND]),
                (influencers, self.n_accounts[schema.INFLUENCER]),
            )
        )
        row, column = rows[pairs[:, 0]], columns[pairs[:, 1]]
        inside = (row >= 0) & (column >= 0)
        matrix = values.new_zeros(len(brands), len(influencers))
        matrix[row[inside], column[inside]] = values[inside]
        return matrix


def _places(ids: Tensor, n_accounts: int) -> Tensor:
    """Where each account stands among some: int64 (account), -1 where it does not."""
    places = torch.full((n_accounts,), -1, dtype=torch.int64, device=ids.device)
    places[ids] = torch.arange(len(ids), device=ids.device)
    return places


ATTRIBUTE = "attribute"

# One side's features: modality -> float32 (account, dimension) and bool mask (account).
FeatureTable = Mapping[str, tuple[Tensor, Tensor]]


class AccountFeatures(nn.Module):
    """Features and masks as buffers that follow the model's device.

    Args:
        tables: side -> its features; row i is internal id i and row 0 is padding. Both sides have
            the same modalities, of the same widths.
    """

    def __init__(self, tables: Mapping[schema.Side, FeatureTable]):
        super().__init__()
        brand = tables[schema.BRAND]
        self.widths = {name: rows.shape[1] for name, (rows, _) in brand.items()}
        self.n_accounts = {
            side: len(next(iter(table.values()))[0]) for side, table in tables.items()
        }
        for side, table in tables.items():
            for name, (rows, mask) in table.items():
                self.register_buffer(f"{side}_{name}_features", rows, persistent=False)
                self.register_buffer(f"{side}_{name}_mask", mask, persistent=False)

    def ids(self, side: schema.Side) -> Tensor:
        """All internal ids of a side, padding first: int64 (account), on the features' device."""
        device = self._buffer(side, next(iter(self.widths)), "mask").device
        return torch.arange(self.n_accounts[side], device=device)

    def features(self, side: schema.Side, ids: Tensor) -> dict[str, Tensor]:
        """Modality -> float32 (account, dimension) of the accounts of some internal ids."""
        return {name: self._buffer(side, name, "features")[ids] for name in self.widths}

    def masks(self, side: schema.Side, ids: Tensor) -> dict[str, Tensor]:
        """Modality -> bool (account), True where the account has the modality."""
        return {name: self._buffer(side, name, "mask")[ids] for name in self.widths}

    def fingerprint(self) -> str:
        """Digest of features and masks, for checkpoints, which leave them out: sha256 in hex."""
        digest = hashlib.sha256()
        for side in schema.SIDES:
            for name in sorted(self.widths):
                for kind in ("features", "mask"):
                    values = self._buffer(side, name, kind).cpu().numpy()
                    digest.update(f"{side} {name} {kind} {values.shape}".encode())
                    digest.update(values.tobytes())
        return digest.hexdigest()

    def _buffer(self, side: schema.Side, name: str, kind: str) -> Tensor:
        return cast(Tensor, getattr(self, f"{side}_{name}_{kind}"))


def require_accounts(dataset: Any, model: str) -> AccountTables:
    """The data set's account tables.

    Raises:
        UsageError: it has none; names the model that needs them.
    """
    if dataset.accounts is None:
        raise UsageError(f"{model} needs account features, which this data set does not have.")
    return cast(AccountTables, dataset.accounts)


def perspectives_in_use(
    accounts: AccountTables, wanted: Any, logger: logging.Logger
) -> tuple[str, ...]:
    """Those of the wanted perspectives that the data set has features for; tells of the others.

    Args:
        accounts: the data set's.
        wanted: value of the key `perspectives`.
        logger: of the model.

    Raises:
        UsageError: a wrong value, or the data set has none of them.
    """
    names = check_perspectives(wanted)
    have = available_perspectives(accounts, names)
    for name in names:
        if name not in have:
            logger.info(f"Perspective {name} is left out: the data set has nothing for it.")
    return have


def training_accounts(dataset: Any) -> dict[schema.Side, Tensor]:
    """Side -> bool (account), True at internal ids with a training collaboration."""
    pairs = torch.from_numpy(dataset.pairs[schema.TRAIN])
    sides: dict[schema.Side, Tensor] = {}
    for column, side in enumerate(schema.SIDES):
        n_accounts = len(dataset.accounts.sides[side].followers)
        sides[side] = torch.isin(torch.arange(n_accounts), pairs[:, column])
    return sides


def modality_tables(
    accounts: AccountTables, modalities: tuple[str, ...]
) -> dict[schema.Side, dict[str, tuple[Tensor, Tensor]]]:
    """Those of some modalities that the data set has, by side."""
    return {
        side: {
            name: (table.features[name], table.masks[name])
            for name in modalities
            if name in table.features
        }
        for side, table in accounts.sides.items()
    }


def perspective_tables(
    accounts: AccountTables, perspectives: tuple[str, ...]
) -> dict[schema.Side, dict[str, tuple[Tensor, Tensor]]]:
    """Raw features of perspectives, by side.

    Attributes are the 0/1 rows of the lists where there are lists, otherwise the precomputed
    vectors, under the name `attribute`.

    Args:
        accounts: the data set's.
        perspectives: those in use, as `available_perspectives` returns them.
    """
    names = [
        name
        for perspective in perspectives
        if perspective != ATTRIBUTE
        for name in schema.PERSPECTIVES[perspective]
    ]
    tables = modality_tables(accounts, tuple(names))
    if ATTRIBUTE in perspectives:
        for side in schema.SIDES:
            tables[side][ATTRIBUTE] = _attributes(accounts, side)
    return tables


def concatenated(
    tables: Mapping[schema.Side, FeatureTable], name: str
) -> dict[schema.Side, dict[str, tuple[Tensor, Tensor]]]:
    """All modalities of an account as one row.

    Args:
        tables: side -> its features.
        name: what the joined modality is called.

    Returns:
        side -> `name` -> rows and mask. A row holds each modality scaled to length 1, zeros where
        it is missing, then one 0/1 column a modality that says whether it is there. The mask is
        True where any is.
    """
    joined: dict[schema.Side, dict[str, tuple[Tensor, Tensor]]] = {}
    for side, table in tables.items():
        masks = torch.stack([mask for _, mask in table.values()], dim=1)
        rows = [functional.normalize(features) for features, _ in table.values()]
        joined[side] = {name: (torch.cat([*rows, masks.float()], dim=1), masks.any(dim=1))}
    return joined


def _attributes(accounts: AccountTables, side: schema.Side) -> tuple[Tensor, Tensor]:
    if attribute_source(accounts, "auto") == LISTS:
        return incidence_features(accounts, side)
    table = accounts.sides[side]
    return table.features[schema.ATTRIBUTE_VECTOR], table.masks[schema.ATTRIBUTE_VECTOR]


CONTENT = (schema.CONTENT_TOPICS, schema.CONTENT_VISUAL)
READS_CONTENT = (
    "reads topics and visual semantics of content; it has no use for audience and attributes."
)


def content_tables(dataset: Any, model: str) -> dict[schema.Side, dict[str, tuple[Tensor, Tensor]]]:
    """Topics and visual semantics of what accounts post, those that the data set has.

    Raises:
        UsageError: it has neither; names the model that needs one of them.
    """
    tables = modality_tables(require_accounts(dataset, model), CONTENT)
    if not tables[schema.BRAND]:
        raise UsageError(
            f"{model} needs topics or visual semantics of the posts of both sides: fill the "
            f"columns {' or '.join(CONTENT)} of brands and influencers."
        )
    return tables
