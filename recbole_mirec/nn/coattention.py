"""Co-attention between the content and the audience of the same account."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recbole_mirec.nn.initialisation import initialised_linear
from recbole_mirec.nn.settings import CoattentionInput, CoattentionSides, Initialisation


def affinity(
    content_map: Float[Tensor, "account dim"], audience_map: Float[Tensor, "account dim"]
) -> Float[Tensor, "account dim"]:
    """``e_af``, the affinity of content and audience: (20) of Wang et al. (IEEE TMM 2023).

    Args:
        content_map: ``e_c W_1f + b_1f``.
        audience_map: ``e_u W_2f + b_2f``.

    Returns:
        ``sigmoid(content_map) o sigmoid(audience_map)``, in (0, 1).
    """
    return torch.sigmoid(content_map) * torch.sigmoid(audience_map)


def attention_weights(
    vectors: Float[Tensor, "account dim"],
    affinities: Float[Tensor, "account dim"],
    softmax_input: CoattentionInput,
) -> Float[Tensor, "account dim"]:
    """``w_c`` or ``w_u``, the weights of a perspective's dimensions: (21) or (22).

    Departure: with ``sigmoid`` the softmax reads ``sigmoid(e) o e_af``, as in the published
    reference; with ``raw`` it reads the paper's ``e o e_af``.

    Args:
        vectors: ``e_c`` or ``e_u``.
        affinities: ``e_af``.
        softmax_input: Which of the two the softmax reads.

    Returns:
        Weights in (0, dim) that sum to ``dim`` in each row.
    """
    base = torch.sigmoid(vectors) if softmax_input == "sigmoid" else vectors
    return torch.softmax(base * affinities, dim=-1) * vectors.shape[-1]


def co_attention(
    content: Float[Tensor, "account dim"],
    audience: Float[Tensor, "account dim"],
    affinities: Float[Tensor, "account dim"],
    softmax_input: CoattentionInput,
) -> tuple[Float[Tensor, "account dim"], Float[Tensor, "account dim"]]:
    """``e'_c`` and ``e'_u``, the vectors reweighted by dimension: (23)(24).

    Args:
        content: ``e_c``.
        audience: ``e_u``.
        affinities: ``e_af``.
        softmax_input: As of `attention_weights`.

    Returns:
        ``e_c o w_c`` and ``e_u o w_u``.
    """
    return (
        content * attention_weights(content, affinities, softmax_input),
        audience * attention_weights(audience, affinities, softmax_input),
    )


class AffinityMaps(nn.Module):
    """One set of the weights of (20): ``W_1f``, ``b_1f``, ``W_2f`` and ``b_2f``.

    Args:
        dimension: ``d_a``.
        initialisation: ``normal_0.1`` draws the biases with standard deviation 1, as the
            published reference does, and the matrices with 0.1.
        generator: The source of randomness; None is torch's own.
    """

    def __init__(
        self,
        dimension: int,
        initialisation: Initialisation,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.content = initialised_linear(dimension, dimension, initialisation, generator)
        self.audience = initialised_linear(dimension, dimension, initialisation, generator)
        if initialisation == "normal_0.1":
            with torch.no_grad():
                self.content.bias.normal_(0.0, 1.0, generator=generator)
                self.audience.bias.normal_(0.0, 1.0, generator=generator)

    def forward(
        self, content: Float[Tensor, "account dim"], audience: Float[Tensor, "account dim"]
    ) -> Float[Tensor, "account dim"]:
        """``e_af`` (20) of every row; see `affinity`."""
        return affinity(self.content(content), self.audience(audience))


class CoAttention(nn.Module):
    """Reweights content and audience of the accounts that have both: (20)-(24).

    Departures: the paper knows no missing perspective; an account without content or without
    audience passes unchanged. With ``separate`` brands and influencers have their own
    `AffinityMaps`, as in the published reference; with ``shared`` there is the paper's one set.

    Args:
        dimension: ``d_a``.
        softmax_input: As of `attention_weights`.
        sides: Whether brands and influencers share the weights.
        initialisation: As of `AffinityMaps`.
        generator: The source of randomness; None is torch's own.
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
        names = ("brand", "influencer") if sides == "separate" else ("account",)
        self.sides = nn.ModuleDict(
            {name: AffinityMaps(dimension, initialisation, generator) for name in names}
        )
        self.softmax_input: CoattentionInput = softmax_input

    def forward(
        self,
        content: Float[Tensor, "account dim"],
        audience: Float[Tensor, "account dim"],
        both: Bool[Tensor, "account"],
        is_brand: Bool[Tensor, "account"],
    ) -> tuple[Float[Tensor, "account dim"], Float[Tensor, "account dim"]]:
        """Applies (20)-(24) to the rows that have both perspectives.

        Args:
            content: ``e_c``.
            audience: ``e_u``.
            both: True where the account has content and audience.
            is_brand: True for brands, False for influencers; without effect if ``shared``.

        Returns:
            ``e'_c`` and ``e'_u``; rows where ``both`` is False are returned as they came.
        """
        rows_of = {"brand": both & is_brand, "influencer": both & ~is_brand, "account": both}
        for side, maps in self.sides.items():
            rows = rows_of[side]
            attended = co_attention(
                content[rows],
                audience[rows],
                maps(content[rows], audience[rows]),
                self.softmax_input,
            )
            content = content.index_put((rows,), attended[0])
            audience = audience.index_put((rows,), attended[1])
        return content, audience
