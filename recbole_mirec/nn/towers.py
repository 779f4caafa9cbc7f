"""Layers and towers, fusion and co-attention, first values from a generator."""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recbole_mirec.nn.settings import (
    CoattentionInput,
    CoattentionSides,
    DropoutPlace,
    FusionRule,
    Initialisation,
    Number,
)

# the paper's spread: half-width of its uniform draw, standard deviation of the reference's normal
SPREAD = 0.1
LEAK = 0.01


def initialised_linear(
    n_inputs: int, n_outputs: int, scheme: Initialisation, generator: torch.Generator | None
) -> nn.Linear:
    """A linear layer of uniform(-0.1, 0.1), or of normal values of standard deviation 0.1.

    Source: implementation details of Wang et al. (IEEE TMM 2023) for the uniform draw; its
    published reference draws normal values instead. A generator of None is torch's own, which the
    caller has seeded. torch stores the paper's ``W`` transposed.
    """
    # made without values, so that torch's own draw does not advance the global generator
    layer = nn.Linear(n_inputs, n_outputs, device="meta").to_empty(device="cpu")
    for parameter in (layer.weight, layer.bias):
        if scheme == "uniform_0.1":
            nn.init.uniform_(parameter, -SPREAD, SPREAD, generator)
        else:
            nn.init.normal_(parameter, 0.0, SPREAD, generator)
    return layer


