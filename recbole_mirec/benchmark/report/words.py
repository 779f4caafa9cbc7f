"""Numbers and names of the benchmark's page as a person reads them."""

import math

from dataset_convert import schema
from recbole_mirec.results import PAPER, RANK_TITLE, UNSEEN, metric_title

MISSING, MINUS = "\u2013", "\u2212"
PROTOCOL_TITLES = {schema.NEW_BRAND: "New brands", schema.KNOWN_BRAND: "Known brands"}
PROTOCOL_WORDS = {
    schema.NEW_BRAND: "No brand of the test part has a training collaboration; its candidates are "
    "the influencers of the test part's brands.",
    schema.KNOWN_BRAND: "Each brand's collaborations are split; all influencers are candidates, "
    "its own earlier collaborators left out.",
}


def title_of(metric: str) -> str:
    """A metric's name as it heads a column, without the group that it belongs to."""
    return metric_title(metric.removeprefix(PAPER).removeprefix(UNSEEN))


def metric_text(metric: str, value: float) -> str:
    """A value of a metric: three places and no zero before the point; ranks with one place."""
    if not math.isfinite(value):
        return MISSING
    if title_of(metric) == RANK_TITLE:
        return f"{value:,.1f}"
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.startswith("1") else text


def signed_text(metric: str, value: float) -> str:
    """A difference with its sign, a true minus."""
    if not math.isfinite(value):
        return MISSING
    sign = MINUS if value < 0 else "+"
    return sign + metric_text(metric, abs(value))


def p_text(value: float) -> str:
    """A p-value: three places, never 0."""
    if not math.isfinite(value):
        return MISSING
    return "< .001" if value < 0.001 else metric_text("p", value)


def listed(words: list[str]) -> str:
    """Words with commas and an `and`."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])
