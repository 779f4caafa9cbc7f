"""`variant: mirec` on generated data of every odd kind: finite, within its bound, shares exact."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.common.values import load_yaml
from recbole_mirec.config import properties_folder
from recbole_mirec.data.accounts import available_perspectives, build_account_tables, compared
from recbole_mirec.model.base import Tables, perspective_tables
from recbole_mirec.model.metric import MetricMethod, TrainingPairs
from recbole_mirec.nn.closed_form import REACH
from recbole_mirec.nn.fitted import CATEGORY
from recbole_mirec.nn.settings import MetricSettings, Modality

PRESET = load_yaml(properties_folder() / "model" / "MIRec.yaml")
PRESET |= PRESET["variants"]["mirec"]
DENSE = {
    schema.CONTENT_TOPICS: 5,
    schema.CONTENT_TEXT: 13,
    schema.PROFILE_TEXT: 13,
    schema.AUDIENCE_TOPICS: 3,
    schema.AUDIENCE_TEXT: 7,
}
KINDS = ("plain", "shared", "collinear", "few", "scarce", "nobody", "tiny", "huge", "nearly shared")


def rows_of(rng: np.random.Generator, n: int, width: int, *, kind: str, shares: bool) -> Any:
    """Values of a modality, None where missing."""
    drawn = rng.random if shares else rng.standard_normal
    one = np.random.default_rng(width).random(width) + 0.1
    rows = drawn((n, width)) + 1e-3
    if kind == "shared":
        rows = np.tile(one, (n, 1))
    elif kind == "nearly shared":
        rows = one + 1e-7 * rows
    elif kind == "collinear":
        rows = one * (drawn((n, 1)) + 1e-3)
    elif kind == "few":
        rows = rows[rng.integers(0, min(n, 3), n)]
    rows = rows * {"tiny": 1e-20, "huge": 1e12}.get(kind, 1.0)
    there = rng.random(n) < {"scarce": 0.1, "nobody": 0.0}.get(kind, rng.choice([0.7, 1.0]))
    return pd.Series(
        [row if has else None for row, has in zip(rows, there, strict=True)], dtype=object
    )


def words_of(rng: np.random.Generator, n: int, kind: str) -> Any:
    own = {"nobody": lambda k: None, "shared": lambda k: ["all"], "plain": lambda k: [f"w{k}"]}
    some = own.get(kind, lambda k: ["all", *(f"w{x}" for x in rng.integers(0, 9, 3))])
    return pd.Series([some(k) for k in range(n)], dtype=object)


def method(seed: int) -> tuple[MetricMethod, Tables]:
    """A method of generated accounts after some steps, and their tables."""
    rng = np.random.default_rng(seed)
    counts = {"brand": int(rng.integers(2, 41)), "influencer": int(rng.integers(5, 201))}
    kinds = {name: str(rng.choice(KINDS)) for name in (*DENSE, schema.ATTRIBUTES)}
    frames, tokens = {}, {}
    for side, n in counts.items():
        frame = {f"{side}_id": [f"{side}{k}" for k in range(n)]}
        for name, width in DENSE.items():
            make = partial(rows_of, rng, n, width, shares=name in schema.TOPIC_MODALITIES)
            frame[f"{side}_{name}"] = make(kind=kinds[name])
        frame[f"{side}_{schema.ATTRIBUTES}"] = words_of(rng, n, kinds[schema.ATTRIBUTES])
        # accounts told twice
        frames[side] = pd.DataFrame(frame)
        twins = rng.integers(0, n, (max(n // 5, 1), 2))
        columns = frames[side].columns[1:]
        frames[side].loc[twins[:, 0], columns] = frames[side].loc[twins[:, 1], columns].to_numpy()
        tokens[side] = ["[PAD]", *frame[f"{side}_id"]]
    # the last influencer is as the last brand is
    for column, values in frames["brand"].items():
        if not column.endswith("_id"):
            own = column.replace("brand", "influencer")
            frames["influencer"].at[counts["influencer"] - 1, own] = values.iloc[-1]
    shown = rng.random((counts["brand"], counts["influencer"])) < rng.choice([0.02, 0.3])
    shown[0, 0] = True
    if rng.random() < 0.2:  # one pair a brand
        shown &= np.cumsum(shown, axis=1) == 1
    shown[counts["brand"] * 3 // 4 + 1 :] = False
    pairs = np.argwhere(shown) + 1
    training = {
        side: np.isin(np.arange(n + 1), pairs[:, place])
        for place, (side, n) in enumerate(counts.items())
    }
    data = AtomicData(
        name="generated",
        interactions=pd.DataFrame(),
        brands=frames["brand"],
        influencers=frames["influencer"],
        influencer_category=None,
        splits={},
        manifest={},
    )
    accounts = build_account_tables(data, tokens, training)  # type: ignore[arg-type]
    perspectives = available_perspectives(accounts, tuple(schema.PERSPECTIVES))
    tables = perspective_tables(accounts, perspectives)
    if n_categories := int(rng.integers(0, 4)):
        rows = torch.from_numpy(rng.integers(-1, n_categories, counts["brand"] + 1))
        rows = rows[:, None] == torch.arange(n_categories)
        tables["brand"][CATEGORY] = Modality(rows.float(), rows.any(dim=1))
    # nobody's embedding is known where the graph has no edges
    vectors = rng.standard_normal((len(accounts.attribute_names), 11)).astype(np.float32)
    vectors *= rng.random((len(vectors), 1)) < rng.choice([0.0, 0.8])
    changes = {"seeds": int(rng.integers(1, 3)), "landmarks": int(rng.choice([7, 4096]))}
    settings = MetricSettings(
        **{name: (PRESET | changes)[name] for name in MetricSettings.model_fields}
    )
    torch.manual_seed(seed)
    shape = counts["brand"] + 1, counts["influencer"] + 1
    made = MetricMethod(
        settings, tables, compared(accounts, perspectives), TrainingPairs(pairs, shape), vectors
    )
    steps = torch.optim.Adam(made.parameters(), lr=float(rng.choice([0.0025, 1.0])))
    for _ in range(3):
        steps.zero_grad()
        (loss,) = made.losses(*torch.from_numpy(pairs[:, [0, 1, 1]].T))
        loss.backward()
        steps.step()
    made.eval().finish()
    return made, tables


@pytest.mark.parametrize(
    "seeds",
    [
        *(range(first, first + 10) for first in range(0, 60, 10)),
        pytest.param(range(60, 500), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_scores_of_any_data_are_sane(seeds: range) -> None:
    for seed in seeds:
        assert_sane(*method(seed), f"seed {seed}")


def assert_sane(made: MetricMethod, tables: Tables, what: str) -> None:
    fitted = made.fitted()
    parts = {}
    for side in schema.SIDES:
        table = {name: (x.numpy(), mask.numpy()) for name, (x, mask) in tables[side].items()}
        parts[side] = fitted.encode(side, table)
    shares = {name: parts["brand"][name] @ parts["influencer"][name].T for name in parts["brand"]}
    assert tuple(shares) == fitted.layout.parts
    whole = (
        np.hstack(list(parts["brand"].values())) @ np.hstack(list(parts["influencer"].values())).T
    )
    assert np.isfinite(whole).all(), what
    added = np.sum(list(shares.values()), axis=0)
    assert (np.abs(added - whole) <= 1e-6 * np.maximum(1, np.abs(whole))).all(), what
    scales = fitted.arrays["scale"].sum(axis=1).max()
    bound = (1 + fitted.layout.hubness) * (2 + REACH) * scales
    assert np.abs(whole).max() <= bound * (1 + 1e-6), what
    # who is as a new brand is comes last only where nobody is told from another
    of_last = whole[-1, 1:]
    assert (of_last < of_last[-1]).any() or np.ptp(of_last) <= 1e-5 * scales, what
