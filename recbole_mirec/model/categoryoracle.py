"""LEAKING, no baseline: what an influencer's category, derived from the answer, is worth."""

from typing import Any

import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor

from dataset_convert import schema
from recbole_mirec.errors import UsageError
from recbole_mirec.model.cosine import Cosine


class CategoryOracle(GeneralRecommender):  # type: ignore[misc]
    """LEAKING: ranks influencers of the brand's own category first, then by Cosine.

    An influencer's category is known only from the brands that it worked with, those of
    validation and test included, so it gives the label away. This is the only model that reads
    the side file; it shows how far figures rise when a method does so unawares.

    Args:
        config: the keys of Cosine, for the order within a category.
        dataset: brings `atomic` and `accounts`.

    Raises:
        UsageError: the data set has no categories of both sides, or no account features.
    """

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE
    leaks = True
    score_meaning = (
        "LEAKED: 1 for an influencer of the brand's category, plus Cosine's score squeezed into 0 "
        "to 1"
    )
    figure_notes = (
        "CategoryOracle LEAKS: it reads influencers' categories, which derive from the very "
        "collaborations to be predicted. Its figures are no baseline and compare with nothing.",
    )

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.cosine = Cosine(config, dataset)
        for side, codes in _category_codes(dataset).items():
            self.register_buffer(f"{side}_category", codes, persistent=False)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.cosine.calculate_loss(interaction)

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair), in [0, 2]."""
        same = (
            self.brand_category[interaction[self.USER_ID]]
            == self.influencer_category[interaction[self.ITEM_ID]]
        )
        scores: Tensor = same + torch.sigmoid(self.cosine.predict(interaction))
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer)."""
        brands = self.brand_category[interaction[self.USER_ID]]
        same = brands.unsqueeze(1) == self.influencer_category
        scores: Tensor = same.reshape(-1) + torch.sigmoid(
            self.cosine.full_sort_predict(interaction)
        )
        return scores


def _category_codes(dataset: Any) -> dict[schema.Side, Tensor]:
    """Category numbers (account) of both sides by internal id; that of padding is nobody's."""
    atomic = getattr(dataset, "atomic", None)
    if (
        atomic is None
        or atomic.influencer_category is None
        or schema.BRAND_CATEGORY not in atomic.brands
    ):
        raise UsageError(
            "CategoryOracle needs the categories of brands and the side file of influencers' "
            "categories, which this data set does not have."
        )
    categories = {
        schema.BRAND: atomic.brands.set_index(schema.BRAND_ID)[schema.BRAND_CATEGORY],
        schema.INFLUENCER: atomic.influencer_category,
    }
    numbers = {name: code for code, name in enumerate(sorted(set(categories[schema.BRAND])))}
    codes = {}
    for padding, side in ((-1, schema.BRAND), (-2, schema.INFLUENCER)):
        tokens = dataset.field2id_token[schema.ACCOUNT_ID[side]][1:]
        names = categories[side].loc[tokens]
        codes[side] = torch.tensor([padding, *(numbers[name] for name in names)])
    return codes
