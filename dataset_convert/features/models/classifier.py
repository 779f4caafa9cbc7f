"""A classifier of images of the user's own: probabilities of named labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset_convert.features.models.image_input import ImageSettings
from dataset_convert.features.models.image_model import ImageModel, Rows
from dataset_convert.features.models.label_files import read_labels
from dataset_convert.features.models.model_options import written
from dataset_convert.features.models.onnx_model import open_model
from dataset_convert.features.visual import SCENE_PREFIX
from dataset_convert.problems import ConversionError

SOFTMAX, SIGMOID, NONE = "softmax", "sigmoid", "none"
_TOLERANCE: Final = 1e-3
"""By which numbers of a model's own softmax in half precision may miss their range."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassifierSettings:
    """Which files make a classifier, and how they are used.

    Attributes:
        model: A `.onnx` file.
        labels: Its labels; see `label_files.read_labels`.
        activation: What turns its first output into probabilities: softmax (one label an image),
            sigmoid (any number of labels), or none where it gives probabilities itself.
        image: How an image becomes its input.
    """

    model: Path
    labels: Path
    activation: str
    image: ImageSettings

    @classmethod
    def from_options(cls, name: str, options: object) -> "ClassifierSettings":
        """Returns settings from a mapping as it stands in YAML or JSON.

        Args:
            name: The option that holds it, for messages.
            options: `model`, `labels`, `activation` (softmax) and those of `ImageSettings`.

        Raises:
            ValueError: A key or value is wrong; says which.
        """
        if not isinstance(options, Mapping):
            raise ValueError(
                f"The '{name}' parameter must be a mapping with 'model' and 'labels'. "
                f"Received: {options!r}"
            )
        given = dict(options)
        paths = [given.pop(key, None) for key in ("model", "labels")]
        for key, path in zip(("model", "labels"), paths, strict=True):
            if not isinstance(path, str | Path) or not str(path):
                raise ValueError(
                    f"The '{name}' parameter must hold a path as '{key}'. Received: {path!r}"
                )
        activation = given.pop("activation", SOFTMAX)
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"The 'activation' in '{name}' must be one of {', '.join(_ACTIVATIONS)}. "
                f"Received: {activation!r}"
            )
        try:
            image = ImageSettings.from_options(given)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        model, labels = (Path(path).expanduser() for path in paths)
        return cls(model, labels, activation, image)

    def as_json(self) -> dict[str, Any]:
        """Returns what `from_options` reads."""
        paths = {"model": written(self.model), "labels": written(self.labels)}
        return {**paths, "activation": self.activation, **self.image.as_json()}


@dataclass(frozen=True, eq=False)
class Classifier:
    """An open classifier.

    Attributes:
        image_model: Its model.
        labels: Of its outputs, in their order; scenes carry their prefix.
        threshold: Lowest probability that counts.
        settings: It was opened by.
    """

    image_model: ImageModel
    labels: tuple[str, ...]
    threshold: float
    settings: ClassifierSettings

    @classmethod
    def open(
        cls,
        settings: ClassifierSettings,
        *,
        of_scenes: bool,
        threshold: float,
        batch_size: int,
        n_jobs: int,
        providers: Sequence[str],
    ) -> "Classifier":
        """Returns a classifier, ready to look at images.

        Args:
            settings: Of the classifier.
            of_scenes: Whether its labels are scenes; otherwise they are objects.
            threshold: Lowest probability that counts.
            batch_size: Where the model takes batches of any size.
            n_jobs: Threads.
            providers: See `onnx_model.open_model`.

        Raises:
            ConversionError: A file cannot be used, or the model does not take images.
            ValueError: The settings give images that the model does not take.
        """
        labels = read_labels(settings.labels)
        prefixed = next((one for one in labels if one.startswith(SCENE_PREFIX)), None)
        if prefixed is not None:
            raise ConversionError(
                f"{settings.labels}: found the label {prefixed!r}; wanted labels without "
                f"'{SCENE_PREFIX}', which those of 'scenes' are given."
            )
        model = open_model(settings.model, n_jobs=n_jobs, providers=providers)
        declared = model.outputs[0].shape[-1:] if len(model.outputs[0].shape) == 2 else (None,)
        if declared[0] is not None:
            _refuse_other_number(settings, declared[0], len(labels))
        return cls(
            ImageModel.of(model, settings.image, batch_size=batch_size),
            tuple(f"{SCENE_PREFIX}{one}" if of_scenes else one for one in labels),
            threshold,
            settings,
        )

    def probabilities(self, prepared: Sequence[Rows]) -> Numbers:
        """Returns (image, label) in [0, 1]; a row of NaN where the model gave no finite numbers.

        Raises:
            ConversionError: The outputs are not one a label, or no probabilities where they should
                be, or probabilities where they should not.
        """
        model = self.image_model.model
        rows = self.image_model.run(prepared, model.outputs[0].name)
        rows = rows.reshape(len(rows), -1)
        _refuse_other_number(self.settings, rows.shape[1], len(self.labels))
        raw = rows.astype(np.float64)
        finite = np.isfinite(raw).all(axis=1)
        self._refuse_other_scale(raw[finite])
        found = np.full(raw.shape, np.nan)
        found[finite] = _ACTIVATIONS[self.settings.activation](raw[finite])
        return found

    def _refuse_other_scale(self, raw: Numbers) -> None:
        in_range = ((raw >= -_TOLERANCE) & (raw <= 1 + _TOLERANCE)).all()
        path = self.settings.model
        if self.settings.activation == NONE and not in_range:
            raise ConversionError(
                f"{path}: found outputs from {raw.min():g} to {raw.max():g}; wanted probabilities "
                f"from 0 to 1. Set activation to {SOFTMAX} or {SIGMOID}."
            )
        if self.settings.activation != SOFTMAX or raw.shape[1] < 2 or not raw.size:
            return
        # Logits whose every row does this by chance do not occur.
        if in_range and (np.abs(raw.sum(axis=1) - 1) < _TOLERANCE).all():
            raise ConversionError(
                f"{path}: found outputs that sum to 1 already, so they are probabilities; wanted "
                f"what a {SOFTMAX} is to be taken of. Set activation to {NONE}."
            )


def _refuse_other_number(settings: ClassifierSettings, n_outputs: int, n_labels: int) -> None:
    if n_outputs != n_labels:
        raise ConversionError(
            f"{settings.model}: found {n_outputs} outputs; wanted {n_labels}, one for each label "
            f"of {settings.labels}."
        )


def _softmax(raw: Numbers) -> Numbers:
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _sigmoid(raw: Numbers) -> Numbers:
    # By tanh, which does not overflow.
    shares: Numbers = 0.5 * (1 + np.tanh(0.5 * raw))
    return shares


def _clipped(raw: Numbers) -> Numbers:
    return raw.clip(0, 1)


_ACTIVATIONS: Final[dict[str, Callable[[Numbers], Numbers]]] = {
    SOFTMAX: _softmax,
    SIGMOID: _sigmoid,
    NONE: _clipped,
}
