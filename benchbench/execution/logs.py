"""The log of a training: what its process prints, limited in size by keeping only the beginning and the end."""

import os
from contextlib import suppress
from pathlib import Path

#: Bytes kept of the beginning and of the end. A log has at most `HEAD` + 2 * `TAIL` bytes, 3 MiB, plus the mark.
HEAD = TAIL = 2**20
#: Bytes of its end that are kept in memory for a failed record.
AT_HAND = 2**14
MARK = b"\n[... what was printed here is left out: a log keeps its beginning and its end ...]\n"


class BoundedLog:
    """A file that `write` appends to. What cannot be written, for example on a full disk, is lost: a log must not fail
    a training."""

    def __init__(self, path: Path):
        self.path = path
        self._end = b""
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def write(self, data: bytes) -> None:
        """Append `data`; if the file grows too long, its middle is dropped."""
        self._end = (self._end + data)[-AT_HAND:]
        with suppress(OSError), self.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size + len(data) > HEAD + 2 * TAIL:
                file.seek(max(size - TAIL, HEAD))
                kept = (file.read() + data)[-TAIL:]
                file.seek(HEAD)
                file.write(MARK + kept)
                file.truncate()
            else:
                file.write(data)

    def tail(self) -> str:
        """The last `AT_HAND` bytes that were written through this object."""
        return self._end.decode(errors="replace")
