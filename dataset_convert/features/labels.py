"""Visual semantics of accounts, from the label scores of their posts."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import unquote_plus

from pydantic import Field

from dataset_convert import schema
from dataset_convert.features.base import AUDIENCE, Extractor, Fitted, Options, Share, Whole
from dataset_convert.features.means import LabelSums, LabelWeights
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

    labels: Annotated[list[str], Field(min_length=1)]


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

    Posts are streamed once, for the transform of the same material too; those of audiences a
    second time for their members' names, and a third time where a label is one.
    """

    takes = LabelOptions
    learns = LabelFit
    modalities = schema.VISUAL_MODALITIES
    file = "labels.json"
    reads_text = False

    def own_labels(self) -> frozenset[str]:
        """Returns labels that stay, whoever bears one as a name."""
        return frozenset()

    def scored(self, posts: Iterable[Post]) -> Iterable[Post]:
        """Returns posts with their labels."""
        return posts

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns which labels there are: those that a training account shows."""
        names = _Refused(AccountNames(material.accounts), self.own_labels())
        counts, sums = self._count(material, training, names)
        if self.of == AUDIENCE and names.learn_members(counts.n_posts_with, self.stream(material)):
            del counts, sums  # large: never twice at a time
            counts, sums = self._count(material, training, names)
        if not counts.n_posts_with:
            if not counts.any_labels:
                raise TooLittleError(f"{self.modality}: no post has labels.")
            raise TooLittleError(
                f"{self.modality}: none of the {counts.n_posts} posts of the training accounts has "
                f"a label with a score of {self.options.object_threshold:g} (objects) or "
                f"{self.options.scene_threshold:g} (scenes) or more that is no name; lower the "
                f"thresholds, or leave the modality out of the configuration."
            )
        labels = sorted(counts.n_posts_with, key=_by_block)
        report = {
            "of": self.of,
            "thresholds": {
                OBJECT: self.options.object_threshold,
                SCENE: self.options.scene_threshold,
            },
            "min_members": self.min_members if self.of == AUDIENCE else None,
            "training_accounts": len(frozenset(training)),
            "training_accounts_with_labels": len(counts.labelled),
            "training_posts": counts.n_posts,
            "training_posts_with_labels": counts.n_labelled,
            "labels": {block: len(_of_block(labels, block)) for block in BLOCKS},
            "labels_left_out_as_names": len(counts.left_out),
            "most_frequent_labels": {
                block: _most_frequent(counts.n_posts_with, block) for block in BLOCKS
            },
        }
        self._fitted = self.learns(labels=list(map(label_token, labels)), report=report)
        self.keep(material, sums)

    def transform(self, material: RawMaterial) -> Mapping[str, Any]:
        """Returns account -> label -> weight; weights are positive and sum to 1 in each block.

        Labels are written as tokens (`label_token`) and stand in the order of `dimensions`.
        """
        known = frozenset(map(token_label, self.fitted.labels))
        sums: LabelSums | None = self.kept(material)
        if sums is None:
            sums = LabelSums(self.min_members)
            for post in self.scored(self.stream(material)):
                sums.add(post.account, post.member, self._seen(post), settled=known)
        tokens = {label: label_token(label) for label in sorted(known, key=_by_block)}
        return LabelWeights((account, _semantics(one, tokens)) for account, one in sums.of(known))

    def dimensions(self) -> list[str]:
        """Returns the labels that can occur, as tokens: objects first, then scenes, each sorted."""
        return list(self.fitted.labels)

    def _count(
        self, material: RawMaterial, training: Collection[str], names: "_Refused"
    ) -> tuple["_Counts", LabelSums]:
        chosen = frozenset(training)
        counts, sums = _Counts(), LabelSums(self.min_members)
        for post in self.scored(self.stream(material)):
            counts.any_labels |= bool(post.labels)
            seen = self._seen(post)
            named = {label for label in seen if label in names}
            if named:
                seen = {label: score for label, score in seen.items() if label not in named}
            if post.account in chosen:
                counts.add(post.account, seen, named)
            sums.add(post.account, post.member, seen, settled=counts.n_posts_with)
        return counts, sums

    def _seen(self, post: Post) -> dict[str, float]:
        # A score of 0 is not seen, whatever the threshold; NaN compares false.
        of_objects, of_scenes = self.options.object_threshold, self.options.scene_threshold
        return {
            label: score
            for label, score in post.labels.items()
            if score > 0 and score >= (of_scenes if label.startswith(SCENE_PREFIX) else of_objects)
        }


class _Counts:
    """What the posts of the training accounts show."""

    def __init__(self) -> None:
        self.any_labels = False
        self.n_posts = self.n_labelled = 0
        self.n_posts_with: Counter[str] = Counter()
        self.labelled: set[str] = set()
        self.left_out: set[str] = set()

    def add(self, account: str, seen: Collection[str], left_out: Collection[str]) -> None:
        """Adds a post."""
        self.n_posts += 1
        self.n_labelled += bool(seen)
        self.n_posts_with.update(list(seen))  # of a mapping it would add the values
        self.left_out.update(left_out)
        if seen:
            self.labelled.add(account)


class _Refused:
    """Labels that are names; each is looked up once, as there are far more posts than labels."""

    def __init__(self, names: AccountNames, own_labels: frozenset[str]) -> None:
        self._names = names
        self._own_labels = own_labels
        self._members = MemberNames(())
        self._known: dict[str, bool] = {}

    def learn_members(self, labels: Collection[str], posts: Iterable[Post]) -> bool:
        """Streams the posts of audiences; returns whether a label is the name of a member."""
        open_labels = {label: _name(label) for label in labels if label not in self._own_labels}
        if not open_labels:
            return False
        self._members = MemberNames(open_labels.values())
        for _ in self._members.watch(posts):
            pass
        self._known.clear()
        return any(name in self._members for name in open_labels.values())

    def __contains__(self, label: str) -> bool:
        if label not in self._known:
            name = _name(label)
            self._known[label] = label not in self._own_labels and (
                name in self._names or name in self._members
            )
        return self._known[label]


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


def _name(label: str) -> str:
    return label.removeprefix(SCENE_PREFIX)


def _block(label: str) -> str:
    return SCENE if label.startswith(SCENE_PREFIX) else OBJECT


def _by_block(label: str) -> tuple[int, str]:
    return BLOCKS.index(_block(label)), label


def _of_block(labels: Collection[str], block: str) -> list[str]:
    return [label for label in labels if _block(label) == block]


def _most_frequent(counts: Mapping[str, int], block: str) -> list[list[object]]:
    labels = sorted(_of_block(counts.keys(), block), key=lambda label: (-counts[label], label))
    return [[label_token(label), counts[label]] for label in labels[:_N_SHOWN]]


def _semantics(total: Mapping[str, float], tokens: Mapping[str, str]) -> dict[str, float]:
    """Returns label token -> weight: equations (4) to (6) from an account's sums.

    In the order of the tokens, so that the sums do not hang on the order in which labels were seen.
    """
    shown = [label for label in tokens if label in total]
    n_objects = sum(not label.startswith(SCENE_PREFIX) for label in shown)
    found: dict[str, float] = {}
    for block in (shown[:n_objects], shown[n_objects:]):
        whole = sum(total[label] for label in block)
        found |= {tokens[label]: total[label] / whole for label in block}
    return found
