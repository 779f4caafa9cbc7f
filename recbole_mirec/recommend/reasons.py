"""Why a candidate has her score: named contributions that add up to it exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dataset_convert import schema
from recbole_mirec.nn.fitted import HUBNESS, PRECEDENT, Array, Fitted, standardised

if TYPE_CHECKING:
    from recbole_mirec.recommend.recommender import Account

AVERAGE = "less what an average influencer gets"
_TEXTS = {
    schema.CONTENT_TEXT: "what the posts say",
    schema.PROFILE_TEXT: "what the biography says",
    schema.AUDIENCE_TEXT: "what the audience says",
}
_TITLES = {
    "en": {
        "content": "content",
        "audience": "audience",
        "attribute": "attributes",
        PRECEDENT: "precedents",
        HUBNESS: "liked by every brand",
        "both": "both",
        "weak": "weak match",
        "like": "like the partners of",
    },
    "de": {
        "content": "Inhalte",
        "audience": "Publikum",
        "attribute": "Merkmale",
        PRECEDENT: "Vorbilder",
        HUBNESS: "passt zu jeder Marke",
        "both": "beide",
        "weak": "passt wenig",
        "like": "ähnlich den Partnern von",
    },
}


@dataclass(frozen=True)
class Words:
    """What dimensions are called.

    Attributes:
        topics: modality -> the words of each topic.
        vocabulary: modality -> names of labels or attributes.
        precedents: of each training brand, as it may be called.
    """

    topics: Mapping[str, Sequence[Sequence[str]]]
    vocabulary: Mapping[str, Sequence[str]]
    precedents: Sequence[str]

    def of(self, modality: str, dimension: int) -> str:
        """The name of a dimension of a modality."""
        if modality in self.topics:
            return f"topic: {', '.join(self.topics[modality][dimension][:4])}"
        if modality in self.vocabulary:
            return str(self.vocabulary[modality][dimension])
        return f"topic {dimension}" if modality in schema.TOPIC_MODALITIES else f"{modality}"


@dataclass(frozen=True)
class Reason:
    """A named contribution: its part of the score, its modality, what it is called, its size."""

    part: str
    modality: str
    name: str
    value: float


@dataclass(frozen=True)
class Explanation:
    """A score and the contributions that add up to it.

    Attributes:
        brand, influencer: who.
        score: the sum of `parts`, and of the reasons' values.
        parts: what each part adds.
        reasons: largest first.
    """

    brand: str
    influencer: str
    score: float
    parts: Mapping[str, float]
    reasons: tuple[Reason, ...]

    def sentence(self, language: str = "en", n_names: int = 2) -> str:
        """The largest reasons for her in a line, in English (`en`) or German (`de`)."""
        titles, told = _TITLES[language], []
        for part, value in sorted(self.parts.items(), key=lambda item: -item[1]):
            if part == HUBNESS:
                continue
            own = [x for x in self.reasons if x.part == part and x.value > 0 and x.name != AVERAGE]
            names = list(dict.fromkeys(x.name for x in own))[:n_names]
            if value <= 0 or not names:
                told.append(f"{titles[part]}: {titles['weak']}")
            elif part == PRECEDENT:
                told.append(f"{titles['like']} {', '.join(names)}")
            else:
                told.append(f"{titles[part]}: {', '.join(names)}")
        return "; ".join(told)


def explain(
    fitted: Fitted, brand: "Account", influencer: "Account", shares: Array, words: Words
) -> Explanation:
    """Contributions of topics, labels, attributes, texts and precedents to one score.

    A learnt part is linear in the influencer's standardised row: with x her row on the axes A and
    G their map, ``<b, (x + G x) / |x + G x|>`` is the sum over her dimensions d of
    ``row_d (A (b + G'b))_d / |x + G x|``. Attributes of a list share the mean of their embeddings.
    Sentence vectors' dimensions have no names and stand as one. Precedents are linear in the
    training brands. What rounding of stored vectors leaves goes with the largest of its part.

    Args:
        fitted: the model.
        brand: whom for.
        influencer: the candidate.
        shares: of `fitted.layout.parts`, what each adds.
        words: names.
    """
    found: list[Reason] = []
    static = fitted.static(schema.INFLUENCER, influencer.table)
    brand_static = fitted.static(schema.BRAND, brand.table)
    for part in fitted.layout.perspectives:
        learnt = fitted.learnt_rows(schema.BRAND, part, brand_static)
        for modality, rows in learnt.items():
            found += _learnt(fitted, part, modality, rows[0], influencer, static, words)
            centre = fitted.arrays[f"centre {part} {modality}"]
            lost = -float((rows[0] * centre).sum()) * bool(static.inputs[modality][1][0])
            found.append(Reason(part, modality, AVERAGE, lost))
    if PRECEDENT in fitted.layout.parts:
        terms = brand.vectors[PRECEDENT][0] * influencer.vectors[PRECEDENT][0].astype(np.float64)
        found += [
            Reason(PRECEDENT, PRECEDENT, name, float(value))
            for name, value in zip(words.precedents, terms, strict=False)
        ]
    if HUBNESS in fitted.layout.parts:
        found.append(Reason(HUBNESS, HUBNESS, HUBNESS, float(shares[-1])))
    parts = dict(zip(fitted.layout.parts, map(float, shares), strict=True))
    for part, share in parts.items():
        own = [row for row, reason in enumerate(found) if reason.part == part]
        if own:
            rest = share - sum(found[row].value for row in own)
            most = max(own, key=lambda row: abs(found[row].value))
            big = found[most]
            found[most] = Reason(big.part, big.modality, big.name, big.value + rest)
    found.sort(key=lambda reason: -reason.value)
    return Explanation(brand.name, influencer.name, float(shares.sum()), parts, tuple(found))


def _learnt(
    fitted: Fitted,
    part: str,
    modality: str,
    brand: Array,
    influencer: "Account",
    static: Any,
    words: Words,
) -> list[Reason]:
    """Contributions of one block, by the influencer's dimensions."""
    row, mask = static.inputs[modality][0][0], static.inputs[modality][1]
    if not mask[0]:
        return []
    axes = fitted.arrays[f"axes {fitted.layout.spaces[modality]}"]
    maps = fitted.arrays[f"map {fitted.layout.spaces[modality]}"]
    weights = np.zeros(len(axes))
    for seed, of in enumerate(maps):
        length = np.linalg.norm(row + row @ of)
        if length > 0:
            weights += axes @ (brand[seed] + of @ brand[seed]) / length / len(maps) ** 0.5
    rows, has = influencer.table[modality]
    mean = fitted.arrays[f"mean {schema.INFLUENCER} {modality}"]
    known, has = fitted.embedded(modality, rows, has)
    rooted = modality in fitted.layout.rooted
    unit = standardised(known, has, mean, rooted=rooted)[0]
    if modality == schema.ATTRIBUTES:
        embeddings = fitted.arrays["embeddings"]
        listed = np.flatnonzero((rows[0] > 0) & embeddings.any(axis=1))
        whole = max(float(np.linalg.norm(known[0] - mean)) * len(listed), 1e-30)
        values = (embeddings[listed] - mean) @ weights / whole
        places = zip(listed.tolist(), values.tolist(), strict=True)
        return [Reason(part, modality, words.of(modality, d), v) for d, v in places]
    if modality in schema.TEXT_MODALITIES or modality == schema.ATTRIBUTE_VECTOR:
        title = _TEXTS.get(modality, "attributes, as a vector")
        return [Reason(part, modality, title, float(unit @ weights))]
    values = unit * weights
    return [
        Reason(part, modality, words.of(modality, d), float(v)) for d, v in enumerate(values) if v
    ]
