"""The published method, `variant: reference` and `variant: paper`, over account features."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.model.base import AccountFeatures
from recbole_mirec.nn import (
    AccountEncoder,
    NetworkSettings,
    objective,
    perspective_scores,
    weight_matrices,
)


class MorningMethod(nn.Module):
    """Account vectors and objective of MORNING (TMM 2023), equations (7)-(12) and (18)-(32).

    Args:
        settings: the network's switches and widths.
        accounts: raw topics and visual semantics, and node embeddings' means as `attribute`.
    """

    score_meaning = "the sum of the perspectives' inner products, unbounded"

    def __init__(self, settings: NetworkSettings, accounts: AccountFeatures):
        super().__init__()
        self.accounts = accounts
        self.encoder = AccountEncoder(settings, accounts.widths)
        self.loss_names = [*(f"{name}_triplet" for name in settings.perspectives), "cross_entropy"]
        self.loss_names += ["score_penalty", "l1"]

    def losses(self, brands: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, ...]:
        """The terms of the objective (28)-(32) of some pairs, in the order of `loss_names`.

        Args:
            brands: int64 (pair), internal ids; likewise the next two.
            positives: influencers that the brands collaborated with.
            negatives: influencers that they did not.
        """
        n_pairs = len(brands)
        brands, brand_rows = torch.unique(brands, return_inverse=True)
        influencers, influencer_rows = torch.unique(
            torch.cat([positives, negatives]), return_inverse=True
        )
        # Each account once, brands and influencers in one call: one dropout mask serves both.
        vectors, present = self._encode(brands, influencers)
        # index_select: the gradient of vectors[rows] adds up in any order under several threads.
        brand_vectors, brand_present = vectors.index_select(0, brand_rows), present[brand_rows]
        influencer_rows = influencer_rows + len(brands)
        positive, negative = influencer_rows[:n_pairs], influencer_rows[n_pairs:]
        terms = objective(
            self.encoder.settings,
            perspective_scores(brand_vectors, vectors.index_select(0, positive)),
            perspective_scores(brand_vectors, vectors.index_select(0, negative)),
            brand_present & present[positive],
            brand_present & present[negative],
            weight_matrices(self.encoder),
        )
        return tuple(terms[name] for name in self.loss_names)

    def all_vectors(self, accounts_at_once: int) -> dict[schema.Side, Tensor]:
        """Vectors of all accounts: side -> float32 (account, perspective, dimension)."""
        sides: dict[schema.Side, Tensor] = {}
        for side in schema.SIDES:
            ids = self.accounts.ids(side)
            none = ids[:0]
            blocks = [
                self._encode(*((block, none) if side == schema.BRAND else (none, block)))[0]
                for block in torch.split(ids, accounts_at_once)
            ]
            sides[side] = torch.cat(blocks)
        return sides

    def _encode(self, brands: Tensor, influencers: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors and presence of accounts, brands first."""
        ids = {schema.BRAND: brands, schema.INFLUENCER: influencers}
        features, masks = (
            {
                name: torch.cat([read(side, ids[side])[name] for side in schema.SIDES])
                for name in self.accounts.widths
            }
            for read in (self.accounts.features, self.accounts.masks)
        )
        is_brand = torch.zeros(
            len(brands) + len(influencers), dtype=torch.bool, device=brands.device
        )
        is_brand[: len(brands)] = True
        vectors, present = self.encoder(features, masks, is_brand)
        return vectors, present


def network_settings(config: Any, perspectives: tuple[str, ...]) -> NetworkSettings:
    """The keys of the YAML as the frozen, checked settings of `nn`.

    Args:
        config: a resolved configuration of MIRec.
        perspectives: those that are in use, as `check_perspectives` returns them.

    Raises:
        UsageError: a key has a wrong value.
    """
    values = {field.name: config[field.name] for field in dataclasses.fields(NetworkSettings)}
    values["perspectives"] = perspectives
    for name in ("visual_hidden", "topic_hidden", "attribute_hidden"):
        values[name] = _tuple(name, values[name])
    for name in ("margins", "score_penalties"):
        if not isinstance(values[name], dict):
            raise UsageError(
                f"Key '{name}' must map each perspective to its value. Received: {values[name]!r}."
            )
    values["score_penalties"] = {
        perspective: _tuple("score_penalties", pair)
        for perspective, pair in values["score_penalties"].items()
    }
    try:
        return NetworkSettings(**values)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _tuple(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"Key '{name}' must be a list of numbers. Received: {value!r}.")
    return tuple(value)
