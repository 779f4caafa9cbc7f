"""MIRec under RecBole's contract: the account encoder of `nn` trained on pairs."""

import dataclasses
import hashlib
from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import AbstractRecommender, ContextRecommender
from recbole.utils import InputType
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.data.account_tables import AccountTables
from recbole_mirec.data.attribute_inputs import GraphSettings, graph_features
from recbole_mirec.data.perspectives import (
    LISTS,
    attribute_source,
    available_perspectives,
    check_perspectives,
)
from recbole_mirec.errors import UsageError
from recbole_mirec.nn import (
    AccountEncoder,
    NetworkSettings,
    objective,
    perspective_scores,
    weight_matrices,
)

ATTRIBUTE = "attribute"


class MIRec(ContextRecommender):  # type: ignore[misc]
    """Micro-influencer recommendation from content, audience and attributes (MORNING, TMM 2023).

    Account features are looked up by id, so batches carry ids only. The score of a pair is the
    inner product of two account vectors (27), the sum of one inner product per perspective.

    Args:
        config: the keys of `properties/model/MIRec.yaml`, presets resolved.
        dataset: the training part, with `accounts` and `pairs`.

    Raises:
        UsageError: the data set has no account features, or a key has a wrong value.
    """

    input_type = InputType.PAIRWISE
    looks_features_up = True
    score_meaning = "the sum of the perspectives' inner products, unbounded"

    def __init__(self, config: Any, dataset: Any):
        # ContextRecommender's own constructor would embed every field of the batch.
        AbstractRecommender.__init__(self)
        if dataset.accounts is None:
            raise UsageError("MIRec needs account features, which this data set does not have.")
        self.device = config["device"]
        self.brand_field, self.influencer_field = dataset.uid_field, dataset.iid_field
        self.negative_field = config["NEG_PREFIX"] + dataset.iid_field
        wanted = check_perspectives(config["perspectives"])
        perspectives = available_perspectives(dataset.accounts, wanted)
        for name in wanted:
            if name not in perspectives:
                self.logger.info(
                    f"Perspective {name} is left out: the data set has nothing for it."
                )
        settings = network_settings(config, perspectives)
        self._load_features(dataset.accounts, dataset.pairs[schema.TRAIN], config, perspectives)
        self.encoder = AccountEncoder(settings, self._widths)
        self.loss_names = [*(f"{name}_triplet" for name in perspectives), "cross_entropy"]
        self.loss_names += ["score_penalty", "l1"]
        self._vectors: dict[schema.Side, Tensor] | None = None

    @property
    def perspectives(self) -> tuple[str, ...]:
        """Names along the perspective axis of `account_vectors`."""
        return self.encoder.settings.perspectives

    def train(self, mode: bool = True) -> "MIRec":
        """As torch's; training forgets the account vectors, since parameters will change."""
        if mode:
            self._vectors = None
        super().train(mode)
        return self

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's; account vectors are forgotten."""
        self._vectors = None
        return super().load_state_dict(*args, **kwargs)

    def input_fingerprint(self) -> str:
        """Digest of the account features, which checkpoints leave out: sha256 in hex."""
        digest = hashlib.sha256()
        for side in schema.SIDES:
            for name in sorted(self._widths):
                for kind in ("features", "mask"):
                    values = getattr(self, f"{side}_{name}_{kind}").cpu().numpy()
                    digest.update(f"{side} {name} {kind} {values.shape}".encode())
                    digest.update(values.tobytes())
        return digest.hexdigest()

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        """The terms of the objective (28)-(32), in the order of `loss_names`."""
        n_pairs = len(interaction)
        brands, brand_rows = torch.unique(interaction[self.brand_field], return_inverse=True)
        chosen = torch.cat([interaction[self.influencer_field], interaction[self.negative_field]])
        influencers, influencer_rows = torch.unique(chosen, return_inverse=True)
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

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        return self.perspective_scores(interaction).sum(dim=1)

    def perspective_scores(self, interaction: Any) -> Tensor:
        """What each perspective adds to the score of pairs: float32 (pair, perspective)."""
        vectors = self.account_vectors()
        return perspective_scores(
            vectors[schema.BRAND][interaction[self.brand_field]],
            vectors[schema.INFLUENCER][interaction[self.influencer_field]],
        )

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), one matrix product."""
        vectors = self.account_vectors()
        brands = vectors[schema.BRAND][interaction[self.brand_field]].flatten(start_dim=1)
        return (brands @ vectors[schema.INFLUENCER].flatten(start_dim=1).T).reshape(-1)

    @torch.no_grad()
    def account_vectors(self) -> dict[schema.Side, Tensor]:
        """Vectors of all accounts, computed once until the model trains again.

        Returns:
            `brand` and `influencer` -> float32 (account, perspective, dimension) by internal id;
            row 0 is padding, zeros. The score is the inner product of two accounts' rows.
        """
        if self._vectors is None:
            was_training = self.training
            self.eval()
            sides: dict[schema.Side, Tensor] = {}
            for side in schema.SIDES:
                ids = torch.arange(self._n_accounts[side], device=self.device)
                none = ids[:0]
                blocks = [
                    self._encode(*((block, none) if side == schema.BRAND else (none, block)))[0]
                    for block in torch.split(ids, 1024)
                ]
                sides[side] = torch.cat(blocks)
            if was_training:
                self.train()
                return sides
            self._vectors = sides
        return self._vectors

    def _encode(self, brands: Tensor, influencers: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors and presence of accounts, brands first."""
        ids = {schema.BRAND: brands, schema.INFLUENCER: influencers}
        features, masks = (
            {
                name: torch.cat(
                    [getattr(self, f"{side}_{name}_{kind}")[ids[side]] for side in schema.SIDES]
                )
                for name in self._widths
            }
            for kind in ("features", "mask")
        )
        is_brand = torch.zeros(len(brands) + len(influencers), dtype=torch.bool, device=self.device)
        is_brand[: len(brands)] = True
        vectors, present = self.encoder(features, masks, is_brand)
        return vectors, present

    def _load_features(
        self,
        accounts: AccountTables,
        pairs: np.ndarray[Any, np.dtype[np.int64]],
        config: Any,
        perspectives: tuple[str, ...],
    ) -> None:
        """Keep the account features as buffers that checkpoints leave out."""
        tables: dict[schema.Side, dict[str, tuple[Tensor, Tensor]]] = {
            side: {
                name: (table.features[name], table.masks[name])
                for perspective in perspectives
                for name in schema.PERSPECTIVES[perspective]
                if name in table.features and name != schema.ATTRIBUTE_VECTOR
            }
            for side, table in accounts.sides.items()
        }
        if ATTRIBUTE in perspectives:
            for side, values in _attribute_features(accounts, pairs, config).items():
                tables[side][ATTRIBUTE] = values
        self._widths = {name: value.shape[1] for name, (value, _) in tables[schema.BRAND].items()}
        self._n_accounts = {side: len(table.followers) for side, table in accounts.sides.items()}
        for side, table in tables.items():
            for name, (rows, mask) in table.items():
                self.register_buffer(f"{side}_{name}_features", rows, persistent=False)
                self.register_buffer(f"{side}_{name}_mask", mask, persistent=False)


def _attribute_features(
    accounts: AccountTables, pairs: np.ndarray[Any, np.dtype[np.int64]], config: Any
) -> dict[schema.Side, tuple[Tensor, Tensor]]:
    if attribute_source(accounts, config["attribute_input"]) == LISTS:
        return graph_features(accounts, pairs, GraphSettings.from_config(config))
    return {
        side: (table.features[schema.ATTRIBUTE_VECTOR], table.masks[schema.ATTRIBUTE_VECTOR])
        for side, table in accounts.sides.items()
    }


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
