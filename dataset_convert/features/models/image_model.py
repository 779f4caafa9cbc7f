"""A model that looks at images: where its input wants the colours, and batches of one size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from dataset_convert.features.models.image_input import ImageSettings, model_input
from dataset_convert.features.models.onnx_model import OnnxModel
from dataset_convert.problems import ConversionError

if TYPE_CHECKING:
    from PIL.Image import Image

_N_COLOURS: Final = 3
_FLOATS: Final = (np.float32, np.float16)

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ImageModel:
    """An open model with one image input.

    Attributes:
        model: The model.
        settings: Fitted to it.
        colours_last: Whether its input is (image, height, width, colour).
        batch_size: Images that it is given at a time, always as many.
    """

    model: OnnxModel
    settings: ImageSettings
    colours_last: bool
    batch_size: int

    @classmethod
    def of(cls, model: OnnxModel, settings: ImageSettings, *, batch_size: int) -> "ImageModel":
        """Returns the model with what its input says.

        Args:
            model: Takes (image, colour, height, width) or (image, height, width, colour).
            settings: Of the images.
            batch_size: Where the model takes any; otherwise its own.

        Raises:
            ConversionError: The model takes something else.
            ValueError: The settings give images that the model does not take.
        """
        port = model.inputs[0] if len(model.inputs) == 1 else None
        shape = port.shape if port is not None else ()
        if port is None or port.dtype not in _FLOATS or len(shape) != 4:
            found = ", ".join(f"{one.name} {list(one.shape)}" for one in model.inputs)
            raise ConversionError(
                f"{model.path}: found the inputs {found}; wanted one input of floating-point "
                f"numbers with 4 axes: image, colour, height, width, or the colour last."
            )
        colours_last = shape[1] != _N_COLOURS and shape[3] == _N_COLOURS
        batch, *image_shape = shape
        if colours_last:
            height, width, colours = image_shape
        else:
            colours, height, width = image_shape
        if colours not in (None, _N_COLOURS):
            raise ConversionError(
                f"{model.path}: found the input shape {list(shape)}; wanted {_N_COLOURS} colours "
                f"in its second or last place."
            )
        fitted = settings.fitted_to(height, width)
        return cls(model, fitted, colours_last, batch or batch_size)

    def prepare(self, image: "Image") -> Rows:
        """Returns an image as the model wants it, without the axis of the batch."""
        array = model_input(image, self.settings)
        return array.transpose(1, 2, 0) if self.colours_last else array

    def run(self, prepared: Sequence[Rows], output: str) -> Rows:
        """Returns an output for any number of images, one row an image.

        The last batch is filled up, so that the model sees one shape only: some take no other, and
        the same images in the same order give the same numbers.

        Raises:
            ConversionError: The model fails, or gives another number of rows.
        """
        found = []
        for start in range(0, len(prepared), self.batch_size):
            batch = list(prepared[start : start + self.batch_size])
            filled = np.stack(batch + [batch[0]] * (self.batch_size - len(batch)))
            rows = self.model.run({self.model.inputs[0].name: filled}, output)
            if rows.shape[:1] != (self.batch_size,):
                raise ConversionError(
                    f"{self.model.path}: found an output of shape {list(rows.shape)} for "
                    f"{self.batch_size} images; wanted one row an image."
                )
            found.append(rows[: len(batch)])
        return np.concatenate(found)
