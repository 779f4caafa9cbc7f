"""Accounts as the main model sees them: attribute graph, map, case studies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from dataset_convert import schema
from dataset_convert.page.markup import append, element
from dataset_convert.report.layout import Layout, Section
from dataset_convert.report.words import given, modality_title, percent
from recbole_mirec.benchmark.portrait_file import (
    CASES,
    GRAPH,
    MAP,
    Card,
    CaseStudy,
    Portrait,
    Topic,
)
from recbole_mirec.benchmark.report.atlas import category_names, map_figure, map_key
from recbole_mirec.benchmark.report.network import CLOSEST_OF_NODE, graph_figure
from recbole_mirec.benchmark.report.words import MINUS, metric_text

TITLES: Final = {
    GRAPH: "Attributes that go together",
    MAP: "Map of the accounts",
    CASES: "Two brands, looked at closely",
}


_MOST_WORDS = {False: 14, True: 40}


@dataclass(frozen=True)
class _Bars:
    """The scale that bars of one case share: the largest share, and whether some take away."""

    largest: float
    signed: bool


def account_sections(portrait: Portrait | None, main: str, layout: Layout) -> list[Section]:
    """The sections on accounts; one that has nothing to show says why."""
    if portrait is None:
        text = f"No finished run of {main} was opened, so nothing can be told of its accounts."
        return [Section("accounts", "Accounts", [element("p", text)])]
    drawn = {
        GRAPH: _graph(portrait, layout),
        MAP: _map(portrait, layout),
        CASES: _cases(portrait, layout),
    }
    return [
        Section(name, TITLES[name], parts or [_missing(portrait, name)])
        for name, parts in drawn.items()
    ]


def _missing(portrait: Portrait, name: str) -> Element:
    reason = portrait.missing.get(name, "there is nothing to show")
    return element("p", f"Not shown: {reason}.")


def _graph(portrait: Portrait, layout: Layout) -> list[Element]:
    graph = portrait.graph
    if graph is None:
        return []
    text = (
        f"The {len(graph.names)} strongest of {graph.n_attributes:,} attributes, counted over the "
        f"training collaborations of protocol {portrait.protocol}: two attributes are tied when "
        f"one account, or a brand and its influencer, have them both. Of its {graph.n_edges:,} "
        f"ties those are drawn that are among an attribute's {CLOSEST_OF_NODE} closest, heavier "
        f"than chance would make them; wider lines are heavier ties, larger names have more of "
        f"them. Colours are groups that hang together (greedy modularity)."
    )
    drawn = element("div", graph_figure(graph), class_="scroll")
    return [layout.figure(drawn, text)]


def _map(portrait: Portrait, layout: Layout) -> list[Element]:
    if portrait.map is None:
        return []
    text = (
        f"Vectors of {len(portrait.map.brands.ids):,} brands and "
        f"{len(portrait.map.influencers.ids):,} influencers by {portrait.label}, seed "
        f"{portrait.seed}, protocol {portrait.protocol}: {portrait.map.method}."
    )
    if category_names(portrait.map):
        text += " Categories only colour the marks; the model does not read an influencer's."
    return [map_key(portrait.map), layout.figure(map_figure(portrait.map), text)]


def _cases(portrait: Portrait, layout: Layout) -> list[Element]:
    if not portrait.cases:
        return []
    text = (
        f"{portrait.label}, seed {portrait.seed}, protocol {portrait.protocol}, test part. Bars: "
        f"what each perspective adds to the score of the pair; they add up to it, have no unit, "
        f"and compare within one brand only. Bold: shared with the brand."
    )
    return [element("p", text), *(_case(case, layout) for case in portrait.cases)]


def _case(case: CaseStudy, layout: Layout) -> Element:
    category = f", {case.category}" if case.category else ""
    found = f"{case.n_positives} of {case.n_candidates:,} candidates worked with it"
    precision = f"average precision {metric_text('MAP', case.average_precision)}"
    title = element("h3", given(case.brand.id), category)
    told = layout.note(f"{case.rule[0].upper()}{case.rule[1:]}: {precision}; {found}.")
    shares = [share for card in case.influencers for share in card.shares.values()]
    bars = _Bars(max(map(abs, shares), default=0.0), any(share < 0 for share in shares))
    cards = element("div", class_="cards")
    for card in case.influencers:
        append(cards, _card(card, case.brand, bars))
    return element("div", title, told, _card(case.brand, case.brand, bars), cards, class_="case")


def _card(card: Card, brand: Card, bars: "_Bars") -> Element:
    is_brand = card is brand
    kind = "brand" if is_brand else "positive" if "collaborator" in card.role else "negative"
    head = "the brand" if is_brand else f"rank {card.rank:,.10g} · {card.role}"
    made = element("div", element("p", head, class_="role"), class_=f"card {kind}")
    append(made, element("h4", given(card.id)))
    if card.followers is not None:
        append(made, element("p", f"{card.followers:,} followers", class_="soft"))
    if card.shares:
        append(made, _shares(card.shares, bars))
    for modality in schema.TOPIC_MODALITIES:
        append(made, *_topics(modality, card, brand))
    for modality in schema.VISUAL_MODALITIES:
        own, known = (one.labels.get(modality, ()) for one in (card, brand))
        append(made, *_words(modality, own, known, is_brand=is_brand))
    append(made, *_words(schema.ATTRIBUTES, card.attributes, brand.attributes, is_brand=is_brand))
    return made


def _topics(modality: str, card: Card, brand: Card) -> list[Element]:
    """The topics of a modality that the account or the brand has, a line each."""
    own, known = (one.topics.get(modality, ()) for one in (card, brand))
    if not own and not known:
        return []
    shared = set() if card is brand else {topic.number for topic in known}
    lines = [_topic(topic, topic.number in shared) for topic in own] or [element("i", "none")]
    return [element("p", element("span", modality_title(modality), class_="of"), *lines)]


def _words(
    modality: str, own: Sequence[str], known: Sequence[str], *, is_brand: bool
) -> list[Element]:
    """The words of a modality that the account or the brand has."""
    if not own and not known:
        return []
    shared = set() if is_brand else set(known)
    # What the two have in common first.
    shown = sorted(own, key=lambda word: word not in shared)[: _MOST_WORDS[is_brand]]
    made = element("p", element("span", modality_title(modality), class_="of"))
    for place, word in enumerate(shown):
        marked = element("strong", given(word)) if word in shared else given(word)
        append(made, *([] if place == 0 else [", "]), marked)
    if not own:
        append(made, element("i", "none"))
    if len(shown) < len(own):
        append(made, f" and {len(own) - len(shown)} more")
    return [made]


def _topic(topic: Topic, shared: bool) -> Element:
    words = given(" · ".join(topic.words)) if topic.words else f"topic {topic.number}"
    tag = "strong" if shared else "span"
    return element(tag, f"{percent(topic.share, 1.0)} ", words, class_="topic")


def _shares(shares: Mapping[str, float], bars: "_Bars") -> Element:
    """A bar a perspective, beside its number; from the middle where some take from the score."""
    zero, whole = (50.0, 50.0) if bars.signed else (0.0, 100.0)
    listed = element("dl", class_="shares")
    for name, share in {**shares, "score": sum(shares.values())}.items():
        number = f"{share:+.2f}".replace("-", MINUS)
        value = element("dd", element("span", number))
        if name in shares:
            length = whole * abs(share) / (bars.largest or 1.0)
            start = zero if share >= 0 else zero - length
            bar = element(
                "rect",
                x=f"{start:.1f}%",
                width=f"{length:.1f}%",
                height="100%",
                class_="adds" if share >= 0 else "takes",
            )
            ends = {"x1": f"{zero:.0f}%", "x2": f"{zero:.0f}%"}
            line = element("line", y1="0", y2="100%", class_="zero", **ends)
            append(value, element("svg", bar, line, aria_hidden="true"))
        append(listed, element("dt", name), value)
    return listed
