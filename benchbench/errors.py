"""What can go wrong through no fault of the code: one clear message each."""

from collections.abc import Iterable
from difflib import get_close_matches


class BenchbenchError(Exception):
    """Bad input. The message names the file, key or plugin, and what was expected; the command exits with 2."""


class DataMissing(BenchbenchError):
    """A dataset's files are not where they should be; the message says which files to put where."""


class BrokenPlugin(BenchbenchError):
    """A plugin was found but could not be imported; only what needs it fails."""


class TrainingFailed(Exception):
    """A training ended without a usable result (a non-finite loss, say); it is recorded and the run goes on."""


class StorageError(BenchbenchError):
    """The results folder cannot be written: a full disk, a quota, no permission. No training has failed: the run ends,
    and picks up from there when started again."""


class Stopped(Exception):
    """A training was asked to stop; its checkpoint is written, and it resumes from there."""


class Interrupted(KeyboardInterrupt):
    """A run ended early because of signal number `signum`; finished work is kept."""

    def __init__(self, signum: int):
        super().__init__(f"interrupted by signal {signum}")
        self.signum = signum


def suggest(name: str, options: Iterable[str]) -> str:
    """The end of a message: ``"; did you mean 'x'?"`` for the nearest of `options`, else a list of them."""
    options = sorted(options)
    near = get_close_matches(name, options, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; expected one of: {', '.join(options)}" if options else ""
