"""Posts summed up by Ray Data: every worker sums up parts of the accounts, which are Parquet."""

import logging
import os
import pickle
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from dataset_convert.common.commands import track
from dataset_convert.common.errors import UsageError
from dataset_convert.common.ray_session import import_ray, ray_session
from dataset_convert.features.base import Elsewhere, Extractor
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post

N_PARTS: Final = 256
"""Parts that accounts fall into, whatever the number of workers, on which no sum depends."""
_TASKS: Final = 4
"""Tasks of a worker in a pass, of one part or more: what takes longer does not come last alone."""
_WAITING: Final = 50_000
"""Posts that wait until they are written."""
_MEGABYTES: Final = 300
"""Of sums that a Ray of our own holds until they are added."""
_DEAD: Final = (
    "A worker of Ray died, often for want of memory; set n_jobs to a smaller number or free some "
    "memory, and convert again."
)
_TEXTS, _NUMBERS = ("account", "text", "member"), ("timestamp", "n_likes", "n_comments")
"""Fields of posts; texts are written as bytes, since they may hold what UTF-8 cannot."""
Posts = Callable[[], Iterable[Post]]


@contextmanager
def ray_engine(folder: Path, address: str | None, n_jobs: int) -> Iterator["RayEngine"]:
    """The engine, whose Ray and files end with the block.

    Args:
        folder: The data set's own; posts are written beside it, where all workers must read them.
        address: Of a Ray cluster; None: what RAY_ADDRESS says, else a Ray on this machine.
        n_jobs: Workers of a Ray on this machine.
    """
    place = folder.resolve()
    # By this name the next conversion clears it away if this process is killed.
    work = place.with_name(f".{place.name}.making-posts-{os.getpid()}")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)

        def begin() -> Any:
            ray = import_ray("ray.data")
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            stack.enter_context(ray_session(ray, address, n_jobs, megabytes=_MEGABYTES))
            return ray

        yield RayEngine(work, begin)


class RayEngine:
    """Sums posts up on Ray, which begins when it is first needed.

    Args:
        work: A folder for posts, made when it is needed, for its owner alone.
        begin: Starts or joins a Ray and returns the module.
    """

    def __init__(self, work: Path, begin: Callable[[], Any]) -> None:
        self._work, self._begin = work, begin
        self._ray: Any = None
        self._parts: dict[str, list[str]] = {}

    def parted(self, name: str, posts: Posts, nameless: Posts) -> Posts:
        """Returns a stream of posts that workers can sum up, too.

        Args:
            name: Of the stream, whose parts are written once for all extractors.
            posts: What the stream yields here.
            nameless: The same posts with texts that name nobody, which are what is written.
        """
        return partial(_Parted, posts, partial(self._sums, name, nameless))

    def _sums(self, name: str, posts: Posts, extractor: Extractor) -> Any:
        if name not in self._parts:
            self._work.mkdir(mode=0o700, parents=True, exist_ok=True)
            stream = track(posts(), f"{name}: to Parquet", unit="posts")
            self._parts[name] = _write(stream, self._work / name)
        total, parts = extractor.sums(()), self._parts[name]
        self._ray = self._ray or self._begin()
        for found in track(self._found(extractor, parts), extractor.modality, unit="parts"):
            total = extractor.add(total, found)
        return total

    def _found(self, extractor: Extractor, parts: list[str]) -> Iterator[Any]:
        """Yields the sums of all parts, in their order."""
        ray, worker = self._ray, copy(extractor)
        worker.n_jobs, worker.problems = 1, None
        if not parts:
            return
        n_tasks = min(len(parts), _TASKS * int(ray.cluster_resources()["CPU"]))
        items = [{"part": part} for part in parts]
        rows = ray.data.from_items(items, override_num_blocks=n_tasks)
        rows = rows.map(partial(_sum_up, worker, Path.cwd()))
        rows.context.enable_progress_bars = rows.context.print_on_execution_start = False
        rows.context.execution_options.preserve_order = True
        try:
            for part, row in zip(parts, rows.iter_rows(), strict=True):
                if row["problem"]:
                    raise ConversionError(row["problem"])
                assert row["part"] == part
                yield pickle.loads(row["sums"])
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
            raise ConversionError(_DEAD) from None


class _Parted(Elsewhere):
    def __init__(self, posts: Posts, sums: Callable[[Extractor], Any]) -> None:
        self._posts, self._sums = posts, sums

    def __iter__(self) -> Iterator[Post]:
        return iter(self._posts())

    def sums(self, extractor: Extractor) -> Any:
        return self._sums(extractor)


def _sum_up(extractor: Extractor, folder: Path, row: dict[str, str]) -> dict[str, Any]:
    """What a worker does: sums a part up; what the user can mend is told, not raised."""
    sums, problem = b"", ""
    try:
        os.chdir(folder)  # paths of models and pictures may be relative to it
        sums = pickle.dumps(extractor.sums(_read(Path(row["part"]))))
    except OSError as error:
        problem = (
            f"{error.filename}: {error.strerror} on a machine of the Ray cluster. The working "
            f"folder and --output must be folders that all machines share."
        )
    except UsageError as error:
        problem = str(error)
    return {"part": row["part"], "sums": sums, "problem": problem}


def _write(posts: Iterable[Post], folder: Path) -> list[str]:
    """Writes posts to a file a part, in which they keep their order; returns the files."""
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    folder.mkdir()
    posts = iter(posts)
    with ExitStack() as stack:
        writers: dict[int, Any] = {}
        while some := list(islice(posts, _WAITING)):
            of_part = defaultdict[int, list[Post]](list)
            for post in some:
                of_part[crc32(_bytes(post.account)) % N_PARTS].append(post)
            for part, found in of_part.items():
                table = Table.from_pydict(_columns(found), schema=_schema())
                if part not in writers:
                    writer = ParquetWriter(folder / f"{part:03}.parquet", table.schema)
                    writers[part] = stack.enter_context(writer)
                writers[part].write_table(table)
    return sorted(map(str, folder.iterdir()))


def _schema() -> Any:
    import pyarrow as pa

    texts = [(name, pa.binary()) for name in _TEXTS]
    numbers = [(name, pa.float64()) for name in _NUMBERS]
    labels = [("labels", pa.list_(pa.binary())), ("scores", pa.list_(pa.float64()))]
    return pa.schema([*texts, *numbers, *labels, ("image", pa.binary())])


def _columns(posts: list[Post]) -> dict[str, list[Any]]:
    return {
        **{name: [_bytes(getattr(x, name)) for x in posts] for name in _TEXTS},
        **{name: [getattr(x, name) for x in posts] for name in _NUMBERS},
        "labels": [list(map(_bytes, x.labels)) for x in posts],
        "scores": [list(x.labels.values()) for x in posts],
        "image": [None if x.image is None else os.fsencode(x.image) for x in posts],
    }


def _read(path: Path) -> Iterator[Post]:
    from pyarrow.parquet import ParquetFile

    with path.open("rb") as stream, ParquetFile(stream) as file:
        for rows in file.iter_batches(2_000):
            for row in rows.to_pylist():
                account, text, member = (_text(row.pop(name)) for name in _TEXTS)
                labels = dict(zip(map(_text, row.pop("labels")), row.pop("scores"), strict=True))
                image = row.pop("image")
                image = None if image is None else Path(os.fsdecode(image))
                yield Post(account, text, member, labels=labels, image=image, **row)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _text(content: bytes) -> str:
    return content.decode(errors="surrogatepass")
