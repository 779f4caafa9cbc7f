"""What models share: RecBole's contract, and account features."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from dataset_convert.common.errors import UsageError
from recbole_mirec.data.accounts import AccountTables, available_perspectives, compared
from recbole_mirec.nn.objective import perspective_scores
from recbole_mirec.nn.settings import Modality

# One tensor a side: vectors or scores by internal id, row 0 padding.
Sides = dict[schema.Side, Tensor]
# One side's features by modality, row i that of internal id i, row 0 padding; and both sides'.
Table = dict[str, Modality]
Tables = dict[schema.Side, Table]

ACCOUNTS_AT_ONCE = 1024


class MirecModel(GeneralRecommender):  # type: ignore[misc]
    """A model of ours, and what the rest of the program may ask of any of them.

    All are made of RecBole's `config`, with the keys of `properties/model/<name>.yaml`, and of the
    training part of a `MirecDataset`. Wrong keys and data that lack what a model needs are a
    `UsageError`. A module `inputs`, where there is one, holds the accounts of the data set, which
    checkpoints leave out; all that was fitted on them stands in checkpoints.

    Attributes:
        score_meaning: what a score is, in one line.
        figure_notes: what must stand beside its figures.
        perspectives: those that `perspective_scores` splits a score into, where it has that method.
    """

    input_type = InputType.PAIRWISE
    score_meaning = "the inner product of two account vectors, unbounded"
    figure_notes: tuple[str, ...] = ()
    perspectives: tuple[str, ...] = ()
    inputs: "AccountFeatures"
    _kept: Sides | None = None

    def input_fingerprint(self) -> str | None:
        """Digest of the inputs that checkpoints leave out, sha256 in hex; None: it has none."""
        return self.inputs.fingerprint() if "inputs" in self._modules else None

    def choose_perspectives(self, config: Any, dataset: Any) -> AccountTables:
        """Sets `perspectives`: those wanted that the data have features for; logs the others.

        Raises:
            UsageError: the data have none of them.
        """
        accounts = require_accounts(dataset, type(self).__name__)
        wanted = config["perspectives"]
        self.perspectives = available_perspectives(accounts, wanted)
        for name in wanted:
            if name not in self.perspectives:
                self.logger.info(
                    f"Perspective {name} is left out: the data set has nothing for it."
                )
        return accounts

    def train(self, mode: bool = True) -> Any:
        """As torch's; training forgets what was computed, since parameters will change."""
        if mode:
            self._kept = None
        return super().train(mode)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As torch's; what was computed is forgotten."""
        self._kept = None
        return super().load_state_dict(*args, **kwargs)

    @torch.no_grad()
    def computed_once(self, compute: Callable[[], Sides]) -> Sides:
        """What is computed in evaluation mode, kept until parameters may change."""
        if self._kept is not None:
            return self._kept
        was_training = self.training
        self.eval()
        values = compute()
        if was_training:
            self.train()
        else:
            self._kept = values
        return values


class VectorModel(MirecModel):
    """A model whose score is the inner product of two account vectors; gives `encode`."""

    def encode(self, side: schema.Side, table: Table) -> Tensor:
        """Vectors of any accounts, seen in training or new, from their features alone.

        Args:
            side: theirs.
            table: modality -> rows and mask, over the data set's dimensions: topics, sentence
                vectors, weights of labels in the order of the vocabulary, 0 or 1 for each attribute
                of the vocabulary; each modality of `inputs.names`, the mask telling who has it.

        Returns:
            float32 (account, perspective, dimension).
        """
        raise NotImplementedError

    def compute_vectors(self) -> Sides:
        """Vectors of all accounts of the data set, as `account_vectors` gives them."""
        return self.inputs.encoded(self.encode)

    def account_vectors(self) -> Sides:
        """Vectors of all accounts, computed once until the model trains again.

        Returns:
            `brand` and `influencer` -> float32 (account, perspective, dimension) by internal id;
            row 0 is padding. A model that knows no perspectives has one place for them.
        """
        return self.computed_once(self.compute_vectors)

    def predict(self, interaction: Any) -> Tensor:
        """Scores of pairs: float32 (pair)."""
        return self.shares(interaction).sum(dim=1)

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all influencers: float32 (brand * influencer), one matrix product."""
        vectors = self.account_vectors()
        brands = vectors[schema.BRAND][interaction[self.USER_ID]].flatten(start_dim=1)
        return (brands @ vectors[schema.INFLUENCER].flatten(start_dim=1).T).reshape(-1)

    def shares(self, interaction: Any) -> Tensor:
        """What each perspective adds to the score of pairs: float32 (pair, perspective)."""
        vectors = self.account_vectors()
        return perspective_scores(
            vectors[schema.BRAND][interaction[self.USER_ID]],
            vectors[schema.INFLUENCER][interaction[self.ITEM_ID]],
        )


class AccountFeatures(nn.Module):
    """Features and masks as buffers that follow the model's device and that checkpoints leave out.

    `widths` has those of all modalities; one that only one side has stands there too.
    """

    def __init__(self, tables: Tables):
        super().__init__()
        self.names = {side: tuple(table) for side, table in tables.items()}
        self.widths = {
            name: some.rows.shape[1] for table in tables.values() for name, some in table.items()
        }
        for side, table in tables.items():
            for name, (rows, mask) in table.items():
                self.register_buffer(f"{side} {name} features", rows, persistent=False)
                self.register_buffer(f"{side} {name} mask", mask, persistent=False)

    def table(self, side: schema.Side) -> Table:
        """The features of all accounts of a side."""
        return {
            name: Modality(*(self.get_buffer(f"{side} {name} {x}") for x in ("features", "mask")))
            for name in self.names[side]
        }

    def take(self, side: schema.Side, ids: Tensor) -> Table:
        """The features of the accounts of some internal ids."""
        return {name: Modality(*(x[ids] for x in both)) for name, both in self.table(side).items()}

    def ids(self, side: schema.Side) -> Tensor:
        """All internal ids of a side, padding first: int64 (account), on the features' device."""
        mask = next(iter(self.table(side).values())).mask
        return torch.arange(len(mask), device=mask.device)

    def encoded(self, encode: Callable[[schema.Side, Table], Tensor]) -> Sides:
        """What a function of side and table gives for all accounts, so many at once."""
        return {
            side: torch.cat(
                [
                    encode(side, self.take(side, ids))
                    for ids in torch.split(self.ids(side), ACCOUNTS_AT_ONCE)
                ]
            )
            for side in schema.SIDES
        }

    def fingerprint(self) -> str:
        """Digest of all buffers, names and shapes included: sha256 in hex."""
        digest = hashlib.sha256()
        for name, buffer in sorted(self.named_buffers()):
            values = buffer.cpu().numpy()
            digest.update(f"{name} {values.shape}".encode() + values.tobytes())
        return digest.hexdigest()


