"""Which posts and which members of an audience are kept where the release holds more of them."""

import hashlib
from collections.abc import Callable
from typing import Final

_BYTES: Final = 8

Hash = Callable[..., int]


def keyed_hash(seed: int) -> Hash:
    """Returns a function that makes a number of texts: another draw for another seed.

    Args:
        seed: Any number of 0 or more.
    """
    key = seed.to_bytes(max(1, (seed.bit_length() + 7) // 8), "little")
    base = hashlib.blake2b(hashlib.sha256(key).digest(), digest_size=_BYTES)

    def hash_of(*texts: str) -> int:
        state = base.copy()
        for text in texts:
            content = text.encode("utf-8", "replace")
            # The lengths keep ("ab", "c") apart from ("a", "bc").
            state.update(b"%d:" % len(content) + content)
        return int.from_bytes(state.digest(), "big")

    return hash_of


class _Smallest:
    """The smallest numbers of those that were offered, each once."""

    __slots__ = ("highest", "limit", "numbers")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.numbers: set[int] = set()
        self.highest = -1

    def offer(self, number: int) -> int | None:
        """Returns the number that had to leave; the offered one itself where it was not taken."""
        if len(self.numbers) < self.limit:
            self.numbers.add(number)
            self.highest = max(self.highest, number)
            return None
        if number >= self.highest:
            return number
        left = self.highest
        self.numbers.remove(left)
        self.numbers.add(number)
        self.highest = max(self.numbers)
        return left


class Choice:
    """A fair choice of posts by their hashes, whatever order they come in.

    Memory holds no more than the chosen numbers: `max_members * max_posts` an account.

    Args:
        max_posts: Posts a member; of the account itself where it has one "member".
        max_members: Members an account.
    """

    def __init__(self, *, max_posts: int, max_members: int = 1) -> None:
        self._max_posts, self._max_members = max_posts, max_members
        self._members: dict[str, _Smallest] = {}
        self._posts: dict[str, dict[int, _Smallest]] = {}

    def offer(self, account: str, member: int, post: int) -> bool | None:
        """Returns whether a post may be among the chosen; None for one that is there already.

        Args:
            account: Whose posts, or whose audience's.
            member: Hash of who wrote it.
            post: Hash of the post's content.
        """
        posts = self._posts.setdefault(account, {})
        if member not in posts:
            members = self._members.setdefault(account, _Smallest(self._max_members))
            left = members.offer(member)
            if left == member:
                return False
            if left is not None:
                del posts[left]
            posts[member] = _Smallest(self._max_posts)
        chosen = posts[member]
        if post in chosen.numbers:
            return None
        return chosen.offer(post) != post

    def holds(self, account: str, member: int, post: int) -> bool:
        """Returns whether a post is among the chosen once all were offered."""
        posts = self._posts.get(account, {})
        return member in posts and post in posts[member].numbers