class MLP(nn.Module):
    """sigma, mu (7)(8), omega, gamma (10)(11) or beta (18) of Wang et al. (IEEE TMM 2023).

    Leaky ReLU of slope 0.01 between the layers, none after the last. In training mode, and there
    alone, ``dropout_rate`` of the first layer is dropped, by torch's own generator, and the rest
    scaled by ``1 / (1 - dropout_rate)``, so that the layer's output keeps its expectation:

    - ``first_activations``: entries of the first linear map's output, anew for every row; before
      or after the leaky ReLU is the same, since it commutes with such a scaling.
    - ``first_weights``: entries of the first weight matrix (not of its bias), one mask for all
      rows of a call.
    - ``none``: nothing.

    Departures: the paper says "dropout layers" and no place; both readings are kept. For (18) it
    names no activation; its published reference has the same leaky ReLU there, and so have we.
    """

    def __init__(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        n_outputs: int,
        *,
        dropout_rate: Number,
        dropout: DropoutPlace = "first_weights",
        initialisation: Initialisation = "uniform_0.1",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.first, *rest = (
            initialised_linear(wide, narrow, initialisation, generator)
            for wide, narrow in pairwise([n_inputs, *hidden, n_outputs])
        )
        self.rest = nn.ModuleList(rest)
        self.dropout = dropout
        self.dropout_rate = dropout_rate

    def forward(
        self, inputs: Float[Tensor, "account n_inputs"]
    ) -> Float[Tensor, "account n_outputs"]:
        """Maps every row by itself; the result is unbounded."""
        weight: Tensor = self.first.weight
        if self.dropout == "first_weights":
            weight = functional.dropout(weight, self.dropout_rate, self.training)
        vectors = functional.linear(inputs, weight, self.first.bias)
        if self.dropout == "first_activations":
            vectors = functional.dropout(vectors, self.dropout_rate, self.training)
        for layer in self.rest:
            vectors = layer(functional.leaky_relu(vectors, LEAK))
        return vectors


def masked_product(
    branches: Sequence[Float[Tensor, "account dim"]], masks: Sequence[Bool[Tensor, "account"]]
) -> tuple[Float[Tensor, "account dim"], Bool[Tensor, "account"]]:
    """Elementwise product of the branches that are present, at least one: ``o`` of (9) and (12).

    Departure: the paper knows no missing branch. Here such a branch counts as a vector of ones, so
    that what is present is returned alone; its own values, NaN too, reach neither the result nor a
    gradient.

    Returns:
        The product, all zeros where no branch is present, and True where any is.
    """
    filled = [
        torch.where(mask[:, None], branch, 1.0)
        for branch, mask in zip(branches, masks, strict=True)
    ]
    present = reduce(torch.logical_or, masks)
    return torch.where(present[:, None], reduce(torch.mul, filled), 0.0), present


class Fusion(nn.Module):
    """Joins a perspective's modality embeddings into one vector: (9) and (12).

    - ``low_rank``: low-rank bilinear pooling, ``(e^p W_p + b_p) o (e^t W_t + b_t)``.
    - ``product``: ``e^p o e^t``, the published reference's form, without parameters.

    An account with one modality alone gets that branch as it would have entered the product, and
    so does a fusion built for one modality: what an account without images gets does not depend on
    whether others have some, and vectors of one and of two modalities live in the same space.
    """

    def __init__(
        self,
        rule: FusionRule,
        modalities: Sequence[str],
        dimension: int,
        initialisation: Initialisation,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.maps = nn.ModuleDict()
        for modality in modalities:
            self.maps[modality] = (
                initialised_linear(dimension, dimension, initialisation, generator)
                if rule == "low_rank"
                else nn.Identity()
            )

    def forward(
        self,
        embeddings: Mapping[str, Float[Tensor, "account dim"]],
        masks: Mapping[str, Bool[Tensor, "account"]],
    ) -> tuple[Float[Tensor, "account dim"], Bool[Tensor, "account"]]:
        """Fuses what each account has, by modality; see `masked_product`."""
        branches = [linear(embeddings[modality]) for modality, linear in self.maps.items()]
        return masked_product(branches, [masks[modality] for modality in self.maps])


def attention_weights(
    vectors: Float[Tensor, "account dim"],
    affinities: Float[Tensor, "account dim"],
    softmax_input: CoattentionInput,
) -> Float[Tensor, "account dim"]:
    """``w_c`` or ``w_u``, the weights of a perspective's dimensions: (21) or (22).

    ``raw`` reads the paper's ``e o e_af``, ``sigmoid``, as the published reference,
    ``sigmoid(e) o e_af``. The weights, in (0, dim), sum to ``dim`` in each row.
    """
    base = torch.sigmoid(vectors) if softmax_input == "sigmoid" else vectors
    return torch.softmax(base * affinities, dim=-1) * vectors.shape[-1]


class CoAttention(nn.Module):
    """Reweights content and audience of the accounts that have both: (20)-(24).

    Departures: the paper knows no missing perspective; an account without content or without
    audience passes unchanged. With ``separate`` brands and influencers have their own weights
    (20), as in the published reference; with ``shared`` there is the paper's one set. Biases of
    ``normal_0.1`` have the standard deviation 1, as in the reference.
    """

    def __init__(
        self,
        dimension: int,
        softmax_input: CoattentionInput,
        sides: CoattentionSides,
        initialisation: Initialisation,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.softmax_input: CoattentionInput = softmax_input
        self.sides = nn.ModuleDict()
        for name in ("brand", "influencer") if sides == "separate" else ("account",):
            maps = {
                part: initialised_linear(dimension, dimension, initialisation, generator)
                for part in ("content", "audience")
            }
            if initialisation == "normal_0.1":
                for linear in maps.values():
                    nn.init.normal_(linear.bias, 0.0, 1.0, generator)
            self.sides[name] = nn.ModuleDict(maps)

    def forward(
        self,
        content: Float[Tensor, "account dim"],
        audience: Float[Tensor, "account dim"],
        both: Bool[Tensor, "account"],
        is_brand: Bool[Tensor, "account"],
    ) -> tuple[Float[Tensor, "account dim"], Float[Tensor, "account dim"]]:
        """``e'_c = e_c o w_c`` (23) and ``e'_u = e_u o w_u`` (24), where ``both`` are present."""
        rows_of = {"brand": both & is_brand, "influencer": both & ~is_brand, "account": both}
        for side, maps in self.sides.items():
            rows = rows_of[side]
            e_c, e_u = content[rows], audience[rows]
            e_af = torch.sigmoid(maps.get_submodule("content")(e_c))
            e_af = e_af * torch.sigmoid(maps.get_submodule("audience")(e_u))
            w_c, w_u = (attention_weights(e, e_af, self.softmax_input) for e in (e_c, e_u))
            content = content.index_put((rows,), e_c * w_c)
            audience = audience.index_put((rows,), e_u * w_u)
        return content, audience


class BilinearTower(nn.Module):
    """Low-rank bilinear fusion of text and picture features of one side's accounts.

    Source: Gan et al., "Seeking Micro-influencers for Brand Promotion", ACM MM 2019: an MLP with
    one hidden layer for each modality, leaky ReLU of slope 0.01, dropout on the first layer's
    weights, and the elementwise product of the two outputs. Departures: a missing modality is
    left out of the product; first values are uniform(-0.1, 0.1), since the paper names none.
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
                modality: MLP(width, hidden[modality], dimension, dropout_rate=dropout_rate)
                for modality, width in widths.items()
            }
        )

    def forward(
        self,
        features: Mapping[str, Float[Tensor, "account _"]],
        masks: Mapping[str, Bool[Tensor, "account"]],
    ) -> Float[Tensor, "account dim"]:
        """Vectors, zeros for accounts without any modality; all features must be finite."""
        outputs = [branch(features[modality]) for modality, branch in self.branches.items()]
        vectors: Tensor = masked_product(outputs, [masks[name] for name in self.branches])[0]
        return vectors