def require_accounts(dataset: Any, model: str) -> AccountTables:
    """The data set's account tables.

    Raises:
        UsageError: it has none; names the model that needs them.
    """
    accounts: AccountTables | None = dataset.accounts
    if accounts is None:
        raise UsageError(f"{model} needs account features, which this data set does not have.")
    return accounts


def perspective_tables(
    accounts: AccountTables, perspectives: Iterable[str], attribute_input: Any = "auto"
) -> Tables:
    """The accounts' features of perspectives that the other side has something to compare with.

    Args:
        accounts: the data set's.
        perspectives: those in use, as `available_perspectives` returns them.
        attribute_input: value of the key; see `attribute_source`. Lists are 0/1 rows over the
            shared vocabulary.
    """
    pairs = compared(accounts, perspectives, attribute_input)
    tables: Tables = {}
    for place, (side, table) in enumerate(accounts.sides.items(), start=1):
        tables[side] = {}
        for name in dict.fromkeys(pair[place] for pair in pairs):
            if name == schema.ATTRIBUTES:
                rows = torch.from_numpy(table.attributes.toarray()).float()
                tables[side][name] = Modality(rows, rows.any(dim=1))
            else:
                tables[side][name] = Modality(table.features[name], table.masks[name])
    return tables


def one_text(table: Table) -> Table:
    """An account's captions and biography as one modality, `content_text`, beside the others.

    For networks whose inputs are the same on both sides, where one may have captions alone and the
    other biographies: the mean of what the account has, each of length 1.
    """
    texts = [table[name] for name in schema.OWN_TEXTS if name in table]
    others = {name: both for name, both in table.items() if name not in schema.OWN_TEXTS}
    if not texts:
        return others
    units = [torch.where(mask[:, None], functional.normalize(rows), 0.0) for rows, mask in texts]
    mask = torch.stack([mask for _, mask in texts]).any(dim=0)
    merged = functional.normalize(torch.stack(units).sum(dim=0))
    return others | {schema.CONTENT_TEXT: Modality(merged, mask)}


def are_shares(tables: Tables, name: str) -> bool:
    """Whether a modality has no negative entries, as topics and labels: it may be rooted."""
    return name not in (schema.ATTRIBUTES, schema.ATTRIBUTE_VECTOR) and all(
        bool((table[name].rows >= 0).all()) for table in tables.values() if name in table
    )


def stacked(blocks: list[Sides]) -> Sides:
    """Perspectives' vectors as (account, perspective, dimension), zeros up to the widest.

    Of both sides or of one.
    """
    width = max(rows.shape[1] for block in blocks for rows in block.values())
    return {
        side: torch.stack(
            [functional.pad(block[side], (0, width - block[side].shape[1])) for block in blocks],
            dim=1,
        )
        for side in blocks[0]
    }


CONTENT = (schema.CONTENT_TOPICS, schema.CONTENT_VISUAL, schema.CONTENT_TEXT)


def content_tables(dataset: Any, model: str) -> Tables:
    """What accounts post and say of themselves, that the data set has.

    Raises:
        UsageError: it has nothing; names the model that needs something.
    """
    accounts = require_accounts(dataset, model)
    tables = perspective_tables(accounts, ("content",))
    if not tables[schema.BRAND]:
        raise UsageError(
            f"{model} needs topics, visual semantics or text of the posts of both sides: fill the "
            f"columns {' or '.join(CONTENT)} of brands and influencers."
        )
    return tables


def unit_content(table: Table) -> Table:
    """Topics, visual semantics and one text of accounts, as unit rows; zeros where missing."""
    return {
        name: Modality(functional.normalize(torch.where(mask[:, None], rows, 0.0)), mask)
        for name, (rows, mask) in one_text(table).items()
    }
