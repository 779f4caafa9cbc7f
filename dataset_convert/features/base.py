"""What an extractor of features is: checked options, a fit on training accounts, what is saved.

Imports nothing large, since processes that count words begin with it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from dataset_convert.common.files import write_whole
from dataset_convert.common.settings import problems_of
from dataset_convert.problems import ConversionError

if TYPE_CHECKING:
    from dataset_convert.problems import Problems
    from dataset_convert.raw import Post, RawMaterial

CONTENT, AUDIENCE = "content", "audience"
STREAMS: Final = (CONTENT, AUDIENCE)


def that(fits: Callable[[Any], bool], wanted: str) -> AfterValidator:
    """Returns a check of a value, whose words follow "must"."""

    def check(value: Any) -> Any:
        if not fits(value):
            raise ValueError(wanted)
        return value

    return AfterValidator(check)


def written(path: Path) -> str:
    """Returns a path as it is saved: without the name of the user, whose folder becomes `~`."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _path(value: str) -> str:
    try:
        path = Path(value).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # told where the file is opened
    except (OSError, RuntimeError, ValueError):  # too long, of an unknown user, no name at all
        raise ValueError("be a path") from None
    return written(path)


# Kinds of values. Strict: '3' is no number, True is none, and 2.0 is no whole number.
Whole = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1)]
FilePath = Annotated[
    Text, BeforeValidator(lambda one: str(one) if isinstance(one, Path) else one),
    AfterValidator(_path),
]  # fmt: skip


class Options(BaseModel):
    """Options of an extractor; one that is `~` has its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {key: value for key, value in given.items() if value is not None}


class Fitted(BaseModel):
    """What an extractor has learnt, as it is saved; `report` as the manifest tells it."""

    model_config = ConfigDict(extra="forbid")

    report: dict[str, Any]


AnyOptions = TypeVar("AnyOptions", bound=BaseModel)


def checked(model: type[AnyOptions], given: Any, where: str) -> AnyOptions:
    """Returns options as their model has them.

    Raises:
        ConversionError: An option is unknown, missing or has a wrong value; one line.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        lines = problems_of(error, known=model.model_fields, parts=parts_of(model))
        raise ConversionError(f"{where}: {' '.join(lines)}") from None


def parts_of(model: type[BaseModel]) -> dict[str, Collection[str]]:
    """Returns the options that are mappings of options -> the names of these."""
    return {
        name: inner.model_fields
        for name, field in model.model_fields.items()
        for inner in (field.annotation, *get_args(field.annotation))
        if isinstance(inner, type) and issubclass(inner, BaseModel)
    }


@contextmanager
def one_line(path: Path, wanted: str) -> Iterator[None]:
    """Says in one line what a library says of a file; such errors have no class in common.

    Raises:
        ConversionError: The file cannot be used.
    """
    try:
        yield
    except ConversionError:
        raise
    except Exception as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConversionError(f"{path}: found {said[:300]}; wanted {wanted}.") from None


def package_file(package: str, name: str, extra: str) -> Path:
    """Returns a file inside an installed package, which is not imported.

    Raises:
        ConversionError: There is none; names the extra that brings it.
    """
    found = find_spec(package)
    folders = None if found is None else found.submodule_search_locations
    for folder in folders or ():
        if (path := Path(folder, name)).is_file():
            return path
    raise ConversionError(
        f"The package '{package}' with its {Path(name).name} is not installed: "
        f'pip install -e ".[{extra}]".'
    )


