"""The table of ratios and the comparison of two of them."""

from tests.benchmarks.regressions import changes
from tests.benchmarks.report import markdown, merged

MACHINE = {
    "cpu": {"brand_raw": "A processor", "count": 2},
    "machine": "x86_64",
    "system": "Linux",
    "python_version": "3.12.1",
}


def row(ratio: float, **more) -> dict:
    return {"work": "a step", "ratios": {"a loop": ratio}, "threads": 1, "allocator": None, "torch": "2.9", **more}


def measured(**rows: dict) -> dict:
    return {"machine_info": MACHINE, "benchmarks": [{"name": n, "extra_info": info} for n, info in rows.items()]}


def test_a_bound_is_met_or_missed_by_the_fastest_peer():
    two = row(1.0) | {"ratios": {"a loop": 1.6, "a library": 1.4}}
    slow = two | {"work": "slow", "least": 1.5, "profile": [("conv", 0.75)]}
    lines = markdown(merged({}, measured(a=slow, b=two | {"work": "fast", "least": 1.3}))).splitlines()
    assert [line.split("|")[7].strip() for line in lines if line.startswith("| slow")] == ["missed"] * 2
    assert [line.split("|")[7].strip() for line in lines if line.startswith("| fast")] == ["met"] * 2
    assert "- slow: conv 75%" in lines


def test_memory_is_bounded_from_above():
    text = markdown(merged({}, measured(a=row(2.6, most=2.5, work="large"), b=row(2.4, most=2.5, work="small"))))
    lines = [line for line in text.splitlines() if line.startswith(("| large", "| small"))]
    assert [line.split("|")[7].strip() for line in lines] == ["missed", "met"]


def test_rows_of_this_machine_are_kept():
    first = merged({}, measured(a=row(1.0), b=row(2.0), other={}))
    again = merged(first, measured(b=row(3.0)))
    assert {name: r["ratios"]["a loop"] for name, r in again["rows"].items()} == {"a": 1.0, "b": 3.0}
    assert list(merged(first | {"machine": "another"}, measured(b=row(3.0)))["rows"]) == ["b"]


def test_only_what_fell_beyond_noise_is_a_regression():
    before = {"rows": {"a": row(2.0), "b": row(2.0), "m": row(1.0, most=2.5), "gone": row(1.0)}}
    after = {"rows": {"a": row(1.8), "b": row(1.7), "m": row(1.2, most=2.5), "new": row(1.0)}}
    assert [(new, worse) for _, _, new, worse in changes(before, after)] == [(1.8, False), (1.7, True), (1.2, True)]
