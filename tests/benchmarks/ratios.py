"""How ours and its peers are compared: CPU time, in turns within one run, so that a busy machine slows all alike."""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from tests.benchmarks.limits import products, rate

Work = Callable[[], Any]
#: What `make bench` starts with, and a user's process does not.
SET = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "OMP_NUM_THREADS")
#: Operators of a profile.
OPERATORS = 8


def compare(
    benchmark: Any,
    work: str,
    ours: Work,
    peers: dict[str, Work],
    *,
    least: float | None = None,
    within: float | None = None,
    rounds: int = 5,
    share: int = 1,
    clock: Callable[[], float] = time.process_time,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """How many times longer than `ours` each peer takes: the median over rounds, in each of which all run once. The
    peers do one part in `share` of the work. The test is marked with `clock` as the timer of its benchmark.

    It is kept with `benchmark` for the report, `least` being what the fastest peer's shall reach. So is how many times
    longer `ours` takes than its own convolutions and matrix products alone, in the same turns, `within` being what that
    shall not exceed, and than these would at the machine's best rate in `dtype`. Where either goal is missed, a profile
    of `ours` is kept as well. Nothing is asserted on it.
    """
    taken: dict[str, list[float]] = {name: [] for name in peers}
    own, alone = products(ours), []

    def peers_first() -> None:
        for name, peer in peers.items():
            started = clock()
            peer()
            taken[name].append(share * (clock() - started))
        if own.flops:
            started = clock()
            own()
            alone.append(clock() - started)

    benchmark.pedantic(ours, setup=peers_first, rounds=rounds, warmup_rounds=1)
    mine = benchmark.stats.stats.data
    ratios = {name: [p / o for p, o in zip(spent[1:], mine, strict=True)] for name, spent in taken.items()}
    medians = {name: statistics.median(each) for name, each in ratios.items()}
    keep(benchmark, work, medians, least=least, within=within, milliseconds=1000 * statistics.median(mine))
    if own.flops:
        benchmark.extra_info |= {
            "own": statistics.median(o / p for p, o in zip(alone[1:], mine, strict=True)),
            "limit": statistics.median(mine) / (own.flops / rate(clock, dtype)),
            "rate": rate(clock, dtype),
            "dtype": str(dtype).removeprefix("torch."),
        }
    benchmark.extra_info["range"] = {name: [min(each), max(each)] for name, each in ratios.items()}
    slow = within is not None and benchmark.extra_info["own"] > within
    if slow or (least is not None and min(medians.values()) < least):
        benchmark.extra_info["profile"] = profiled(ours)
    return medians


def keep(benchmark: Any, work: str, ratios: dict[str, float], **more: float | None) -> None:
    """Leave one row of the table, and what it was measured under, with `benchmark`."""
    benchmark.extra_info.update(
        work=work,
        ratios=ratios,
        threads=torch.get_num_threads(),
        allocator=os.environ.get("MALLOC_TRIM_THRESHOLD_"),
        torch=torch.__version__,
        **{name: value for name, value in more.items() if value is not None},
    )


def profiled(work: Work) -> list[tuple[str, float]]:
    """The operators that take most of the time of `work`, and the share of each."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        work()
    events = sorted(found.key_averages(), key=lambda e: -e.self_cpu_time_total)
    whole = sum(e.self_cpu_time_total for e in events)
    return [(e.key, e.self_cpu_time_total / whole) for e in events[:OPERATORS]]
