"""In which order jobs start: the longest first, so that no long one runs alone at the end."""

import math
from collections import defaultdict
from statistics import median

from benchbench.execution.briefs import Brief, Kind, seconds_of
from benchbench.execution.job import Job

#: What a training costs by its method and source, in seconds.
Costs = dict[tuple[Kind, str], float]


def costs(briefs: list[Brief]) -> Costs:
    """The median of what a store's trainings of each method and source took, in seconds."""
    kinds = {r.training_key: (r.method, r.source) for r in briefs}
    grouped = defaultdict(list)
    for key, seconds in seconds_of(briefs).items():
        grouped[kinds[key]].append(seconds)
    return {kind: median(seconds) for kind, seconds in grouped.items()}


def ordered(jobs: list[Job], known: Costs) -> list[Job]:
    """Jobs of unknown cost first, then the longest, to a factor of two; among such as take about as long those of one
    source stand together, for its data are in memory then, and those that share a first stage. Else as they came."""

    def place(job: Job) -> tuple[float, str, str]:
        t = job.training
        seconds = known.get((Kind(**t.method.model_dump()), t.source_name))
        longest_first = -math.inf if seconds is None else -float(math.frexp(seconds)[1])
        return longest_first, t.source_name, t.stages[0].key if t.stages else ""

    return sorted(jobs, key=place)
