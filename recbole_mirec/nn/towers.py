"""Layers and towers, fusion and co-attention."""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recbole_mirec.nn.settings import (
    CoattentionInput,
    DropoutPlace,
    Initialisation,
    Modality,
    NetworkSettings,
    Number,
)

# the paper's spread: half-width of its uniform draw, standard deviation of the reference's normal
SPREAD = 0.1
LEAK = 0.01


def linear(n_inputs: int, n_outputs: int, scheme: Initialisation) -> nn.Linear:
    """A linear layer of uniform(-0.1, 0.1), or of normal values of standard deviation 0.1.

    Source: implementation details of Wang et al. (IEEE TMM 2023) for the uniform draw; its
    published reference draws normal values instead. torch stores the paper's ``W`` transposed.
    """
    # made without values, so that torch's own draw does not advance the generator
    layer = nn.Linear(n_inputs, n_outputs, device="meta").to_empty(device="cpu")
    for parameter in (layer.weight, layer.bias):
        if scheme == "uniform_0.1":
            nn.init.uniform_(parameter, -SPREAD, SPREAD)
        else:
            nn.init.normal_(parameter, 0.0, SPREAD)
    return layer


class MLP(nn.Module):
    """sigma, mu (7)(8), omega, gamma (10)(11) or beta (18) of Wang et al. (IEEE TMM 2023).

    Leaky ReLU of slope 0.01 between the layers, none after the last. In training mode
    ``dropout_rate`` of the first layer is dropped and the rest scaled by
    ``1 / (1 - dropout_rate)``, so that the layer's output keeps its expectation:

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
    ) -> None:
        super().__init__()
        self.first, *rest = (
            linear(wide, narrow, initialisation)
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


class Fusion(nn.Module):
    """Elementwise product of the mapped modalities that an account has: ``o`` of (9) and (12).

    With linear maps it is low-rank bilinear pooling, ``(e^p W_p + b_p) o (e^t W_t + b_t)``; with
    none, ``e^p o e^t``, the published reference's form.

    Departure: the paper knows no missing branch. Here such a branch counts as a vector of ones; its
    own values, NaN too, reach neither the result nor a gradient. An account without any gets
    zeros. One with one modality alone gets that branch as it would have entered the product, and so
    does a fusion built for one modality: what an account without images gets does not depend on
    whether others have some, and vectors of one and of two modalities live in the same space.
    """

    def __init__(self, maps: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.maps = nn.ModuleDict(dict(maps))

    def forward(self, modalities: Mapping[str, Modality]) -> Modality:
        """Fuses what each account has."""
        masks = [modalities[name].mask for name in self.maps]
        filled = [
            torch.where(mask[:, None], module(modalities[name].rows), 1.0)
            for (name, module), mask in zip(self.maps.items(), masks, strict=True)
        ]
        present = reduce(torch.logical_or, masks)
        return Modality(torch.where(present[:, None], reduce(torch.mul, filled), 0.0), present)


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
    audience passes unchanged. With ``separate`` sides brands and influencers have their own
    weights (20), as in the published reference. Biases of ``normal_0.1`` have the standard
    deviation 1, as in the reference.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.softmax_input: CoattentionInput = settings.coattention_input
        self.sides = nn.ModuleDict()
        separate = settings.coattention_sides == "separate"
        for name in ("brand", "influencer") if separate else ("account",):
            maps = {
                part: linear(settings.dimension, settings.dimension, settings.initialisation)
                for part in ("content", "audience")
            }
            if settings.initialisation == "normal_0.1":
                for layer in maps.values():
                    nn.init.normal_(layer.bias, 0.0, 1.0)
            self.sides[name] = nn.ModuleDict(maps)

    def forward(
        self, content: Modality, audience: Modality, is_brand: Bool[Tensor, "account"]
    ) -> tuple[Modality, Modality]:
        """``e'_c = e_c o w_c`` (23) and ``e'_u = e_u o w_u`` (24), where both are present."""
        both = content.mask & audience.mask
        rows_of = {"brand": both & is_brand, "influencer": both & ~is_brand, "account": both}
        for side, maps in self.sides.items():
            rows = rows_of[side]
            e_c, e_u = content.rows[rows], audience.rows[rows]
            e_af = torch.sigmoid(maps.get_submodule("content")(e_c))
            e_af = e_af * torch.sigmoid(maps.get_submodule("audience")(e_u))
            w_c, w_u = (attention_weights(e, e_af, self.softmax_input) for e in (e_c, e_u))
            content = Modality(content.rows.index_put((rows,), e_c * w_c), content.mask)
            audience = Modality(audience.rows.index_put((rows,), e_u * w_u), audience.mask)
        return content, audience
