"""Visual semantics of accounts, from the label scores of their posts."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

import numpy as np

from dataset_convert import schema
from dataset_convert.features.base import (
    AUDIENCE,
    Extractor,
    Fitted,
    Options,
    Share,
    VectorSums,
    Whole,
)
from dataset_convert.name_checks import AccountNames, MemberNames
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

SCENE_PREFIX: Final = "scene:"
"""Marks the labels of the scene block; every other label is of the object block."""
OBJECT, SCENE = "object", "scene"
BLOCKS: Final = (OBJECT, SCENE)

_N_SHOWN: Final = 20
_UNSAFE = re.compile(
    rf"[\s%+\"{re.escape(schema.FORBIDDEN_IN_TOKENS)}\x00-\x1f\x7f-\x9f\ud800-\udfff]"
)


class LabelOptions(Options):
    """What counts; 0.1 are the thresholds of the paper.

    Attributes:
        object_threshold: Lowest score of an object that counts.
        scene_threshold: The same of scenes.
        min_members: Fewest members of an audience that must have shown a known label.
    """

    object_threshold: Share = 0.1
    scene_threshold: Share = 0.1
    min_members: Whole = 1


class LabelFit(Fitted):
    """Which labels there are, as tokens: objects first, then scenes, each sorted by label."""

    labels: list[str]


class LabelSums(VectorSums):
    """Of each account the sums of the scores of `labels`, and behind them how many posts show it.

    The last number counts the posts that show any.
    """

    def __init__(self, min_members: int, labels: Sequence[str]) -> None:
        super().__init__(min_members)
        self.labels = labels
        self._places = {label: place for place, label in enumerate(labels)}

    def see(self, post: Post, thresholds: Mapping[str, float]) -> None:
        """Adds what a post shows of the known labels."""
        shown = [
            (place, score)
            for label, score in post.labels.items()
            # A score of 0 is not seen, whatever the threshold; NaN compares false.
            if score > 0 and score >= thresholds[_block(label)]
            for place in [self._places.get(label)]
            if place is not None
        ]
        numbers = np.zeros(2 * len(self.labels) + 1)
        if shown:
            self.saw(post.account, post.member)
            for place, score in shown:
                numbers[place], numbers[place + len(self.labels)] = score, 1
            numbers[-1] = 1
        self.put(post.account, numbers)


class LabelExtractor(Extractor):
    """Sums, per account, what a classifier saw in its posts: X^p and Y^p of Wang et al. (2023).

    Scores below the threshold count as zero; the rest is summed over the account's posts and
    divided by the sum of its block (equations (4) for objects, (5) for scenes), and the two blocks
    stand side by side (6). Labels that start with `scene:` are scenes, all others are objects.

    Departures: X^p is kept sparse, label by label; only labels seen on training accounts are
    dimensions, and a block sums to 1 over these. A block in which nothing was seen is absent, and
    so is an account with two such blocks: the paper does not say what becomes of them. Labels that
    hold the name of an account, test accounts too, or are the name of a member of an audience whose
    semantics these are, are left out: a table may hold what people wrote for labels.
    """

    name = "labels"
    takes = LabelOptions
    learns = LabelFit
    modalities = schema.VISUAL_MODALITIES
    file = "labels.json"
    reads_text = False

    def own_labels(self) -> Collection[str]:
        """Returns labels that stay, whoever bears one as a name."""
        return ()

    def scored(self, posts: list[Post]) -> tuple[list[Post], Counter[str]]:
        """Returns posts with their labels, and what is to be counted of how these were found."""
        return posts, Counter()

    @property
    def _thresholds(self) -> dict[str, float]:
        return {OBJECT: self.options.object_threshold, SCENE: self.options.scene_threshold}

    def prepare(self, material: RawMaterial, training: Collection[str]) -> LabelFit:
        """Returns which labels there are: those that a training account shows."""
        own, limits = set(self.own_labels()), self._thresholds
        seen = {
            label
            for post in self.sample(material, training)
            for label, score in post.labels.items()
            if score > 0 and score >= limits[_block(label)]
        }
        of_tables = {label: label.removeprefix(SCENE_PREFIX) for label in seen - own}
        accounts = AccountNames(material.accounts)
        left_out = {label for label, name in of_tables.items() if name in accounts}
        if self.of == AUDIENCE and of_tables.keys() - left_out:
            members = MemberNames(of_tables.values())
            for _ in members.watch(self.stream(material)):
                pass
            left_out |= {label for label, name in of_tables.items() if name in members}
        labels = sorted((seen | own) - left_out, key=_by_block)
        report = {
            "of": self.of,
            "thresholds": limits,
            "min_members": self.min_members if self.of == AUDIENCE else None,
            "labels_left_out_as_names": len(left_out),
        }
        return self.learns(labels=list(map(label_token, labels)), report=report)

    def batch(self, posts: list[Post]) -> LabelSums:
        """Returns the sums of what posts show of the known labels."""
        known = {token_label(token) for token in self.fitted.labels}
        sums = LabelSums(self.min_members, sorted(known.union(self.own_labels()), key=_by_block))
        found, sums.told = self.scored(posts)
        limits = self._thresholds
        for post in found:
            sums.see(post, limits)
        return sums

    def conclude(self, total: LabelSums, training: Collection[str]) -> None:
        """Keeps the labels that training accounts show, and counts what they are."""
        n = len(total.labels)
        shown = [total.vectors[one] for one in training if one in total.vectors]
        counts = sum(shown, np.zeros(2 * n + 1)).astype(int).tolist()
        n_posts_with = dict(zip(total.labels, counts[n:], strict=False))
        labels = [label for label in total.labels if n_posts_with[label]]
        n_posts = sum(total.n_vectors[account] for account in training)
        if not labels:
            raise TooLittleError(
                f"{self.modality}: none of the {n_posts} posts of the training accounts has a "
                f"label with a score of {self.options.object_threshold:g} (objects) or "
                f"{self.options.scene_threshold:g} (scenes) or more that is no name; lower the "
                f"thresholds, or leave the modality out of the configuration."
                f"{self.told_besides(total.told)}"
            )
        self.fitted.labels = list(map(label_token, labels))
        self.fitted.report |= {
            "training_accounts": len(training),
            "training_accounts_with_labels": sum(bool(one[-1]) for one in shown),
            "training_posts": n_posts,
            "training_posts_with_labels": counts[-1],
            "labels": {block: len(_of_block(labels, block)) for block in BLOCKS},
            "most_frequent_labels": {
                block: [
                    [label_token(label), n_posts_with[label]]
                    for label in sorted(
                        _of_block(labels, block), key=lambda one: (-n_posts_with[one], one)
                    )[:_N_SHOWN]
                ]
                for block in BLOCKS
            },
        }

    def told_besides(self, _: Counter[str]) -> str:
        """Returns what else to say where no label is left."""
        return ""

    def values(self, total: LabelSums) -> Mapping[str, Any]:
        """Returns account -> label -> weight; weights are positive and sum to 1 in each block.

        Labels are written as tokens (`label_token`) and stand in the order of `dimensions`.
        """
        places = {token_label(token): place for place, token in enumerate(self.fitted.labels)}
        columns = [place for place, label in enumerate(total.labels) if label in places]
        accounts = [one for one in total.enough() if total.vectors[one][columns].any()]
        return LabelWeights(total, columns, self.fitted.labels, accounts)

    def dimensions(self) -> list[str]:
        """Returns the labels that can occur, as tokens: objects first, then scenes, each sorted."""
        return list(self.fitted.labels)


class LabelWeights(Mapping[str, dict[str, float]]):
    """Account -> label token -> weight: equations (4) to (6) from sums, made when asked for."""

    def __init__(
        self, sums: LabelSums, columns: list[int], tokens: list[str], accounts: list[str]
    ) -> None:
        self._sums, self._columns, self._tokens = sums, columns, tokens
        self._accounts = dict.fromkeys(accounts)
        self._n_objects = sum(not token.startswith(SCENE_PREFIX) for token in tokens)

    def __getitem__(self, account: str) -> dict[str, float]:
        """Returns an account's weights."""
        if account not in self._accounts:
            raise KeyError(account)
        weights = self._sums.vectors[account][self._columns]
        for block in (weights[: self._n_objects], weights[self._n_objects :]):
            block /= sum(block.tolist()) or 1
        kept = zip(self._tokens, weights.tolist(), strict=True)
        return {token: weight for token, weight in kept if weight}

    def __iter__(self) -> Iterator[str]:
        """Yields the accounts."""
        return iter(self._accounts)

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._accounts)


def label_token(label: str) -> str:
    """Returns a label as one token of an atomic file; `token_label` is its inverse.

    A space becomes `+`; what separates fields or lists in some format, quotes, `%` and `+`
    themselves become `%` and two hexadecimal digits per UTF-8 byte, as in web forms. Letters of all
    scripts stay readable.

    Raises:
        ConversionError: The label is empty.
    """
    if not label:
        raise ConversionError("A label of a post is empty; wanted the name of an object or scene.")
    return _UNSAFE.sub(lambda match: _escaped(match[0]), label)


def token_label(token: str) -> str:
    """Returns the label that a token stands for."""
    return unquote_plus(token, errors="surrogatepass")


def _escaped(character: str) -> str:
    if character == " ":
        return "+"
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))


def _block(label: str) -> str:
    return SCENE if label.startswith(SCENE_PREFIX) else OBJECT


def _by_block(label: str) -> tuple[int, str]:
    return BLOCKS.index(_block(label)), label


def _of_block(labels: Collection[str], block: str) -> list[str]:
    return [label for label in labels if _block(label) == block]
