"""Our own method, `variant: mirec`: a learnt metric, precedents by kernel ridge, and hubness."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dataset_convert import schema
from recbole_mirec.model.base import AccountFeatures, Sides, Table, Tables, are_shares
from recbole_mirec.nn import closed_form
from recbole_mirec.nn.fitted import CATEGORY, Fitted, Layout, Static
from recbole_mirec.nn.metric import MetricEncoder, two_way_softmax
from recbole_mirec.nn.settings import MetricSettings

# Captions say more of a brand's taste in influencers than its other features.
_CAPTION_WEIGHT = 1.5


class TrainingPairs(nn.Module):
    """Training collaborations on the model's device, left out of checkpoints.

    Args:
        pairs: int64 (pair, 2), internal ids.
        n_accounts: numbers of internal ids of brands and of influencers, padding included.
    """

    pairs: Tensor
    brands: Tensor
    influencers: Tensor

    def __init__(self, pairs: NDArray[np.int64], n_accounts: tuple[int, int]):
        super().__init__()
        self.n_accounts = dict(zip(schema.SIDES, n_accounts, strict=True))
        values = {
            "pairs": torch.from_numpy(pairs),
            "brands": torch.from_numpy(np.unique(pairs[:, 0])),
            "influencers": torch.from_numpy(np.unique(pairs[:, 1])),
        }
        for name, tensor in values.items():
            self.register_buffer(name, tensor, persistent=False)

    def ids(self, side: schema.Side) -> NDArray[np.int64]:
        """Internal ids with a training collaboration, ascending."""
        return (self.brands if side == schema.BRAND else self.influencers).cpu().numpy()

    def places(self) -> NDArray[np.int64]:
        """Pairs as places among the training accounts of either side: int64 (pair, 2)."""
        columns = zip(map(self.ids, schema.SIDES), self.pairs.cpu().numpy().T, strict=True)
        return np.column_stack([np.searchsorted(ids, column) for ids, column in columns])

    def some_influencers(self, wanted: Tensor, most: int) -> Tensor:
        """Training influencers, sorted: all, or the wanted ones and as many others as drawn.

        They are at most `most`, or more where more are wanted.
        """
        everyone = self.influencers
        if len(everyone) <= most:
            return everyone
        wanted = torch.unique(wanted)
        others = everyone[~torch.isin(everyone, wanted)]
        drawn = torch.randperm(len(others), device=others.device)[: max(most - len(wanted), 0)]
        return torch.cat([wanted, others[drawn]]).sort().values

    def matrix(self, brands: Tensor, influencers: Tensor, batch: Tensor | None = None) -> Tensor:
        """Whether brand and influencer worked together: bool (brand, influencer); ids sorted.

        Of the pairs of a `batch` (pair, 2) alone, where one is given.
        """
        pairs = self.pairs if batch is None else batch
        inside = torch.isin(pairs[:, 0], brands) & torch.isin(pairs[:, 1], influencers)
        rows, columns = pairs[inside].T.contiguous()
        matrix = torch.zeros(len(brands), len(influencers), dtype=torch.bool, device=brands.device)
        matrix[torch.searchsorted(brands, rows), torch.searchsorted(influencers, columns)] = True
        return matrix


class MetricMethod(nn.Module):
    """Account vectors whose inner product, part by part, is a sum of named scores.

    The learnt metric of `MetricEncoder`, by perspective, trained by a softmax of brands over all
    training influencers and of influencers over the brands; the kernel ridge of `fit_precedent`;
    and, subtracted, an influencer's hubness. Each is an inner product, so every share is exact. An
    account without a modality adds 0 there, which is what an average training influencer gets.
    All that is fitted is in buffers and parameters; `Fitted` makes vectors of them.

    Args:
        settings: switches and weights.
        tables: raw features; of brands `category` too, rows of 0 and 1, where there are any.
        pairs: what is compared: perspective, brand's and influencer's modality.
        training: the training collaborations; nothing else is fitted on.
        embeddings: of attributes (attribute, dimension), where attributes are lists.
    """

    score_meaning = (
        "the sum of the perspectives' scores and of its precedents', less hubness; a perspective "
        "scores 0 for an average influencer"
    )
    loss_names = ("softmax",)

    def __init__(
        self,
        settings: MetricSettings,
        tables: Tables,
        pairs: tuple[tuple[str, str, str], ...],
        training: TrainingPairs,
        embeddings: NDArray[np.float32] | None,
    ):
        super().__init__()
        self.settings, self.training_pairs = settings, training
        self.accounts = AccountFeatures(tables)
        self.layout = _layout(settings, tables, pairs)
        fitted = Fitted({}, self.layout)
        if embeddings is not None:
            fitted.set("embeddings", embeddings)
        arrays = {side: _arrays(table) for side, table in tables.items()}
        known = {
            side: np.isin(np.arange(training.n_accounts[side]), training.ids(side))
            for side in schema.SIDES
        }
        closed_form.fit_inputs(fitted, arrays, known, settings.input_dimension)
        static = {side: fitted.static(side, arrays[side]) for side in schema.SIDES}
        if self.layout.kernels:
            some = {side: static[side].take(training.ids(side)) for side in schema.SIDES}
            closed_form.fit_precedent(fitted, some, training.places(), settings)
            static = {side: fitted.with_precedent(side, static[side]) for side in schema.SIDES}
        self._static: dict[schema.Side, Static] | None = static
        for side in schema.SIDES:
            for name, (rows, _) in static[side].inputs.items():
                buffer = torch.from_numpy(rows).float()
                self.register_buffer(f"input {side} {name}", buffer, persistent=False)
        widths = {space: fitted.arrays[f"axes {space}"].shape[1] for space in _spaces(self.layout)}
        self.encoder = MetricEncoder(self.layout, widths, settings)
        self._keep(fitted)
        self._changed = True
        self.finish()

    def losses(self, brands: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, ...]:
        """The terms of the objective of some pairs, in the order of `loss_names`.

        A set of brands, the pairs', against a set of influencers: the pairs' own and other training
        influencers, all of them if they are at most `n_negatives`. A batch of all pairs is the
        full problem.

        Args:
            brands: int64 (pair), internal ids; likewise the next two.
            positives: influencers that the brands collaborated with.
            negatives: without effect: every training influencer is one.
        """
        self._changed = True
        shown = torch.unique(brands)
        influencers = self.training_pairs.some_influencers(positives, self.settings.n_negatives)
        of_brands, of_influencers = (
            self.encoder(side, self._inputs(side, ids))
            for side, ids in zip(schema.SIDES, (shown, influencers), strict=True)
        )
        known = self.training_pairs.matrix(shown, influencers)
        batch = torch.stack([brands, positives], dim=1)
        weights = self.training_pairs.matrix(shown, influencers, batch).float()
        scores = of_brands @ of_influencers.transpose(1, 2)
        return (two_way_softmax(scores, known, weights, self.settings.column_weight),)

    def encode(self, side: schema.Side, table: Table) -> list[Tensor]:
        """Vectors of any accounts: float32 (account, dimension), one tensor a part."""
        return self._tensors(self.fitted().encode(side, _arrays(table)))

    def all_vectors(self) -> list[Sides]:
        """The same of all accounts of the data set, one entry a part."""
        self.finish()
        fitted = self.fitted()
        static = self._of_accounts(fitted)
        both = {x: self._tensors(fitted.vectors(x, static[x])) for x in schema.SIDES}
        return [
            dict(zip(schema.SIDES, part, strict=True))
            for part in zip(*(both[side] for side in schema.SIDES), strict=True)
        ]

    def fitted(self) -> Fitted:
        """What has been fitted and learnt, as arrays."""
        arrays = {name: buffer.cpu().numpy() for name, buffer in self._kept()}
        maps = {f"map {name}": of.detach().cpu().numpy() for name, of in self.encoder.maps.items()}
        scale = self.encoder.scale().detach().cpu().numpy()
        return Fitted({**arrays, **maps, "scale": scale}, self.layout)

    def finish(self) -> None:
        """Fit what follows from the maps, if they have changed since."""
        if not self._changed:
            return
        fitted = self.fitted()
        static = self._of_accounts(fitted)
        some = {side: static[side].take(self.training_pairs.ids(side)) for side in schema.SIDES}
        closed_form.finish(fitted, some, self.training_pairs.places(), self.settings)
        self._keep(fitted)
        self._changed = False

    def loaded(self) -> None:
        """Take what a checkpoint has brought as it is."""
        self._static, self._changed = None, False

    def _of_accounts(self, fitted: Fitted) -> dict[schema.Side, Static]:
        if self._static is None:
            tables = {side: _arrays(self.accounts.table(side)) for side in schema.SIDES}
            self._static = {side: fitted.static(side, tables[side]) for side in schema.SIDES}
        return self._static

    def _tensors(self, parts: Mapping[str, NDArray[np.float64]]) -> list[Tensor]:
        device = self.encoder.log_scale.device
        return [torch.from_numpy(rows).float().to(device) for rows in parts.values()]

    def _inputs(self, side: schema.Side, ids: Tensor) -> dict[str, Tensor]:
        names = self.layout.modalities(side)
        return {name: self.get_buffer(f"input {side} {name}")[ids] for name in names}

    def _kept(self) -> list[tuple[str, Tensor]]:
        left_out = self._non_persistent_buffers_set
        return [
            (name, x) for name, x in self._buffers.items() if name not in left_out and x is not None
        ]

    def _keep(self, fitted: Fitted) -> None:
        """Arrays into buffers, which checkpoints hold; but for the encoder's parameters."""
        device = self.encoder.log_scale.device
        for name, array in fitted.arrays.items():
            if name != "scale" and not name.startswith("map "):
                self.register_buffer(name, torch.from_numpy(array).float().to(device))


