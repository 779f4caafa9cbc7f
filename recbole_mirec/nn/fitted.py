"""What `variant: mirec` has learnt, as arrays, and the vectors that it gives any account.

NumPy alone: whoever holds the arrays of a checkpoint ranks with them, without the data set that
they were learnt on, RecBole or torch. An account is a table: modality -> its rows (account,
dimension), anything where missing, and the mask (account) of who has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dataset_convert import schema

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Table: TypeAlias = Mapping[str, tuple[NDArray[Any], Mask]]

CATEGORY, PRECEDENT, HUBNESS = "category", "precedent", "hubness"
# Of a row's length, in single precision: what is shorter than that is rounding, and no direction.
ROUNDING = 1e-5
_AT_ONCE = 4096
# What a learnt scale is at most: a bound of scores, and of what a batch can make of one pair.
MOST_SCALE = 100.0


@dataclass(frozen=True)
class Layout:
    """What arrays mean; plain values, as JSON holds them.

    Attributes:
        pairs: perspective, brand's and influencer's modality of every learnt product.
        spaces: modality -> what its axes and its map are called; one space, one width.
        rooted: modalities of shares, of which square roots are taken.
        kernels: side -> modality -> its weight in the precedents' kernel.
        hubness: share of an influencer's mean score for its nearest brands that is taken away.
        neighbours: how many brands are nearest.
    """

    pairs: Sequence[Sequence[str]]
    spaces: Mapping[str, str]
    rooted: Sequence[str]
    kernels: Mapping[str, Mapping[str, float]]
    hubness: float
    neighbours: int

    @property
    def perspectives(self) -> tuple[str, ...]:
        """Those of the pairs, in their order."""
        return tuple(dict.fromkeys(perspective for perspective, *_ in self.pairs))

    @property
    def parts(self) -> tuple[str, ...]:
        """What a score is the sum of: perspectives, precedent, and what hubness takes away."""
        more = [PRECEDENT] * bool(self.kernels) + [HUBNESS] * bool(self.hubness)
        return (*self.perspectives, *more)

    def modalities(self, side: schema.Side) -> tuple[str, ...]:
        """A side's modalities of the learnt products."""
        place = 1 + schema.SIDES.index(side)
        return tuple(dict.fromkeys(pair[place] for pair in self.pairs))


