"""What an extractor of features is: checked options, three functions, and what is saved of it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self, TypeVar, get_args
from zlib import crc32

import numpy as np
import numpy.typing as npt
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
from dataset_convert.features.parallel import HERE, in_order
from dataset_convert.problems import ConversionError

if TYPE_CHECKING:
    from dataset_convert.problems import Problems
    from dataset_convert.raw import Post, RawMaterial

CONTENT, AUDIENCE = "content", "audience"
STREAMS: Final = (CONTENT, AUDIENCE)
MAX_SAMPLE: Final = 500_000
"""Posts that a fit reads at most."""
SAMPLE_SEED: Final = 2026


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


class Sums:
    """What posts give, summed by account: who wrote them, and counts of anything to be told.

    Memory is bounded by the accounts and does not grow with the number of posts.

    Args:
        min_members: Members that an account's posts must come from; no more are remembered.
    """

    def __init__(self, min_members: int = 1) -> None:
        self.told: Counter[str] = Counter()
        self._min_members = min_members
        self._members: dict[str, set[str]] = {}

    def saw(self, account: str, member: str) -> None:
        """Notes that a member has given something that counts."""
        seen = self._members.setdefault(account, set())
        if len(seen) < self._min_members:
            seen.add(member)

    def add(self, other: Any) -> None:
        """Adds sums of other posts; the order changes no more than the last digit of a float."""
        self.told.update(other.told)
        for account, members in other._members.items():
            for member in members:
                self.saw(account, member)

    def enough(self) -> list[str]:
        """Returns the accounts of which enough members have given something."""
        return [name for name, seen in self._members.items() if len(seen) >= self._min_members]


class VectorSums(Sums):
    """Sums of vectors, and how many there were.

    Attributes:
        vectors: Account -> sum, float64.
        n_vectors: Account -> number.
    """

    def __init__(self, min_members: int = 1) -> None:
        super().__init__(min_members)
        self.vectors: dict[str, npt.NDArray[np.float64]] = {}
        self.n_vectors: Counter[str] = Counter()

    def put(self, account: str, vector: npt.NDArray[np.float64], n: int = 1) -> None:
        """Adds a vector, or a sum of `n` of them."""
        self.n_vectors[account] += n
        known = self.vectors.setdefault(account, vector)
        if known is not vector:
            known += vector

    def add(self, other: Any) -> None:
        """Adds sums of other posts."""
        super().add(other)
        for account, vector in other.vectors.items():
            self.put(account, vector, other.n_vectors[account])


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


class Elsewhere:
    """Posts of a stream, and who else sums them up for an extractor."""

    def __init__(
        self, posts: Callable[[], Iterable[Post]], sums: Callable[[Extractor], Any]
    ) -> None:
        self._posts, self.sums = posts, sums

    def __iter__(self) -> Iterator[Post]:
        """Yields the posts."""
        return iter(self._posts())


class Extractor(ABC):
    """Turns an account's material into the value of one modality.

    Three functions make it: `fit` learns from a bounded sample of the training accounts' posts,
    `batch` says what it makes of some posts, `add` sums such results up, in any order. `batch` is
    pure, and an extractor can be pickled, so that batches may run anywhere; `values` says what the
    sums mean. Posts are streamed; memory does not grow with their number.

    Args:
        modality: Of `modalities`.
        n_jobs: Processes or threads; what they give is the same for any number.
        problems: Told of lines of the user's own lists that are left out.
        options: Those that `takes` has.

    Raises:
        ConversionError: An option is wrong.
    """

    name: ClassVar[str]
    """By which a configuration chooses it."""
    takes: ClassVar[type[Options]]
    learns: ClassVar[type[Fitted]] = Fitted
    modalities: ClassVar[Collection[str]]
    file: ClassVar[str]
    reads_images: ClassVar[bool] = False
    runs_in: ClassVar[str] = HERE
    """Where batches run: `HERE`, where handing posts over takes longer than the work, in
    `PROCESSES`, or in `THREADS`, where a library lets go of Python's lock for its large model."""
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
        self._opened: Any = None

    # --- what an extractor says of itself

    def prepare(self, material: RawMaterial, training: Collection[str]) -> Any:  # noqa: ARG002
        """Returns what it learns from; reads the posts of `sample`, and can be pickled.

        Args:
            material: Everything the source holds.
            training: The accounts to learn from; of all others nothing but their names is used,
                which are left out.

        Raises:
            TooLittleError: They have too little to learn from.
            ConversionError: A model or list cannot be used.
        """
        return self.learns(report={"of": self.of})

    def learn(self, prepared: Any) -> Any:
        """Returns what is learnt, of the class `learns`; may take long and run in a process."""
        return prepared

    def taken(self, post: Post) -> Any:
        """Returns what of a post a batch needs, which may have to travel to a process."""
        return post

    @abstractmethod
    def batch(self, posts: list[Any]) -> Any:
        """Returns the sums of some posts, each as `taken` gives it; depends on nothing else."""

    def add(self, total: Any, part: Any) -> Any:
        """Returns two sums together; the first may be changed."""
        total.add(part)
        return total

    @abstractmethod
    def values(self, total: Any) -> Mapping[str, Any]:
        """Returns the value of every account that the sums have enough of.

        A float64 vector for topics and embeddings, a mapping label -> weight for visual
        semantics, a list of words for attributes.
        """

    def conclude(self, total: Any, training: Collection[str]) -> None:  # noqa: B027
        """Adds to what was learnt what only the sums of all posts tell."""

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

    @property
    def block_posts(self) -> int:
        """Posts of a batch."""
        return 2_000

    # --- what all have in common

    @property
    def opened(self) -> Any:
        """What `check_models` returns, opened once for all batches of a pass."""
        return self.check_models() if self._opened is None else self._opened

    @property
    def min_members(self) -> int:
        """Members of an audience that must have given something; content has one author."""
        return self.options.min_members if self.of == AUDIENCE else 1

    @property
    def fitted(self) -> Any:
        """What was learnt.

        Raises:
            RuntimeError: Nothing yet.
        """
        if self._fitted is None:
            raise RuntimeError(f"{type(self).__name__} must be fitted or loaded before it is used.")
        return self._fitted

    @fitted.setter
    def fitted(self, learnt: Any) -> None:
        self._fitted = learnt

    def report(self) -> dict[str, Any]:
        """Returns what a person should know of the fit, ready for JSON; no captions, no names."""
        return deepcopy(dict(self.fitted.report))

    def stream(self, material: RawMaterial) -> Iterable[Post]:
        """Returns the posts that it reads."""
        return material.audience_posts() if self.of == AUDIENCE else material.posts()

    def sample(self, material: RawMaterial, training: Collection[str]) -> Iterator[Post]:
        """Yields posts of the training accounts: all, or a seeded share of at most `MAX_SAMPLE`.

        Which ones does not depend on their order.
        """
        n_posts = material.n_audience_posts if self.of == AUDIENCE else material.n_posts
        share, chosen = MAX_SAMPLE / max(n_posts or 0, MAX_SAMPLE), frozenset(training)
        for post in self.stream(material):
            if post.account in chosen and (share == 1 or _draw(post) < share):
                yield post

    def total(self, material: RawMaterial) -> Any:
        """Returns the sums of all that it reads."""
        return self.sums(self.stream(material))

    def sums(self, posts: Iterable[Post]) -> Any:
        """Returns the sums of posts, whose batches run where and as many at a time as is said."""
        if isinstance(posts, Elsewhere):
            return posts.sums(self)
        taken = map(self.taken, posts)
        blocks = iter(lambda: list(islice(taken, self.block_posts)), [])
        self._opened = self.check_models()
        try:
            total = self.batch([])
            for part in in_order(self.batch, blocks, self.n_jobs, self.runs_in):
                total = self.add(total, part)
        finally:
            self._opened = None
        return total

    def fit(self, material: RawMaterial, training: Collection[str]) -> None:
        """Learns what it needs from some accounts; `prepare` tells what may go wrong."""
        self.fitted = self.learn(self.prepare(material, training))

    def transform(self, material: RawMaterial) -> Mapping[str, Any]:
        """Returns the value of every account that has material; the others are absent.

        Raises:
            RuntimeError: Before `fit` or `load`.
            ConversionError: A model cannot be used, or is not the one of the fit.
        """
        assert self.fitted
        return self.values(self.total(material))

    def fit_transform(self, material: RawMaterial, training: Collection[str]) -> Mapping[str, Any]:
        """Learns and describes; the report then has what only the sums of all posts tell.

        Raises:
            TooLittleError: The training accounts have too little to learn from.
            ConversionError: A model or list cannot be used.
        """
        self.fit(material, training)
        return self.first_values(material, training)

    def first_values(self, material: RawMaterial, training: Collection[str]) -> Mapping[str, Any]:
        """Returns the values of the material of the fit, as `fit_transform` does after it."""
        total = self.total(material)
        self.conclude(total, frozenset(training))
        return self.values(total)

    def save(self, folder: Path) -> None:
        """Writes everything that `load` needs: JSON, and arrays without pickle.

        Args:
            folder: Made where it does not exist; each file is whole or not there.
        """
        content = {
            "extractor": self.name,
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
            if saved["extractor"] != cls.name:
                raise ValueError(f"one of '{saved['extractor']}'")
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


def _draw(post: Post) -> float:
    """Returns a number from 0 to 1 that hangs on the post alone."""
    key = "\0".join(map(str, (post.account, post.member, post.timestamp, post.text, post.image)))
    return crc32(key.encode("utf-8", "replace"), SAMPLE_SEED) / 2**32
