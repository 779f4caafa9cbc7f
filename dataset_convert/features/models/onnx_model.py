"""A model file of the user's own, run by ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dataset_convert.common.errors import shown
from dataset_convert.features.models.external_data import external_files
from dataset_convert.features.models.optional import need
from dataset_convert.problems import ConversionError

CPU: Final = "CPUExecutionProvider"
_ERRORS_ONLY: Final = 3
_TYPES: Final[dict[str, npt.DTypeLike]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        name: As the model calls it.
        shape: A number for an axis of fixed length, None for any; an empty tuple where the model
            does not say.
        dtype: None for a type that no model here takes.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: npt.DTypeLike | None


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """An open model.

    Attributes:
        path: Its file.
        inputs: What has to be fed.
        outputs: What can be asked for.
        providers: On what it runs, the first choice first.
        session: ONNX Runtime's.
    """

    path: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    providers: tuple[str, ...]
    session: Any

    def run(self, feeds: Mapping[str, npt.NDArray[Any]], output: str) -> npt.NDArray[np.float32]:
        """Returns one output for one batch.

        Raises:
            ConversionError: The model fails, or gives no array of numbers.
        """
        cast = {p.name: feeds[p.name].astype(p.dtype, copy=False) for p in self.inputs}
        try:
            found = self.session.run([output], cast)[0]
            return np.asarray(found, dtype=np.float32)
        except Exception as error:
            # ONNX Runtime's errors have no class in common.
            said = shown(" ".join(str(error).split()), 300)
            raise ConversionError(
                f"{self.path}: the model failed on a batch of {len(next(iter(feeds.values())))} "
                f"({said}); a smaller batch_size may help, or max_length where it reads text."
            ) from None


def open_model(path: Path, *, n_jobs: int, providers: Sequence[str] = (CPU,)) -> OnnxModel:
    """Returns a model, ready to run. Nothing is downloaded.

    Args:
        path: A `.onnx` file; weights that it keeps in files of their own lie beside it.
        n_jobs: Threads.
        providers: ONNX Runtime's names of what to run on, in order of preference; those that the
            installed release does not offer are passed over.

    Raises:
        ConversionError: ONNX Runtime is not installed, the file is missing or no model, or none of
            the providers is offered.
    """
    runtime = need("onnxruntime")
    offered = runtime.get_available_providers()
    chosen = [name for name in providers if name in offered]
    if not chosen:
        raise ConversionError(
            f"providers: found none of {', '.join(providers)} in the installed ONNX Runtime; "
            f"wanted some of {', '.join(offered)}."
        )
    if not path.is_file():
        raise ConversionError(f"{path}: found no such file; wanted an ONNX model.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = n_jobs
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = _ERRORS_ONLY
    # Threads that wait would keep the cores from those that open images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = runtime.InferenceSession(str(path), options, providers=chosen)
    except Exception as error:
        # ONNX Runtime's errors have no class in common.
        said = shown(" ".join(str(error).split()), 300)
        raise ConversionError(f"{path}: found {said}; wanted an ONNX model.") from None
    return OnnxModel(
        path=path,
        inputs=tuple(map(_port, session.get_inputs())),
        outputs=tuple(map(_port, session.get_outputs())),
        providers=tuple(session.get_providers()),
        session=session,
    )


def model_files(path: Path) -> tuple[Path, ...]:
    """Returns a model's file, and those of its weights where it says that it keeps them apart.

    Raises:
        ConversionError: The file is there and is no model.
    """
    return path, *external_files(path)


def model_in(folder: Path, *others: str) -> Path:
    """Returns the model of a folder: `model.onnx` or `onnx/model.onnx`.

    Args:
        folder: Of a model.
        others: Files that must be there too.

    Raises:
        ConversionError: One of the files is missing; lists what is wanted.
    """
    found = next(
        (p for p in (folder / "model.onnx", folder / "onnx/model.onnx") if p.is_file()), None
    )
    missing = [name for name in others if not (folder / name).is_file()]
    if found is None:
        missing = ["model.onnx", *missing]
    if found is None or missing:
        wanted = ", ".join(["model.onnx or onnx/model.onnx", *others])
        raise ConversionError(
            f"{folder}: found no {' and no '.join(missing)}; wanted the folder of a model with "
            f"{wanted}."
        )
    return found


def _port(found: Any) -> Port:
    # An axis of any length has a name, or nothing.
    shape = tuple(n if isinstance(n, int) and n > 0 else None for n in found.shape or ())
    return Port(found.name, shape, _TYPES.get(found.type))
