"""What can go wrong through no fault of the code: one clear message each."""

from collections.abc import Iterable
from difflib import get_close_matches


class BenchbenchError(Exception):
    """Bad input. The message names the file, key or plugin, and what was expected; the command exits with 2."""


class DataMissing(BenchbenchError):
    """A dataset's files are not where they are read from; the message says which files to put where."""


class BrokenPlugin(BenchbenchError):
    """A plugin was found but could not be imported; only what needs it fails."""


class TrainingFailed(Exception):
    """A training ended without a usable result (a non-finite loss, say); it is recorded and the run goes on."""


class StorageError(BenchbenchError):
    """The results folder cannot be written: a full disk, a quota, no permission. It is no training's failure: the run
    ends, and goes on from there when it is started again."""


class Stopped(Exception):
    """A training was asked to stop; its checkpoint is written, and it resumes from there."""


class Interrupted(KeyboardInterrupt):
    """A run ended early because of a signal, whose number is `signum`; what is finished is kept."""

    def __init__(self, signum: int):
        super().__init__(f"interrupted by signal {signum}")
        self.signum = signum


def suggest(name: str, options: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest of `options`, else the list of them; to end a message with."""
    options = sorted(options)
    near = get_close_matches(name, options, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; expected one of: {', '.join(options)}" if options else ""
