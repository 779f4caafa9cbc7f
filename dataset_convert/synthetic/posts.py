"""Posts of synthetic accounts, drawn anew whenever they are streamed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dataset_convert.raw import Post
from dataset_convert.synthetic.population import Floats, Ints
from dataset_convert.synthetic.spec import PostSpec
from dataset_convert.synthetic.vocabulary import words as words_of

Mask = npt.NDArray[np.bool_]
N_TOPICS: Final = 2
"""Of a caption, one after the other; they may be the same."""
COMMON_SHARE: Final = 0.2
"""Of a caption's words, how many are common ones."""
FIRST_SECOND: Final = 1_640_995_200
"""2022-01-01."""
N_SECONDS: Final = 2 * 365 * 86_400
SCORE_RANGE: Final = (0.03, 0.97)
"""Of what a classifier is right about; some scores are below the paper's threshold of 0.1."""
WRONG_SCORE_RANGE: Final = (0.01, 0.2)
"""Of what it sees and is not there, one label a picture; most are below the threshold."""


@dataclass(frozen=True, eq=False)
class PostDraws:
    """Streams the posts of some accounts, or of their audiences.

    An account's posts depend on the seed and on its own number and shares alone, and only one
    account's posts are in memory at a time.

    Attributes:
        spec: Number and size of the posts.
        seed: Of the draws; the account's number follows.
        accounts: Ids.
        topics: (account, topic) shares.
        words: The words of each topic, as many of each, the most frequent first.
        labels: (account, object) and (account, scene) shares.
        label_names: Of the objects, then of the scenes.
        silent: (account,) whether there are no posts.
        unseen: (account,) whether the posts have no labels.
        is_audience: Whether members of an audience write them: they have names then, and likes
            and comments are unknown.
    """

    spec: PostSpec
    seed: tuple[int, int]
    accounts: tuple[str, ...]
    topics: Floats
    words: tuple[tuple[str, ...], ...]
    labels: tuple[Floats, Floats]
    label_names: tuple[tuple[str, ...], tuple[str, ...]]
    silent: Mask
    unseen: Mask
    is_audience: bool

    def __len__(self) -> int:
        return int((~self.silent).sum()) * self.spec.n_members * self.spec.n_posts

    def __call__(self) -> Iterator[Post]:
        """Yields the posts account by account, the same at every call."""
        for number in np.flatnonzero(~self.silent):
            yield from self._of_account(int(number))

    def _of_account(self, number: int) -> Iterator[Post]:
        rng = np.random.default_rng([*self.seed, number])
        account, n_posts = self.accounts[number], self.spec.n_members * self.spec.n_posts
        captions = self._captions(number, n_posts, rng)
        labels = self._labels(number, n_posts, rng)
        times = np.sort(rng.integers(FIRST_SECOND, FIRST_SECOND + N_SECONDS, n_posts)).tolist()
        likes = np.rint(np.exp(5 + rng.standard_normal(n_posts))).tolist()
        comments = np.rint(np.exp(2 + rng.standard_normal(n_posts))).tolist()
        for i in range(n_posts):
            yield Post(
                account=account,
                text=captions[i],
                member=f"{account}_fan_{1 + i % self.spec.n_members:02d}"
                if self.is_audience
                else "",
                timestamp=float(times[i]),
                n_likes=None if self.is_audience else likes[i],
                n_comments=None if self.is_audience else comments[i],
                labels={} if self.unseen[number] else labels[i],
            )

    def _captions(self, number: int, n_posts: int, rng: np.random.Generator) -> list[str]:
        low, high = self.spec.n_words
        topics = draw(self.topics[number], (n_posts, N_TOPICS), rng).tolist()
        word = draw(1 / np.arange(2, 2 + len(self.words[0])), (n_posts, high), rng).tolist()
        common = rng.integers(len(words_of("common_words")), size=(n_posts, high)).tolist()
        is_common = (rng.random((n_posts, high)) < COMMON_SHARE).tolist()
        n_words = rng.integers(low, high + 1, n_posts).tolist()
        ornament = rng.integers(1000, size=n_posts).tolist()
        common_words = words_of("common_words")
        captions = []
        for i, n in enumerate(n_words):
            said = [
                common_words[common[i][j]]
                if is_common[i][j]
                else self.words[topics[i][j * N_TOPICS // n]][word[i][j]]
                for j in range(n)
            ]
            captions.append(_ornamented(said, ornament[i]))
        return captions

    def _labels(
        self, number: int, n_posts: int, rng: np.random.Generator
    ) -> list[dict[str, float]]:
        found: list[dict[str, float]] = [{} for _ in range(n_posts)]
        n_seen = (self.spec.n_objects, self.spec.n_scenes)
        for names, shares, n in zip(self.label_names, self.labels, n_seen, strict=True):
            wrong = rng.integers(len(names), size=(n_posts, 1))
            seen = np.hstack([wrong, draw(shares[number], (n_posts, n), rng)]).tolist()
            scores = np.hstack(
                [
                    rng.uniform(*WRONG_SCORE_RANGE, (n_posts, 1)),
                    rng.uniform(*SCORE_RANGE, (n_posts, n)),
                ]
            )
            for post, labels, values in zip(found, seen, np.round(scores, 3).tolist(), strict=True):
                post.update(zip(map(names.__getitem__, labels), values, strict=True))
        return found


def draw(shares: Floats, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Draws numbers in proportion to shares, with replacement."""
    steps = np.cumsum(shares)
    return np.asarray(np.searchsorted(steps, rng.random(shape) * steps[-1], side="right"))


def _ornamented(words: list[str], number: int) -> str:
    """Returns a caption with the hashtags, mentions, links and emoji that its number says."""
    if number % 2 == 0:
        words[-1] = f"#{words[-1]}"
    if number % 5 == 0:
        words.append(f"@friend_{number}")
    if number % 7 == 0:
        words.append(f"https://shop.example/{number}")
    if number % 3 == 0:
        emoji = words_of("emoji")
        words.append(emoji[number % len(emoji)])
    return " ".join(words)
