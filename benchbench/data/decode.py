"""Decoding a dataset, in this process or in several: the samples and their order are the same."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from benchbench.components.reference import ComponentRef
from benchbench.data.dataset import Dataset
from benchbench.data.table import Sample
from benchbench.errors import BenchbenchError

#: Items sent to a process at once.
CHUNK = 32
#: Chunks in flight for each process: enough that none waits, few enough to fit in memory.
AHEAD = 3
#: Receives how many items are done, and out of how many, if known.
Report = Callable[[int, int | None], None]


def decoded(
    ref: ComponentRef, dataset: Dataset, root: Path | None, *, jobs: int = 1, report: Report | None = None
) -> Iterator[Sample]:
    """Every sample of `dataset`, which `ref` built, in order. Raises BenchbenchError if a process dies."""
    tell = report or (lambda done, total: None)
    if type(dataset).items is Dataset.items:
        for done, sample in enumerate(dataset.samples(root), 1):
            yield sample
            tell(done, None)
        return
    items = dataset.items(root)
    tell(0, len(items))
    if jobs == 1:
        for done, item in enumerate(items, 1):
            yield from dataset.decode(item)
            tell(done, len(items))
        return
    yield from _in_processes(ref, items, jobs, tell)


def _in_processes(ref: ComponentRef, items: Sequence[Any], jobs: int, tell: Report) -> Iterator[Sample]:
    # Forked from a server that has already imported the core, so starting one is cheap; Windows has no fork.
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload([__name__])  # type: ignore[attr-defined]
    pool = ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(ref,))
    chunks = (items[i : i + CHUNK] for i in range(0, len(items), CHUNK))
    waiting: deque[Future[list[Sample]]] = deque()
    done = 0
    try:
        while True:
            while len(waiting) < jobs * AHEAD and (chunk := next(chunks, None)) is not None:
                waiting.append(pool.submit(_decode, chunk))
            if not waiting:
                return
            yield from waiting.popleft().result()
            done = min(done + CHUNK, len(items))
            tell(done, len(items))
    except BrokenProcessPool:
        raise BenchbenchError(
            f"dataset {ref.name}: a decoding process died (killed for want of memory?): try --jobs 1"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_dataset: Dataset


def _start(ref: ComponentRef) -> None:
    """Build the dataset of a decoding process, which exits when its driver does, however the driver ends."""
    global _dataset
    _dataset = ref.build()
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)


def _decode(items: Sequence[Any]) -> list[Sample]:
    return [sample for item in items for sample in _dataset.decode(item)]
