"""The order in which jobs start: longest first, so that no long one runs alone at the end."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

from benchbench.execution.job import Job
from benchbench.store.briefs import Brief, seconds_of
from benchbench.store.records import Method

#: What a training costs in seconds, by its method and source.
Costs = dict[tuple[Method, str], float]


def costs(briefs: Iterable[Brief]) -> Costs:
    """The median time in seconds that a store's trainings took, by method and source."""
    kinds: dict[str, tuple[Method, str]] = {}

    def noted() -> Iterator[Brief]:
        # Keeps nothing else of a brief, and equal kinds only once: there may be a hundred thousand.
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
    """Jobs of unknown cost first, then the longest, to within a factor of two. Among jobs of similar length, those with
    the same source run together, since its data are then in memory, as do those that share a first stage. Otherwise the
    order is kept."""

    def place(job: Job) -> tuple[float, str, str]:
        t = job.training
        seconds = known.get((t.method, t.source_name))
        longest_first = -math.inf if seconds is None else -float(math.frexp(seconds)[1])
        return longest_first, t.source_name, t.stages[0].key if t.stages else ""

    return sorted(jobs, key=place)
