"""Posts summed up by Ray Data: every worker sums up parts of the accounts, which are Parquet."""

import logging
import os
import pickle
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import cached_property, partial
from itertools import islice
from operator import methodcaller
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from dataset_convert.common.commands import track
from dataset_convert.common.errors import UsageError
from dataset_convert.common.ray_session import import_ray, ray_session
from dataset_convert.features.base import Elsewhere, Extractor
from dataset_convert.problems import ConversionError
from dataset_convert.raw import Post
from dataset_convert.settings import LOCAL, ConversionSettings

N_PARTS: Final = 256
"""Parts that accounts fall into, whatever the number of workers, on which no sum depends."""
_WAITING, _TASKS, _MEGABYTES = 50_000, 4, 300
"""Posts that wait until they are written; tasks of a worker in a pass, so that none comes last
alone; sums that a Ray of our own holds until they are added."""
_TEXTS = ("account", "text", "member")
_bytes, _text = (methodcaller(how, errors="surrogatepass") for how in ("encode", "decode"))
Posts = Callable[[], Iterable[Post]]


@contextmanager
def engine_of(settings: ConversionSettings, folder: Path) -> Iterator["RayEngine | None"]:
    """Who sums posts up beside this process and its own: None, or Ray until the block ends.

    Posts are written beside the data set's own `folder`, where all workers must be able to read.
    """
    place = folder.resolve()
    # By this name the next conversion clears it away if this process is killed.
    work = place.with_name(f".{place.name}.making-posts-{os.getpid()}")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        yield None if settings.engine == LOCAL else RayEngine(settings, work, stack)


class RayEngine:
    """Sums posts up on Ray, which begins when it is first needed, and ends by the `stack`.

    `work` is a folder for posts, made when it is needed, for its owner alone.
    """

    def __init__(self, settings: ConversionSettings, work: Path, stack: ExitStack) -> None:
        self._settings, self._work, self._stack = settings, work, stack
        self._parts: dict[str, list[str]] = {}

    @cached_property
    def _ray(self) -> Any:
        ray, settings = import_ray("ray.data"), self._settings
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        self._stack.enter_context(
            ray_session(ray, settings.ray_address, settings.n_jobs, megabytes=_MEGABYTES)
        )
        return ray

    def parted(self, name: str, posts: Posts, nameless: Posts) -> Posts:
        """Returns a stream that yields `posts`, and which workers can sum up.

        What is written for them, once a `name`, are the same posts with texts that name nobody.
        """
        return lambda: Elsewhere(posts, partial(self._sums, name, nameless))

    def _sums(self, name: str, posts: Posts, extractor: Extractor) -> Any:
        if name not in self._parts:
            self._work.mkdir(mode=0o700, parents=True, exist_ok=True)
            stream = track(posts(), f"{name}: to Parquet", unit="posts")
            self._parts[name] = _write(stream, self._work / name)
        total, parts = extractor.sums(()), self._parts[name]
        for found in track(self._found(extractor, parts), extractor.modality, unit="parts"):
            total = extractor.add(total, found)
        return total

    def _found(self, extractor: Extractor, parts: list[str]) -> Iterator[Any]:
        """Yields the sums of all parts, in their order; of a stream without posts none."""
        ray, worker = self._ray, copy(extractor)
        worker.n_jobs, worker.problems = 1, None
        n_tasks = min(len(parts), _TASKS * int(ray.cluster_resources()["CPU"]))
        items = [{"part": part} for part in parts]
        rows = ray.data.from_items(items, override_num_blocks=max(n_tasks, 1))
        rows = rows.map(partial(_sum_up, worker, Path.cwd()))
        rows.context.enable_progress_bars = rows.context.print_on_execution_start = False
        rows.context.execution_options.preserve_order = True
        for part, row in zip(parts, rows.iter_rows() if parts else (), strict=True):
            assert row["part"] == part
            if row["problem"]:
                raise ConversionError(row["problem"])
            yield pickle.loads(row["sums"])


def _sum_up(extractor: Extractor, folder: Path, row: dict[str, str]) -> dict[str, Any]:
    """What a worker does: sums a part up; what the user can mend is told, not raised."""
    part = Path(row["part"])
    try:
        os.chdir(folder)  # paths of models and pictures may be relative to it
        # Ray does again, for ever, what a worker died of: so what is begun is marked.
        part.with_suffix(f".{extractor.modality}").touch(exist_ok=False)
        return {**row, "sums": pickle.dumps(extractor.sums(_read(part))), "problem": ""}
    except FileExistsError:
        problem = (
            "A worker of Ray died, often for want of memory; set n_jobs to a smaller number or "
            "free some memory, and convert again."
        )
    except OSError as error:
        problem = (
            f"{error.filename}: {error.strerror} on a machine of the Ray cluster. The working "
            f"folder and --output must be folders that all machines share."
        )
    except UsageError as error:
        problem = str(error)
    return {**row, "sums": b"", "problem": problem}


def _write(posts: Iterable[Post], folder: Path) -> list[str]:
    """Writes posts to a file a part, in which they keep their order; returns the files."""
    from pyarrow.parquet import ParquetWriter

    folder.mkdir()
    posts, writers = iter(posts), dict[int, Any]()
    with ExitStack() as stack:
        while some := list(islice(posts, _WAITING)):
            of_part = defaultdict[int, list[Post]](list)
            for post in some:
                of_part[crc32(_bytes(post.account)) % N_PARTS].append(post)
            for part, found in of_part.items():
                table = _table(found)
                if part not in writers:
                    writer = ParquetWriter(folder / f"{part:03}.parquet", table.schema)
                    writers[part] = stack.enter_context(writer)
                writers[part].write_table(table)
    return sorted(map(str, folder.iterdir()))


def _table(posts: list[Post]) -> Any:
    """What batches read of posts; bytes, since a text may hold what UTF-8 cannot."""
    import pyarrow as pa

    labels = [[(_bytes(name), x) for name, x in post.labels.items()] for post in posts]
    images = [None if post.image is None else os.fsencode(post.image) for post in posts]
    columns = {name: [_bytes(getattr(post, name)) for post in posts] for name in _TEXTS}
    return pa.table(
        {name: pa.array(values, pa.binary()) for name, values in columns.items()}
        | {"labels": pa.array(labels, pa.map_(pa.binary(), pa.float64()))}
        | {"image": pa.array(images, pa.binary())}
    )


def _read(path: Path) -> Iterator[Post]:
    from pyarrow.parquet import ParquetFile

    with path.open("rb") as stream, ParquetFile(stream) as file:
        for rows in file.iter_batches(2_000):
            for row in rows.to_pylist():
                account, text, member = (_text(row[name]) for name in _TEXTS)
                labels = {_text(name): score for name, score in row["labels"]}
                image = None if row["image"] is None else Path(os.fsdecode(row["image"]))
                yield Post(account, text, member, labels=labels, image=image)
