import os
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from benchbench.data.prepare import prepare
from benchbench.errors import BenchbenchError
from benchbench.execution.claims import JobQueue
from benchbench.execution.executor import Executor
from benchbench.execution.interrupts import Interrupts
from benchbench.execution.job import Event, Job, fail_job, run_job
from benchbench.execution.ray_checkpoints import Folder, Watched, place
from benchbench.store.files import Store
from benchbench.store.records import Record
from benchbench.training.chain import Training

#: Seconds between checks of the cluster's size.
TICK = 1.0
#: Seconds to wait for a cluster's head to answer.
PATIENCE = 10.0
#: A cluster's head speaks HTTP/2, in which each side first sends a settings frame, the client after a preface
#: (RFC 9113, section 3.4).
PREFACE, SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 4
NO_SETTINGS = bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0))


class Ray(Executor):
    """One Ray task per training, on a cluster or on this machine (Moritz et al. 2018, OSDI, "Ray: A Distributed
    Framework for Emerging AI Applications"). Needs the extra ``ray``.

    `address` names the cluster to join. By default it is ``RAY_ADDRESS`` or a cluster that runs on this machine; if
    there is none, one is started here (``local`` always starts one). A task takes as many CPUs as its matrix gives
    threads to a training, `memory` GiB if that is set and, on device ``cuda``, `gpus` of a GPU, which may be a
    fraction. `jobs` is the maximum number of trainings at a time; by default the cluster's size decides.

    Every node needs the same versions of benchbench-suite, torch and the plugins, and the same data, found where
    ``BENCHBENCH_DATA`` pointed when the node's own Ray was started. A node that differs ends the run with a message,
    since it would compute something else under the same keys. Only settings and checkpoints are shipped; each node
    prepares its data once.

    Records return to the driver's store as they are made. So do checkpoints, unless `checkpoints` names a folder that
    every node mounts (an fsspec URL such as ``s3://bucket/folder`` is deprecated): then they stay there, where
    ``benchbench export`` and ``benchbench gc`` do not look for them. A worker or node that is lost is replaced, up to
    `retries` times per training, which resumes from its last checkpoint. What workers print is in Ray's own logs.

    On SLURM: start a head and its workers within one allocation, as Ray's documentation describes ("Deploying on
    Slurm"), and run the command on the head's node.
    """

    def __init__(
        self,
        *,
        address: str = "",
        jobs: Annotated[int, Field(ge=1)] | None = None,
        gpus: Annotated[float, Field(gt=0)] = 1.0,
        memory: Annotated[float, Field(gt=0)] | None = None,
        retries: Annotated[int, Field(ge=0)] = 3,
        checkpoints: str = "",
    ):
        self.address, self.jobs, self.gpus, self.memory, self.retries = address, jobs, gpus, memory, retries
        if "://" in checkpoints:
            advice = "name a folder that every node mounts"
            warnings.warn(
                f"executor ray: checkpoints at a URL are deprecated: {advice}", DeprecationWarning, stacklevel=2
            )
        # On a node, a relative path would mean a different folder.
        self.checkpoints = checkpoints if "://" in checkpoints or not checkpoints else os.path.abspath(checkpoints)

    def run(self, jobs: list[Job], report: Callable[[Event], None]) -> None:
        """Run every job, alongside other runs on the store; jobs that share a stage run one after another. When
        interrupted, it cancels running tasks.

        Raises BenchbenchError if Ray is not installed, the cluster cannot be joined or a node does not match the
        driver.
        """
        # A benchmark sends no usage reports.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise BenchbenchError("executor ray needs Ray: pip install 'benchbench-suite[ray]'") from None
        if self.checkpoints:
            place(self.checkpoints)  # refused here rather than by every node
        joined = ray.is_initialized()
        if not joined:
            where = self.address or os.environ.get("RAY_ADDRESS", "")
            try:
                _answers(where)
                ray.init(address=self.address or None, log_to_driver=False)
            except (OSError, ValueError, RuntimeError) as error:
                raise BenchbenchError(f"executor ray: no cluster at {where or 'this machine'}: {error}") from None
        try:
            _Run(self, jobs, report).run()
        finally:
            if not joined:
                ray.shutdown()


