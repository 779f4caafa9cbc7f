"""Why a candidate has her score: named contributions that add up to it exactly."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from dataset_convert import schema
from dataset_convert.common.errors import shown
from recbole_mirec.nn.fitted import (
    HUBNESS,
    PRECEDENT,
    Array,
    Fitted,
    Static,
    gaussian,
    standardised,
)

if TYPE_CHECKING:
    from recbole_mirec.recommend.accounts import Account

# What is said, in English and German. Whoever adds a language adds its column.
LANGUAGES = ("en", "de")
_SAID = {
    "content": ("content", "Inhalte"),
    "audience": ("audience", "Publikum"),
    "attribute": ("attributes", "Merkmale"),
    PRECEDENT: ("precedents", "Vorbilder"),
    HUBNESS: ("liked by every brand", "passt zu jeder Marke"),
    "average": ("what an average influencer gets", "was alle im Mittel bekommen"),
    "little": ("little of {}", "wenig {}"),
    "weak": ("weak match", "passt wenig"),
    "strong": ("good match", "passt gut"),
    "like": ("like the partners of", "ähnlich den Partnern dieser Marken:"),
    "worked": ("has worked with", "hat gearbeitet mit"),
    "yours": ("like your partners", "ähnlich Ihren Partnern"),
    "own": ("your own partners", "Ihre eigenen Partner"),
    "brand": ("another brand", "eine andere Marke"),
    "category": ("a brand of category {}", "eine Marke der Kategorie {}"),
    "brands": ("{} ({} such brands)", "{} ({} solche Marken)"),
    "seen": ("{} ({} training pairs with {})", "{} (in {} Trainingspaaren mit {})"),
    "hidden": ("an attribute that is not told", "ein Merkmal, das nicht genannt wird"),
    "topic": ("topic {}", "Thema {}"),
    "rounding": ("residual", "Rest"),
    "without": ("rank without", "Rang ohne"),
    "score": ("score", "Wert"),
    "rank": ("rank {} of {}", "Rang {} von {}"),
    schema.CONTENT_TEXT: ("what the posts say", "was die Beiträge sagen"),
    schema.PROFILE_TEXT: ("what the biography says", "was die Biografie sagt"),
    schema.AUDIENCE_TEXT: ("what the audience says", "was das Publikum sagt"),
    schema.CONTENT_VISUAL: ("what the pictures show", "was die Bilder zeigen"),
    schema.AUDIENCE_VISUAL: (
        "what the audience's pictures show",
        "was Bilder des Publikums zeigen",
    ),
    schema.ATTRIBUTE_VECTOR: ("attributes, as a vector", "Merkmale, als Vektor"),
}
# Of what the brands of one kind add, the share whose brands are counted as such.
_MOST = 0.8


@dataclass(frozen=True)
class Words:
    """What dimensions are called.

    Attributes:
        topics: modality -> the words of each topic.
        vocabulary: modality -> names of labels or attributes.
        sensitive: names that are not told.
        precedents: training brands by id, in the order of the kernel's columns.
        category: brand -> its category.
        named: brands that may be named, the one that the list is for among them.
        partners: of that brand, those most like the candidate.
        hers: brands that the candidate has worked with, by training pairs.
        seen: attribute -> what `Reason.seen` tells of it.
        language: `en` or `de`.
    """

    topics: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    vocabulary: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sensitive: Collection[str] = ()
    precedents: Sequence[str] = ()
    category: Mapping[str, Any] = field(default_factory=dict)
    named: Collection[str] = ()
    own: str = ""
    partners: Sequence[str] = ()
    hers: Collection[str] = ()
    seen: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    language: str = "en"

    def say(self, key: str, *given: Any) -> str:
        """A phrase in the language; a key that has none is said as it is."""
        both = _SAID.get(key)
        return key if both is None else both[LANGUAGES.index(self.language)].format(*given)

    def of(self, modality: str, dimension: int) -> str:
        """The name of a dimension of a modality."""
        if modality in self.topics:
            words = ", ".join(self.topics[modality][dimension][:3])
            return words or self.say("topic", dimension + 1)
        if modality in self.vocabulary:
            name = str(self.vocabulary[modality][dimension])
            return (
                self.say("hidden")
                if name in self.sensitive
                else name.removeprefix("scene:").replace("_", " ")
            )
        return self.say("topic", dimension + 1)

    def reasons(self, part: str, modality: str, values: Array, has: Any) -> "list[Reason]":
        """A modality's contributions by name, (dimension); one where dimensions have no names."""
        if modality not in self.vocabulary and modality not in schema.TOPIC_MODALITIES:
            return [Reason(part, modality, self.say(modality), float(values.sum()))]
        return [
            Reason(part, modality, name if more else self.say("little", name), value, more)
            for value, more, place in zip(
                values.tolist(), has.tolist(), range(len(has)), strict=True
            )
            if value and (name := self.of(modality, place))
        ]

    def brand(self, name: str) -> str:
        """What a training brand is called: its name, or of which category it is."""
        if name and name == self.own:
            return self.say("own")
        if name in self.named:
            return name
        kind = self.category.get(name)
        known = isinstance(kind, str) and kind and kind not in self.sensitive
        return self.say("category", kind) if known else self.say("brand")


