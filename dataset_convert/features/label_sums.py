"""What was seen in the posts of each account, summed as they pass by."""

import sys
from array import array
from collections import defaultdict
from collections.abc import Collection, Container, Iterator, Mapping


def _no_scores() -> "array[float]":
    return array("d")


class LabelSums:
    """Sums of scores by account and label: 8 bytes for each label that any account shows.

    Memory does not grow with the number of posts.

    Args:
        min_members: Members of an audience that must have shown a known label. Which labels are
            known may be settled later than the sums, so each label of which that is open remembers
            as many members.
    """

    def __init__(self, *, min_members: int) -> None:
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
        sure = self._sure[account]
        if len(sure) == self._min_members:
            return
        if any(label in settled for label in seen):
            sure.add(member)
            if len(sure) == self._min_members:
                self._members.pop(account, None)
        elif self._min_members > 1:
            self._add_member(self._members[account], sys.intern(member), seen)

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

    def _add_member(
        self, of_label: dict[str, tuple[str, ...]], member: str, seen: Mapping[str, float]
    ) -> None:
        for label in seen:
            members = of_label.get(label, ())
            # No more of them than are needed to tell that the audience is large enough.
            if len(members) < self._min_members and member not in members:
                of_label[sys.intern(label)] = (*members, member)

    def _n_members(self, account: str, labels: Collection[str]) -> int:
        if self._min_members == 1:
            return 1
        of_label = self._members.get(account, {})
        open_members = {member for label in labels for member in of_label.get(label, ())}
        return len(self._sure[account] | open_members)
