"""What extractors of dense vectors have in common: the mean over an account's posts."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from dataset_convert.common.files import sha256_of, write_whole
from dataset_convert.features.base import AUDIENCE, CONTENT, STREAMS
from dataset_convert.features.mean_vectors import MeanVectors, Vector
from dataset_convert.features.models.model_options import (
    check_batches,
    check_folder,
    check_whole,
    refuse_changed,
    written,
)
from dataset_convert.features.models.use_counts import UseCounts
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

FILE: Final = "embeddings.json"
NO_DIRECTION: Final = "a vector that is zero or not finite"

PostVector = tuple[Post, npt.NDArray[np.float32]]


class EmbeddingExtractor(ABC):
    """An account's mean of its posts' vectors, each divided by its length first.

    So every post counts alike, whatever length the model gives its vector; the mean is not
    divided by its length again. Nothing is learnt from the accounts: the model comes fitted. Each
    post is looked at once for fit and transform together.

    Args:
        of: `content` or `audience`.
        min_members: Fewest members of an audience that must have given a vector; below it the
            account has none. Content does not look at it.
        model: The model's folder.
        batch_size: Posts that the model is given at a time.
        providers: ONNX Runtime's names of what to run on, in order of preference.
        n_jobs: Threads.

    Raises:
        ValueError: A parameter is wrong; says which.
    """

    modalities: ClassVar[dict[str, str]]
    unit: ClassVar[str]
    """What a vector is made of, in the plural."""

    def __init__(
        self,
        *,
        of: str,
        model: str | Path,
        min_members: int,
        batch_size: int,
        providers: Sequence[str],
        n_jobs: int,
    ) -> None:
        name = type(self).__name__
        if of not in STREAMS:
            raise ValueError(
                f"The 'of' parameter of {name} must be one of {', '.join(STREAMS)}. "
                f"Received: {of!r}"
            )
        check_whole(name, "min_members", min_members)
        check_batches(name, batch_size, providers)
        self._folder = check_folder(name, model)
        self._batch_size, self._providers = batch_size, list(providers)
        self.modality: str = self.modalities[of]
        self._of = of
        self._min_members = min_members
        self._n_jobs = n_jobs
        self._n_dimensions = 0
        self._sha256: dict[str, str] = {}
        self._fit_report: dict[str, Any] = {}
        self._made: tuple[RawMaterial, dict[str, Vector]] | None = None

    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """Returns the files of the model.

        Raises:
            ConversionError: The model's folder lacks one, or holds no model.
        """

    @abstractmethod
    def check_models(self) -> None:
        """Opens the model and closes it again.

        Raises:
            ConversionError: It cannot be used.
        """

    def settings(self) -> dict[str, Any]:
        """Returns what the constructor takes, ready for JSON, without `n_jobs`."""
        return {
            "of": self._of,
            "model": written(self._folder),
            "min_members": self._min_members,
            "batch_size": self._batch_size,
            "providers": self._providers,
        }

    @abstractmethod
    def post_vectors(self, posts: Iterable[Post], counts: UseCounts) -> Iterator[PostVector]:
        """Yields the posts that the model can use, with its vectors.

        Args:
            posts: A stream.
            counts: Told of what is skipped; what is used is counted by the caller.

        Raises:
            ConversionError: The model cannot be used.
        """

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns how long the vectors are, and how many accounts have one.

        Args:
            material: Everything the source holds; its posts are streamed once, for the transform
                of the same material too.
            training: The accounts that the report is about.

        Raises:
            TooLittleError: No training account has a vector.
            ConversionError: The model cannot be used.
        """
        counts = UseCounts()
        means = self._means(material, counts)
        known = [account for account in dict.fromkeys(training) if account in means]
        if not known:
            raise TooLittleError(
                f"{self.modality}: none of the {len(training)} training accounts has a vector. Of "
                f"the {self.unit}: {counts}. Lower min_members, or leave the modality out of the "
                f"configuration."
            )
        self._n_dimensions = len(means[known[0]])
        self._sha256 = {written(path): sha256_of(path) for path in self.files()}
        self._fit_report = {
            "training_accounts": len(set(training)),
            "training_accounts_with_vectors": len(known),
            self.unit: counts.as_json(),
        }
        self._made = (material, means)

    def transform(self, material: RawMaterial) -> dict[str, Any]:
        """Returns account -> mean of its posts' unit vectors, float64.

        Accounts without any, or with too few members in their audience, are absent.

        Raises:
            RuntimeError: Before `fit`.
            ConversionError: The model cannot be used, or is not the one of the fit.
        """
        self._refuse_unfitted("transform")
        kept, self._made = self._made, None
        if kept is not None and kept[0] is material:
            return dict(kept[1])
        return dict(self._means(material, UseCounts()))

    def own_words(self) -> frozenset[str]:
        """Returns nothing: no list of ours has a part in the result."""
        return frozenset()

    def dimensions(self) -> list[str]:
        """Returns numbers, since the places of such vectors mean nothing by themselves."""
        return [str(i) for i in range(self._n_dimensions)]

    def report(self) -> dict[str, Any]:
        """Returns the vectors' length, the coverage, what was skipped, and the model's files.

        The counts of images or captions are of all accounts.
        """
        return {
            "of": self._of,
            "min_members": self._min_members if self._of == AUDIENCE else None,
            "n_dimensions": self._n_dimensions,
            **self._fit_report,
            "model_sha256": {Path(path).name: found for path, found in self._sha256.items()},
        }

    def save(self, folder: Path) -> None:
        """Writes `embeddings.json`: settings, report, and the SHA-256 of the model's files.

        The model is not copied: its path is written as it was given.

        Args:
            folder: An existing folder of this extractor alone.

        Raises:
            RuntimeError: Before `fit`.
        """
        self._refuse_unfitted("save")
        content = {
            "settings": self.settings(),
            "n_dimensions": self._n_dimensions,
            "sha256": self._sha256,
            "fit": self._fit_report,
        }
        text = json.dumps(content, indent=2, sort_keys=True)
        write_whole(folder / FILE, f"{text}\n".encode())

    @classmethod
    def load(cls, folder: Path, *, n_jobs: int = 1) -> Self:
        """Returns a fitted extractor as it was saved; its model is needed at a transform.

        Raises:
            ConversionError: The file is missing or not as `save` writes it.
        """
        path = folder / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            extractor = cls(**content["settings"], n_jobs=n_jobs)
            check_whole(cls.__name__, "n_dimensions", content["n_dimensions"])
            extractor._n_dimensions = content["n_dimensions"]
            extractor._sha256 = dict(content["sha256"])
            extractor._fit_report = dict(content["fit"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConversionError(
                f"{path}: found no saved embeddings ({type(error).__name__}: {error}); convert the "
                f"data set again."
            ) from error
        return extractor

    def _means(self, material: RawMaterial, counts: UseCounts) -> dict[str, Vector]:
        refuse_changed(self._sha256)
        of_content = self._of == CONTENT
        means = MeanVectors(min_members=1 if of_content else self._min_members)
        stream = material.posts() if of_content else material.audience_posts()
        for post, vector in self.post_vectors(stream, counts):
            if means.add(post.account, post.member, vector):
                counts.used += 1
            else:
                counts.skipped[NO_DIRECTION] += 1
        return means.means()

    def _refuse_unfitted(self, method: str) -> None:
        if not self._n_dimensions:
            raise RuntimeError(
                f"{type(self).__name__}.{method} needs a fitted extractor: call fit."
            )
