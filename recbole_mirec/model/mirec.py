"""MIRec under RecBole's contract, and the published method, `variant: reference` and `paper`."""

from typing import Any

import torch
from recbole.utils import ModelType
from torch import Tensor, nn

from dataset_convert import schema
from recbole_mirec.data.accounts import competence_weights, training_competence
from recbole_mirec.data.attributes import graph_features
from recbole_mirec.model.base import AccountFeatures, Sides, Tables, VectorModel, perspective_tables
from recbole_mirec.model.metric import MetricMethod, TrainingPairs
from recbole_mirec.nn.encoder import AccountEncoder
from recbole_mirec.nn.objective import objective, perspective_scores, weight_matrices
from recbole_mirec.nn.settings import METHODS, Modality, NetworkSettings


class MIRec(VectorModel):
    """Micro-influencer recommendation from content, audience and attributes.

    Account features are looked up by id, so batches carry ids only. The score of a pair is the
    inner product of two account vectors, the sum of one inner product per perspective ((27) of
    MORNING, TMM 2023). What the vectors are, and how they are learnt, is the `method`: `metric` is
    our own (`variant: mirec`), `morning` the published one (`reference` and `paper`).
    """

    type = ModelType.CONTEXT
    looks_features_up = True
    perspective_scores = VectorModel.shares

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        accounts = self.choose_perspectives(config, dataset)
        kind = METHODS[config["method"]]
        given = {name: config[name] for name in kind.model_fields}
        given |= {"perspectives": self.perspectives} if "perspectives" in given else {}
        settings = kind(**given)
        pairs = dataset.pairs[schema.TRAIN]
        tables = perspective_tables(
            accounts,
            self.perspectives,
            lambda: graph_features(accounts, pairs, config),
            config["attribute_input"],
        )
        self.method: MorningMethod | MetricMethod
        if isinstance(settings, NetworkSettings):
            used = settings.model_copy(update={"perspectives": self.perspectives})
            self.method = MorningMethod(used, tables)
        else:
            competence = training_competence(dataset)
            weights = competence_weights(competence, settings.competence_power)
            self.method = MetricMethod(
                settings,
                tables,
                self.perspectives,
                TrainingPairs(pairs, weights, (dataset.user_num, dataset.item_num)),
                torch.from_numpy(dataset.categories(schema.BRAND)),
            )
        self.inputs = self.method.accounts
        self.loss_names = self.method.loss_names
        self.score_meaning = self.method.score_meaning

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        """The terms of the method's objective, in the order of `loss_names`."""
        fields = (self.USER_ID, self.ITEM_ID, self.NEG_ITEM_ID)
        return self.method.losses(*(interaction[field] for field in fields))

    def compute_vectors(self) -> Sides:
        """Vectors of all accounts; those of padding are zeros."""
        return self.method.all_vectors()


class MorningMethod(nn.Module):
    """Account vectors and objective of MORNING (TMM 2023), equations (7)-(12) and (18)-(32).

    Its tables are raw topics and visual semantics, and node embeddings' means as `attribute`.
    """

    score_meaning = "the sum of the perspectives' inner products, unbounded"

    def __init__(self, settings: NetworkSettings, tables: Tables):
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
        vectors, present = self._encode({schema.BRAND: brands, schema.INFLUENCER: influencers})
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
        return self.accounts.encoded(lambda side, ids: self._encode({side: ids})[0])

    def _encode(self, ids: Sides) -> tuple[Tensor, Tensor]:
        """Vectors and presence of accounts, one side after the other."""
        tables = [self.accounts.take(side, some) for side, some in ids.items()]
        modalities = {
            name: Modality(*map(torch.cat, zip(*(table[name] for table in tables), strict=True)))
            for name in self.accounts.widths
        }
        is_brand = [torch.full_like(some, side == schema.BRAND) for side, some in ids.items()]
        vectors, present = self.encoder(modalities, torch.cat(is_brand).bool())
        return vectors, present
