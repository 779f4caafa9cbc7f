"""A data set with a known answer: four tastes, told apart by topics and attributes together."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert.atomic import AtomicData, write_atomic

NAME = "planted"
TASTES = [(topic, word) for topic in ("sea", "hill") for word in ("slow", "fast")]
N_TRAIN, N_VALID, N_TEST, N_INFLUENCERS = 8, 2, 8, 6
N_NOISE_TOPICS, N_NOISE_WORDS = 6, 12


def planted(*, shuffled: bool) -> AtomicData:
    """Brands work with all influencers of their taste and with no other.

    Two of eight topics give half of the taste away and one of a list's five attributes gives the
    other half, the rest is louder noise: which features count is only to be learnt from pairs.

    Args:
        shuffled: give every training brand as many influencers, drawn at random.
    """
    rng = np.random.default_rng(3)
    brands, influencers = _accounts("b", N_TRAIN + N_VALID + N_TEST, rng), _accounts("i", 6, rng)
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "valid": [], "test": []}
    for brand, taste in zip(brands["id"], brands["taste"], strict=True):
        right = influencers["id"][influencers["taste"] == taste]
        place = int(brand.split("-")[1])
        part = "train" if place < N_TRAIN else "valid" if place < N_TRAIN + N_VALID else "test"
        if part == "train" and shuffled:
            right = rng.permutation(influencers["id"])[:N_INFLUENCERS]
        parts[part] += [(brand, str(influencer)) for influencer in sorted(right)]
    frames = {
        name: pd.DataFrame(pairs, columns=["brand_id", "influencer_id"])
        for name, pairs in parts.items()
    }
    return AtomicData(
        name=NAME,
        interactions=pd.concat(frames.values(), ignore_index=True),
        brands=_frame(brands, "brand"),
        influencers=_frame(influencers, "influencer"),
        influencer_category=None,
        splits={"new-brand": frames},
        manifest={"synthetic": True, "source": "planted for the tests"},
    )


def write_planted(folder: Path, *, shuffled: bool) -> Path:
    """Write the planted data set below `folder`; returns `folder`."""
    write_atomic(planted(shuffled=shuffled), folder / NAME)
    return folder


def _accounts(prefix: str, n_each: int, rng: np.random.Generator) -> dict[str, Any]:
    tastes = [taste for taste in range(len(TASTES)) for _ in range(n_each)]
    topics, words = [], []
    for taste in tastes:
        topic, word = TASTES[taste]
        signal = [0.3, 0.0] if topic == "sea" else [0.0, 0.3]
        topics.append(np.array([*signal, *(0.7 * rng.dirichlet(np.full(N_NOISE_TOPICS, 0.3)))]))
        noise = rng.choice(N_NOISE_WORDS, size=4, replace=False)
        words.append([word, *(f"word{k}" for k in sorted(noise))])
    ids = [f"{prefix}{taste}-{k}" for taste in range(len(TASTES)) for k in range(n_each)]
    return {"id": np.array(ids), "taste": np.array(tastes), "topics": topics, "words": words}


def _frame(accounts: dict[str, Any], side: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            f"{side}_id": accounts["id"].astype(object),
            f"{side}_content_topics": pd.Series(accounts["topics"], dtype=object),
            f"{side}_attributes": pd.Series(accounts["words"], dtype=object),
        }
    )
