"""Visual semantics of accounts, from the images of their posts."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from dataset_convert.common.files import sha256_of, write_whole
from dataset_convert.features.base import AUDIENCE
from dataset_convert.features.models.classifier import Classifier, ClassifierSettings
from dataset_convert.features.models.image_scores import score_images
from dataset_convert.features.models.label_files import read_labels
from dataset_convert.features.models.model_options import check_batches, refuse_changed, written
from dataset_convert.features.models.onnx_model import CPU, model_files
from dataset_convert.features.models.optional import need
from dataset_convert.features.models.use_counts import UseCounts
from dataset_convert.features.visual import (
    PAPER_THRESHOLD,
    SCENE_PREFIX,
    LabelScoreExtractor,
)
from dataset_convert.name_checks import phrases
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

OBJECTS, SCENES = "objects", "scenes"
_FILE: Final = "image_labels.json"


class ImageLabelExtractor:
    """X^p and Y^p of Wang et al. (2023) by classifiers of the user's own.

    Every image becomes the labels of its post with their scores, and these become an account's
    weights as in `LabelScoreExtractor`, which says how: equations (4) to (6). Where a post has an
    image that can be used, its scores take the place of the labels that the post came with;
    other posts keep theirs, names aside. The labels of the classifiers stay, whoever bears one as a
    name: they say nothing of who the accounts are. Each image is looked at once for fit and
    transform together; twice where a table's label is the name of a member of an audience.

    Departure: the paper's classifiers (a ResNet, UPerNet) are not part of this; any that tell
    objects or scenes apart can be used.

    Args:
        of: `content` or `audience`.
        objects: Options of the classifier of objects, see `ClassifierSettings.from_options`; None
            leaves the block out.
        scenes: The same of scenes.
        object_threshold: As in `LabelScoreExtractor`.
        scene_threshold: The same.
        min_members: The same.
        batch_size: Images that a model is given at a time, where it takes any number.
        providers: ONNX Runtime's names of what to run on, in order of preference.
        n_jobs: Threads that open images, and that a model uses.

    Raises:
        ValueError: A parameter is wrong; says which.
    """

    def __init__(
        self,
        *,
        of: str,
        objects: object = None,
        scenes: object = None,
        object_threshold: float = PAPER_THRESHOLD,
        scene_threshold: float = PAPER_THRESHOLD,
        min_members: int = 5,
        batch_size: int = 32,
        providers: Sequence[str] = (CPU,),
        n_jobs: int = 1,
    ) -> None:
        check_batches("ImageLabelExtractor", batch_size, providers)
        self._settings = {
            block: ClassifierSettings.from_options(block, options)
            for block, options in ((OBJECTS, objects), (SCENES, scenes))
            if options is not None
        }
        if not self._settings:
            raise ValueError(
                f"ImageLabelExtractor needs the parameter '{OBJECTS}' or '{SCENES}', or both."
            )
        self._labels = LabelScoreExtractor(
            of=of,
            object_threshold=object_threshold,
            scene_threshold=scene_threshold,
            min_members=min_members,
        )
        self.modality: str = self._labels.modality
        self._of, self._min_members = of, min_members
        self._thresholds = {OBJECTS: object_threshold, SCENES: scene_threshold}
        self._batch_size, self._providers = batch_size, list(providers)
        self._n_jobs = n_jobs
        self._use_counts = UseCounts()
        self._images_report: dict[str, Any] = {}
        self._own_labels: tuple[str, ...] = ()
        self._sha256: dict[str, str] = {}
        self._scored: tuple[RawMaterial, RawMaterial] | None = None

    def files(self) -> tuple[Path, ...]:
        """Returns the models and their label files, whether they are there or not.

        Raises:
            ConversionError: A file is there and is no model.
        """
        return tuple(
            path
            for settings in self._settings.values()
            for path in (*model_files(settings.model), settings.labels)
        )

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns which labels there are, as `LabelScoreExtractor.fit` does.

        Args:
            material: Everything the source holds; its posts are streamed once, and their images
                looked at, for the transform of the same material too.
            training: The accounts to learn from.

        Raises:
            TooLittleError: No training account shows any label.
            ConversionError: A model cannot be used.
        """
        scored = self._with_scores(material)
        own = {
            f"{SCENE_PREFIX}{label}" if block == SCENES else label
            for block, settings in self._settings.items()
            for label in read_labels(settings.labels)
        }
        try:
            self._labels.fit(scored, training, own_labels=own, source=material)
        except TooLittleError as error:
            raise TooLittleError(f"{error} Images of all accounts: {self._use_counts}.") from None
        self._own_labels = tuple(sorted(own))
        self._sha256 = {written(path): sha256_of(path) for path in self.files()}
        self._images_report = self._use_counts.as_json()
        self._scored = (material, scored)

    def transform(self, material: RawMaterial) -> Mapping[str, Any]:
        """Returns account -> label -> weight, as `LabelScoreExtractor.transform` does.

        Raises:
            RuntimeError: Before `fit`.
            ConversionError: A model cannot be used, or is not the one of the fit.
        """
        kept, self._scored = self._scored, None
        if kept is not None and kept[0] is material:
            return self._labels.transform(kept[1])
        return self._labels.transform(self._with_scores(material))

    def score_images(
        self, posts: Iterable[Post], counts: UseCounts | None = None
    ) -> Iterator[Post]:
        """Returns the posts in their order, with the scores of their images as labels.

        Only scores that reach their threshold are among them. As the labels of a table, written
        with all their digits, they give what the images give.

        Args:
            posts: A stream.
            counts: Told what became of the images.

        Raises:
            ConversionError: A model cannot be used, or is not the one of the fit.
        """
        return score_images(
            posts,
            self._open(),
            batch_size=self._batch_size,
            n_jobs=self._n_jobs,
            counts=UseCounts() if counts is None else counts,
        )

    def dimensions(self) -> list[str]:
        """Returns the labels that can occur, as `LabelScoreExtractor.dimensions` does."""
        return self._labels.dimensions()

    def own_words(self) -> frozenset[str]:
        """Returns the labels of the classifiers, and their words, whoever bears one as a name."""
        return frozenset(found for label in self._own_labels for found in phrases(label))

    def report(self) -> dict[str, Any]:
        """Returns the report of `LabelScoreExtractor`, and of the images and models.

        `images`: of all accounts, how many were used, and reason -> how many were skipped.
        """
        models = {
            block: {
                "model": settings.model.name,
                "labels": settings.labels.name,
                "activation": settings.activation,
                "sha256": self._sha256.get(written(settings.model)),
            }
            for block, settings in self._settings.items()
        }
        return {**self._labels.report(), "images": self._images_report, "models": models}

    def save(self, folder: Path) -> None:
        """Writes what `LabelScoreExtractor` does, and `image_labels.json`: settings and SHA-256.

        The models are not copied: their paths are written as they were given.

        Args:
            folder: An existing folder of this extractor alone.

        Raises:
            RuntimeError: Before `fit`.
        """
        self._labels.save(folder)
        settings = {
            "of": self._of,
            "object_threshold": self._thresholds[OBJECTS],
            "scene_threshold": self._thresholds[SCENES],
            "min_members": self._min_members,
            "batch_size": self._batch_size,
            "providers": self._providers,
            **{block: one.as_json() for block, one in self._settings.items()},
        }
        content = {
            "settings": settings,
            "own_labels": self._own_labels,
            "sha256": self._sha256,
            "images": self._images_report,
        }
        text = json.dumps(content, indent=2, sort_keys=True)
        write_whole(folder / _FILE, f"{text}\n".encode())

    @classmethod
    def load(cls, folder: Path, *, n_jobs: int = 1) -> Self:
        """Returns a fitted extractor as it was saved; its models are needed at a transform.

        Raises:
            ConversionError: A file is missing or not as `save` writes it.
        """
        path = folder / _FILE
        labels = LabelScoreExtractor.load(folder)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            extractor = cls(**content["settings"], n_jobs=n_jobs)
            extractor._own_labels = tuple(content["own_labels"])
            extractor._sha256 = dict(content["sha256"])
            extractor._images_report = dict(content["images"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConversionError(
                f"{path}: found no saved image labels ({type(error).__name__}: {error}); convert "
                f"the data set again."
            ) from error
        extractor._labels = labels
        return extractor

    def check_models(self) -> None:
        """Opens the models with their labels and closes them again.

        Raises:
            ConversionError: One of them cannot be used, its labels are not as many as the outputs
                that it says it has, or a library is missing.
        """
        need("PIL.Image")
        self._open()

    def _open(self) -> list[Classifier]:
        refuse_changed(self._sha256)
        try:
            return [
                Classifier.open(
                    settings,
                    of_scenes=block == SCENES,
                    threshold=self._thresholds[block],
                    batch_size=self._batch_size,
                    n_jobs=self._n_jobs,
                    providers=self._providers,
                )
                for block, settings in self._settings.items()
            ]
        except ValueError as error:
            raise ConversionError(f"{self.modality}: {error}") from None

    def _with_scores(self, material: RawMaterial) -> RawMaterial:
        if self._of == AUDIENCE:
            return replace(material, audience_posts=lambda: self._scores(material.audience_posts()))
        return replace(material, posts=lambda: self._scores(material.posts()))

    def _scores(self, posts: Iterable[Post]) -> Iterator[Post]:
        # Of one pass: a second one would count every image again.
        self._use_counts = UseCounts()
        return self.score_images(posts, self._use_counts)
