"""Values of a benchmark laid out by run and brand, as the statistics take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_convert import schema
from recbole_mirec.benchmark.frames import KEY_COLUMNS


@dataclass(frozen=True, eq=False)
class Layouts:
    """One model's values under a protocol, on a part.

    Attributes:
        brands: ids (brand), sorted.
        categories: of the brands; None where one has none.
        columns: column of per_brand.csv -> (run, brand), one run a seed; NaN: no such value.
    """

    brands: tuple[str, ...]
    categories: tuple[str | None, ...]
    columns: dict[str, NDArray[np.float64]]

    @property
    def n_runs(self) -> int:
        """Runs: seeds whose folds have all finished."""
        return len(next(iter(self.columns.values()), ()))


def layouts_of(per_brand: pd.DataFrame, *, n_folds: int) -> Layouts:
    """Lay out the rows of a model, protocol and part.

    With folds, a seed's run is made of all its folds, each brand's value being of the fold that
    holds it. A seed of which a fold has not finished is left out.

    Args:
        per_brand: rows of per_brand.csv; no brand twice under a seed.
        n_folds: of the cross-validation; 0: none.
    """
    whole = per_brand.groupby("seed")["fold"].transform("nunique") == max(n_folds, 1)
    rows = per_brand[whole]
    brands = sorted(rows[schema.BRAND_ID].unique())
    seeds = sorted(rows["seed"].unique())
    place = [(seed, brand) for seed in seeds for brand in brands]
    metrics = [name for name in rows if name not in KEY_COLUMNS]
    indexed = rows.set_index(["seed", schema.BRAND_ID])
    values = indexed[metrics].reindex(place).to_numpy(dtype=np.float64)
    cells = values.reshape(len(seeds), len(brands), len(metrics))
    return Layouts(
        tuple(brands),
        _categories(rows, brands),
        {str(name): cells[:, :, position] for position, name in enumerate(metrics)},
    )


def _categories(rows: pd.DataFrame, brands: Sequence[str]) -> tuple[str | None, ...]:
    first = rows.drop_duplicates(schema.BRAND_ID).set_index(schema.BRAND_ID)
    known: dict[Any, Any] = first[schema.BRAND_CATEGORY].dropna().to_dict()
    return tuple(known.get(brand) for brand in brands)
