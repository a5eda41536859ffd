"""Records as a git revision has them."""

import io
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from benchbench.errors import BenchbenchError
from benchbench.results.merge import whole_records
from benchbench.store.records import Record


def load(source: str) -> list[Record]:
    """The records of a results folder, or of ``REV:path`` in the git repository around the working folder.

    Raises BenchbenchError if there is neither, or a record is unreadable.
    """
    if Path(source).exists():
        return whole_records(Path(source))
    revision, colon, path = source.partition(":")
    if not (revision and colon and path) or source.startswith("-"):
        raise BenchbenchError(f"no results at {source}: expected a results folder, or REV:path in a git repository")
    return _archived(_root(), source)


def at_revision(folder: Path, revision: str) -> list[Record]:
    """The records that a folder of this git repository held at a revision; none if it was not there.

    Raises BenchbenchError if there is no such revision, the folder is in no repository, or a record is unreadable.
    """
    if revision.startswith("-"):
        raise BenchbenchError(f"no git revision {revision!r}")
    root = _root()
    commit = _git("-C", root, "rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
    try:
        path = folder.resolve().relative_to(Path(root).resolve()).as_posix()
    except ValueError:
        raise BenchbenchError(f"{folder} is not in the git repository {root}") from None
    if not _git("-C", root, "ls-tree", "--name-only", commit, path):
        return []
    return _archived(root, f"{commit}:{path}")


def _root() -> str:
    return _git("rev-parse", "--show-toplevel").decode().strip()


def _archived(root: str, source: str) -> list[Record]:
    archive = _git("-C", root, "archive", "--format=tar", source)
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        return whole_records(Path(folder))


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise BenchbenchError("git is not installed: give two results folders") from None
    except subprocess.CalledProcessError as error:
        message = error.stderr.decode(errors="replace").strip().splitlines()
        raise BenchbenchError(f"git {arguments[-1]}: {message[0] if message else 'failed'}") from None
