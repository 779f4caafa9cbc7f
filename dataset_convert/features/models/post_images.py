"""The images of a stream of posts, opened a block at a time by all cores."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from dataset_convert.features.models.images import UnusableImage, open_image
from dataset_convert.features.models.optional import need
from dataset_convert.features.models.use_counts import UseCounts
from dataset_convert.raw import Post

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

_MAX_BLOCK: Final = 10_000
"""Posts that wait for a block to be full of images, at most."""


@dataclass(frozen=True)
class PostImage(Generic[T]):
    """A post and what was made of its image; None where there is none that can be used."""

    post: Post
    prepared: T | None


def opened_images(
    posts: Iterable[Post],
    prepare: Callable[["Image"], T],
    *,
    block_images: int,
    n_jobs: int,
    counts: UseCounts,
) -> Iterator[list[PostImage[T]]]:
    """Yields the posts in their order, in blocks, with what was made of their images.

    Args:
        posts: A stream, of which one block is held at a time.
        prepare: Makes of an open image what is needed of it; called from several threads.
        block_images: How many images a block has; the last one may have fewer.
        n_jobs: Threads that open images.
        counts: Told of images that are skipped, and why; the user of the others counts them.
    """
    need("PIL.Image")
    with ThreadPoolExecutor(n_jobs) as pool:
        for block in _blocks(posts, block_images):
            # Pillow warns of odd files, which are usable or not all the same. The filter is not of
            # one thread, so it is set around them all.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = list(pool.map(partial(_made, prepare=prepare), block))
            for one in made:
                if isinstance(one, UnusableImage):
                    counts.skipped[str(one)] += 1
            yield [
                PostImage(post, None if isinstance(one, UnusableImage) else one)
                for post, one in zip(block, made, strict=True)
            ]


def _made(post: Post, *, prepare: Callable[["Image"], T]) -> T | UnusableImage | None:
    if post.image is None:
        return None
    try:
        return prepare(open_image(post.image))
    except UnusableImage as reason:
        return reason


def _blocks(posts: Iterable[Post], block_images: int) -> Iterator[list[Post]]:
    block: list[Post] = []
    n_images = 0
    for post in posts:
        block.append(post)
        n_images += post.image is not None
        if n_images == block_images or len(block) == _MAX_BLOCK:
            yield block
            block, n_images = [], 0
    if block:
        yield block
