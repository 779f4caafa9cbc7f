"""What the files of a data set tell of one account, as a card of a case study."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.features.visual import SCENE_PREFIX, token_label
from recbole_mirec.benchmark.portrait_file import Card, Topic

BRAND_ROLE = "brand"
N_TOPICS, N_WORDS, N_LABELS = 3, 4, 6
LEAST_SHARE = 0.05
"""Of a topic that is shown."""


def account_card(
    data: AtomicData,
    side: schema.Side,
    account: str,
    *,
    role: str,
    rank: float = 0.0,
    shares: Mapping[str, float] | None = None,
) -> Card:
    """A card of an account.

    Args:
        data: the data set.
        side: of the account.
        account: its id.
        role: what it is in the study.
        rank: among the candidates; 0 for the brand itself.
        shares: perspective -> what it adds to the score.
    """
    frame = data.brands if side == schema.BRAND else data.influencers
    row: dict[Any, Any] = frame.set_index(schema.ACCOUNT_ID[side]).loc[account].to_dict()
    followers = row.get(schema.account_field(side, schema.FOLLOWERS))
    attributes = row.get(schema.account_field(side, schema.ATTRIBUTES))
    return Card(
        id=account,
        role=role,
        rank=rank,
        shares=dict(shares or {}),
        followers=None if followers is None or pd.isna(followers) else round(float(followers)),
        topics={
            modality: topics
            for modality in schema.TOPIC_MODALITIES
            if (topics := _topics(data, side, modality, row))
        },
        labels={
            modality: labels
            for modality in schema.VISUAL_MODALITIES
            if (labels := _labels(side, modality, row))
        },
        attributes=tuple(sorted(attributes)) if isinstance(attributes, list) else (),
    )


def _topics(
    data: AtomicData, side: schema.Side, modality: str, row: Mapping[Any, Any]
) -> tuple[Topic, ...]:
    shares = row.get(schema.account_field(side, modality))
    if not isinstance(shares, np.ndarray):
        return ()
    known = data.manifest.get("features", {}).get(modality, {}).get("topics", [])
    largest = np.argsort(-shares, kind="stable")[:N_TOPICS]
    return tuple(
        Topic(
            number=int(number),
            share=round(float(shares[number]), 3),
            words=_words(known[number]) if len(known) == len(shares) else (),
        )
        for number in largest
        if shares[number] >= LEAST_SHARE
    )


def _words(topic: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(word) for word, _ in topic["words"][:N_WORDS])


def _labels(side: schema.Side, modality: str, row: Mapping[Any, Any]) -> tuple[str, ...]:
    labels = row.get(schema.labels_field(side, modality))
    weights = row.get(schema.weights_field(side, modality))
    if not isinstance(labels, list) or weights is None:
        return ()
    ranked = sorted(zip(labels, weights, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return tuple(token_label(label).removeprefix(SCENE_PREFIX) for label, _ in ranked[:N_LABELS])