class Extractor(ABC):
    """Turns an account's material into the value of one modality.

    Deterministic for its options and the material; fitted on training accounts only. Reads posts
    as a stream, so that its memory does not grow with their number.

    Args:
        modality: Of `modalities`.
        n_jobs: Processes, or threads of a model; what they give is the same for any number.
        problems: Told of lines of the user's own lists that are left out.
        options: Those that `takes` has.

    Raises:
        ConversionError: An option is wrong.
    """

    takes: ClassVar[type[Options]]
    learns: ClassVar[type[Fitted]] = Fitted
    modalities: ClassVar[Collection[str]]
    file: ClassVar[str]
    runs_models: ClassVar[bool] = False
    """Whether last digits depend on the number of threads."""
    reads_images: ClassVar[bool] = False
    reads_text: ClassVar[bool] = True
    """Whether it needs captions or biographies, from which names are taken out first."""

    def __init__(
        self, modality: str, *, n_jobs: int = 1, problems: Problems | None = None, **options: Any
    ) -> None:
        self.modality = modality
        self.of = modality.partition("_")[0]
        self.options: Any = checked(self.takes, options, f"features: {modality}")
        self.n_jobs = n_jobs
        self.problems = problems
        self._fitted: Any = None
        self._made: tuple[RawMaterial, Any] | None = None

    @abstractmethod
    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns what it needs from the rows of some accounts and from no others.

        Args:
            material: Everything the source holds.
            training: The accounts to learn from; of all others nothing but their names is used,
                which are left out.

        Raises:
            TooLittleError: They have too little to learn from.
            ConversionError: A model or list cannot be used.
        """

    @abstractmethod
    def transform(self, material: RawMaterial) -> Mapping[str, Any]:
        """Returns the value of every account that has material; the others are absent.

        A float64 vector for topics and embeddings, a mapping label -> weight for visual
        semantics, a list of words for attributes.

        Raises:
            RuntimeError: Before `fit` or `load`.
            ConversionError: A model cannot be used, or is not the one of the fit.
        """

    @abstractmethod
    def dimensions(self) -> list[str]:
        """Returns the names of the vector's places, or the labels or words that can occur."""

    def files(self) -> tuple[Path, ...]:
        """Returns what the result depends on beside the material: models, lists of labels."""
        return ()

    def check_models(self) -> object:  # noqa: B027  # most run none
        """Returns the models that it runs, opened.

        Raises:
            ConversionError: One of them cannot be used.
        """

    def forecast(self, material: RawMaterial) -> Iterable[str]:  # noqa: ARG002  # most take none
        """Returns lines that a person should know before the work begins: how long it takes."""
        return ()

    def own_words(self) -> frozenset[str]:
        """Returns words of the result that come from lists of ours or of the user's.

        They may be names of accounts by chance, and give nothing away.
        """
        return frozenset()

    def report(self) -> dict[str, Any]:
        """Returns what a person should know of the fit, ready for JSON; no captions, no names."""
        return deepcopy(dict(self.fitted.report))

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs: JSON, and arrays without pickle.

        Args:
            folder: Made where it does not exist; each file is whole or not there.
        """
        content = {
            "modality": self.modality,
            "options": self.options.model_dump(exclude_unset=True),
            "fitted": self.fitted.model_dump(),
        }
        # ASCII: a label may hold what UTF-8 cannot.
        write_whole(folder / self.file, f"{json.dumps(content, indent=1)}\n".encode())

    @classmethod
    def load(cls, folder: Path, *, n_jobs: int = 1) -> Self:
        """Returns a fitted extractor as it was saved.

        Raises:
            ConversionError: A file is missing, or is not what `save` wrote.
        """
        path = folder / cls.file
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            made = cls(saved["modality"], n_jobs=n_jobs, **saved["options"])
            made._fitted = cls.learns.model_validate(saved["fitted"])
            made._load_more(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConversionError(
                f"{path}: found no saved extractor ({said}); convert the data set again."
            ) from None
        return made

    def _load_more(self, folder: Path) -> None:  # noqa: B027  # most have none
        """Takes what stands in other files."""

    @property
    def fitted(self) -> Any:
        """What was learnt.

        Raises:
            RuntimeError: Nothing yet.
        """
        if self._fitted is None:
            raise RuntimeError(f"{type(self).__name__} must be fitted or loaded before it is used.")
        return self._fitted

    @property
    def min_members(self) -> int:
        """Members of an audience that must have given something; content has one author."""
        return self.options.min_members if self.of == AUDIENCE else 1

    def stream(self, material: RawMaterial) -> Iterable[Post]:
        """Returns the posts that it reads."""
        return material.audience_posts() if self.of == AUDIENCE else material.posts()

    def keep(self, material: RawMaterial, made: Any) -> None:
        """Keeps what a fit made of the material, for the transform that follows."""
        self._made = (material, made)

    def kept(self, material: RawMaterial) -> Any:
        """Returns what the fit before made of this material, or None; lets go of it, as large."""
        made, self._made = self._made, None
        return made[1] if made is not None and made[0] is material else None
