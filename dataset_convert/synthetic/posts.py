"""What synthetic accounts speak of, in which words, and their posts, drawn whenever streamed.

A vocabulary's dimensions come in niches. A niche is named in two ways: in words that brands
prefer and in words that people prefer, so that equal interests rarely meet in equal words. Some
dimensions belong to no niche: everybody uses them and they say nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt
import yaml

from dataset_convert import schema
from dataset_convert.features.labels import SCENE_PREFIX
from dataset_convert.raw import Post
from dataset_convert.synthetic import PostSpec, SyntheticSpec
from dataset_convert.synthetic.population import Floats, Ints

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
NO_NICHE = -1
BRAND_WORD, SHARED_WORD, PERSONAL_WORD = 1, 0, -1
LABEL_ACCENTS = ([1, 1, 0, 0, -1, -1], [1, 0, -1])
"""Of the objects of a niche, then of its scenes."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The dimensions of one modality."""

    names: tuple[str, ...]
    niche: npt.NDArray[np.int64]  # of the dimension, or `NO_NICHE`
    accent: npt.NDArray[np.int64]  # `BRAND_WORD`, `SHARED_WORD` or `PERSONAL_WORD`

    @property
    def n_niches(self) -> int:
        """Number of niches."""
        return int(self.niche.max()) + 1

    def of(self, niche: int) -> tuple[str, str]:
        """Returns a niche's name in words of brands and its name in words of people."""
        inside = self.niche == niche
        brand, person = (
            np.argmax(inside & (self.accent == x)) for x in (BRAND_WORD, PERSONAL_WORD)
        )
        return self.names[brand], self.names[person]


@cache
def rows(name: str) -> tuple[str, ...]:
    """Returns the rows of an entry of `words.yaml`."""
    text = resources.files("dataset_convert.synthetic").joinpath("words.yaml").read_text("utf-8")
    return tuple(yaml.safe_load(text)[name].strip().split("\n"))


@cache
def words(name: str) -> tuple[str, ...]:
    """Returns the words of an entry of `words.yaml`."""
    return tuple(" ".join(rows(name)).split())


@cache
def topic_word_lists() -> dict[str, tuple[str, ...]]:
    """Returns topic -> its ten words, the most frequent first."""
    entries = (f"{name}{end}" for name in schema.TOPIC_MODALITIES for end in ("", "_of_no_niche"))
    split = (row.split(": ") for entry in entries for row in rows(entry))
    return {name: tuple(said.split()) for name, said in split}


def topics(modality: str, n_niches: int) -> Vocabulary:
    """Returns two topics a niche and those of no niche.

    In full these are 22 of the content, of 9 niches, and 21 of the audience, of 8 niches.
    """
    names = [row.split(": ")[0] for row in rows(modality)]
    of_niches = [names[2 * niche : 2 * niche + 2] for niche in range(n_niches)]
    others = [row.split(": ")[0] for row in rows(f"{modality}_of_no_niche")]
    return _vocabulary(of_niches, [BRAND_WORD, PERSONAL_WORD], others)


def labels(n_niches: int) -> tuple[Vocabulary, Vocabulary]:
    """Returns objects and scenes: six and three a niche, and those of no niche.

    In full these are 120 objects and 60 scenes, of 18 niches.
    """
    made = []
    for block, (prefix, accents) in enumerate(zip(("", SCENE_PREFIX), LABEL_ACCENTS, strict=True)):
        of_niches, others = (
            [[prefix + name for name in row.split(" | ")[block].split()] for row in rows(entry)]
            for entry in ("labels", "labels_of_no_niche")
        )
        made.append(_vocabulary(of_niches[:n_niches], accents, [n for row in others for n in row]))
    return made[0], made[1]


def attributes(n_niches: int) -> Vocabulary:
    """Returns seven attributes a niche and those of no niche (282 in full, of 36 niches).

    All are names of concepts of the lexicon, which finds their ancestors beside them.
    """
    of_niches = [row.replace("|", " ").split() for row in rows("attributes")[:n_niches]]
    accents = [BRAND_WORD] * 3 + [SHARED_WORD] + [PERSONAL_WORD] * 3
    return _vocabulary(of_niches, accents, list(words("attributes_of_no_niche")))


