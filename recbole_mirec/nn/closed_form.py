"""What `variant: mirec` fits in closed form, of training collaborations alone. NumPy.

Source: the ridge is the two-step kernel ridge regression of Pahikkala et al., "A two-step learning
approach for solving full and almost full cold start problems in dyadic prediction" (ECML 2014); its
landmarks are those of Williams and Seeger, "Using the Nystroem Method to Speed Up Kernel Machines"
(NIPS 2000).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solve

from dataset_convert import schema
from recbole_mirec.nn.fitted import PRECEDENT, Array, Fitted, Mask, Static, Table, gaussian
from recbole_mirec.nn.fitted import standardised as standardised
from recbole_mirec.nn.settings import MetricSettings

# Training accounts of a side by which spreads and medians are told.
SAMPLE, REACH = 2048, 5.0
# Of the largest eigenvalue: what is no axis but rounding. Of a kernel's diagonal: what keeps its
# landmarks apart.
_FLOOR, _JITTER = 1e-8, 1e-9


def fit_inputs(
    fitted: Fitted,
    tables: Mapping[schema.Side, Table],
    training: Mapping[schema.Side, Mask],
    n_axes: int,
) -> None:
    """Means of each side's training accounts, and axes of each space by its training influencers.

    Args:
        fitted: gets the arrays; holds `embeddings` already, where attributes are lists.
        tables: side -> modality -> rows and mask.
        training: side -> (account), True for accounts with a training collaboration.
        n_axes: a space keeps at most so many.
    """
    layout = fitted.layout
    units: dict[tuple[str, str], list[Array]] = {}
    for side in schema.SIDES:
        for name in layout.modalities(side):
            rows, mask = fitted.embedded(name, *tables[side][name])
            rows, rooted = rows[mask & training[side]].astype(np.float64), name in layout.rooted
            mean = (np.sqrt(rows) if rooted else rows).sum(axis=0) / max(len(rows), 1)
            fitted.set(f"mean {side} {name}", mean)
            known = standardised(rows, np.ones(len(rows), dtype=bool), mean, rooted=rooted)
            units.setdefault((side, layout.spaces[name]), []).append(known)
    for space in dict.fromkeys(layout.spaces.values()):
        known = np.vstack(units[schema.INFLUENCER, space])
        fitted.set(f"axes {space}", principal_axes(known, n_axes))


def principal_axes(rows: Array, n_axes: int) -> Array:
    """Orthonormal axes (dimension, axis) along which rows have their largest mean squares.

    Principal components of rows as they are: no mean is subtracted, and missing rows, which are
    zero, count for nothing.

    Returns:
        At most ``n_axes`` axes and at least one, largest first, each with its largest entry
        positive; the unit axes where rows have no more dimensions than that, so that nothing is
        mixed without need.
    """
    if rows.shape[1] <= n_axes:
        return np.eye(rows.shape[1])
    squares, axes = np.linalg.eigh(rows.T @ rows)
    n_real = int((squares > _FLOOR * squares[-1]).sum())
    axes = axes[:, ::-1][:, : min(n_axes, max(n_real, 1))]
    peaks = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    found: Array = axes * np.where(peaks < 0, -1.0, 1.0)
    return found


def fit_precedent(
    fitted: Fitted,
    static: Mapping[schema.Side, Static],
    pairs: NDArray[np.int64],
    settings: MetricSettings,
) -> None:
    """Kernel ridge over brands and over influencers of who worked with whom.

    With k(b) a brand's kernels to the training brands, K those of the training brands, Y their
    collaborations (0 or 1) less each brand's mean, and g and G of influencers alike, a pair's score
    is ``k(b)' (K + p I)^-1 Y (G + q n I)^-1 g(i)`` for n influencers. Beyond `landmarks` accounts
    of a side, so many drawn ones stand for all.

    Args:
        fitted: gets `landmarks`, `width` of both sides, and `ridge`; holds the inputs' arrays.
        static: side -> of the training accounts, in the order of their ids.
        pairs: (pair, 2), places of brand and influencer among the training accounts.
        settings: kernels, ridges and landmarks.
    """
    widths = settings.brand_kernel_width, settings.influencer_kernel_width
    worked = _worked(static, pairs)
    ridges = settings.brand_ridge, settings.influencer_ridge * worked.shape[1]
    # the second side is solved for the first one's coefficients: (account, target)
    targets = worked.toarray() - np.asarray(worked.mean(axis=1))[:, None]
    for side, width, ridge in zip(schema.SIDES, widths, ridges, strict=True):
        rows = static[side].kernel
        marks = rows[drawn(len(rows), settings.landmarks)]
        scale = width * _median_square(rows)
        near = gaussian(marks, marks, scale)
        if len(marks) == len(rows):
            near[np.diag_indices_from(near)] += ridge
        else:
            cross = gaussian(rows, marks, scale)
            near[np.diag_indices_from(near)] += _JITTER
            near, targets = cross.T @ cross + ridge * near, cross.T @ targets
        targets = solve(near, targets, assume_a="pos").T
        fitted.set(f"landmarks {side}", marks)
        fitted.set(f"width {side}", np.array(scale))
    fitted.set("ridge", targets.T)


def _worked(static: Mapping[schema.Side, Static], pairs: NDArray[np.int64]) -> sparse.csr_array:
    """Who worked with whom: 1 at pairs (brand, influencer) of the training accounts."""
    counts = [len(static[side].kernel) for side in schema.SIDES]
    return sparse.csr_array((np.ones(len(pairs)), pairs.T), shape=counts)


def drawn(n_rows: int, most: int) -> NDArray[np.int64]:
    """All rows, or so many of them, drawn without a seed of the user's; ascending."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, most, replace=False))