@dataclass(frozen=True)
class Reason:
    """A named contribution.

    Attributes:
        part, modality: of the score, where it comes from.
        name: what it is called.
        value: what it adds.
        has: whether she has more of it than influencers have on average; if she has less, that is
            the reason.
        seen: of an attribute of hers, that of the brand which most training pairs have it with, and
            how many have.
        worked: of another brand, whether she has worked with it.
    """

    part: str
    modality: str
    name: str
    value: float
    has: bool = True
    seen: tuple[str, int] | None = None
    worked: bool = False


@dataclass(frozen=True)
class Explanation:
    """A score and the contributions that add up to it.

    Attributes:
        brand, influencer: who.
        score: the sum of `parts`, and of the reasons' values.
        parts: what each part adds.
        reasons: largest first.
        rank: her place among the candidates, of which there are `n_candidates`, from 1.
        rank_without: part -> what her place would be if nobody had that part.
        words: what things are called.
    """

    brand: str
    influencer: str
    score: float
    parts: Mapping[str, float]
    reasons: tuple[Reason, ...]
    rank: int
    n_candidates: int
    rank_without: Mapping[str, int]
    words: Words

    @cached_property
    def merged(self) -> tuple[tuple[Reason, int], ...]:
        """Reasons with those of one name added up, largest first, and how many make the most of it.

        Such are the brands of a category whose names are not told.
        """
        groups: dict[tuple[Any, ...], list[Reason]] = {}
        for x in self.reasons:
            key = x.part, x.modality, x.name, x.has, x.seen, x.worked
            groups.setdefault(key, []).append(x)
        found = []
        for same in groups.values():
            positive = sorted((x.value for x in same if x.value > 0), reverse=True)
            enough = _MOST * sum(positive)
            most = 1 + sum(x < enough for x in accumulate(positive))
            is_one = len(same) == 1
            whole = same[0] if is_one else replace(same[0], value=sum(x.value for x in same))
            found.append((whole, most))
        return tuple(sorted(found, key=lambda item: -item[0].value))

    def names(self, reason: Reason) -> bool:
        """Whether a reason speaks for her by a name that can be looked up.

        No average, nothing told as a whole, and of brands those that she has worked with, or the
        one that the list is for.
        """
        unsaid = ("average", "hidden", "rounding", reason.modality)
        said = reason.name not in map(self.words.say, unsaid)
        is_known = reason.modality != PRECEDENT or reason.worked
        is_known = is_known or reason.name == self.words.say("own")
        return said and is_known and reason.has and reason.value > 0

    def called(self, reason: Reason) -> str:
        """What stands in tables for a reason: its name, and of a brand whether she knows it."""
        return f"{self.words.say('worked')} {reason.name}" if reason.worked else reason.name

    @property
    def top(self) -> Reason | None:
        """The largest reason that speaks for her by a name."""
        return next(filter(self.names, self.reasons), None)

    def sentence(self, n_names: int = 2) -> str:
        """The largest reasons for her in a line; what matches least comes last.

        What has a name comes before texts, which are told as a whole.
        """
        words, told = self.words, []
        unsaid = {words.say(x) for x in ("average", "hidden", "rounding")}
        merged = [
            one
            for one in self.merged
            if one[0].value > 0 and one[0].has and one[0].name not in unsaid
        ]
        merged.sort(key=lambda one: not self.names(one[0]))
        for part, value in sorted(self.parts.items(), key=lambda item: -item[1]):
            # 0 is a part of which nothing is known
            if part == HUBNESS or not value:
                continue
            own = _once([one for one in merged if one[0].part == part])[:n_names]
            if value <= 0:
                told.append(f"{words.say(part)}: {words.say('weak')}")
            elif part == PRECEDENT and own:
                told += self._precedents(own)
            else:
                names = " / ".join(one.name for one, _ in own)
                told.append(f"{words.say(part)}: {names or words.say('strong')}")
        return "; ".join(told)

    def _precedents(self, own: list[tuple[Reason, int]]) -> list[str]:
        words, told = self.words, []
        others: dict[str, list[str]] = {"worked": [], "like": []}
        for one, n in own:
            if one.name == words.say("own"):
                told.append(f"{words.say('yours')} {', '.join(words.partners)}".rstrip())
            else:
                name = words.say("brands", one.name, n) if n > 1 else one.name
                others["worked" if one.worked else "like"].append(name)
        told += [f"{words.say(key)} {', '.join(names)}" for key, names in others.items() if names]
        return told

    def __str__(self) -> str:
        words, lines = self.words, []
        place = words.say("rank", self.rank, self.n_candidates)
        lines.append(
            f"{self.brand}, {self.influencer}: {words.say('score')} {self.score:.3f}, {place}"
        )
        for part, value in self.parts.items():
            without = f"{words.say('without')}: {self.rank_without[part]}"
            lines.append(f"{value:+9.3f}  {words.say(part)} ({without})")
            own = [one for one in self.merged if one[0].part == part and part != HUBNESS]
            for one, n in own:
                name = self.called(one)
                name = words.say("brands", name, n) if n > 1 else name
                name = words.say("seen", name, *one.seen[::-1]) if one.seen else name
                lines.append(f"{one.value:+13.4f}  {name}")
        return "\n".join(lines)


