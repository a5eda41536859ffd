"""In which order jobs start: the longest first, so that no long one runs alone at the end."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

from benchbench.execution.job import Job
from benchbench.store.briefs import Brief, seconds_of
from benchbench.store.records import Method

#: What a training costs by its method and source, in seconds.
Costs = dict[tuple[Method, str], float]


def costs(briefs: Iterable[Brief]) -> Costs:
    """The median of what a store's trainings of each method and source took, in seconds."""
    kinds: dict[str, tuple[Method, str]] = {}

    def noted() -> Iterator[Brief]:
        # Nothing else is kept of a brief, and equal kinds once: there may be a hundred thousand.
        once: dict[tuple[Method, str], tuple[Method, str]] = {}
        for r in briefs:
            kind = r.method, r.source
            kinds[r.training_key] = once.setdefault(kind, kind)
            yield r

    grouped = defaultdict(list)
    for key, seconds in seconds_of(noted()).items():
        grouped[kinds[key]].append(seconds)
    return {kind: median(seconds) for kind, seconds in grouped.items()}


def ordered(jobs: list[Job], known: Costs) -> list[Job]:
    """Jobs of unknown cost first, then the longest, to a factor of two; among such as take about as long those of one
    source stand together, for its data are in memory then, and those that share a first stage. Else as they came."""

    def place(job: Job) -> tuple[float, str, str]:
        t = job.training
        seconds = known.get((t.method, t.source_name))
        longest_first = -math.inf if seconds is None else -float(math.frexp(seconds)[1])
        return longest_first, t.source_name, t.stages[0].key if t.stages else ""

    return sorted(jobs, key=place)
