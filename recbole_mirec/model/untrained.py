"""Models that train no network: chance, popularity, similarity, influence."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import influence_numbers
from recbole_mirec.model.base import (
    ATTRIBUTE,
    FeatureTable,
    FeatureTables,
    PerspectiveModel,
    Sides,
    Untrained,
    are_shares,
    perspective_tables,
    perspectives_in_use,
    require_accounts,
    stacked,
)
from recbole_mirec.nn.metric import product_deviation, standardise_product, standardised_rows


class ScoredAtOnce(Untrained):
    """An untrained model that gives `score_rows`, the scores of all influencers for brands."""

    def score_rows(self, brands: Tensor) -> Tensor:
        """Scores by internal ids: float32 (brand, influencer)."""
        raise NotImplementedError

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        brands, rows = torch.unique(interaction[self.USER_ID], return_inverse=True)
        return self.score_rows(brands)[rows, interaction[self.ITEM_ID]]

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), a fresh tensor."""
        return self.score_rows(interaction[self.USER_ID]).clone().reshape(-1)


class Random(ScoredAtOnce):
    """Scores every pair by a number drawn once from the seed, uniform in [0, 1).

    Args:
        config: `seed` is read.
        dataset: gives the numbers of brands and influencers.
    """

    deterministic = False
    score_meaning = "a random number from 0 to 1"

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        generator = np.random.default_rng(config["seed"])
        scores = generator.random((self.n_users, self.n_items), dtype=np.float32)
        self.register_buffer("scores", torch.from_numpy(scores), persistent=False)

    def score_rows(self, brands: Tensor) -> Tensor:
        """Scores by internal ids: float32 (brand, influencer)."""
        scores: Tensor = self.scores[brands]
        return scores


class InfluencerScores(ScoredAtOnce):
    """Models that rank influencers by one number each, whatever the brand.

    Ties stay ties: the metrics give what a random order of the tied gives on average.

    Args:
        config: RecBole's field names are read.
        dataset: gives the numbers of brands and influencers.
        scores: float (influencer) by internal id, padding first.
    """

    def __init__(self, config: Any, dataset: Any, scores: "np.ndarray[Any, Any]"):
        super().__init__(config, dataset)
        values = torch.from_numpy(scores.astype(np.float32))
        self.register_buffer("scores", values, persistent=False)

    def score_rows(self, brands: Tensor) -> Tensor:
        """Scores by internal ids: float32 (brand, influencer)."""
        scores: Tensor = self.scores.expand(len(brands), -1)
        return scores


class Popularity(InfluencerScores):
    """Scores an influencer by its number of training collaborations, 0 for unseen ones."""

    score_meaning = "the influencer's training collaborations"
    figure_notes = (
        "Popularity counts training collaborations: influencers without any are all tied at 0, "
        "and every brand gets the same ranking.",
    )

    def __init__(self, config: Any, dataset: Any):
        influencers = dataset.pairs[schema.TRAIN][:, 1]
        super().__init__(config, dataset, np.bincount(influencers, minlength=dataset.item_num))


class MIV(InfluencerScores):
    """The influencer's standing among training influencers, averaged over what is known of it.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), after Li, Lai and Chen
    (2011), from posts, comments and likes per follower. On our inputs: followers and the mean
    competence of the training collaborations, which measures engagement. Each counts as the share
    of training influencers below less the share above; what is unknown counts as the middle.

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


HELLINGER = "hellinger"
_MEANINGS = {
    "cosine": "the sum of the perspectives' cosines, each from -1 to 1",
    HELLINGER: "the sum of the perspectives' similarities as z-scores, 0 an average pair",
}


class Cosine(Untrained, PerspectiveModel):
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

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        accounts = require_accounts(dataset, "Cosine")
        self.perspectives = perspectives_in_use(accounts, config["perspectives"], self.logger)
        self.score_meaning = _MEANINGS[config["combination"]]
        blocks = []
        for name in self.perspectives:
            tables = perspective_tables(accounts, (name,))
            if config["combination"] == HELLINGER:
                blocks.append(self._standardised(tables, dataset.pairs[schema.TRAIN]))
            else:
                blocks.append({side: _concatenated(tables[side]) for side in schema.SIDES})
        for side, vectors in stacked(blocks).items():
            self.register_buffer(f"{side}_vectors", vectors, persistent=False)

    def account_vectors(self) -> Sides:
        """As of other models; those of padding are zeros, and narrower perspectives end in them."""
        return {side: getattr(self, f"{side}_vectors") for side in schema.SIDES}

    def _standardised(self, tables: FeatureTables, pairs: "np.ndarray[Any, Any]") -> Sides:
        """Vectors of one perspective whose inner products are sums of z-scores of deviation 1."""
        fitted = [
            torch.isin(torch.arange(n_accounts), torch.from_numpy(pairs[:, column]))
            for column, n_accounts in enumerate((self.n_users, self.n_items))
        ]
        in_common = torch.zeros(self.n_users, self.n_items, dtype=torch.bool)
        blocks = []
        for name in tables[schema.BRAND]:
            shares = are_shares(tables, name)
            if not shares and name != ATTRIBUTE:
                self.logger.info(
                    f"{name} has negative values, so it is compared by its cosine and not by "
                    f"Hellinger similarity."
                )
            rows = [
                standardised_rows(
                    *tables[side][name], known, square_root=shares, centred=name == ATTRIBUTE
                )
                for side, known in zip(schema.SIDES, fitted, strict=True)
            ]
            masks = [tables[side][name][1] for side in schema.SIDES]
            in_common |= masks[0].unsqueeze(1) & masks[1]
            blocks.append(standardise_product(*rows, *masks, *fitted))
        brands, influencers = (torch.cat(sides, dim=1) for sides in zip(*blocks, strict=True))
        counted = fitted[0].unsqueeze(1) & fitted[1] & in_common
        deviation = product_deviation(brands, influencers, counted)
        return {schema.BRAND: brands / deviation, schema.INFLUENCER: influencers}


def _concatenated(table: FeatureTable) -> Tensor:
    """Unit rows (account, dimension) of one perspective; zero rows where it is missing."""
    units = [functional.normalize(rows) for rows, _ in table.values()]
    return functional.normalize(torch.cat(units, dim=1))


class CategoryOracle(ScoredAtOnce):
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

    def score_rows(self, brands: Tensor) -> Tensor:
        """Scores by internal ids: float32 (brand, influencer), in [0, 2]."""
        same = self.brand_category[brands].unsqueeze(1) == self.influencer_category
        cosine = self.cosine.full_sort_predict({self.USER_ID: brands}).reshape(same.shape)
        scores: Tensor = same + torch.sigmoid(cosine)
        return scores


def _category_codes(dataset: Any) -> Sides:
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
    codes: Sides = {}
    for padding, side in ((-1, schema.BRAND), (-2, schema.INFLUENCER)):
        tokens = dataset.field2id_token[schema.ACCOUNT_ID[side]][1:]
        names = categories[side].loc[tokens]
        codes[side] = torch.tensor([padding, *(numbers[name] for name in names)])
    return codes
