"""Dense vectors of accounts, from the images of their posts."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from dataset_convert import schema
from dataset_convert.features.base import AUDIENCE, CONTENT
from dataset_convert.features.embeddings import EmbeddingExtractor, PostVector
from dataset_convert.features.models.image_input import ImageSettings
from dataset_convert.features.models.image_model import ImageModel, Rows
from dataset_convert.features.models.image_processor import FILE, read_processor
from dataset_convert.features.models.onnx_model import CPU, Port, model_files, model_in, open_model
from dataset_convert.features.models.optional import need
from dataset_convert.features.models.post_images import opened_images
from dataset_convert.features.models.use_counts import UseCounts
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

_POOLED: Final = ("image_embeds", "pooler_output")


class ImageEmbeddingExtractor(EmbeddingExtractor):
    """X^p and Y^p as dense vectors of a local image-embedding model, e.g. CLIP's image half.

    A departure from Wang et al. (2023), who use classes. Of the model's outputs, `image_embeds` is
    taken, or `pooler_output`, or the first one with two axes, or the first one. An output (image,
    place, number) gives its first place, the class token of vision transformers; an output (image,
    number, height, width) its mean over the area.

    Args:
        of: `content` or `audience`.
        model: Folder with `model.onnx` or `onnx/model.onnx` and, where there is one,
            `preprocessor_config.json`.
        min_members: Fewest members of an audience with an image that can be used.
        batch_size: Images that the model is given at a time, where it takes any number.
        providers: ONNX Runtime's names of what to run on, in order of preference.
        n_jobs: Threads that open images, and that the model uses.
        size: Of `ImageSettings`; goes before what the folder says, as the following do.
        crop: The same.
        mean: The same.
        std: The same.
        scale: The same.
        resample: The same.

    Raises:
        ValueError: A parameter is wrong; says which.
    """

    modalities: ClassVar = {
        CONTENT: schema.CONTENT_VISUAL,
        AUDIENCE: schema.AUDIENCE_VISUAL,
    }
    unit: ClassVar = "images"

    def __init__(
        self,
        *,
        of: str,
        model: str | Path,
        min_members: int = 5,
        batch_size: int = 32,
        providers: Sequence[str] = (CPU,),
        n_jobs: int = 1,
        size: object = None,
        crop: object = None,
        mean: object = None,
        std: object = None,
        scale: object = None,
        resample: object = None,
    ) -> None:
        super().__init__(
            of=of,
            model=model,
            min_members=min_members,
            batch_size=batch_size,
            providers=providers,
            n_jobs=n_jobs,
        )
        given = {
            "size": size,
            "crop": crop,
            "mean": mean,
            "std": std,
            "scale": scale,
            "resample": resample,
        }
        self._image = {key: value for key, value in given.items() if value is not None}
        # What the folder says is not known yet, but a wrong option is.
        ImageSettings.from_options(self._image)

    def files(self) -> tuple[Path, ...]:
        """Returns the model's files and the processor's, where there is one."""
        processor = self._folder / FILE
        found = model_files(model_in(self._folder))
        return (*found, processor) if processor.is_file() else found

    def settings(self) -> dict[str, Any]:
        """Returns what the constructor takes, ready for JSON, without `n_jobs`."""
        return {**super().settings(), **self._image}

    def post_vectors(self, posts: Iterable[Post], counts: UseCounts) -> Iterator[PostVector]:
        """Yields the posts with an image that can be used, with the model's vectors.

        Args:
            posts: A stream.
            counts: Told of images that are skipped.

        Raises:
            ConversionError: The model cannot be used.
        """
        model = self._open()
        output = _vector_output(model.model.outputs)
        blocks = opened_images(
            posts, model.prepare, block_images=self._batch_size, n_jobs=self._n_jobs, counts=counts
        )
        for block in blocks:
            usable = [one for one in block if one.prepared is not None]
            if usable:
                arrays = [one.prepared for one in usable if one.prepared is not None]
                rows = _vectors(model, model.run(arrays, output))
                yield from ((one.post, row) for one, row in zip(usable, rows, strict=True))

    def check_models(self) -> None:
        """Opens the model and closes it again.

        Raises:
            ConversionError: It cannot be used, or a library is missing.
        """
        need("PIL.Image")
        self._open()

    def _open(self) -> ImageModel:
        processor = self._folder / FILE
        options = read_processor(processor) if processor.is_file() else {}
        try:
            settings = ImageSettings.from_options({**options, **self._image})
            model = open_model(
                model_in(self._folder), n_jobs=self._n_jobs, providers=self._providers
            )
            return ImageModel.of(model, settings, batch_size=self._batch_size)
        except ValueError as error:
            raise ConversionError(f"{self.modality}: {error}") from None


def _vector_output(outputs: Sequence[Port]) -> str:
    names = [port.name for port in outputs]
    named = [name for name in _POOLED if name in names]
    flat = [port.name for port in outputs if len(port.shape) == 2]
    return [*named, *flat, *names][0]


def _vectors(model: ImageModel, rows: Rows) -> Rows:
    if rows.ndim == 2:
        return rows
    if rows.ndim == 3:
        return rows[:, 0]
    if rows.ndim == 4:
        means: Rows = rows.mean(axis=(2, 3))
        return means
    raise ConversionError(
        f"{model.model.path}: found an output of shape {list(rows.shape)}; wanted a vector for "
        f"each image."
    )
