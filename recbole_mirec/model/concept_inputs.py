"""What CAMERA and CATR read: an account's pooled posts and its concepts."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from recbole_mirec.data.attribute_inputs import GraphSettings
from recbole_mirec.data.concepts import account_concepts
from recbole_mirec.errors import UsageError
from recbole_mirec.model.account_features import AccountFeatures
from recbole_mirec.model.history import content_tables


class ConceptInputs(nn.Module):
    """Histories and concepts of both sides as buffers that checkpoints leave out.

    Args:
        config: `n_concepts` and the keys of `GraphSettings`.
        dataset: brings `accounts` and `pairs`.
        model: the name of the model that reads them, for errors.

    Raises:
        UsageError: the data set lacks attribute lists, or topics and visual semantics of content.
    """

    vectors: Tensor

    def __init__(self, config: Any, dataset: Any, model: str):
        super().__init__()
        tables = content_tables(dataset, model)
        if not dataset.accounts.attribute_names:
            raise UsageError(
                f"{model} needs attribute lists of both sides, which are its concepts: fill the "
                f"columns {' and '.join(_columns())}. A precomputed attribute_vector does not do."
            )
        self.content = AccountFeatures(
            {
                side: {
                    name: (functional.normalize(rows), mask) for name, (rows, mask) in table.items()
                }
                for side, table in tables.items()
            }
        )
        concepts = account_concepts(
            dataset.accounts,
            dataset.pairs[schema.TRAIN],
            GraphSettings.from_config(config),
            config["n_concepts"],
        )
        self.register_buffer("vectors", torch.from_numpy(concepts.vectors), persistent=False)
        for side in schema.SIDES:
            for name, values in (("ids", concepts.ids), ("mask", concepts.masks)):
                self.register_buffer(f"{side}_{name}", torch.from_numpy(values[side]), False)

    @property
    def n_history(self) -> int:
        """Width of `histories`."""
        return sum(self.content.widths.values())

    def histories(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Pooled posts of accounts, each modality of length 1: float32 (account, dimension)."""
        return torch.cat(list(self.content.features(side, ids).values()), dim=1)

    def concepts(self, side: schema.Side, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of `vectors` (account, place) of accounts' concepts, and True where there is one."""
        return getattr(self, f"{side}_ids")[ids], getattr(self, f"{side}_mask")[ids]

    def correlations(self, brands: Tensor, influencers: Tensor) -> Tensor:
        """Cosine of each modality of pairs' contents: float32 (pair, modality), 0 where missing."""
        one = self.content.features(schema.BRAND, brands)
        other = self.content.features(schema.INFLUENCER, influencers)
        return torch.stack([(one[name] * other[name]).sum(dim=1) for name in one], dim=1)

    def fingerprint(self) -> str:
        """Digest of everything here, for checkpoints, which leave it out: sha256 in hex."""
        digest = hashlib.sha256(self.content.fingerprint().encode())
        for name in (
            "vectors",
            *(f"{side}_{kind}" for side in schema.SIDES for kind in ("ids", "mask")),
        ):
            values = getattr(self, name).cpu().numpy()
            digest.update(f"{name} {values.shape}".encode() + values.tobytes())
        return digest.hexdigest()


def _columns() -> list[str]:
    return [schema.account_field(side, schema.ATTRIBUTES) for side in schema.SIDES]
