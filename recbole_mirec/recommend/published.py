"""The published variants in use: lists as of any bundle; new accounts and reasons take torch."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec.nn.fitted import Array, Fitted, Layout, Static, Table
from recbole_mirec.recommend.reasons import Reason, Words

if TYPE_CHECKING:
    from recbole_mirec.model.mirec import MorningMethod
    from recbole_mirec.recommend.accounts import Account

N_STEPS = 64
"""Points of the path that gradients are integrated over."""


class Published(Fitted):
    """A fitted `variant: reference` or `paper`, which gives vectors as `Fitted` does.

    Args:
        arrays: the parameters and `embeddings`, by their names in the method.
        layout: perspectives and their modalities.
        network: the network's settings.
        tables: side -> features of the data set's accounts.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        layout: Layout,
        network: Mapping[str, Any],
        tables: Mapping[schema.Side, Table],
    ):
        super().__init__(arrays, layout)
        self._network, self._tables = network, tables

    @cached_property
    def method(self) -> "MorningMethod":
        """The networks."""
        import torch

        from recbole_mirec.model.mirec import MorningMethod
        from recbole_mirec.nn.settings import NetworkSettings

        arrays = {name: torch.from_numpy(x).float() for name, x in self.arrays.items()}
        tables = {
            side: _modalities({name: (rows[:1], mask[:1]) for name, (rows, mask) in table.items()})
            for side, table in self._tables.items()
        }
        embeddings = self.arrays.get("embeddings")
        made = MorningMethod(
            NetworkSettings(**self._network),
            tables,
            None if embeddings is None else embeddings.astype(np.float32),
        )
        made.load_state_dict(arrays)
        return made.eval()

    def static(self, side: schema.Side, table: Table) -> Static:
        """What is known of accounts, as it is."""
        names = self.layout.modalities(side)
        named = {name: (table[name][0].astype(np.float64), table[name][1]) for name in names}
        return Static(named, np.zeros((len(next(iter(named.values()))[0]), 0)))

    def vectors(self, side: schema.Side, static: Static, **_: bool) -> dict[str, Array]:
        """Vectors of accounts: perspective -> (account, dimension)."""
        import torch

        with torch.no_grad():
            found = self.method.encode(side, _modalities(static.inputs)).double().numpy()
        return {name: found[:, place] for place, name in enumerate(self.layout.perspectives)}

    def contributions(self, brand: "Account", influencer: "Account", words: Words) -> list[Reason]:
        """Integrated gradients of a score by what is known of the influencer.

        Source: Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017):
        the mean gradient on the straight path from the data set's mean account, which has the
        modalities that she has, times what she has more than it. Content may depend on audience,
        so that a perspective has contributions of all modalities. The mean's own score is a reason
        named `average`; the sums miss the score by what `N_STEPS` points leave of the integral.
        """
        import torch

        static = self.static(schema.INFLUENCER, influencer.own.table)
        known = {name: rows[0] for name, (rows, mask) in static.inputs.items() if mask[0]}
        means = {name: _mean(*self._tables[schema.INFLUENCER][name]) for name in known}
        steps = np.append((np.arange(N_STEPS) + 0.5) / N_STEPS, 0.0)[:, None]
        path = {name: means[name] + steps * (row - means[name]) for name, row in known.items()}
        points = _modalities(
            {
                name: (path.get(name, rows.repeat(len(steps), 0)), mask.repeat(len(steps)))
                for name, (rows, mask) in static.inputs.items()
            }
        )
        rows = {name: points[name].rows.requires_grad_() for name in known}
        vectors, found = self.method.encode(schema.INFLUENCER, points), list[Reason]()
        for place, part in enumerate(self.layout.perspectives):
            scores = vectors[:, place].double() @ torch.from_numpy(brand.vector(part))
            total = scores[:-1].mean()
            slopes = torch.autograd.grad(
                total, list(rows.values()), retain_graph=True, allow_unused=True
            )
            found.append(Reason(part, part, words.say("average"), float(scores[-1].detach())))
            for name, slope in zip(rows, slopes, strict=True):
                if slope is not None:
                    more = known[name] - means[name]
                    values = more * slope.double().sum(dim=0).numpy()
                    found += words.reasons(part, name, values, more > 0)
        return found


def _mean(rows: NDArray[Any], mask: NDArray[np.bool_]) -> Array:
    found: Array = rows[mask].mean(axis=0, dtype=np.float64)
    return found


def _modalities(table: Table) -> dict[str, Any]:
    import torch

    from recbole_mirec.nn.settings import Modality

    return {
        name: Modality(torch.tensor(rows, dtype=torch.float32), torch.tensor(mask))
        for name, (rows, mask) in table.items()
    }
