"""MIRec under RecBole's contract, and the published method, `variant: reference` and `paper`."""

from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.utils import ModelType
from torch import Tensor, nn

from dataset_convert import schema
from recbole_mirec.data.accounts import compared
from recbole_mirec.data.attributes import node_vectors
from recbole_mirec.model.base import (
    AccountFeatures,
    Sides,
    Table,
    Tables,
    VectorModel,
    one_text,
    perspective_tables,
    stacked,
)
from recbole_mirec.model.metric import MetricMethod, TrainingPairs, described
from recbole_mirec.nn.encoder import AccountEncoder
from recbole_mirec.nn.fitted import CATEGORY
from recbole_mirec.nn.objective import objective, perspective_scores, weight_matrices
from recbole_mirec.nn.settings import ATTRIBUTE, METHODS, Modality, NetworkSettings


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
        tables = perspective_tables(accounts, self.perspectives, config["attribute_input"])
        embeddings = None
        if schema.ATTRIBUTES in tables[schema.BRAND]:
            embeddings, known = node_vectors(accounts, pairs, config)
            embeddings = np.where(known[:, None], embeddings, 0)
        self._embedded = b"" if embeddings is None else embeddings.tobytes()
        self.method: MorningMethod | MetricMethod
        if isinstance(settings, NetworkSettings):
            used = settings.model_copy(update={"perspectives": self.perspectives})
            self.method = MorningMethod(used, tables, embeddings)
        else:
            if (categories := dataset.categories(schema.BRAND)).max() >= 0:
                rows = torch.from_numpy(categories[:, None] == np.arange(categories.max() + 1))
                tables[schema.BRAND][CATEGORY] = Modality(rows.float(), rows.any(dim=1))
            self.method = MetricMethod(
                settings,
                tables,
                compared(accounts, self.perspectives, config["attribute_input"]),
                TrainingPairs(pairs, (dataset.user_num, dataset.item_num)),
                embeddings,
            )
            self.perspectives = self.method.layout.parts
            self.layout = described(self.method.layout)
            self.other_parameter_name = ["layout"]
        self.inputs = self.method.accounts
        self.loss_names = self.method.loss_names
        self.score_meaning = self.method.score_meaning

    def input_fingerprint(self) -> str | None:
        """As of any model; of the node embeddings too, which training reads all along."""
        return sha256(str(super().input_fingerprint()).encode() + self._embedded).hexdigest()

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        """The terms of the method's objective, in the order of `loss_names`."""
        fields = (self.USER_ID, self.ITEM_ID, self.NEG_ITEM_ID)
        return self.method.losses(*(interaction[field] for field in fields))

    @torch.no_grad()
    def encode(self, side: schema.Side, table: Table) -> Tensor:
        """As of any model; `variant: mirec` has a place for each of `perspectives`, padded by 0."""
        if isinstance(self.method, MorningMethod):
            return self.method.encode(side, table)
        return stacked([{side: rows} for rows in self.method.encode(side, table)])[side]

    def compute_vectors(self) -> Sides:
        """Vectors of all accounts; those of padding mean nothing."""
        if isinstance(self.method, MorningMethod):
            return super().compute_vectors()
        return stacked(self.method.all_vectors())

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's, with all that follows from the parameters as they are."""
        if isinstance(self.method, MetricMethod):
            self.method.finish()
        return super().state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's; what was computed is forgotten."""
        found = super().load_state_dict(*args, **kwargs)
        if isinstance(self.method, MetricMethod):
            self.method.loaded()
        return found


class MorningMethod(nn.Module):
    """Account vectors and objective of MORNING (TMM 2023), equations (7)-(12) and (18)-(32).

    Its tables are raw topics, visual semantics and attributes; lists become means of node
    embeddings, which are part of what was fitted. Where no visual semantics are to be had, text,
    a dense vector as well, takes their place.
    """

    score_meaning = "the sum of the perspectives' inner products, unbounded"
    embeddings: Tensor

    def __init__(
        self,
        settings: NetworkSettings,
        tables: Tables,
        embeddings: NDArray[np.float32] | None = None,
    ):
        super().__init__()
        if embeddings is not None:
            self.register_buffer("embeddings", torch.from_numpy(embeddings))
        self.accounts = AccountFeatures(tables)
        self.stand_ins = {
            text: visual
            for text, visual in _STAND_INS.items()
            if visual not in self.accounts.widths
        }
        first = self._prepared(self.accounts.take(schema.BRAND, torch.zeros(1, dtype=torch.int64)))
        self.encoder = AccountEncoder(
            settings, {name: x.rows.shape[1] for name, x in first.items()}
        )
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

    def encode(self, side: schema.Side, table: Table) -> Tensor:
        """Vectors of accounts: float32 (account, perspective, dimension)."""
        is_brand = torch.full((len(next(iter(table.values())).mask),), side == schema.BRAND)
        vectors: Tensor = self.encoder(self._prepared(table), is_brand)[0]
        return vectors

    def _encode(self, ids: Sides) -> tuple[Tensor, Tensor]:
        """Vectors and presence of accounts, one side after the other."""
        tables = [self._prepared(self.accounts.take(side, some)) for side, some in ids.items()]
        modalities = {
            name: Modality(*map(torch.cat, zip(*(table[name] for table in tables), strict=True)))
            for name in tables[0]
        }
        is_brand = [torch.full_like(some, side == schema.BRAND) for side, some in ids.items()]
        vectors, present = self.encoder(modalities, torch.cat(is_brand).bool())
        return vectors, present

    def _prepared(self, table: Table) -> Table:
        """Attributes as one vector, text where visual semantics stand."""
        ready = {self.stand_ins.get(name, name): both for name, both in one_text(table).items()}
        for text in _STAND_INS:
            ready.pop(text, None)
        if schema.ATTRIBUTE_VECTOR in ready:
            ready[ATTRIBUTE] = ready.pop(schema.ATTRIBUTE_VECTOR)
        if schema.ATTRIBUTES in ready:
            rows, mask = ready.pop(schema.ATTRIBUTES)
            listed = torch.where(mask[:, None], rows, 0.0) * self.embeddings.any(dim=1)
            counts = listed.sum(dim=1, keepdim=True)
            mean = listed.double() @ self.embeddings.double() / counts.clamp(min=1)
            ready[ATTRIBUTE] = Modality(mean.float(), counts[:, 0] > 0)
        return ready


_STAND_INS = {
    schema.CONTENT_TEXT: schema.CONTENT_VISUAL,
    schema.AUDIENCE_TEXT: schema.AUDIENCE_VISUAL,
}
