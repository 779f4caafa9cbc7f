"""Models that train no network: chance, popularity, similarity, influence."""

from typing import Any

import numpy as np
import torch
from recbole.utils import InputType, ModelType
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import influence_numbers
from recbole_mirec.model.base import (
    ATTRIBUTE,
    MirecModel,
    Sides,
    Table,
    Tables,
    VectorModel,
    are_shares,
    perspective_tables,
    require_accounts,
    stacked,
)
from recbole_mirec.nn.metric import product_deviation, standardise_product, standardised_rows
from recbole_mirec.nn.settings import Modality


class Untrained(MirecModel):
    """A model without training: the parameter that RecBole's optimizer wants, and a loss of 0."""

    type = ModelType.TRADITIONAL
    input_type = InputType.POINTWISE

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.unused = nn.Parameter(torch.zeros(1))

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn: zero."""
        return self.unused.sum() * 0.0


class ScoreTable(Untrained):
    """Scores known from the start; ties stay, metrics give what a random order of them gives.

    A subclass gives `_table`: by internal id, (influencer) for every brand alike, or (brand,
    influencer).
    """

    scores: Tensor

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        scores = torch.as_tensor(self._table(config, dataset)).float()
        self.register_buffer("scores", scores, persistent=False)

    def _table(self, config: Any, dataset: Any) -> Any:
        raise NotImplementedError

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        table = self.scores.expand(self.n_users, -1)
        return table[interaction[self.USER_ID], interaction[self.ITEM_ID]]

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), a fresh tensor."""
        return self.scores.expand(self.n_users, -1)[interaction[self.USER_ID]].reshape(-1)


class Random(ScoreTable):
    """Scores every pair by a number drawn once from the seed, uniform in [0, 1)."""

    score_meaning = "a random number from 0 to 1"

    def _table(self, config: Any, dataset: Any) -> Any:
        shape = dataset.user_num, dataset.item_num
        return np.random.default_rng(config["seed"]).random(shape, dtype=np.float32)


class Popularity(ScoreTable):
    """Scores an influencer by its number of training collaborations, 0 for unseen ones."""

    score_meaning = "the influencer's training collaborations"
    figure_notes = (
        "Popularity counts training collaborations: influencers without any are all tied at 0, "
        "and every brand gets the same ranking.",
    )

    def _table(self, config: Any, dataset: Any) -> Any:
        return np.bincount(dataset.pairs[schema.TRAIN][:, 1], minlength=dataset.item_num)


class MIV(ScoreTable):
    """The influencer's standing among training influencers, averaged over what is known of it.

    Source: the comparison of that name in Wang et al., IEEE TMM 25 (2023), after Li, Lai and Chen
    (2011), from posts, comments and likes per follower. On our inputs: followers and the mean
    competence of the training collaborations, which measures engagement. Each counts as the share
    of training influencers below less the share above; what is unknown counts as the middle.
    """

    score_meaning = "the influencer's standing among training influencers, from -1 to 1"
    figure_notes = (
        "MIV ranks influencers by influence alone, so every brand gets the same ranking.",
    )

    def _table(self, config: Any, dataset: Any) -> Any:
        require_accounts(dataset, "MIV")
        numbers = influence_numbers(dataset)
        if not numbers:
            raise UsageError(
                f"MIV needs followers of influencers ('influencer_{schema.FOLLOWERS}') or "
                f"'{schema.COMPETENCE}' of collaborations, and the training part has neither."
            )
        self.logger.info(f"Influence from {' and '.join(numbers)}.")
        return np.mean(list(numbers.values()), axis=0)


HELLINGER = "hellinger"
_MEANINGS = {
    "cosine": "the sum of the perspectives' cosines, each from -1 to 1",
    HELLINGER: "the sum of the perspectives' similarities as z-scores, 0 an average pair",
}


class Cosine(Untrained, VectorModel):
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
    """

    perspective_scores = VectorModel.shares

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        accounts = self.choose_perspectives(config, dataset)
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
        return {side: self.get_buffer(f"{side}_vectors") for side in schema.SIDES}

    def _standardised(self, tables: Tables, pairs: "np.ndarray[Any, Any]") -> Sides:
        """Vectors of one perspective whose inner products are sums of z-scores of deviation 1."""
        fitted = [
            torch.isin(torch.arange(n_accounts), torch.from_numpy(pairs[:, column]))
            for column, n_accounts in enumerate((self.n_users, self.n_items))
        ]
        in_common = torch.zeros(self.n_users, self.n_items, dtype=torch.bool)
        blocks = []
        for name in tables[schema.BRAND]:
            shares, centred = are_shares(tables, name), name == ATTRIBUTE
            if not shares and not centred:
                self.logger.info(
                    f"{name} has negative values, so it is compared by its cosine and not by "
                    f"Hellinger similarity."
                )
            sides = []
            for side, known in zip(schema.SIDES, fitted, strict=True):
                table = tables[side][name]
                rows = standardised_rows(table, known, square_root=shares, centred=centred)
                sides.append(Modality(rows, table.mask))
            in_common |= sides[0].mask.unsqueeze(1) & sides[1].mask
            blocks.append(standardise_product(sides[0], sides[1], *fitted))
        brands, influencers = (torch.cat(rows, dim=1) for rows in zip(*blocks, strict=True))
        counted = fitted[0].unsqueeze(1) & fitted[1] & in_common
        deviation = product_deviation((brands @ influencers.T)[counted])
        return {schema.BRAND: brands / deviation, schema.INFLUENCER: influencers}


def _concatenated(table: Table) -> Tensor:
    """Unit rows (account, dimension) of one perspective; zero rows where it is missing."""
    units = [functional.normalize(rows) for rows, _ in table.values()]
    return functional.normalize(torch.cat(units, dim=1))


class CategoryOracle(ScoreTable):
    """LEAKING: ranks influencers of the brand's own category first, then by Cosine.

    An influencer's category is known only from the brands that it worked with, those of
    validation and test included, so it gives the label away. This is the only model that reads
    the side file; it shows how far figures rise when a method does so unawares.
    """

    score_meaning = (
        "LEAKED: 1 for an influencer of the brand's category, plus Cosine's score squeezed into 0 "
        "to 1"
    )
    figure_notes = (
        "CategoryOracle LEAKS: it reads influencers' categories, which derive from the very "
        "collaborations to be predicted. Its figures are no baseline and compare with nothing.",
    )

    def _table(self, config: Any, dataset: Any) -> Any:
        atomic = dataset.atomic
        if atomic.influencer_category is None or schema.BRAND_CATEGORY not in atomic.brands:
            raise UsageError(
                "CategoryOracle needs the categories of brands and the side file of influencers' "
                "categories, which this data set does not have."
            )
        brands, influencers = map(dataset.categories, schema.SIDES)
        vectors = Cosine(config, dataset).account_vectors()
        left, right = (vectors[side].flatten(1) for side in schema.SIDES)
        same = (brands[:, None] == influencers) & (brands[:, None] >= 0)
        return torch.from_numpy(same) + torch.sigmoid(left @ right.T)
