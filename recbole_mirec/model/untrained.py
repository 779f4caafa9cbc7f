"""Models that train no network: chance, popularity, similarity, influence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import influence_numbers
from recbole_mirec.model.base import (
    FeatureTable,
    InfluencerScores,
    perspective_tables,
    perspectives_in_use,
    require_accounts,
    training_accounts,
)
from recbole_mirec.nn.metric import (
    centred_rows,
    hellinger_rows,
    product_deviation,
    standardise_product,
    unit_rows,
)
from recbole_mirec.nn.objective import perspective_scores


class Random(GeneralRecommender):  # type: ignore[misc]
    """Scores every pair by a number drawn once from the seed, uniform in [0, 1).

    Args:
        config: `seed` is read.
        dataset: gives the numbers of brands and influencers.
    """

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE
    deterministic = False

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        generator = np.random.default_rng(config["seed"])
        scores = generator.random((self.n_users, self.n_items), dtype=np.float32)
        self.register_buffer("scores", torch.from_numpy(scores), persistent=False)
        # RecBole's optimizer wants a parameter and its loop a loss.
        self.unused = nn.Parameter(torch.zeros(1))

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.unused.sum() * 0.0

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        scores: Tensor = self.scores[interaction[self.USER_ID], interaction[self.ITEM_ID]]
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), a fresh tensor."""
        rows: Tensor = self.scores[interaction[self.USER_ID]]
        return rows.clone().reshape(-1)


class Popularity(InfluencerScores):
    """Scores an influencer by its number of training collaborations, 0 for unseen ones.

    Args:
        config: RecBole's field names are read.
        dataset: brings `pairs`.
    """

    score_meaning = "the influencer's training collaborations"
    figure_notes = (
        "Popularity counts training collaborations: influencers without any are all tied at 0, "
        "and every brand gets the same ranking.",
    )

    def __init__(self, config: Any, dataset: Any):
        influencers = dataset.pairs[schema.TRAIN][:, 1]
        super().__init__(config, dataset, np.bincount(influencers, minlength=dataset.item_num))


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


class MIV(InfluencerScores):
    """The influencer's standing among training influencers, averaged over what is known of it.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), after Li, Lai and Chen
    (2011), from posts, comments and likes per follower. On our inputs: followers and the mean
    competence of the training collaborations, which measures engagement. Each counts as the share
    of training influencers below less the share above; what is unknown counts as the middle.

    Args:
        config: RecBole's field names are read.
        dataset: brings `accounts` and `pairs`.

    Raises:
        UsageError: the data set knows neither followers nor competences of training influencers.
    """

    score_meaning = "the influencer's standing among training influencers, from -1 to 1"
    figure_notes = (
        "MIV ranks influencers by influence alone, so every brand gets the same ranking.",
    )

    def __init__(self, config: Any, dataset: Any):
        require_accounts(dataset, "MIV")
        numbers = influence_numbers(dataset)
        if not numbers:
            raise UsageError(
                f"MIV needs followers of influencers ('influencer_{schema.FOLLOWERS}') or "
                f"'{schema.COMPETENCE}' of collaborations, and the training part has neither."
            )
        super().__init__(config, dataset, np.mean(list(numbers.values()), axis=0))
        self.logger.info(f"Influence from {' and '.join(numbers)}.")


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
