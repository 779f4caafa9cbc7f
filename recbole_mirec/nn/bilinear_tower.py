"""The account representation of MIR: one MLP a modality, multiplied."""

from collections.abc import Mapping, Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from recbole_mirec.nn.checks import Number
from recbole_mirec.nn.fusion import masked_product
from recbole_mirec.nn.mlp import MLP


class BilinearTower(nn.Module):
    """Low-rank bilinear fusion of text and picture features of one side's accounts.

    Source: Gan et al., "Seeking Micro-influencers for Brand Promotion", ACM MM 2019: an MLP with
    one hidden layer for each modality, leaky ReLU of slope 0.01, dropout on the first layer's
    weights, and the elementwise product of the two outputs. Departures: a missing modality is
    left out of the product; first values are uniform(-0.1, 0.1), since the paper names none.

    Args:
        widths: Input width by modality, at least one.
        hidden: Hidden widths by modality.
        dimension: Width of the account vector (512 in the paper).
        dropout_rate: Share of the first layers' weights dropped in training, in [0, 1).
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        hidden: Mapping[str, Sequence[int]],
        dimension: int,
        dropout_rate: Number,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(
            {
                modality: MLP(
                    width,
                    hidden[modality],
                    dimension,
                    dropout="first_weights",
                    dropout_rate=dropout_rate,
                    initialisation="uniform_0.1",
                )
                for modality, width in widths.items()
            }
        )

    def forward(
        self,
        features: Mapping[str, Float[Tensor, "account _"]],
        masks: Mapping[str, Bool[Tensor, "account"]],
    ) -> Float[Tensor, "account dim"]:
        """Represents accounts; rows do not read each other.

        Args:
            features: Inputs by modality; finite, also where the modality is missing.
            masks: True where the account has the modality.

        Returns:
            Vectors of any size; zeros for accounts without any modality.
        """
        outputs = [branch(features[modality]) for modality, branch in self.branches.items()]
        vectors: Tensor = masked_product(outputs, [masks[name] for name in self.branches])[0]
        return vectors