def unit_rows(rows: Array, least: Any = 0.0) -> Array:
    """Rows (account, dimension) at length 1; zeros where they are not longer than `least`."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    found: Array = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > least)
    return found


def standardised(
    rows: NDArray[Any], mask: Mask, mean: NDArray[Any] | float = 0.0, *, rooted: bool = False
) -> Array:
    """Unit rows of a modality less its mean, of square roots where they are shares.

    Square roots turn shares (topics, labels) into points whose inner product is the Bhattacharyya
    coefficient, 1 less their squared Hellinger distance; less the mean of the side's training
    accounts, what all accounts share, and what tells brands from influencers, is gone; at length 1
    no account weighs more than another, and products are cosines. A row that is missing, or that
    is the mean but for rounding, is zeros.
    """
    known = np.where(mask[:, None], rows, 0.0).astype(np.float64)
    known = np.sqrt(known) if rooted else known
    least = ROUNDING * np.maximum(np.linalg.norm(known, axis=1, keepdims=True), 1e-30)
    return unit_rows(np.where(mask[:, None], known - mean, 0.0), least)


def gaussian(rows: Array, centres: Array, width: float) -> Array:
    """``exp(-|x - z|^2 / width)`` of rows x and centres z: (row, centre), from 0 to 1."""
    squares = (rows**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * rows @ centres.T
    found: Array = np.exp(-np.maximum(squares, 0.0) / width)
    return found


@dataclass(frozen=True)
class Static:
    """What of some accounts does not depend on maps and scales.

    Attributes:
        inputs: modality -> standardised rows on their axes, zeros where missing, and the mask.
        kernel: all that precedents are found by, side by side: (account, dimension).
        precedent: (account, training brand), before the weight; empty without precedents.
    """

    inputs: Mapping[str, tuple[Array, Mask]]
    kernel: Array
    precedent: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def take(self, rows: Any) -> "Static":
        """The same of the accounts of some rows."""
        inputs = {name: (of[rows], mask[rows]) for name, (of, mask) in self.inputs.items()}
        precedent = self.precedent[rows] if len(self.precedent) else self.precedent
        return Static(inputs, self.kernel[rows], precedent)


class Fitted:
    """A fitted `variant: mirec`: vectors of accounts, seen or new.

    F, the score of a pair, is the sum of an inner product a part: of each perspective the learnt
    metric, of `precedent` the kernel ridge, of `hubness` what is taken away.

    F is bounded: with S the sum of the pairs' scales (of the seed with the largest), cosines less a
    mean of cosines reach 2 S, precedents REACH S by `finish`, and hubness its share of both, so
    that of training accounts ``|F| <= (1 + hubness) (2 + REACH) S``. S is at most `MOST_SCALE` a
    pair. A new account's precedents are the same kernels' sums, which fall to 0 far from all
    training accounts; in 500 generated data sets none reached further.

    Args:
        arrays: `mean <side> <modality>`, `axes <space>`, `map <space>` (seed, axis, axis),
            `scale` (seed, pair), `embeddings` (attribute, dimension) where attributes are lists;
            after training, `centre <perspective> <modality>` (seed, axis); with precedents,
            `landmarks <side>` (landmark, dimension), `width <side>`, `ridge` (influencer, brand) of
            landmarks and `weight`; with hubness, `reference` (brand, all dimensions).
        layout: what they mean.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], layout: Layout):
        self.arrays = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        self.layout = layout

    def set(self, name: str, array: Any) -> None:
        """Keep an array, in the precision of checkpoints."""
        self.arrays[name] = np.asarray(array, np.float32).astype(np.float64)

    def encode(self, side: schema.Side, table: Table) -> dict[str, Array]:
        """Vectors of accounts: part -> (account, dimension), zeros where a part is missing."""
        return self.vectors(side, self.static(side, table))

    def static(self, side: schema.Side, table: Table) -> "Static":
        """What training does not change of accounts."""
        inputs = self.inputs(side, table)
        kernel = [
            weight * (np.where(table[name][1][:, None], table[name][0], 0.0).astype(np.float64))
            if name == CATEGORY
            else weight * inputs[name][0]
            for name, weight in self.layout.kernels.get(side, {}).items()
        ]
        n_accounts = len(next(iter(inputs.values()))[0])
        static = Static(inputs, np.hstack(kernel) if kernel else np.zeros((n_accounts, 0)))
        return self.with_precedent(side, static) if "ridge" in self.arrays else static

    def inputs(self, side: schema.Side, table: Table) -> dict[str, tuple[Array, Mask]]:
        """Of every modality of the learnt products: standardised rows on their axes, and mask."""
        inputs = {}
        for name in self.layout.modalities(side):
            rows, mask = self.embedded(name, *table[name])
            mean, rooted = self.arrays[f"mean {side} {name}"], name in self.layout.rooted
            unit = standardised(rows, mask, mean, rooted=rooted)
            inputs[name] = unit @ self.arrays[f"axes {self.layout.spaces[name]}"], mask
        return inputs

    def with_precedent(self, side: schema.Side, static: "Static") -> "Static":
        """The same, with vectors of precedents before their weight."""
        rows, marks = static.kernel, self.arrays[f"landmarks {side}"]
        near = gaussian(rows, marks, float(self.arrays[f"width {side}"]))
        near = np.where(rows.any(axis=1, keepdims=True), near, 0.0)
        near = near if side == schema.BRAND else near @ self.arrays["ridge"]
        return replace(static, precedent=near)

    def vectors(self, side: schema.Side, static: "Static", *, hub: bool = True) -> dict[str, Array]:
        """Vectors of accounts, as `encode` gives them; without what hubness takes away if told."""
        parts = {name: self._learnt(side, name, static) for name in self.layout.perspectives}
        if PRECEDENT in self.layout.parts:
            weight = self.arrays["weight"] if side == schema.BRAND else 1.0
            parts[PRECEDENT] = static.precedent * weight
        if hub and HUBNESS in self.layout.parts:
            brands = np.ones((len(static.kernel), 1))
            is_brand = side == schema.BRAND
            parts[HUBNESS] = brands if is_brand else -self.layout.hubness * self._nearest(parts)
        return parts

    def learnt_rows(
        self, side: schema.Side, perspective: str, static: "Static"
    ) -> dict[str, Array]:
        """Learnt vectors by influencer's modality: (account, seed, axis), before centring.

        An influencer's are of length 1 over the root of the number of seeds; a brand's the sum over
        the pairs, each of as much length as the pair's scale.
        """
        found: dict[str, Array] = {}
        for pair, (name, brand, influencer) in enumerate(self.layout.pairs):
            if name != perspective or (side == schema.INFLUENCER and influencer in found):
                continue
            modality = brand if side == schema.BRAND else influencer
            rows = self._mapped(modality, static.inputs[modality][0])
            if side == schema.BRAND:
                rows = rows * self.arrays["scale"][:, pair, None]
            found[influencer] = found[influencer] + rows if influencer in found else rows
        n_seeds = len(self.arrays["scale"])
        return {name: rows / n_seeds**0.5 for name, rows in found.items()}

    def _mapped(self, modality: str, rows: Array) -> Array:
        """``x + G x`` at length 1, for every seed's G: (account, seed, axis)."""
        maps = self.arrays[f"map {self.layout.spaces[modality]}"]
        moved = rows[:, None] + np.einsum("ak,skl->asl", rows, maps, optimize=True)
        return unit_rows(moved, ROUNDING)

    def _learnt(self, side: schema.Side, perspective: str, static: "Static") -> Array:
        """A perspective's vectors, whose products are 0 on average over training influencers.

        So one that lacks a modality is worth as much to each brand as an average one, and not more
        than all where products are mostly negative: with m the mean of training influencers'
        vectors a brand's vector is ``[b, -b'm]`` and an influencer's ``[i, 1]``.
        """
        blocks = []
        for name, rows in self.learnt_rows(side, perspective, static).items():
            centre = self.arrays[f"centre {perspective} {name}"]
            last = static.inputs[name][1].astype(np.float64) if side == schema.INFLUENCER else None
            last = -(rows * centre).sum(axis=(1, 2)) if last is None else last
            blocks += [rows.reshape(len(rows), -1), last[:, None]]
        return np.hstack(blocks)

    def _nearest(self, parts: Mapping[str, Array]) -> Array:
        """Mean score of influencers for the training brands that they score highest for."""
        reference, rows = self.arrays["reference"], np.hstack(list(parts.values()))
        n_neighbours = min(self.layout.neighbours, len(reference))
        means = [np.zeros(0)]
        for start in range(0, len(rows), _AT_ONCE):
            scores = rows[start : start + _AT_ONCE] @ reference.T
            means.append(np.sort(scores, axis=1)[:, -n_neighbours:].mean(axis=1))
        return np.concatenate(means)[:, None]

    def embedded(self, name: str, rows: NDArray[Any], mask: Mask) -> tuple[NDArray[Any], Mask]:
        """Means of attributes' node embeddings (18), and who has one; other modalities as given."""
        if name != schema.ATTRIBUTES:
            return rows, mask
        embeddings = self.arrays["embeddings"]
        listed = np.where(mask[:, None], rows, 0.0) * embeddings.any(axis=1)
        counts = listed.sum(axis=1, keepdims=True)
        return listed @ embeddings / np.maximum(counts, 1), counts[:, 0] > 0
