"""A data set small enough to work out by hand, and settings that make every run short."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData, write_atomic
from recbole_mirec.config import MirecConfig
from recbole_mirec.data.dataset import MirecDataset

NAME = "little"
TINY = "mirec-tiny"

TRAIN = [("b1", "i1"), ("b1", "i2"), ("b2", "i2"), ("b2", "i3"), ("b3", "i4")]
VALID = [("b4", "i5"), ("b4", "i2")]
TEST = [("b5", "i6"), ("b5", "i1")]

SHORT_GRAPH = {"graph_method": "netmf", "graph_dimension": 8}
SHORT_NETWORK = {
    "dimension": 8,
    "visual_hidden": [16],
    "topic_hidden": [8],
    "attribute_hidden": [16],
}


def settings(folder: Path, model: str = "MIRec", dataset: str = TINY, **changes: Any) -> Any:
    """Settings of a run of a second; `folder` holds the data sets and takes the runs."""
    common = {
        "model": model,
        "dataset": dataset,
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "show_progress": False,
        "torch_threads": 1,
        "epochs": 2,
        "train_batch_size": 64,
        "gpu_id": "",
    }
    if model == "MIRec":
        common |= SHORT_GRAPH
        if changes.get("variant") in ("reference", "paper"):
            common |= SHORT_NETWORK
    return common | changes


def dataset(folder: Path, **changes: Any) -> MirecDataset:
    """The built data set of some settings."""
    made = MirecDataset(MirecConfig(config_dict=settings(folder, **changes)))
    made.build()
    return made


def pairs(rows: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[schema.BRAND_ID, schema.INFLUENCER_ID])


def vectors(*rows: list[float] | None) -> "pd.Series[Any]":
    values = [None if row is None else np.array(row, dtype=np.float64) for row in rows]
    return pd.Series(values, dtype=object)


def lists(*rows: str | None) -> "pd.Series[Any]":
    return pd.Series([None if row is None else row.split() for row in rows], dtype=object)


def little(**changes: Any) -> AtomicData:
    """Five brands and seven influencers; b4 is for validation, b5 for test, i7 works for nobody."""
    brands = pd.DataFrame(
        {
            "brand_id": ["b5", "b1", "b2", "b3", "b4"],
            "brand_category": ["food", "food", "shoes", "food", "shoes"],
            "brand_followers": [50.0, 10.0, np.nan, 30.0, 40.0],
            "brand_content_topics": vectors(
                [0.2, 0.3, 0.5], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], None, [0.2, 0.2, 0.6]
            ),
            "brand_content_visual_labels": lists("plate", "cup tree", None, "cup", "sneaker"),
            "brand_content_visual_weights": vectors([1.0], [0.75, 0.25], None, [1.0], [1.0]),
            "brand_audience_topics": vectors([0.4, 0.6], [0.9, 0.1], None, [0.5, 0.5], [0.3, 0.7]),
            "brand_attributes": lists("late", "vegan baker", "runner", None, "runner early"),
        }
    )
    influencers = pd.DataFrame(
        {
            "influencer_id": ["i7", "i6", "i5", "i4", "i3", "i2", "i1"],
            "influencer_followers": [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0],
            "influencer_content_topics": vectors(
                [1.0, 0.0, 0.0],
                [0.0, 1.0, 0.0],
                [0.0, 0.0, 1.0],
                None,
                [0.1, 0.0, 0.9],
                [0.4, 0.2, 0.4],
                [0.6, 0.4, 0.0],
            ),
            "influencer_content_visual_labels": lists(
                "plate", "cup plate", "sneaker", "road", "tree road", None, "cup"
            ),
            "influencer_content_visual_weights": vectors(
                [1.0], [0.5, 0.5], [1.0], [1.0], [0.5, 0.5], None, [1.0]
            ),
            "influencer_audience_topics": vectors(
                [1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.7, 0.3], [0.2, 0.8], None, [0.9, 0.1]
            ),
            "influencer_attributes": lists(
                "nobody", "late", "early runner", "baker", "runner coach", "vegan coach", "vegan"
            ),
        }
    )
    parts = {"brands": brands, "influencers": influencers} | changes
    return AtomicData(
        name=NAME,
        interactions=parts.pop("interactions", pairs([*TEST, *VALID, *TRAIN])),
        influencer_category=parts.pop("influencer_category", None),
        splits=parts.pop("splits", {"new-brand": new_brand_parts()}),
        manifest={"synthetic": True, "source": "written by hand for the tests"},
        **parts,
    )


def new_brand_parts() -> dict[str, pd.DataFrame]:
    return {"train": pairs(TRAIN), "valid": pairs(VALID), "test": pairs(TEST)}


def write_little(folder: Path, **changes: Any) -> Path:
    """Write the little data set below `folder`; returns `folder`."""
    write_atomic(little(**changes), folder / NAME)
    return folder


def changed_positives(data: AtomicData, protocol: str, part: str) -> AtomicData:
    """A data set with one brand's validation or test collaborations handed to others."""
    files = {name: dict(parts) for name, parts in data.splits.items()}
    held = files[protocol][part]
    taken = set(map(tuple, data.interactions[[schema.BRAND_ID, schema.INFLUENCER_ID]].to_numpy()))
    brand = str(held[schema.BRAND_ID].iloc[0])
    rows = held[schema.BRAND_ID] == brand
    fresh = [i for i in data.influencers[schema.INFLUENCER_ID] if (brand, i) not in taken]
    old = set(held.loc[rows, schema.INFLUENCER_ID])
    new = held.copy()
    new.loc[rows, schema.INFLUENCER_ID] = fresh[: rows.sum()]
    inter = data.interactions
    gone = (inter[schema.BRAND_ID] == brand) & inter[schema.INFLUENCER_ID].isin(old)
    inter = pd.concat([inter[~gone], new[rows][inter.columns]]).sort_values(
        [schema.BRAND_ID, schema.INFLUENCER_ID], ignore_index=True
    )
    files[protocol][part] = new
    fields = vars(data) | {"interactions": inter, "splits": {protocol: files[protocol]}}
    return type(data)(**fields)
