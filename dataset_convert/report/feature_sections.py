"""Sections on what the extractors learnt: topics, labels, attributes, and anything else."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from dataset_convert import schema
from dataset_convert.atomic import AtomicData
from dataset_convert.features.labels import BLOCKS, SCENE_PREFIX, token_label
from dataset_convert.page.markup import Child, append, element
from dataset_convert.report import statistics
from dataset_convert.report.bins import count_whole
from dataset_convert.report.figures import histogram, trial_plot
from dataset_convert.report.layout import (
    Layout,
    Section,
    bar_cell,
    count_cell,
    facts,
    plain_facts,
    share_cell,
)
from dataset_convert.report.words import counted, given, modality_title, part_of, percent

_N_ATTRIBUTES, _N_UNCOVERED = 30, 60
_OF = {"content": "the accounts' own posts", "audience": "the posts of their audiences"}


def feature_sections(data: AtomicData, layout: Layout) -> list[Section]:
    """Returns a section for every modality that an extractor made."""
    made = []
    reports = data.manifest.get("features", {})
    for modality in (name for name in schema.MODALITIES if name in reports):
        report = reports[modality]
        title = modality_title(modality).capitalize()
        if "topics" in report:
            parts = _topics(report, layout)
        elif "most_frequent_labels" in report:
            parts = _labels(report, layout)
        elif "uncovered_words" in report:
            parts = _attributes(data, report, layout)
        else:
            parts = [facts(plain_facts(report)), layout.note("As its extractor reports it.")]
        made.append(Section(modality.replace("_", "-"), title, parts))
    # Attributes may come as lists without an extractor.
    if schema.ATTRIBUTES not in reports and statistics.attribute_accounts(data):
        made.append(Section(schema.ATTRIBUTES, "Attributes", _attributes(data, {}, layout)))
    return made


def _topics(report: Mapping[str, Any], layout: Layout) -> list[Element]:
    topics = report["topics"]
    text = (
        f"{counted(len(topics), 'topic')} learnt from {_OF.get(report.get('of', ''), 'posts')}, "
        f"those of {counted(report.get('n_accounts', 0), 'account')}. "
        f"{counted(report.get('n_words', 0), 'word')} are counted, which are "
        f"{percent(report.get('known_share', 0), 1)} of all words written, stop words aside."
    )
    parts = [element("p", text), *_trials(report, layout)]
    largest = max(float(topic["share"]) for topic in topics)
    rows: list[list[Child]] = [
        [
            str(number),
            _word_list([word for word, _ in topic["words"]]),
            share_cell(float(topic["share"]), largest),
            f"{topic['coherence']:.2f}",
        ]
        for number, topic in enumerate(topics)
    ]
    text = (
        "Share: mean weight over the accounts it was learnt from. Coherence (normalised pointwise "
        "mutual information, from -1 to 1): how much more often than by chance accounts use a "
        "topic's words together; 0 is chance."
    )
    header = ["topic", "most probable words", "share", "coherence"]
    made = layout.table(header, rows, text, n_words=2)
    for line in list(made.iter("tr"))[1:]:
        line[1].set("class", "words")
    return [*parts, made]


def _trials(report: Mapping[str, Any], layout: Layout) -> list[Element]:
    trials = report.get("trials", [])
    if not trials:
        return []
    chosen = int(report["n_topics"])
    measures = {
        "perplexity": "Held-out perplexity; lower is better, and the lowest was taken.",
        "coherence": "Mean coherence; higher is better. It is told beside and did not decide.",
    }
    figures = []
    for name, text in measures.items():
        points = [(int(one["n_topics"]), float(one[name])) for one in trials]
        label = f"{name.capitalize()} against number of topics; {chosen} were chosen"
        drawn = trial_plot(points, chosen=chosen, name=name, label=label)
        told = f"{text} Orange: the {chosen} topics that were chosen."
        if chosen == points[-1][0]:
            told += " More than these were not tried."
        figures.append(layout.figure(drawn, told, title=f"{name.capitalize()} by number of topics"))
    return [element("div", *figures, class_="grid halves")]


def _labels(report: Mapping[str, Any], layout: Layout) -> list[Element]:
    n_posts = int(report.get("training_posts", 0))
    accounts = part_of(
        int(report.get("training_accounts_with_labels", 0)),
        int(report.get("training_accounts", 0)),
    )
    text = (
        f"Of {counted(n_posts, 'training post')}, "
        f"{part_of(int(report.get('training_posts_with_labels', 0)), n_posts)} showed an object or "
        f"a scene; so did {accounts} of the training accounts."
    )
    told = plain_facts(
        report,
        without=[
            *("most_frequent_labels", "training_posts", "training_posts_with_labels"),
            *("training_accounts", "training_accounts_with_labels"),
        ],
    )
    tables = []
    for block in BLOCKS:
        found = report["most_frequent_labels"].get(block, [])
        if found:
            rows: list[list[Child]] = [
                [given(_label(token)), bar_cell(int(n), n_posts, of=int(found[0][1]))]
                for token, n in found
            ]
            note = f"The most frequent {block}s, with the training posts that show them."
            tables.append(layout.table([block, "posts"], rows, note))
    return [element("p", text), facts(told), element("div", *tables, class_="grid halves")]


def _attributes(data: AtomicData, report: Mapping[str, Any], layout: Layout) -> list[Element]:
    found = statistics.attribute_accounts(data)
    sizes = {side: statistics.attribute_counts(data, side) for side in schema.SIDES}
    covered = " and ".join(
        f"{len(sizes[side]):,} of {counted(len(statistics.accounts_of(data, side)), side)}"
        for side in schema.SIDES
    )
    text = f"{counted(len(found), 'attribute')}; {covered} have at least one."
    if report.get("n_rare_attributes"):
        text += f" {counted(report['n_rare_attributes'], 'rarer one')} left out."
    parts = [element("p", text)]
    largest = {side: max((n[side] for n in found.values()), default=0) for side in schema.SIDES}
    rows: list[list[Child]] = [
        [given(name), *(count_cell(n[side], largest[side], side=side) for side in schema.SIDES)]
        for name, n in list(found.items())[:_N_ATTRIBUTES]
    ]
    shown = f"the {len(rows)} most frequent of {len(found)}" if len(rows) < len(found) else "all"
    header = ["attribute", *(f"{side}s" for side in schema.SIDES)]
    parts.append(layout.table(header, rows, f"Accounts with each attribute: {shown}."))
    figures = [
        layout.figure(
            histogram(
                count_whole(counts),
                counted=f"{side}s",
                axis=f"attributes per {side}",
                label=f"Histogram of {side}s by their number of attributes",
            ),
            f"{side.capitalize()}s that have attributes.",
            title=f"Attributes per {side}",
        )
        for side, counts in sizes.items()
        if len(counts)
    ]
    parts.append(element("div", *figures, class_="grid halves"))
    return [*parts, *_uncovered(report.get("uncovered_words", {}), layout)]


def _uncovered(words: Mapping[str, int], layout: Layout) -> list[Element]:
    if not words:
        return []
    shown = list(words.items())[:_N_UNCOVERED]
    listed = element("ul", class_="words-list")
    for word, n in shown:
        append(listed, element("li", given(word), f" {n:,}"))
    return [
        element("h3", "Frequent words without an attribute"),
        listed,
        layout.note(
            "Words of profiles that the lexicon does not have, with the accounts that use them: "
            "those that say what an account is about are worth adding to it."
        ),
    ]


def _label(token: str) -> str:
    return token_label(token).removeprefix(SCENE_PREFIX)


def _word_list(words: Sequence[str]) -> Element:
    made = element("span")
    for number, word in enumerate(words):
        append(made, *([", "] if number else []), given(str(word)))
    return made
