"""`portrait.json`: what the benchmark's page shows of accounts, as plain values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from recbole_mirec.runs import write_text

PORTRAIT_FILE: Final = "portrait.json"
GRAPH, MAP, CASES = "graph", "map", "cases"


@dataclass(frozen=True)
class AttributeGraph:
    """The strongest attributes of the co-occurrence graph.

    Attributes:
        names: of the attributes shown, the strongest first.
        strengths: sum of each one's edge weights in the whole graph, > 0.
        edges: (place in `names`, a later place, weight > 0), every edge between those shown.
        n_attributes: of the whole graph, those with an edge.
        n_edges: of the whole graph.
        total: sum of all attributes' strengths.
    """

    names: tuple[str, ...]
    strengths: tuple[float, ...]
    edges: tuple[tuple[int, int, float], ...]
    n_attributes: int
    n_edges: int
    total: float


@dataclass(frozen=True)
class MapSide:
    """The accounts of one side on the map.

    Attributes:
        ids: account ids.
        x, y: places, without unit.
        categories: "" where unknown; for colours only.
    """

    ids: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    categories: tuple[str, ...]


@dataclass(frozen=True)
class AccountMap:
    """Account vectors in two dimensions.

    Attributes:
        method: how they came down to two, in words.
        brands, influencers: the accounts of both sides that have a vector.
    """

    method: str
    brands: MapSide
    influencers: MapSide


@dataclass(frozen=True)
class Topic:
    """A topic of an account.

    Attributes:
        number: from 0.
        share: of the account's captions, from 0 to 1.
        words: the topic's most probable words; none where the data set does not tell them.
    """

    number: int
    share: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """One account of a case study.

    Attributes:
        id: of the account.
        role: what it is in the study, e.g. `best ranked collaborator`.
        rank: among the candidates, from 1; ties average. 0 for the brand itself.
        shares: perspective -> what it adds to the score; empty for the brand itself.
        followers: None where unknown.
        topics: modality -> the largest topics, the largest first.
        labels: modality -> the heaviest visual labels, the heaviest first.
        attributes: of the account, sorted.
    """

    id: str
    role: str
    rank: float
    shares: Mapping[str, float]
    followers: int | None
    topics: Mapping[str, tuple[Topic, ...]]
    labels: Mapping[str, tuple[str, ...]]
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class CaseStudy:
    """A brand and some of its candidates.

    Attributes:
        rule: why this brand, in words.
        average_precision: of the brand's ranking, from 0 to 1.
        n_positives: collaborators among the candidates.
        n_candidates: influencers that were ranked.
        category: of the brand; "" where unknown.
        brand: the brand.
        influencers: the candidates shown.
    """

    rule: str
    average_precision: float
    n_positives: int
    n_candidates: int
    category: str
    brand: Card
    influencers: tuple[Card, ...]


@dataclass(frozen=True)
class Portrait:
    """What the page shows of accounts.

    Attributes:
        label: of the model in the benchmark.
        protocol: of the run that was opened, with its fold where it is one.
        seed: of that run.
        graph, map: None where there is nothing to show.
        cases: brands; empty where there is nothing to show.
        missing: `graph`, `map` or `cases` -> why it is not there.
    """

    label: str
    protocol: str
    seed: int
    graph: AttributeGraph | None
    map: AccountMap | None
    cases: tuple[CaseStudy, ...]
    missing: Mapping[str, str]


def write_portrait_file(folder: Path, portrait: Portrait) -> Path:
    """Write `portrait.json` whole or not at all; returns its path."""
    path = folder / PORTRAIT_FILE
    write_text(path, json.dumps(asdict(portrait), ensure_ascii=False) + "\n")
    return path


def read_portrait_file(folder: Path) -> Portrait | None:
    """The portrait of a benchmark's folder; None where there is none.

    Raises:
        ValueError: the file is no portrait.
    """
    path = folder / PORTRAIT_FILE
    if not path.is_file():
        return None
    try:
        return _portrait(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"'{path}' must be a portrait as the benchmark writes it; delete it and make the page "
            f"again. Received: {type(error).__name__}: {error}"
        ) from None


def _portrait(found: Mapping[str, Any]) -> Portrait:
    graph, places = found[GRAPH], found[MAP]
    return Portrait(
        label=found["label"],
        protocol=found["protocol"],
        seed=found["seed"],
        graph=None if graph is None else _graph(graph),
        map=None
        if places is None
        else AccountMap(places["method"], _side(places["brands"]), _side(places["influencers"])),
        cases=tuple(map(_case, found[CASES])),
        missing=found["missing"],
    )


def _graph(found: Mapping[str, Any]) -> AttributeGraph:
    edges = tuple((int(i), int(j), float(weight)) for i, j, weight in found["edges"])
    lists = {name: tuple(found[name]) for name in ("names", "strengths")}
    return AttributeGraph(**{**found, **lists, "edges": edges})


def _side(found: Mapping[str, Any]) -> MapSide:
    return MapSide(**{name: tuple(values) for name, values in found.items()})


def _case(found: Mapping[str, Any]) -> CaseStudy:
    cards = tuple(map(_card, found["influencers"]))
    return CaseStudy(**{**found, "brand": _card(found["brand"]), "influencers": cards})


def _card(found: Mapping[str, Any]) -> Card:
    topics = {
        modality: tuple(Topic(**{**topic, "words": tuple(topic["words"])}) for topic in some)
        for modality, some in found["topics"].items()
    }
    labels = {modality: tuple(some) for modality, some in found["labels"].items()}
    plain = {"topics": topics, "labels": labels, "attributes": tuple(found["attributes"])}
    return Card(**{**found, **plain})
