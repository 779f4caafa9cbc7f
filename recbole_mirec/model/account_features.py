"""Account features of both sides inside a model: looked up by id, left out of checkpoints."""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from recbole_mirec.data.account_tables import AccountTables
from recbole_mirec.data.perspectives import (
    LISTS,
    attribute_source,
    available_perspectives,
    check_perspectives,
    incidence_features,
)
from recbole_mirec.errors import UsageError

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
