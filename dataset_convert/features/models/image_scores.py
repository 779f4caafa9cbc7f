"""The images of a stream of posts as scores of labels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from dataset_convert.features.models.classifier import Classifier
from dataset_convert.features.models.image_input import ImageSettings
from dataset_convert.features.models.image_model import Rows
from dataset_convert.features.models.post_images import opened_images
from dataset_convert.features.models.use_counts import UseCounts
from dataset_convert.raw import Post

if TYPE_CHECKING:
    from PIL.Image import Image

NOT_FINITE: Final = "no finite numbers from the model"

Scores = dict[str, float]


def score_images(
    posts: Iterable[Post],
    classifiers: Sequence[Classifier],
    *,
    batch_size: int,
    n_jobs: int,
    counts: UseCounts,
) -> Iterator[Post]:
    """Yields the posts in their order, with the scores of their images for labels.

    A post whose image can be used loses the labels that it came with; other posts keep theirs.

    Args:
        posts: A stream, of which one block is held at a time.
        classifiers: Of objects, of scenes, or both.
        batch_size: Images that are opened and held at a time.
        n_jobs: Threads that open images.
        counts: Told what became of the images.

    Raises:
        ConversionError: A classifier cannot be used.
    """
    blocks = opened_images(
        posts,
        partial(_prepared, classifiers=classifiers),
        block_images=batch_size,
        n_jobs=n_jobs,
        counts=counts,
    )
    for block in blocks:
        arrays = [one.prepared for one in block if one.prepared is not None]
        scores = iter(_scores(arrays, classifiers))
        for one in block:
            found = None if one.prepared is None else next(scores)
            if found is not None:
                counts.used += 1
                yield replace(one.post, labels=found)
            else:
                counts.skipped.update([] if one.prepared is None else [NOT_FINITE])
                yield one.post


def _prepared(image: "Image", *, classifiers: Sequence[Classifier]) -> list[Rows]:
    # Two models often want the same of an image, which takes longer than to open it.
    made: dict[tuple[ImageSettings, bool], Rows] = {}
    rows = []
    for model in (one.image_model for one in classifiers):
        wanted = (model.settings, model.colours_last)
        if wanted not in made:
            made[wanted] = model.prepare(image)
        rows.append(made[wanted])
    return rows


def _scores(
    arrays: Sequence[Sequence[Rows]], classifiers: Sequence[Classifier]
) -> list[Scores | None]:
    """Returns label -> score of each image; None where a model gave no finite numbers."""
    if not arrays:
        return []
    found: list[Scores | None] = [{} for _ in arrays]
    for i, classifier in enumerate(classifiers):
        rows = classifier.probabilities([of_image[i] for of_image in arrays])
        for image, row in enumerate(rows):
            scores = found[image]
            if not np.isfinite(row).all():
                found[image] = None
            elif scores is not None:
                # What lies below the threshold counts nowhere, and would be most of it.
                for column in np.flatnonzero(row >= classifier.threshold):
                    scores[classifier.labels[column]] = float(row[column])
    return found
