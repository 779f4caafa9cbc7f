"""Log lines of an experiment, on the screen and in a file of its own."""

import contextlib
import logging
import secrets
import sys
import time
from pathlib import Path

from recbole.utils.logger import RemoveColorFilter

from recbole_mirec.files import naming

FOLDER = Path("log")
_NAME = "recbole_mirec."


def start_logging(model: str, dataset: str, level: str, *, only_file: Path | None = None) -> None:
    """Send log lines to standard error and to `log/<model>/`, as RecBole does.

    Departures from `recbole.utils.init_logger`: a second experiment in the same process gets its
    own file, and a file appears with its first line, so that refused input leaves none.

    Args:
        model: the model's name.
        dataset: the data set's name.
        level: RecBole's `state`: debug, info, warning, error or critical.
        only_file: send them to this file and nowhere else.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    own_file = FOLDER / model / f"{model}-{dataset}-{stamp}-{secrets.token_hex(3)}.log"
    file = _LateFileHandler(only_file or own_file)
    file.addFilter(RemoveColorFilter())
    file.setFormatter(logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s"))
    screen = logging.StreamHandler()
    screen.setFormatter(logging.Formatter("%(asctime)s %(levelname)s  %(message)s", "%d %b %H:%M"))
    if not sys.stderr.isatty():
        screen.addFilter(RemoveColorFilter())
    root = logging.getLogger()
    for handler in list(root.handlers):
        if (handler.name or "").startswith(_NAME):
            root.removeHandler(handler)
            # what a full disk had no room for is lost
            with contextlib.suppress(OSError):
                handler.close()
    chosen: dict[str, logging.Handler] = {"file": file}
    if only_file is None:
        chosen["screen"] = screen
    for name, handler in chosen.items():
        handler.set_name(_NAME + name)
        handler.setLevel(threshold)
        root.addHandler(handler)
    root.setLevel(threshold)


class _LateFileHandler(logging.FileHandler):
    """A file handler that makes its file, and the folder, when there is a line to write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A line that the disk has no room for ends the work, as any other file does."""
        with naming(Path(self.baseFilename)):
            if isinstance(sys.exception(), OSError):
                raise
        super().handleError(record)

    def _open(self):  # type: ignore[no-untyped-def]
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()
