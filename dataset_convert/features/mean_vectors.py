"""The mean direction of each account's posts, from vectors that pass by."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass
class _Account:
    total: Vector
    n_posts: int = 0
    members: set[str] = field(default_factory=set)


class MeanVectors:
    """Means of unit vectors by account; memory is bounded by the accounts, not by the posts.

    Args:
        min_members: Members of an audience that must have given a vector.
    """

    def __init__(self, *, min_members: int) -> None:
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
