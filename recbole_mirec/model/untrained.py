"""Models that train no network: chance, popularity, similarity, influence."""

from typing import Any

import numpy as np
import torch
from recbole.utils import InputType, ModelType
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import compared, influence_numbers
from recbole_mirec.model.base import (
    AccountFeatures,
    MirecModel,
    Table,
    Tables,
    VectorModel,
    are_shares,
    one_text,
    perspective_tables,
    require_accounts,
    stacked,
)
from recbole_mirec.nn.metric import product_deviation, product_statistics
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
_CENTRED = (schema.ATTRIBUTES, schema.ATTRIBUTE_VECTOR, *schema.TEXT_MODALITIES)
_MEANINGS = {
    "cosine": "the sum of the perspectives' cosines, each from -1 to 1",
    HELLINGER: "the sum of the perspectives' similarities as z-scores, 0 an average pair",
}


class Cosine(Untrained, VectorModel):
    """Sum over perspectives of an untrained similarity of the accounts' features.

    Two combinations, each one inner product a perspective:

    - `hellinger`: modalities without negative entries (topics, labels) are compared by the inner
      product of their square roots, embeddings by their cosine, attributes and sentence vectors by
      the cosine of their vectors less the mean of the training accounts; captions are compared with
      biographies, too. Every pair of modalities has its similarities as z-scores, summed within the
      perspective, and the sums scaled to deviation 1. The constants come from training brands with
      training influencers. What either account lacks adds 0, the mean.
    - `cosine`: the cosine of a perspective's features as they are, its modalities each scaled to
      length 1 and concatenated. A missing modality is left out, a missing perspective adds 0.

    Attributes are 0/1 rows over the shared vocabulary, or the precomputed vectors.
    """

    perspective_scores = VectorModel.shares

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        accounts = self.choose_perspectives(config, dataset)
        self.score_meaning = _MEANINGS[config["combination"]]
        tables = perspective_tables(accounts, self.perspectives)
        self.inputs = AccountFeatures(tables)
        self.pairs = compared(accounts, self.perspectives)
        self.rooted = {name for name in self.inputs.widths if are_shares(tables, name)}
        self.is_hellinger = config["combination"] == HELLINGER
        if self.is_hellinger:
            self._fit(tables, dataset.pairs[schema.TRAIN])

    def encode(self, side: schema.Side, table: Table) -> Tensor:
        """As of any model, one place a perspective; narrower ones end in zeros."""
        blocks = []
        for perspective in self.perspectives:
            pairs = [pair for pair in self.pairs if pair[0] == perspective]
            if self.is_hellinger:
                rows = [self._standardised(side, pair, table) for pair in pairs]
                blocks.append({side: torch.cat(rows, dim=1)})
            else:
                own = dict.fromkeys(pair[1 + schema.SIDES.index(side)] for pair in pairs)
                some = one_text({name: table[name] for name in own})
                units = [
                    torch.where(m[:, None], functional.normalize(x), 0.0) for x, m in some.values()
                ]
                blocks.append({side: functional.normalize(torch.cat(units, dim=1))})
        return stacked(blocks)[side]

    def _standardised(self, side: schema.Side, pair: tuple[str, str, str], table: Table) -> Tensor:
        """Vectors of one pair of modalities whose products are z-scores over the perspective's."""
        unit, mask = self._unit(side, pair[1 + schema.SIDES.index(side)], table)
        key = " ".join(pair)
        if side == schema.BRAND:
            deviation = self.get_buffer(f"{key} deviation") * self.get_buffer(
                f"{pair[0]} deviation"
            )
            shift = self.get_buffer(f"{key} mean").expand(len(unit), 1)
            rows = torch.cat([unit, -shift], dim=1) / deviation
        else:
            rows = torch.cat([unit, unit.new_ones(len(unit), 1)], dim=1)
        return torch.where(mask[:, None], rows, 0.0)

    def _unit(self, side: schema.Side, name: str, table: Table) -> Modality:
        rows, mask = table[name]
        mean = self.get_buffer(f"{side} {name} mean") if name in _CENTRED else 0.0
        known = torch.where(mask[:, None], rows, 0.0)
        known = known.sqrt() if name in self.rooted else known
        return Modality(functional.normalize(torch.where(mask[:, None], known - mean, 0.0)), mask)

    def _fit(self, tables: Tables, pairs: "np.ndarray[Any, Any]") -> None:
        """The training accounts' means, and each pair's and perspective's mean and deviation."""
        fitted = {}
        for side, ids in zip(schema.SIDES, pairs.T, strict=True):
            n_accounts = len(next(iter(tables[side].values())).mask)
            fitted[side] = torch.isin(torch.arange(n_accounts), torch.from_numpy(ids))
            for name, (rows, mask) in tables[side].items():
                if name in _CENTRED:
                    known = rows[mask & fitted[side]]
                    mean = known.sum(dim=0) / max(len(known), 1)
                    self.register_buffer(f"{side} {name} mean", mean)
                elif name not in self.rooted and side == schema.BRAND:
                    self.logger.info(
                        f"{name} has negative values, so it is compared by its cosine and not by "
                        f"Hellinger similarity."
                    )
        for perspective in self.perspectives:
            self.register_buffer(f"{perspective} deviation", torch.ones(()))
            some, in_common = [pair for pair in self.pairs if pair[0] == perspective], []
            for pair in some:
                units = [
                    self._unit(x, n, tables[x]) for x, n in zip(schema.SIDES, pair[1:], strict=True)
                ]
                mean, deviation = product_statistics(units[0], units[1], *fitted.values())
                self.register_buffer(f"{' '.join(pair)} mean", mean)
                self.register_buffer(f"{' '.join(pair)} deviation", deviation)
                in_common.append(units[0].mask.unsqueeze(1) & units[1].mask)
            brands, influencers = (
                torch.cat([self._standardised(side, pair, tables[side]) for pair in some], dim=1)
                for side in schema.SIDES
            )
            counted = fitted[schema.BRAND].unsqueeze(1) & fitted[schema.INFLUENCER]
            counted = counted & torch.stack(in_common).any(dim=0)
            deviation = product_deviation((brands @ influencers.T)[counted])
            self.register_buffer(f"{perspective} deviation", deviation)


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