def _answers(address: str) -> None:
    """Raise OSError if no cluster answers at a host and port, ValueError if the port is invalid. Ray itself would keep
    retrying for minutes."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if not (parts.hostname and parts.port):
        return
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as connection:
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return
        connection.sendall(PREFACE + NO_SETTINGS)
        with connection.makefile("rb") as answer:
            frame = answer.read(len(NO_SETTINGS))
    if len(frame) < len(NO_SETTINGS) or frame[3] != SETTINGS:
        raise OSError("what answers there is no Ray")


@dataclass
class _Running:
    """A job whose task is on the cluster. `lost` counts the workers lost while running it."""

    job: Job
    began: float = field(default_factory=time.monotonic)
    started: bool = False
    lost: int = 0
    ended: bool = False


class _Run:
    """One run of jobs on a joined cluster."""

    def __init__(self, settings: Ray, jobs: list[Job], report: Callable[[Event], None]):
        self.settings, self.report = settings, report
        self.queue = JobQueue(jobs, report)
        self.running: dict[Any, _Running] = {}

    def run(self) -> None:
        import ray

        with Interrupts() as interrupts, self.queue as queue:
            try:
                while (self.running or queue.waiting) and not interrupts:
                    while len(self.running) < self._limit() and (job := queue.next()):
                        self._submit(_Running(job))
                    if not self.running:
                        # Another run is doing the rest.
                        time.sleep(TICK)
                        continue
                    ready, _ = ray.wait(list(self.running), num_returns=1, timeout=TICK, fetch_local=False)
                    for task in ready:
                        self._receive(task)
            finally:
                for task in self.running:
                    ray.cancel(task, force=True)
        interrupts.check()

    def _limit(self) -> int:
        """The most tasks on the cluster at once: by default twice what fits, so that no worker waits and an autoscaler
        sees demand."""
        import ray

        return self.settings.jobs or max(2, 2 * int(ray.cluster_resources().get("CPU", 1)))

    def _submit(self, running: _Running) -> None:
        import ray

        job, shared = running.job, self.settings.checkpoints
        options: dict[str, Any] = {"num_cpus": job.training.recipe["threads"], "max_retries": 0}
        if job.device.startswith("cuda"):
            options["num_gpus"] = self.settings.gpus
        if self.settings.memory:
            options["memory"] = int(self.settings.memory * 2**30)
        held = {} if shared else _kept(job).read(s.key for s in job.training.stages)
        task = ray.remote(_work).options(name=job.training.label, num_returns="streaming", **options)
        self.running[task.remote(job, ray.put(held), _versions(job.training), shared)] = running

    def _receive(self, task: Any) -> None:
        """Take one message from a task, or learn that it was lost."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        running = self.running[task]
        try:
            kind, data = ray.get(next(task))
        except StopIteration:
            del self.running[task]
            if running.ended:
                self.queue.done(running.job)
            else:
                self._lost(running, "its task ended without a word")
        except RayTaskError as error:
            # A training's own errors arrive as messages, so this is a problem with the node.
            raise BenchbenchError(f"executor ray: {error.cause if error.cause is not None else error}") from None
        except RayError as error:
            del self.running[task]
            ray.cancel(task, force=True)
            self._lost(running, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
        else:
            self._hear(running, kind, data)

    def _hear(self, running: _Running, kind: str, data: Any) -> None:
        job = running.job
        if kind == "checkpoint":
            _kept(job).write(*data)
            return
        if kind == "failures":
            Store(job.store).add(job.training.key, data)
            return
        if kind == "record":
            Store(job.store).add(job.training.key, [data])
            running.job = replace(job, cells=tuple(c for c in job.cells if c.key != data.key))
        running.ended |= kind in ("finished", "failed")
        if kind != "started" or not running.started:
            self.report(Event(kind, job.training, data))
        running.started |= kind == "started"

    def _lost(self, running: _Running, why: str) -> None:
        """Handle a lost worker: restart its job elsewhere, without the cells whose records have arrived."""
        running.lost += 1
        job = running.job
        if not running.ended and job.cells and running.lost <= self.settings.retries:
            self._submit(running)
            return
        self.queue.done(job)
        if running.ended:
            return
        if not job.cells:
            self.report(Event("finished", job.training, time.monotonic() - running.began))
        else:
            fail_job(job, f"its worker was lost {running.lost} times ({why})", self.report)


def _kept(job: Job) -> Folder:
    """The checkpoints of the driver's store."""
    return Folder(job.store / "checkpoints")


def _versions(training: Training) -> dict[str, str]:
    """The distributions that a training uses, with the versions installed here."""
    refs = [training.backbone, training.learner, training.source]
    refs += [ref for stage in training.stages for ref in stage.components]
    refs += [ref for cell in training.cells for ref in (cell.target, cell.component)]
    names = {"benchbench-suite", "torch", *(ref.name.split(":")[0] for ref in refs)}
    return {name: _version(name) for name in sorted(names)}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


# On a node


def _work(job: Job, held: dict[str, bytes], required: dict[str, str], shared: str) -> Iterator[tuple[str, Any]]:
    """Do a job in a scratch store and yield its events, with ``failures`` (the records of a failed job) before the last
    one, and ``checkpoint`` (name and content) if nothing is shared. Raises BenchbenchError on a node that does not
    match."""
    _check(job, required)
    messages: SimpleQueue[tuple[str, Any] | BaseException | None] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="benchbench-") as folder:
        thread = threading.Thread(target=_train, args=(replace(job, store=Path(folder)), held, shared, messages.put))
        thread.start()
        while (message := messages.get()) is not None:
            if isinstance(message, BaseException):
                raise message
            yield message
        thread.join()


