"""Visual semantics of accounts, from the label scores of their posts."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote_plus

from dataset_convert import schema
from dataset_convert.common.files import write_whole
from dataset_convert.features.base import AUDIENCE, CONTENT, STREAMS
from dataset_convert.features.label_sums import LabelSums
from dataset_convert.features.label_weights import LabelWeights
from dataset_convert.name_checks import AccountNames, MemberNames
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

SCENE_PREFIX: Final = "scene:"
"""Marks the labels of the scene block; every other label is of the object block."""
PAPER_THRESHOLD: Final = 0.1
OBJECT, SCENE = "object", "scene"
BLOCKS: Final = (OBJECT, SCENE)

_FILE = "labels.json"
_N_SHOWN = 20
_UNSAFE = re.compile(
    rf"[\s%+\"{re.escape(schema.FORBIDDEN_IN_TOKENS)}\x00-\x1f\x7f-\x9f\ud800-\udfff]"
)


class LabelScoreExtractor:
    """Sums, per account, what a classifier saw in its posts: X^p and Y^p of Wang et al. (2023).

    Scores below the threshold count as zero; the rest is summed over the account's posts and
    divided by the sum of its block (equations (4) for objects, (5) for scenes), and the two blocks
    stand side by side (6). Labels that start with `scene:` are scenes, all others are objects.

    Departures: X^p is kept sparse, label by label; only labels seen on training accounts are
    dimensions, and a block sums to 1 over these. A block in which nothing was seen is absent, and
    so is an account with two such blocks: the paper does not say what becomes of them. Labels that
    hold the name of an account, test accounts too, or are the name of a member of an audience whose
    semantics these are, are left out: a table may hold what people wrote for labels.

    Args:
        of: `content` (the account's own posts) or `audience` (posts of its audience).
        object_threshold: Lowest score of an object that counts, in [0, 1]; 0.1 in the paper.
        scene_threshold: The same of scenes.
        min_members: Fewest members of an audience that must have shown a known label; below it the
            account has no audience semantics. Content does not look at it.

    Raises:
        ValueError: A parameter outside its range.
    """

    def __init__(
        self,
        *,
        of: str,
        object_threshold: float = PAPER_THRESHOLD,
        scene_threshold: float = PAPER_THRESHOLD,
        min_members: int = 1,
    ) -> None:
        thresholds = {OBJECT: object_threshold, SCENE: scene_threshold}
        if of not in STREAMS:
            raise ValueError(
                f"The 'of' parameter of LabelScoreExtractor must be one of {', '.join(STREAMS)}. "
                f"Received: {of!r}"
            )
        for block, threshold in thresholds.items():
            if not 0 <= threshold <= 1:
                raise ValueError(
                    f"The '{block}_threshold' parameter of LabelScoreExtractor must be in [0, 1]. "
                    f"Received: {threshold}"
                )
        if min_members < 1:
            raise ValueError(
                "The 'min_members' parameter of LabelScoreExtractor must be 1 or more. "
                f"Received: {min_members}"
            )
        self.modality: str = schema.CONTENT_VISUAL if of == CONTENT else schema.AUDIENCE_VISUAL
        self._of = of
        self._thresholds = thresholds
        self._min_members = min_members
        self._labels: list[str] = []
        self._fit_report: dict[str, Any] = {}
        self._summed: tuple[RawMaterial, LabelSums] | None = None

    def fit(
        self,
        material: RawMaterial,
        training: Collection[str],
        *,
        own_labels: Collection[str] = (),
        source: RawMaterial | None = None,
    ) -> None:
        """Learns which labels there are: those that a training account shows.

        Args:
            material: Everything the source holds. The posts are streamed once, for the transform of
                the same material too; those of audiences a second time for their members' names,
                and a third time where a label is one.
            training: The accounts to learn from; of all others nothing but their names is used,
                which are left out.
            own_labels: Of a classifier: they stay, whoever bears one as a name.
            source: Where members are read, if it takes long to stream the posts of `material`.

        Raises:
            TooLittleError: No training account shows any label.
        """
        names = _Refused(AccountNames(material.accounts), frozenset(own_labels))
        counts, sums = self._count(material, training, names)
        if self._of == AUDIENCE and names.learn_members(
            counts.n_posts_with, (source or material).audience_posts()
        ):
            del counts, sums  # large: never twice at a time
            counts, sums = self._count(material, training, names)
        if not counts.n_posts_with:
            if not next((post for post in self._stream(material) if post.labels), None):
                raise TooLittleError(f"{self.modality}: no post has labels.")
            raise TooLittleError(
                f"{self.modality}: none of the {counts.n_posts} posts of the training accounts has "
                f"a label with a score of {self._thresholds[OBJECT]:g} (objects) or "
                f"{self._thresholds[SCENE]:g} (scenes) or more that is no name; lower the "
                f"thresholds, or leave the modality out of the configuration."
            )
        self._summed = (material, sums)
        self._labels = sorted(counts.n_posts_with, key=_by_block)
        self._fit_report = {
            "training_accounts": len(frozenset(training)),
            "training_accounts_with_labels": len(counts.labelled),
            "training_posts": counts.n_posts,
            "training_posts_with_labels": counts.n_labelled,
            "labels": {block: len(_of_block(self._labels, block)) for block in BLOCKS},
            "labels_left_out_as_names": len(counts.left_out),
            "most_frequent_labels": {
                block: _most_frequent(counts.n_posts_with, block, _N_SHOWN) for block in BLOCKS
            },
        }

    def transform(self, material: RawMaterial) -> Mapping[str, Any]:
        """Returns account -> label -> weight; weights are positive and sum to 1 in each block.

        Labels are written as tokens (`label_token`) and stand in the order of `dimensions`.
        Accounts without a known label, or with too small an audience, are absent.

        Raises:
            RuntimeError: Before `fit`.
        """
        self._refuse_unfitted("transform")
        # Taken and let go: the sums of many accounts are large.
        kept, self._summed = self._summed, None
        known = frozenset(self._labels)
        if kept is not None and kept[0] is material:
            sums = kept[1]
        else:
            sums = self._no_sums()
            for post in self._stream(material):
                sums.add(post.account, post.member, self._seen(post), settled=known)
        return LabelWeights((account, _semantics(total)) for account, total in sums.of(known))

    def files(self) -> tuple[Path, ...]:
        """Returns nothing: all that the result depends on is in the material and the settings."""
        return ()

    def own_words(self) -> frozenset[str]:
        """Returns nothing: no list of ours has a part in the result."""
        return frozenset()

    def dimensions(self) -> list[str]:
        """Returns the labels that can occur, as tokens: objects first, then scenes, each sorted."""
        return [label_token(label) for label in self._labels]

    def report(self) -> dict[str, Any]:
        """Returns thresholds, coverage of the training accounts and the most frequent labels."""
        return {
            "of": self._of,
            "thresholds": dict(self._thresholds),
            "min_members": self._min_members if self._of == AUDIENCE else None,
            **self._fit_report,
        }

    def save(self, folder: Path) -> None:
        """Writes `labels.json`, under a temporary name first.

        Args:
            folder: An existing folder of this extractor alone.

        Raises:
            RuntimeError: Before `fit`.
        """
        self._refuse_unfitted("save")
        content = {
            "settings": {
                "of": self._of,
                "object_threshold": self._thresholds[OBJECT],
                "scene_threshold": self._thresholds[SCENE],
                "min_members": self._min_members,
            },
            "labels": self._labels,
            "fit": self._fit_report,
        }
        # ASCII: a label may hold what UTF-8 cannot.
        text = json.dumps(content, indent=2, sort_keys=True)
        write_whole(folder / _FILE, f"{text}\n".encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Returns a fitted extractor as it was saved.

        Raises:
            ConversionError: `labels.json` is missing or not as `save` writes it.
        """
        path = folder / _FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            extractor = cls(**content["settings"])
            labels, fit_report = content["labels"], content["fit"]
            _refuse_bad_content(labels, fit_report)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConversionError(
                f"{path}: found no saved label extractor ({type(error).__name__}: {error}); "
                f"convert the data set again."
            ) from error
        extractor._labels, extractor._fit_report = labels, fit_report
        return extractor

    def _count(
        self, material: RawMaterial, training: Collection[str], names: "_Refused"
    ) -> tuple["_Counts", LabelSums]:
        chosen = frozenset(training)
        counts, sums = _Counts(), self._no_sums()
        for post in self._stream(material):
            seen = self._seen(post)
            named = {label for label in seen if label in names}
            if named:
                seen = {label: score for label, score in seen.items() if label not in named}
            if post.account in chosen:
                counts.add(post.account, seen, named)
            sums.add(post.account, post.member, seen, settled=counts.n_posts_with)
        return counts, sums

    def _stream(self, material: RawMaterial) -> Iterator[Post]:
        return material.posts() if self._of == CONTENT else material.audience_posts()

    def _seen(self, post: Post) -> dict[str, float]:
        # A score of 0 is not seen, whatever the threshold; NaN compares false.
        return {
            label: score
            for label, score in post.labels.items()
            if score >= self._thresholds[_block(label)] and score > 0
        }

    def _no_sums(self) -> LabelSums:
        return LabelSums(min_members=self._min_members if self._of == AUDIENCE else 1)

    def _refuse_unfitted(self, method: str) -> None:
        if not self._labels:
            raise RuntimeError(f"LabelScoreExtractor.{method} needs a fitted extractor: call fit.")


class _Counts:
    """What the posts of the training accounts show."""

    def __init__(self) -> None:
        self.n_posts = self.n_labelled = 0
        self.n_posts_with: Counter[str] = Counter()
        self.labelled: set[str] = set()
        self.left_out: set[str] = set()

    def add(self, account: str, seen: Collection[str], left_out: Collection[str]) -> None:
        """Adds a post."""
        self.n_posts += 1
        self.n_labelled += bool(seen)
        self.n_posts_with.update(set(seen))
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


def _most_frequent(counts: Mapping[str, int], block: str, limit: int) -> list[list[object]]:
    labels = sorted(_of_block(counts.keys(), block), key=lambda label: (-counts[label], label))
    return [[label_token(label), counts[label]] for label in labels[:limit]]


def _semantics(total: Mapping[str, float]) -> dict[str, float]:
    """Returns label token -> weight: equations (4) to (6) from an account's sums."""
    # In one order, so that the sums do not hang on the order in which labels were seen.
    ordered = sorted(total, key=_by_block)
    of_block = {block: sum(total[one] for one in _of_block(ordered, block)) for block in BLOCKS}
    return {label_token(label): total[label] / of_block[_block(label)] for label in ordered}


def _refuse_bad_content(labels: object, fit_report: object) -> None:
    if not isinstance(fit_report, dict):
        raise TypeError("'fit' is no object")
    if (
        not isinstance(labels, list)
        or not labels
        or not all(isinstance(one, str) for one in labels)
    ):
        raise TypeError("'labels' is no list of names")
