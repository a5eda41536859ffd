"""The table of published findings, from records made by hand."""

import pytest

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.stated.findings import findings
from benchbench.leaderboard.stated.published import Cell, Comparison, Finding, load_published
from benchbench.planning.matrix import load_matrix


def cell(pretext, **more):
    return Cell(matrix="test", pretext=pretext, meta="protonet", protocol="5way-1shot", **more)


def finding(first, second, expected, beyond=None):
    return Finding(
        claim="It does", source="A paper", expected=expected, first=cell(first), second=cell(second),
        beyond=beyond and Comparison(first=cell(beyond[0]), second=cell(beyond[1])),
    )  # fmt: skip


def only(records, stated):
    return findings(records, [stated]).rows.to_dict("records")[0]


@pytest.fixture
def records(make):
    """Two seeds each: labels 70 % and 80 %, rotation ten points above in each, jigsaw thirty below."""
    means = {"labels": (7, 8), "rotation": (8, 9), "jigsaw": (4, 5), "contrastive": (5, 6)}
    return [
        make(name, counts=(count - 1, count, count + 1), seed=seed)
        for name, counts in means.items()
        for seed, count in enumerate(counts)
    ]


def test_a_difference_is_held_against_what_was_expected(records):
    above = only(records, finding("rotation", "labels", [0, 100]))
    # Every paired difference is exactly ten points.
    assert above["ours"] == "+10.00 [+10.00, +10.00]"
    assert (above["verdict"], above["over"], above["seeds"]) == ("holds", "seeds", "2")
    assert only(records, finding("rotation", "labels", [-100, 0]))["verdict"] == "contradicted"
    assert only(records, finding("rotation", "labels", [10.5, 20]))["verdict"] == "contradicted"
    assert above["expected"] == "+0 to +100"


def test_a_part_may_name_its_budget(records, make):
    """Where a folder holds several."""
    long = [make("labels", counts=(9, 9, 9), seed=seed) for seed in (0, 1)]
    for r in long:
        r.content["recipe"] = {"budget": {"samples": 64_000}}
    stated = finding("rotation", "labels", [0, 100])
    with pytest.raises(BenchbenchError, match="several records of one seed"):
        only([*records, *long], stated)
    named = stated.model_copy(update={"second": cell("labels", samples=64_000)})
    assert only([*records, *long], named)["ours"].startswith("-5.00")


def test_a_verdict_that_was_another_before_says_so(records):
    stated = finding("rotation", "labels", [0, 100])
    assert only(records, stated)["history"] == "–"
    turned = stated.model_copy(update={"history": "contradicted at a rate of 0.4"})
    assert only(records, turned)["history"] == "contradicted at a rate of 0.4"


def test_a_difference_beyond_another(records):
    """Rotation over labels (10) beyond contrastive over jigsaw (10), and beyond jigsaw over labels (-30)."""
    assert only(records, finding("rotation", "labels", [-1, 1], ("contrastive", "jigsaw")))["ours"].startswith("+0.00")
    assert only(records, finding("rotation", "labels", [0, 100], ("jigsaw", "labels")))["ours"].startswith("+40.00")


def test_an_interval_across_the_bound_is_open(make):
    records = [make("labels", counts=(5, 7, 9)), make("rotation", counts=(9, 8, 5))]
    found = only(records, finding("rotation", "labels", [0, 100]))
    assert (found["verdict"], found["over"]) == ("open", "episodes")


def test_what_was_not_run_is_told(records, make):
    failed = make("mixture", counts=None, reason="killed")
    assert only([*records, failed], finding("mixture", "labels", [0, 100]))["verdict"] == "not run"
    assert only(records, finding("rotation", "labels", [0, 100], ("none", "labels")))["verdict"] == "not run"


def test_other_episodes_cannot_be_compared(make):
    records = [make("labels"), make("rotation").model_copy(update={"episodes_hash": "others"})]
    with pytest.raises(BenchbenchError, match="not scored on the same episodes"):
        only(records, finding("rotation", "labels", [0, 100]))


def test_a_cell_may_name_source_target_and_regime(make):
    record = make("labels")
    assert cell("labels", target=record.target, source=record.source, regime=record.method.regime).of([record])[0]
    assert not cell("labels", target="another").of([record])[0]
    assert not cell("labels", regime="another").of([record])[0]


def test_the_packaged_findings_are_cells_of_packaged_matrices():
    for stated in load_published().finding:
        for comparison in (stated, *([stated.beyond] if stated.beyond else [])):
            for named in (comparison.first, comparison.second):
                matrix = load_matrix(named.matrix)
                included = [rule.get("pretext", []) for rule in matrix.include]
                assert any(named.pretext in names for names in (matrix.axes.pretext, *included))
                assert named.meta in matrix.axes.meta
                assert named.protocol in matrix.axes.protocol
                assert named.source in (None, *matrix.axes.source)
                assert named.target in (None, *matrix.axes.target)