def vocabularies(spec: SyntheticSpec) -> dict[str, tuple[Vocabulary, ...]]:
    """Returns modality -> its vocabularies; a visual modality has objects, then scenes."""
    seen = labels(spec.n_label_niches)
    return {
        schema.CONTENT_TOPICS: (topics(schema.CONTENT_TOPICS, spec.n_content_niches),),
        schema.CONTENT_VISUAL: seen,
        schema.AUDIENCE_TOPICS: (topics(schema.AUDIENCE_TOPICS, spec.n_audience_niches),),
        schema.AUDIENCE_VISUAL: seen,
        schema.ATTRIBUTES: (attributes(spec.n_attribute_niches),),
    }


def _vocabulary(of_niches: list[list[str]], accents: list[int], others: list[str]) -> Vocabulary:
    names = [name for row in of_niches for name in row] + others
    niche = [i for i, row in enumerate(of_niches) for _ in row] + [NO_NICHE] * len(others)
    accent = accents * len(of_niches) + [SHARED_WORD] * len(others)
    return Vocabulary(tuple(names), np.array(niche), np.array(accent))


@dataclass(frozen=True, eq=False)
class PostDraws:
    """Streams the posts of some accounts, or of their audiences.

    An account's posts depend on the seed and on its own number and shares alone, and only one
    account's posts are in memory at a time.
    """

    spec: PostSpec
    seed: tuple[int, int]  # the account's number follows
    accounts: tuple[str, ...]
    topics: Floats  # (account, topic) shares
    words: tuple[tuple[str, ...], ...]  # of each topic, as many of each, the most frequent first
    labels: tuple[Floats, Floats]  # (account, object) and (account, scene) shares
    label_names: tuple[tuple[str, ...], tuple[str, ...]]
    silent: Mask  # (account,) whether there are no posts
    unseen: Mask  # (account,) whether the posts have no labels
    # Whether members of an audience write them, who have names; likes and comments are unknown.
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
                member=f"{account}_fan_{1 + i % self.spec.n_members:02d}" * self.is_audience,
                timestamp=float(times[i]),
                n_likes=None if self.is_audience else likes[i],
                n_comments=None if self.is_audience else comments[i],
                labels={} if self.unseen[number] else labels[i],
            )

    def _captions(self, number: int, n_posts: int, rng: np.random.Generator) -> list[str]:
        low, high = self.spec.n_words
        topics = draw(self.topics[number], (n_posts, N_TOPICS), rng).tolist()
        word = draw(1 / np.arange(2, 2 + len(self.words[0])), (n_posts, high), rng).tolist()
        common = rng.integers(len(words("common_words")), size=(n_posts, high)).tolist()
        is_common = (rng.random((n_posts, high)) < COMMON_SHARE).tolist()
        n_words = rng.integers(low, high + 1, n_posts).tolist()
        ornament = rng.integers(1000, size=n_posts).tolist()
        common_words = words("common_words")
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
            low = rng.uniform(*WRONG_SCORE_RANGE, (n_posts, 1))
            scores = np.hstack([low, rng.uniform(*SCORE_RANGE, (n_posts, n))])
            for post, labels, values in zip(found, seen, np.round(scores, 3).tolist(), strict=True):
                post.update(zip(map(names.__getitem__, labels), values, strict=True))
        return found


def draw(shares: Floats, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Draws numbers in proportion to shares, with replacement."""
    steps = np.cumsum(shares)
    return np.asarray(np.searchsorted(steps, rng.random(shape) * steps[-1], side="right"))


def _ornamented(said: list[str], number: int) -> str:
    """Returns a caption with the hashtags, mentions, links and emoji that its number says."""
    if number % 2 == 0:
        said[-1] = f"#{said[-1]}"
    if number % 5 == 0:
        said.append(f"@friend_{number}")
    if number % 7 == 0:
        said.append(f"https://shop.example/{number}")
    if number % 3 == 0:
        emoji = words("emoji")
        said.append(emoji[number % len(emoji)])
    return " ".join(said)
