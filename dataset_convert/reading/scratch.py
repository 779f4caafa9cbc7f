"""Space on disk that nobody else can find, and that is gone with the process."""

import os
import tempfile
import weakref
from typing import Final

from dataset_convert.problems import ConversionError

_BLOCK: Final = 2**20


class Scratch:
    """Bytes in a temporary file without a name: nothing remains of it even after a kill.

    Every reader keeps its own place, so that several may read in turns.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._pending: list[bytes] = []
        self._n_pending = 0
        self._size = 0

    def append(self, content: bytes) -> int:
        """Adds bytes at the end; returns where they begin.

        Raises:
            ConversionError: There is no space left.
        """
        begin = self._size + self._n_pending
        self._pending.append(content)
        self._n_pending += len(content)
        if self._n_pending >= _BLOCK:
            self._flush()
        return begin

    def read(self, begin: int, length: int) -> bytes:
        """Returns the bytes of a place; fewer where they end before."""
        if self._pending:
            self._flush()
        return os.pread(self._descriptor, length, begin)

    def _flush(self) -> None:
        content = memoryview(b"".join(self._pending))
        self._pending, self._n_pending = [], 0
        try:
            while content:
                n_written = os.pwrite(self._descriptor, content, self._size)
                self._size += n_written
                content = content[n_written:]
        except OSError as error:
            raise ConversionError(
                f"The temporary folder {tempfile.gettempdir()} cannot be written to: "
                f"{error.strerror}; free some space, or name another one in TMPDIR."
            ) from None