def _train(job: Job, held: dict[str, bytes], shared: str, say: Callable[[Any], None]) -> None:
    """Run a training in its own thread, since its generator can only wait."""
    try:
        keys = [s.key for s in job.training.stages]
        watched = Watched(job.store / "checkpoints", place(shared).read(keys) if shared else held)

        def hear(event: Event) -> None:
            for name, content in watched.changes():
                if shared:
                    place(shared).write(name, content)
                else:
                    say(("checkpoint", (name, content)))
            if event.kind == "failed":
                say(("failures", [r for r in _records(job) if r.status == "failed"]))
            say((event.kind, event.data))

        run_job(job, hear)
    except BaseException as error:
        # The training's own failure has already been reported and recorded.
        if not any(r.status == "failed" for r in _records(job)):
            say(error)
    finally:
        say(None)


def _records(job: Job) -> list[Record]:
    return list(Store(job.store).records(job.training.key).values())


def _check(job: Job, required: dict[str, str]) -> None:
    """Raise BenchbenchError if this node's code or data differ from the driver's."""
    node = os.uname().nodename
    for name, wanted in required.items():
        if (here := _version(name)) != wanted:
            raise BenchbenchError(
                f"node {node} has {name} {here}, the driver {wanted}: install the same versions everywhere"
            )
    wanted = job.training.content.get("source", {}).get("fingerprint")
    if wanted is None:
        return
    try:
        found = prepare(job.training.source).fingerprint
    except BenchbenchError:
        return  # the training fails with this error, and it is recorded
    if found != wanted:
        raise BenchbenchError(
            f"node {node} has other data for dataset {job.training.source_name} than the driver: compare the folders "
            "that BENCHBENCH_DATA names"
        )