def _once(reasons: list[tuple[Reason, int]]) -> list[tuple[Reason, int]]:
    """Each name once: two modalities may share one, such as a sentence of a brief."""
    said: dict[tuple[str, bool], tuple[Reason, int]] = {}
    for one in reasons:
        said.setdefault((one[0].name, one[0].worked), one)
    return list(said.values())


def contributions(
    fitted: Fitted, brand: "Account", influencer: "Account", words: Words, brand_ridge: float
) -> list[Reason]:
    """Contributions of topics, labels, attributes, texts and precedents to one score.

    A learnt part is linear in the influencer's standardised row: with x her row on the axes A and
    G their map, ``<b, (x + G x) / |x + G x|>`` is the sum over her dimensions d of
    ``row_d (A (b + G'b))_d / |x + G x|``. Attributes of a list share the mean of their embeddings.
    Vectors of sentences and pictures, whose dimensions have no names, stand as one. Of precedents
    see `precedents`.

    Args:
        fitted: the model.
        brand: whom for.
        influencer: the candidate.
        words: names.
        brand_ridge: what was added to the diagonal of the brands' kernel.
    """
    found: list[Reason] = []
    static, brand_static = (
        Static(fitted.inputs(side, one.own.table), np.zeros((1, 0)))
        for side, one in zip(schema.SIDES[::-1], (influencer, brand), strict=True)
    )
    for part in fitted.layout.perspectives:
        learnt = fitted.learnt_rows(schema.BRAND, part, brand_static)
        for modality, rows in learnt.items():
            if not static.inputs[modality][1][0]:
                continue
            told = _sentences(fitted, part, modality, brand, (brand_static, static))
            own = _learnt(fitted, part, modality, rows[0], influencer, static, words)
            if told:
                rest = sum(x.value for x in own) - sum(x.value for x in told)
                own = [*told, replace(own[0], value=rest)]
            found += own
            centre = fitted.arrays[f"centre {part} {modality}"]
            lost = -float((rows[0] * centre).sum())
            found.append(Reason(part, modality, words.say("average"), lost))
    if PRECEDENT in fitted.layout.parts:
        vectors = brand.vector(PRECEDENT), influencer.vector(PRECEDENT)
        terms = precedents(fitted, *vectors, brand_ridge)
        found += [
            Reason(PRECEDENT, PRECEDENT, words.brand(name), float(value), worked=name in words.hers)
            for name, value in zip(words.precedents, terms, strict=True)
        ]
    if HUBNESS in fitted.layout.parts:
        taken = float(influencer.vector(HUBNESS)[0])
        found.append(Reason(HUBNESS, HUBNESS, words.say(HUBNESS), taken))
    return found


