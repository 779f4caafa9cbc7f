"""Means by account of what its posts give, summed as they pass by: weights of labels, vectors.

Memory is bounded by the accounts and does not grow with the number of posts.
"""

import sys
from array import array
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


def _no_scores() -> "array[float]":
    return array("d")


class LabelSums:
    """Sums of scores by account and label: 8 bytes for each label that any account shows.

    Args:
        min_members: Members of an audience that must have shown a known label. Which labels are
            known may be settled later than the sums, so each label of which that is open remembers
            as many members.
    """

    def __init__(self, min_members: int) -> None:
        self._min_members = min_members
        self._numbers: dict[str, int] = {}
        self._sums: defaultdict[str, array[float]] = defaultdict(_no_scores)
        self._members: defaultdict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
        self._sure: defaultdict[str, set[str]] = defaultdict(set)

    def add(
        self, account: str, member: str, seen: Mapping[str, float], *, settled: Container[str] = ()
    ) -> None:
        """Adds what one post shows.

        Args:
            account: Whose content, or whose audience's content, the post is.
            member: Who wrote it.
            seen: Label -> score, above 0.
            settled: Labels that will be known for certain.
        """
        if not seen:
            return
        total = self._sums[account]
        for label, score in seen.items():
            number = self._numbers.setdefault(label, len(self._numbers))
            if number >= len(total):
                total.extend([0.0] * (number + 1 - len(total)))
            total[number] += score
        sure, least = self._sure[account], self._min_members
        if len(sure) == least:
            return
        if any(label in settled for label in seen):
            sure.add(member)
            if len(sure) == least:
                self._members.pop(account, None)
        elif least > 1:
            of_label = self._members[account]
            for label in seen:
                members = of_label.get(label, ())
                # No more of them than are needed to tell that the audience is large enough.
                if len(members) < least and member not in members:
                    of_label[sys.intern(label)] = (*members, sys.intern(member))

    def of(self, known: Collection[str]) -> Iterator[tuple[str, dict[str, float]]]:
        """Yields each account with label -> sum, of the known labels only.

        Accounts without a known label, or whose known labels too few members have shown, are
        absent.
        """
        for account, total in self._sums.items():
            kept = {
                label: score
                for label, score in zip(self._numbers, total, strict=False)
                if score > 0 and label in known
            }
            if kept and self._n_members(account, kept) >= self._min_members:
                yield account, kept

    def _n_members(self, account: str, labels: Collection[str]) -> int:
        if self._min_members == 1:
            return 1
        of_label = self._members.get(account, {})
        open_members = {member for label in labels for member in of_label.get(label, ())}
        return len(self._sure[account] | open_members)


class LabelWeights(Mapping[str, dict[str, float]]):
    """Account -> label -> weight; a number and a weight an entry, made a dict when asked for.

    Args:
        rows: Each account once, with its labels and weights.
    """

    def __init__(self, rows: Iterable[tuple[str, Mapping[str, float]]]) -> None:
        numbers: dict[str, int] = {}
        self._rows: dict[str, tuple[npt.NDArray[np.int32], Vector]] = {}
        for account, weights in rows:
            places = [numbers.setdefault(label, len(numbers)) for label in weights]
            self._rows[account] = (np.array(places, np.int32), np.array([*weights.values()]))
        self._labels = list(numbers)

    def __getitem__(self, account: str) -> dict[str, float]:
        """Returns an account's weights, labels in the order in which they were given."""
        places, weights = self._rows[account]
        labels = (self._labels[place] for place in places.tolist())
        return dict(zip(labels, weights.tolist(), strict=True))

    def __iter__(self) -> Iterator[str]:
        """Yields the accounts."""
        return iter(self._rows)

    def __len__(self) -> int:
        """How many accounts there are."""
        return len(self._rows)


@dataclass
class _Account:
    total: Vector
    n_posts: int = 0
    members: set[str] = field(default_factory=set)


class MeanVectors:
    """Means of unit vectors by account.

    Args:
        min_members: Members of an audience that must have given a vector.
    """

    def __init__(self, min_members: int) -> None:
        self._min_members = min_members
        self._accounts: dict[str, _Account] = {}

    def add(self, account: str, member: str, vector: npt.NDArray[np.float32]) -> bool:
        """Adds a post's vector, divided by its length.

        Args:
            account: Whose content, or whose audience's content, the post is.
            member: Who wrote it.
            vector: Of the length that all vectors have.

        Returns:
            Whether it has a direction; one that is zero or not finite is left out.
        """
        exact = vector.astype(np.float64)
        length = np.linalg.norm(exact)
        if not np.isfinite(length) or length == 0:
            return False
        known = self._accounts.setdefault(account, _Account(np.zeros_like(exact)))
        known.total += exact / length
        known.n_posts += 1
        # No more names than are needed to tell that the audience is large enough.
        if len(known.members) < self._min_members:
            known.members.add(member)
        return True

    def means(self) -> dict[str, Vector]:
        """Returns account -> mean, of a length up to 1: the less the posts agree, the shorter.

        Accounts without a vector, with too few members, or whose vectors cancel out are absent.
        """
        return {
            account: known.total / known.n_posts
            for account, known in self._accounts.items()
            if len(known.members) >= self._min_members and known.total.any()
        }
