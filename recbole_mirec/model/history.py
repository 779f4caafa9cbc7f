"""What MIR and HPTR share: accounts represented by their pooled posts."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from dataset_convert import schema
from recbole_mirec.errors import UsageError
from recbole_mirec.model.account_features import AccountFeatures, modality_tables, require_accounts
from recbole_mirec.model.two_tower import TwoTowerRecommender
from recbole_mirec.nn.bilinear_tower import BilinearTower

CONTENT = (schema.CONTENT_TOPICS, schema.CONTENT_VISUAL)
READS_CONTENT = (
    "reads topics and visual semantics of content; it has no use for audience and attributes."
)


def content_tables(dataset: Any, model: str) -> dict[schema.Side, dict[str, tuple[Tensor, Tensor]]]:
    """Topics and visual semantics of what accounts post, those that the data set has.

    Raises:
        UsageError: it has neither; names the model that needs one of them.
    """
    tables = modality_tables(require_accounts(dataset, model), CONTENT)
    if not tables[schema.BRAND]:
        raise UsageError(
            f"{model} needs topics or visual semantics of the posts of both sides: fill the "
            f"columns {' or '.join(CONTENT)} of brands and influencers."
        )
    return tables


class HistoryRecommender(TwoTowerRecommender):
    """A bilinear tower for each side; the score is the mean of the vectors' elementwise product.

    Args:
        config: `topic_tower`, `visual_tower`, `tower_dimension` and `tower_dropout` are read.
        dataset: brings `accounts`.

    Raises:
        UsageError: the data set has neither topics nor visual semantics of content.
    """

    score_meaning = "the mean of the elementwise product of two account vectors, unbounded"

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        tables = content_tables(dataset, type(self).__name__)
        for name in CONTENT:
            if name not in tables[schema.BRAND]:
                self.logger.info(f"Without {name}, which the data set lacks on one side or both.")
        self.accounts = AccountFeatures(
            {
                side: {name: (_scaled(rows), mask) for name, (rows, mask) in table.items()}
                for side, table in tables.items()
            }
        )
        hidden = dict(zip(CONTENT, (config["topic_tower"], config["visual_tower"]), strict=True))
        self.dimension = config["tower_dimension"]
        self.towers = nn.ModuleDict(
            {
                side: BilinearTower(
                    self.accounts.widths, hidden, self.dimension, config["tower_dropout"]
                )
                for side in schema.SIDES
            }
        )

    def encode(self, side: schema.Side, ids: Tensor) -> Tensor:
        """Vectors of accounts by internal id: float32 (account, dimension)."""
        features, masks = self.accounts.features(side, ids), self.accounts.masks(side, ids)
        # The root on both sides makes the inner product the mean of the elementwise product.
        vectors: Tensor = self.towers[side](features, masks) / self.dimension**0.5
        return vectors


def _scaled(rows: Tensor) -> Tensor:
    """Rows (account, dimension) of mean square 1, zeros where missing.

    Shares of topics and labels are small beside first biases of up to 0.1, which would drown them.
    """
    scale: float = rows.shape[1] ** 0.5
    return functional.normalize(rows) * scale
