"""The jobs left to do, shared with other runs on the same store: no run starts what another is doing."""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from filelock import SoftFileLease, Timeout

from benchbench.errors import StorageError
from benchbench.execution.job import Event, Job
from benchbench.store.files import Store

log = logging.getLogger("benchbench.execution")
#: Seconds between checks of what other runs hold.
PAUSE = 0.5
#: Most files that a run asks for: far more leases than any cluster has workers.
FILES = 65_536
#: Seconds after which a lease that names no holder is nobody's: writing the name takes less than a millisecond.
NAMELESS = 5.0


class JobQueue:
    """Hands out jobs one by one, each under the leases of its training and of its stages that are not trained yet.

    A job's leases are taken all or none and never waited for, so runs cannot deadlock. A job that another run holds is
    tried again later: once its lease is free, it is either done, and reported as ``elsewhere``, or was abandoned, and
    is handed out. As a context manager, it releases what it holds on exit.
    """

    def __init__(self, jobs: list[Job], report: Callable[[Event], None]):
        self.waiting = list(jobs)
        self.report = report
        self.held: dict[str, dict[str, SoftFileLease]] = {}
        #: Leases that others held when they were tried, kept because a lease is aged by whoever watches it.
        self.foreign: dict[str, SoftFileLease] = {}
        #: Since when leases that name no holder were seen, by file, inode and time of change.
        self.nameless: dict[tuple[str, int, int], float] = {}
        self.trained: set[str] = set()
        self.named: set[tuple[str, int]] = set()
        self.rests_until = 0.0

    def __enter__(self) -> "JobQueue":
        _allow_files()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for key in list(self.held):
            self._release(key)

    def next(self) -> Job | None:
        """A job that is now ours, or None if none is available at the moment. Raises StorageError."""
        if time.monotonic() < self.rests_until:
            return None
        busy = {key for leases in self.held.values() for key in leases}
        for job in list(self.waiting):
            keys = self._keys(job)
            if busy.intersection(keys):
                continue
            if taken := self._take(job, keys):
                busy.add(taken)
                continue
            self.waiting.remove(job)
            # Another run may have worked on it since the job was made.
            if cells := job.left():
                return replace(job, cells=cells)
            self._release(job.training.key)
            self.report(Event("elsewhere", job.training))
        self.rests_until = time.monotonic() + PAUSE
        if not self.held:
            self._name_holders()
        return None

    def done(self, job: Job) -> None:
        """Release a job that has ended."""
        self._release(job.training.key)
        self.rests_until = 0.0

    def again(self, job: Job) -> None:
        """Put back a job that is still to be done."""
        self.done(job)
        self.waiting.append(job)

    def _keys(self, job: Job) -> list[str]:
        """The keys to lease for a job. A stage that is already trained is only read and needs no lease."""
        store, keys = Store(job.store), [job.training.key]
        for stage in job.training.stages:
            if stage.key not in self.trained and not job.rerun and store.checkpoint(stage.key, "final").exists():
                self.trained.add(stage.key)
            if stage.key not in self.trained:
                keys.append(stage.key)
        return keys

    def _take(self, job: Job, keys: list[str]) -> str:
        """Take the leases of all `keys` and return an empty string, or take none and return the key that another run
        holds."""
        store = Store(job.store)
        taken: dict[str, SoftFileLease] = {}
        self.held[job.training.key] = taken
        for key in keys:
            lease = self.foreign.pop(key, None) or store.lease(key)
            try:
                lease.acquire(timeout=0)
            except Timeout:
                self._release(job.training.key)
                self.foreign[key] = lease
                self._break_nameless(lease)
                return key
            except OSError as error:
                self._release(job.training.key)
                why = f"{error.strerror}; what is finished is kept, run again to go on"
                raise StorageError(f"{lease.lock_file} cannot be written: {why}") from error
            taken[key] = lease
        return ""

    def _break_nameless(self, lease: SoftFileLease) -> None:
        """Remove a lease that has been empty for a while: whoever made it was killed before it could write its name,
        and the library would leave it for good."""
        with suppress(OSError):
            found = os.stat(lease.lock_file)
            seen = str(lease.lock_file), found.st_ino, found.st_ctime_ns
            if found.st_size == 0 and time.monotonic() - self.nameless.setdefault(seen, time.monotonic()) > NAMELESS:
                os.unlink(lease.lock_file)

    def _release(self, training_key: str) -> None:
        for lease in self.held.pop(training_key).values():
            lease.release()

    def _name_holders(self) -> None:
        for lease in self.foreign.values():
            owner = lease.owner
            if owner and (owner.hostname, owner.pid) not in self.named:
                self.named.add((owner.hostname, owner.pid))
                log.warning("waiting for trainings of another run: process %d on %s", owner.pid, owner.hostname)


def _allow_files() -> None:
    """Let this process open as many files as it may, within `FILES`: every lease is one, and the usual 1,024 end a run
    of some hundreds of jobs at a time."""
    # There are no such limits on Windows.
    with suppress(ImportError, ValueError, OSError):
        import resource

        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if most == resource.RLIM_INFINITY else min(most, FILES)
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
