"""The published method, `variant: reference` and `variant: paper`, over account features."""

import torch
from torch import Tensor, nn

from dataset_convert import schema
from recbole_mirec.model.base import AccountFeatures, FeatureTables, Sides
from recbole_mirec.nn.encoder import AccountEncoder
from recbole_mirec.nn.objective import objective, perspective_scores, weight_matrices
from recbole_mirec.nn.settings import NetworkSettings


class MorningMethod(nn.Module):
    """Account vectors and objective of MORNING (TMM 2023), equations (7)-(12) and (18)-(32).

    Args:
        settings: the network's switches and widths.
        tables: raw topics and visual semantics, and node embeddings' means as `attribute`.
    """

    score_meaning = "the sum of the perspectives' inner products, unbounded"

    def __init__(self, settings: NetworkSettings, tables: FeatureTables):
        super().__init__()
        self.accounts = AccountFeatures(tables)
        self.encoder = AccountEncoder(settings, self.accounts.widths)
        self.loss_names = [*(f"{name}_triplet" for name in settings.perspectives), "cross_entropy"]
        self.loss_names += ["score_penalty", "l1"]

    def losses(self, brands: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, ...]:
        """The terms of the objective (28)-(32) of some pairs, in the order of `loss_names`.

        Args:
            brands: int64 (pair), internal ids; likewise the next two.
            positives: influencers that the brands collaborated with.
            negatives: influencers that they did not.
        """
        brands, brand_rows = torch.unique(brands, return_inverse=True)
        influencers, rows = torch.unique(torch.cat([positives, negatives]), return_inverse=True)
        # Each account once, brands and influencers in one call: one dropout mask serves both.
        vectors, present = self._encode(brands, influencers)
        # index_select: the gradient of vectors[rows] adds up in any order under several threads.
        brand_vectors, brand_present = vectors.index_select(0, brand_rows), present[brand_rows]
        positive, negative = (rows + len(brands)).split(len(positives))
        terms = objective(
            self.encoder.settings,
            perspective_scores(brand_vectors, vectors.index_select(0, positive)),
            perspective_scores(brand_vectors, vectors.index_select(0, negative)),
            brand_present & present[positive],
            brand_present & present[negative],
            weight_matrices(self.encoder),
        )
        return tuple(terms[name] for name in self.loss_names)

    def all_vectors(self) -> Sides:
        """Vectors of all accounts: side -> float32 (account, perspective, dimension)."""
        return self.accounts.encoded(
            lambda side, ids: self._encode(
                *((ids, ids[:0]) if side == schema.BRAND else (ids[:0], ids))
            )[0]
        )

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
        places = torch.arange(len(brands) + len(influencers), device=brands.device)
        vectors, present = self.encoder(features, masks, places < len(brands))
        return vectors, present