def _layout(
    settings: MetricSettings, tables: Tables, pairs: tuple[tuple[str, str, str], ...]
) -> Layout:
    modalities = dict.fromkeys(name for _, *both in pairs for name in both)
    kernels: dict[str, dict[str, float]] = {}
    if settings.precedent:
        for place, side in enumerate(schema.SIDES, start=1):
            kernels[side] = dict.fromkeys((pair[place] for pair in pairs), 1.0)
        brand = kernels[schema.BRAND]
        brand |= {schema.CONTENT_TEXT: _CAPTION_WEIGHT} if schema.CONTENT_TEXT in brand else {}
        brand |= {CATEGORY: 1.0} if CATEGORY in tables[schema.BRAND] else {}
    return Layout(
        pairs=pairs,
        # captions and biographies are sentences of one model, and comparable
        spaces={name: "text" if name in schema.OWN_TEXTS else name for name in modalities},
        rooted=tuple(name for name in modalities if are_shares(tables, name)),
        kernels=kernels,
        hubness=settings.hubness_weight,
        neighbours=settings.hubness_neighbours,
    )


def _spaces(layout: Layout) -> tuple[str, ...]:
    return tuple(dict.fromkeys(layout.spaces.values()))


def _arrays(table: Table) -> Mapping[str, tuple[NDArray[Any], NDArray[np.bool_]]]:
    return {name: (rows.cpu().numpy(), mask.cpu().numpy()) for name, (rows, mask) in table.items()}


def described(layout: Layout) -> dict[str, Any]:
    """A layout as a checkpoint holds it: plain values."""
    plain = asdict(layout)
    return plain | {"pairs": [list(pair) for pair in layout.pairs], "rooted": list(layout.rooted)}
