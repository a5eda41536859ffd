"""Whether a record's numbers can be true, as far as any reader can check without training anything."""

from collections.abc import Iterator
from itertools import pairwise

from benchbench.store.records import Metric, Record, Summary

#: Metrics that are fractions, whatever they are counted in.
FRACTIONS = {"accuracy"}
#: Summaries are sums of floats: a different order of summation may change the last digits.
ROUNDING = 1e-9
#: More of anything than any training can use.
MOST = 10**18
#: Points of a stage's curve: twice `benchbench.training.stage.POINTS`, which divides its steps, and the last.
POINTS = 101


def number_faults(record: Record) -> list[str]:
    """The numbers in a record that cannot be true. Empty if all are plausible."""
    return _failed(record) if record.status == "failed" else _scored(record)


def _failed(record: Record) -> list[str]:
    faults = [] if record.reason else ["status is failed, but no reason is given"]
    if record.scores or record.summary:
        faults.append("status is failed, but there are scores")
    return faults


def _scored(record: Record) -> list[str]:
    faults = [] if record.scores else ["status is ok, but there are no scores"]
    if set(record.scores) != set(record.summary):
        faults.append(f"scores are of {sorted(record.scores)}, but summaries of {sorted(record.summary)}")
    for name, metric in record.scores.items():
        values = list(_values(name, metric))
        faults += values
        if not values and name in record.summary:
            faults += _summary(name, metric, record.summary[name])
    if record.cost is None:
        return [*faults, "cost is missing"]
    faults += [f"cost.{name} is negative" for name, value in record.cost if value < 0]
    faults += [f"cost.{name} is {value}: expected at most {MOST:.0e}" for name, value in record.cost if value > MOST]
    faults += _curve(record)
    budget = record.content.get("recipe", {}).get("budget", {}).get("samples")
    if isinstance(budget, int) and record.cost.samples - _excess(record.curve) > budget:
        faults.append(f"cost.samples {record.cost.samples} exceed the budget of {budget}")
    if record.flags.floor and record.cost.samples:
        faults.append("a floor is not trained, but cost.samples is not 0")
    return faults


def _curve(record: Record) -> list[str]:
    """A training's curve ends each stage with the samples it used, and has at most so many points a stage."""
    assert record.cost is not None
    ends, faults = _ends(record.curve), []
    if any({"step", "samples"} - point.keys() for point in record.curve):
        return ["curve has points without step and samples"]
    if (used := sum(end["samples"] for end in ends)) != record.cost.samples:
        faults.append(f"cost.samples is {record.cost.samples}, but the curve ends at {used:g}")
    stages = record.content.get("stages")
    if isinstance(stages, list) and not len(ends) <= len(stages):
        faults.append(f"curve has {len(ends)} stages, but its training has {len(stages)}")
    if len(record.curve) > POINTS * max(1, len(ends)):
        faults.append(f"curve has {len(record.curve)} points: expected at most {POINTS} a stage")
    return faults


def _ends(curve: list[dict[str, float]]) -> list[dict[str, float]]:
    """The last point of each stage."""
    return [a for a, b in pairwise([*curve, {}]) if b.get("step", 0.0) <= a.get("step", 0.0)]


def _excess(curve: list[dict[str, float]]) -> float:
    """The samples by which a training may exceed a small budget: every stage takes one step, even if its share of the
    budget is less; so if some stage took just one, it is a step of each stage."""
    ends = [(end["step"], end.get("samples", 0.0)) for end in _ends(curve) if end.get("step", 0.0) > 0]
    return sum(samples / step for step, samples in ends) if any(step == 1 for step, _ in ends) else 0.0


def _values(name: str, metric: Metric) -> Iterator[str]:
    if not metric.values:
        yield f"scores.{name} has no values"
    top = metric.denominator
    if top is not None and top < 1:
        yield f"scores.{name}.denominator is {top}: expected 1 or more"
    elif top is not None:
        if any(not isinstance(v, int) for v in metric.values):
            yield f"scores.{name} has a denominator, so its values are counts; some are no integers"
        elif wrong := [v for v in metric.values if not 0 <= v <= top]:
            yield f"scores.{name} holds {wrong[0]}: expected counts of 0 to {top}"
    elif name in FRACTIONS and (wrong := [v for v in metric.values if not 0 <= v <= 1]):
        yield f"scores.{name} holds {wrong[0]}: expected fractions of 0 to 1"


def _summary(name: str, metric: Metric, given: Summary) -> Iterator[str]:
    right = Summary.of(metric)
    for field, value in given:
        expected = getattr(right, field)
        if abs(value - expected) > ROUNDING:
            yield f"summary.{name}.{field} is {value}, but its scores give {expected}"