def precedents(fitted: Fitted, brand: Array, influencer: Array, ridge: float) -> Array:
    """What each training brand adds to a precedent score, (training brand).

    With k the brand's kernels to the training brands, K those of the training brands and a an
    influencer's vector, the score is ``k'a = z'u`` for ``z = (K + p I)^-1 k`` and ``u = (K + p I)
    a``: z says how much each training brand stands for this one, and u how much its partners are
    like the influencer, less its mean over all. The terms of ``k'a`` itself are many times larger
    and cancel, so that the largest of them says nothing.

    Args:
        fitted: the model.
        brand: k, with the weight of precedents.
        influencer: a.
        ridge: p.
    """
    kernel = _kernel(fitted, ridge)
    terms: Array = np.linalg.solve(kernel, brand) * (kernel @ influencer)
    return terms


@lru_cache(maxsize=1)
def _kernel(fitted: Fitted, ridge: float) -> Array:
    marks = fitted.arrays["landmarks brand"]
    kernel = gaussian(marks, marks, float(fitted.arrays["width brand"]))
    kernel[np.diag_indices_from(kernel)] += ridge
    return kernel


def with_rounding(
    reasons: list[Reason], parts: Mapping[str, float], words: Words
) -> tuple[Reason, ...]:
    """Reasons that add up to the parts of a score, largest first.

    Vectors are stored in single precision; what that leaves stands as a reason of its own.
    """
    found = list(reasons)
    for part, value in parts.items():
        rest = value - sum(one.value for one in reasons if one.part == part)
        if rest:
            found.append(Reason(part, part, words.say("rounding"), rest))
    return tuple(sorted(found, key=lambda reason: -reason.value))


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
    weights = _weights(fitted, modality, static, brand)
    rows, mask = influencer.own.table[modality]
    mean = fitted.arrays[f"mean {schema.INFLUENCER} {modality}"]
    known, mask = fitted.embedded(modality, rows, mask)
    rooted = modality in fitted.layout.rooted
    unit = standardised(known, mask, mean, rooted=rooted)[0]
    if modality == schema.ATTRIBUTES:
        embeddings = fitted.arrays["embeddings"]
        listed = np.flatnonzero((rows[0] > 0) & embeddings.any(axis=1))
        whole = max(float(np.linalg.norm(known[0] - mean)) * len(listed), 1e-30)
        values = (embeddings[listed] - mean) @ weights / whole
        places = zip(listed.tolist(), values.tolist(), strict=True)
        return [
            Reason(part, modality, words.of(modality, d), v, seen=words.seen.get(d))
            for d, v in places
        ]
    return words.reasons(part, modality, unit * weights, unit > 0)


def _weights(fitted: Fitted, modality: str, static: Static, other: Array) -> Array:
    """What an account's standardised row is multiplied by for its product with `other`.

    Args:
        fitted: the model.
        modality: of the account.
        static: the account's.
        other: learnt vectors of the other side, (seed, axis).

    Returns:
        (dimension).
    """
    row, space = static.inputs[modality][0][0], fitted.layout.spaces[modality]
    axes, maps = fitted.arrays[f"axes {space}"], fitted.arrays[f"map {space}"]
    weights: Array = np.zeros(len(axes))
    for seed, of in enumerate(maps):
        length = np.linalg.norm(row + row @ of)
        if length > 0:
            weights += axes @ (other[seed] + of @ other[seed]) / length / len(maps) ** 0.5
    return weights


def _sentences(
    fitted: Fitted, part: str, modality: str, brand: "Account", statics: Sequence[Static]
) -> list[Reason]:
    """What each sentence of a brief adds by its product with a text of the influencer.

    A brief's vector is the mean of its sentences'; what follows, its mean taken away and its length
    made 1, is theirs in equal shares.
    """
    name, (of_brand, of_influencer) = schema.CONTENT_TEXT, statics
    pair = (part, name, modality)
    if not brand.sentences or pair not in fitted.layout.pairs:
        return []
    theirs = fitted.learnt_rows(schema.INFLUENCER, part, of_influencer)[modality][0]
    scale = fitted.arrays["scale"][:, fitted.layout.pairs.index(pair), None]
    mean = fitted.arrays[f"mean {schema.BRAND} {name}"]
    rows = np.array([row for _, row in brand.sentences]) - mean
    values = rows @ _weights(fitted, name, of_brand, theirs * scale)
    values /= max(float(np.linalg.norm(rows.sum(axis=0))), 1e-30)
    texts = (shown(text, 60) for text, _ in brand.sentences)
    return [Reason(part, modality, *both) for both in zip(texts, values.tolist(), strict=True)]
