"""The untrained similarity of account features: the figure that a trained model has to beat."""

from collections.abc import Mapping
from typing import Any

import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from recbole_mirec.model.account_features import (
    FeatureTable,
    perspective_tables,
    perspectives_in_use,
    require_accounts,
    training_accounts,
)
from recbole_mirec.nn.objective import perspective_scores
from recbole_mirec.nn.similarity import (
    centred_rows,
    hellinger_rows,
    product_deviation,
    standardise_product,
    unit_rows,
)

HELLINGER = "hellinger"
_MEANINGS = {
    "cosine": "the sum of the perspectives' cosines, each from -1 to 1",
    HELLINGER: "the sum of the perspectives' similarities as z-scores, 0 an average pair",
}

# One perspective's or modality's vectors (account, dimension), by side.
_Vectors = dict[schema.Side, Tensor]


class Cosine(GeneralRecommender):  # type: ignore[misc]
    """Sum over perspectives of an untrained similarity of the accounts' features.

    Two combinations, each one inner product a perspective:

    - `hellinger`: modalities without negative entries (topics, labels) are compared by the inner
      product of their square roots, embeddings by their cosine, attributes by the cosine of
      their vectors less the mean of the training accounts. Every modality's similarities become
      z-scores, are summed within the perspective, and the sums scaled to deviation 1. The
      constants come from training brands with training influencers. What either account lacks
      adds 0, the mean.
    - `cosine`: the cosine of a perspective's features as they are, its modalities each scaled to
      length 1 and concatenated. A missing modality is left out, a missing perspective adds 0.

    Attributes are 0/1 rows over the shared vocabulary, or the precomputed vectors.

    Args:
        config: `perspectives` and `combination` are read.
        dataset: brings `accounts` and `pairs`.

    Raises:
        UsageError: the data set has no account features.
    """

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        accounts = require_accounts(dataset, "Cosine")
        self.perspectives = perspectives_in_use(accounts, config["perspectives"], self.logger)
        self.score_meaning = _MEANINGS[config["combination"]]
        blocks = []
        for name in self.perspectives:
            tables = perspective_tables(accounts, (name,))
            if config["combination"] == HELLINGER:
                self._tell_of_cosines(tables)
                blocks.append(_standardised(tables, training_accounts(dataset)))
            else:
                blocks.append({side: _concatenated(tables[side]) for side in schema.SIDES})
        for side, vectors in _stacked(blocks).items():
            self.register_buffer(f"{side}_vectors", vectors, persistent=False)
        # RecBole's optimizer wants a parameter and its loop a loss.
        self.unused = nn.Parameter(torch.zeros(1))

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.unused.sum() * 0.0

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        return self.perspective_scores(interaction).sum(dim=1)

    def perspective_scores(self, interaction: Any) -> Tensor:
        """What each perspective adds to the score of pairs: float32 (pair, perspective)."""
        return perspective_scores(
            self.brand_vectors[interaction[self.USER_ID]],
            self.influencer_vectors[interaction[self.ITEM_ID]],
        )

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), one matrix product."""
        brands = self.brand_vectors[interaction[self.USER_ID]].flatten(start_dim=1)
        scores: Tensor = brands @ self.influencer_vectors.flatten(start_dim=1).T
        return scores.reshape(-1)

    def account_vectors(self) -> dict[schema.Side, Tensor]:
        """Vectors of all accounts, as MIRec's: float32 (account, perspective, dimension).

        Row 0 is padding, zeros; narrower perspectives end in zeros.
        """
        return {
            schema.BRAND: self.brand_vectors,
            schema.INFLUENCER: self.influencer_vectors,
        }

    def _tell_of_cosines(self, tables: Mapping[schema.Side, FeatureTable]) -> None:
        for name in tables[schema.BRAND]:
            if name != "attribute" and not _non_negative(tables, name):
                self.logger.info(
                    f"{name} has negative values, so it is compared by its cosine and not by "
                    f"Hellinger similarity."
                )


def _concatenated(table: FeatureTable) -> Tensor:
    """Unit rows (account, dimension) of one perspective; zero rows where it is missing."""
    return unit_rows(torch.cat([unit_rows(rows) for rows, _ in table.values()], dim=1))


def _standardised(
    tables: Mapping[schema.Side, FeatureTable], fitted: Mapping[schema.Side, Tensor]
) -> _Vectors:
    """Vectors of one perspective whose inner products are sums of z-scores of deviation 1."""
    brand, influencer = (tables[side] for side in schema.SIDES)
    counted = fitted[schema.BRAND].unsqueeze(1) & fitted[schema.INFLUENCER]
    have_in_common = torch.zeros_like(counted)
    pairs = []
    for name in brand:
        brand_mask, influencer_mask = brand[name][1], influencer[name][1]
        have_in_common |= brand_mask.unsqueeze(1) & influencer_mask
        pairs.append(
            standardise_product(
                _comparable(tables, name, schema.BRAND, fitted[schema.BRAND]),
                _comparable(tables, name, schema.INFLUENCER, fitted[schema.INFLUENCER]),
                brand_mask,
                influencer_mask,
                fitted[schema.BRAND],
                fitted[schema.INFLUENCER],
            )
        )
    brands, influencers = (torch.cat(blocks, dim=1) for blocks in zip(*pairs, strict=True))
    deviation = product_deviation(brands, influencers, counted & have_in_common)
    return {schema.BRAND: brands / deviation, schema.INFLUENCER: influencers}


def _comparable(
    tables: Mapping[schema.Side, FeatureTable], name: str, side: schema.Side, fitted: Tensor
) -> Tensor:
    """Unit rows of one modality whose inner product is its similarity."""
    rows, mask = tables[side][name]
    if name == "attribute":
        return centred_rows(rows, mask, fitted)
    return hellinger_rows(rows) if _non_negative(tables, name) else unit_rows(rows)


def _non_negative(tables: Mapping[schema.Side, FeatureTable], name: str) -> bool:
    return all(bool((tables[side][name][0] >= 0).all()) for side in schema.SIDES)


def _stacked(blocks: list[_Vectors]) -> _Vectors:
    """All perspectives' vectors (account, perspective, dimension), zeros up to the widest."""
    width = max(block[schema.BRAND].shape[1] for block in blocks)
    return {
        side: torch.stack(
            [functional.pad(block[side], (0, width - block[side].shape[1])) for block in blocks],
            dim=1,
        )
        for side in schema.SIDES
    }