def _median_square(rows: Array) -> float:
    """Median squared distance of different rows; their mean if it is 0, and 1 if all are equal."""
    some = rows[drawn(len(rows), SAMPLE)]
    lengths = (some**2).sum(axis=1)
    squares = lengths[:, None] + lengths - 2 * some @ some.T
    apart = np.maximum(squares[np.triu_indices_from(squares, k=1)], 0.0)
    # of rows of length about 1
    for found in (np.median(apart), apart.mean()) if len(apart) else ():
        if found > _FLOOR:
            return float(found)
    return 1.0


def finish(
    fitted: Fitted,
    static: Mapping[schema.Side, Static],
    pairs: NDArray[np.int64],
    settings: MetricSettings,
) -> None:
    """What follows from the maps and scales as they are: centres, precedents' weight, reference.

    Precedents' scores spread `precedent_weight` times as far as the learnt ones over training pairs
    that did not work together, and reach at most `REACH` times as far as learnt ones can: where
    hardly anything varies, so that spreads say nothing, scores stay of a sane size.

    Args:
        fitted: gets `centre ...`, `weight` and `reference`.
        static: as of `fit_precedent`, as are the next two.
        pairs: as there.
        settings: as there.
    """
    layout, influencers = fitted.layout, static[schema.INFLUENCER]
    for perspective in layout.perspectives:
        learnt = fitted.learnt_rows(schema.INFLUENCER, perspective, influencers)
        for name, rows in learnt.items():
            n_known = max(int(influencers.inputs[name][1].sum()), 1)
            fitted.set(f"centre {perspective} {name}", rows.sum(axis=0) / n_known)
    if PRECEDENT in layout.parts:
        fitted.set("weight", np.array(1.0))
        some = {side: drawn(len(static[side].kernel), SAMPLE) for side in schema.SIDES}
        both = [
            fitted.vectors(side, static[side].take(some[side]), hub=False) for side in schema.SIDES
        ]
        left, right = (np.hstack([x[name] for name in layout.perspectives]) for x in both)
        scores, found = left @ right.T, both[0][PRECEDENT] @ both[1][PRECEDENT].T
        worked = _worked(static, pairs)
        others = worked[some[schema.BRAND]][:, some[schema.INFLUENCER]].toarray() == 0
        spread = found[others].std() if others.any() else 0.0
        most, reach = float(fitted.arrays["scale"].sum(axis=1).max()), np.abs(found).max(initial=0)
        weight = settings.precedent_weight * scores[others].std() / spread if spread else 0.0
        fitted.set("weight", np.array(min(weight, REACH * most / reach) if reach else 0.0))
    brands = static[schema.BRAND].take(drawn(len(static[schema.BRAND].kernel), SAMPLE))
    fitted.set(
        "reference", np.hstack(list(fitted.vectors(schema.BRAND, brands, hub=False).values()))
    )
