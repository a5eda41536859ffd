import math

import pytest

from benchbench.results.plausibility import number_faults
from benchbench.store.records import Metric, Summary


def scores(values, denominator=10, **summary):
    """Fields of a record with these values, and a summary that fits unless said otherwise."""
    metric = Metric.model_construct(values=values, denominator=denominator, unit="episode")
    right = {"mean": sum(values) / len(values) / (denominator or 1), "ci95": 0.0, "n": len(values)}
    return {"scores": {"accuracy": metric}, "summary": {"accuracy": Summary(**right | summary)}}


def test_a_true_record_has_no_fault(make):
    assert number_faults(make((5, 10))) == []
    assert number_faults(make(None)) == []


def test_the_summary_is_that_of_mean_and_interval_worked_out_by_hand(make):
    # 0.5 and 1.0: mean 0.75, standard deviation 0.25, interval 1.96 * 0.25 / sqrt(2).
    fields = scores([5, 10], ci95=1.96 * 0.25 / math.sqrt(2))
    assert number_faults(make().model_copy(update=fields)) == []


CASES = {
    "another curve": (
        {"curve": [{"step": 1.0, "samples": 40.0}, {"step": 2.0, "samples": 50.0}, {"step": 1.0, "samples": 9.0}]},
        "cost.samples is 60, but the curve ends at 59",
    ),
    "no curve": ({"curve": []}, "cost.samples is 60, but the curve ends at 0"),
    "empty points": ({"curve": [{"loss": 1.0}]}, "curve has points without step and samples"),
    "long curve": (
        {"curve": [{"step": s + 1.0, "samples": s * 60 / 499} for s in range(500)]},
        "curve has 500 points: expected at most 101 a stage",
    ),
    "above": (scores([11, 11]), "scores.accuracy holds 11: expected counts of 0 to 10"),
    "below": (scores([-1, -1]), "scores.accuracy holds -1: expected counts of 0 to 10"),
    "no counts": (scores([0.5, 0.5]), "scores.accuracy has a denominator, so its values are counts"),
    "no fractions": (scores([1.5], None), "scores.accuracy holds 1.5: expected fractions of 0 to 1"),
    "denominator": (scores([0], 0), "scores.accuracy.denominator is 0: expected 1 or more"),
    "mean": (scores([5, 5], mean=0.6), "summary.accuracy.mean is 0.6, but its scores give 0.5"),
    "count": (scores([5, 5], n=3), "summary.accuracy.n is 3, but its scores give 2"),
    "interval": (scores([5, 5], ci95=0.01), "summary.accuracy.ci95 is 0.01, but its scores give 0.0"),
    "no scores": ({"scores": {}, "summary": {}}, "status is ok, but there are no scores"),
    "no summary": ({"summary": {}}, "scores are of ['accuracy'], but summaries of []"),
    "no cost": ({"cost": None}, "cost is missing"),
    "no reason": ({"status": "failed"}, "status is failed, but no reason is given"),
    "failed and scored": ({"status": "failed", "reason": "?"}, "status is failed, but there are scores"),
}


@pytest.mark.parametrize(("fields", "message"), CASES.values(), ids=CASES)
def test_what_cannot_be_true_is_named(make, fields, message):
    faults = number_faults(make((5, 5)).model_copy(update=fields))
    assert any(fault.startswith(message) for fault in faults), faults


def test_costs_are_within_the_budget(make):
    record = make()
    record.content["recipe"] = {"budget": {"samples": 59}}
    exceeds = ["cost.samples 60 exceed the budget of 59"]
    # Two stages, of one step and of two; then of two and of three.
    for steps, faults in (((1, 1, 2), []), ((1, 2, 1, 2, 3), exceeds)):
        curve = [{"step": s, "samples": 60.0 if s == steps[-1] else 0.0} for s in steps]
        assert number_faults(record.model_copy(update={"curve": curve})) == faults
    negative = record.cost.model_copy(update={"samples": -1})
    assert "cost.samples is negative" in number_faults(record.model_copy(update={"cost": negative}))
    floor = record.flags.model_copy(update={"floor": True})
    assert "a floor is not trained, but cost.samples is not 0" in number_faults(
        record.model_copy(update={"flags": floor})
    )
