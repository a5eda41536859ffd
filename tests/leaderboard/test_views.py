import math

import numpy as np
import pytest

from benchbench.errors import BenchbenchError
from benchbench.keys import content_key
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.grid import Row
from benchbench.leaderboard.paired_scores import Scored, difference
from benchbench.leaderboard.views import VIEWS, Filters, filtered, questions, view
from benchbench.store.records import Metric, Record, Summary

#: Correct of ten in four test episodes, which all methods share.
HARD = np.array([3, 5, 4, 6])
FLOOR = {"pretext": "none", "meta": "nearest-centroid", "regime": "joint", "floor": True}


@pytest.fixture(scope="module")
def place(make):
    """A record of `make` under a protocol that states its ways and shots, with costs."""

    def placed(*arguments, shots=1, ways=5, seconds=10.0, flops=1, **settings) -> Record:
        r = make(*arguments, **settings)
        content = {**r.content, "protocol": {"name": "episodic", "settings": {"ways": ways, "shots": shots}}}
        protocol = f"{ways}way-{shots}shot"
        cost = r.cost and r.cost.model_copy(update={"flops": flops})
        return r.model_copy(
            update={"key": content_key([r.key, protocol, r.seed]), "protocol": protocol, "content": content}
            | {"cost": cost, "timing": {"train_seconds": seconds}, "episodes_hash": f"{r.target} {protocol}"}
        )

    return placed


def rows(name, records, **filters):
    return plain_rows(view(name, records, Filters(**filters)))


def by(found, key="method"):
    return {r[key]: r for r in found}


def test_what_meta_learning_adds_is_the_paired_difference_from_the_plain_adapter(place):
    records = []
    for target in ("glyphs", "digits"):
        for seed, noise in enumerate(([0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0])):
            plain = HARD + noise
            gain = 2 if target == "glyphs" else 1
            records.append(place("rotation", "nearest-centroid", target, tuple(plain), seed=seed, regime="joint"))
            records.append(place("rotation", "protonet", target, tuple(plain + gain), seed=seed))
    found = {(r["axis"], r["value"], r["pretext"]): r for r in rows("effects", records)}
    effect = found["meta", "protonet (pseudo)", "rotation"]
    # Two columns, 20 and 10 points; seeds and episodes are paired, so nothing else varies.
    assert effect["effect"] == pytest.approx(15)
    assert (effect["effect_low"], effect["effect_high"]) == pytest.approx((15, 15))
    assert (effect["verdict"], effect["columns"], effect["seeds"], effect["over"]) == ("better", 2, 3, "seeds")
    assert found["meta", "protonet (pseudo)", "all"]["effect"] == pytest.approx(15)


def test_effects_are_averaged_over_pretexts_and_need_the_same_episodes(place):
    plain = [place(p, "nearest-centroid", "glyphs", tuple(HARD), regime="joint") for p in ("rotation", "jigsaw")]
    metas = [
        place("rotation", "protonet", "glyphs", tuple(HARD + 3)),
        place("jigsaw", "protonet", "glyphs", (3, 5, 4, 7)),
    ]
    floor = place(target="glyphs", counts=tuple(HARD - 1), **FLOOR)
    found = {(r["axis"], r["value"], r["pretext"]): r["effect"] for r in rows("effects", [*plain, *metas, floor])}
    # 30 points for one pretext, 10 in one of four episodes for the other.
    assert found["meta", "protonet (pseudo)", "all"] == pytest.approx((30 + 2.5) / 2)
    assert found["pretext", "jigsaw", "jigsaw"] == pytest.approx(10)
    elsewhere = [r.model_copy(update={"episodes_hash": "other"}) if r.method.pretext == "jigsaw" else r for r in metas]
    table = view("effects", [*plain, *elsewhere, floor])
    assert {r["pretext"] for r in plain_rows(table) if r["axis"] == "meta"} == {"rotation", "all"}
    assert any("left out of comparisons" in n and "jigsaw × protonet" in n for n in table.notes)


def test_backbones_are_compared_where_all_are_there(place):
    records = [
        place(p, "protonet", "glyphs", tuple(HARD + add), backbone=b)
        for p, b, add in (("rotation", "conv4", 0), ("rotation", "mlp", -2), ("jigsaw", "conv4", 4))
    ]
    found = {r["value"]: r for r in rows("effects", records) if r["axis"] == "backbone"}
    assert found["conv4"]["effect"] == pytest.approx(20)
    assert found["mlp"]["effect"] == pytest.approx(-20)
    assert found["mlp"]["contexts"] == 1


def test_an_effect_s_interval_is_over_each_seed_s_average_over_targets(place):
    # What meta-learning adds, in points: for three seeds 10, 20, 30 on glyphs and 30, 40, 80 on digits.
    gains = {"glyphs": (1, 2, 3), "digits": (3, 4, 8)}
    records = []
    for target, of_seeds in gains.items():
        for seed, gain in enumerate(of_seeds):
            records.append(place("rotation", "nearest-centroid", target, (1, 2), seed=seed, regime="joint"))
            records.append(place("rotation", "protonet", target, (1 + gain, 2 + gain), seed=seed))
    (found,) = [r for r in rows("effects", records) if r["pretext"] == "rotation"]
    # Averages 20, 30 and 55; 4.302653 is Student's 97.5% quantile with two degrees of freedom.
    half = 4.302653 * np.std([20, 30, 55], ddof=1) / math.sqrt(3)
    assert (found["effect"], found["over"], found["seeds"]) == (pytest.approx(35), "seeds", 3)
    # Averages in their own standard deviations; the episodes of a target do not differ.
    assert (found["d_seeds"], found["d_episodes"]) == (pytest.approx(35 / np.std([20, 30, 55], ddof=1)), None)
    assert (found["effect_low"], found["effect_high"]) == pytest.approx((35 - half, 35 + half), rel=1e-4)
    # Each target by itself, over the same seeds.
    assert (found["glyphs 5way-1shot"], found["digits 5way-1shot"]) == pytest.approx((20, 50))
    assert found["glyphs 5way-1shot_high"] == pytest.approx(20 + 4.302653 * 10 / math.sqrt(3), rel=1e-4)
    # A seed that lacks a target has no average over them.
    fewer = [r for r in records if (r.seed, r.target) != (2, "digits")]
    (found,) = [r for r in rows("effects", fewer) if r["pretext"] == "rotation"]
    assert (found["effect"], found["seeds"]) == (pytest.approx(25), 2)


def test_effects_and_which_ask_one_question_once_and_give_one_answer(place):
    rng = np.random.default_rng(4)
    levels = {("rotation", "nearest-centroid"): 40, ("rotation", "protonet"): 46, ("jigsaw", "protonet"): 44}
    levels |= {("jigsaw", "nearest-centroid"): 43}
    records = []
    for (pretext, meta), level in levels.items():
        for target in ("glyphs", "digits"):
            for seed in range(3):
                counts = tuple(int(c) for c in np.clip(rng.normal(level / 10, 1, 60).round(), 0, 10))
                regime = "joint" if meta == "nearest-centroid" else "pseudo"
                records.append(place(pretext, meta, target, counts, seed=seed, regime=regime))
    family = questions.family(filtered(records, Filters()))
    # Two meta effects and their average; three methods against the best, of which one is the first effect's mirror.
    best, plain = (
        Row("rotation", "protonet", "conv4", "pseudo", ""),
        Row("rotation", "nearest-centroid", "conv4", "joint", ""),
    )
    assert family.best == best
    answers = [*family.effects.values(), *family.against_best.values()]
    assert len(answers) == 3 + 3
    effect = family.effects["meta", "protonet (pseudo)", "rotation"].difference
    choice = family.against_best[plain].difference
    assert (choice.mean, choice.low, choice.high) == (-effect.mean, -effect.high, -effect.low)
    assert choice.p_holm == effect.p_holm
    distinct = list({a.difference.p: a.difference for a in answers}.values())
    assert len(distinct) == 5
    # Holm by hand, over the five: from the smallest p on, times 5, 4, ..., never decreasing.
    reached = 0.0
    for left, d in enumerate(sorted(distinct, key=lambda d: d.p)):
        reached = min(1, max(reached, d.p * (5 - left)))
        assert d.p_holm == pytest.approx(reached)
    (shown,) = [r for r in rows("effects", records) if (r["axis"], r["pretext"]) == ("meta", "rotation")]
    kept = {r["pretext"] + r["meta"] for r in rows("which", records)}
    assert (shown["verdict"] == "better") == ("rotationnearest-centroid" not in kept)
    for name in ("effects", "which"):
        assert any(questions.NOTE in note for note in view(name, records).notes)


def test_columns_on_the_same_images_are_no_independent_draws(place):
    def scored(meta, shots, counts, images):
        regime = "joint" if meta == "nearest-centroid" else "pseudo"
        made = place("rotation", meta, "glyphs", counts, shots=shots, regime=regime)
        return made.model_copy(update={"episodes_hash": images})

    def effect(second):
        records = [scored("nearest-centroid", 1, (2, 2, 2), "images"), scored("protonet", 1, (3, 4, 5), "images")]
        records += [scored("nearest-centroid", 5, (2, 2, 2), second), scored("protonet", 5, (3, 4, 5), second)]
        (found,) = [r for r in rows("effects", records) if r["pretext"] == "rotation"]
        return found["effect_high"] - found["effect_low"], found["effect"], found["columns"]

    (same, *about), (apart, *other) = effect("images"), effect("others")
    assert about == other == [pytest.approx(20), 2]
    # Image by image 10, 20 and 30 in both columns: as wide as one of them, which is resampled, while two draws of
    # three episodes have four degrees of freedom and a standard error of 10 / sqrt(3 * 2).
    assert apart == pytest.approx(2 * 2.776445 * 10 / math.sqrt(6), rel=1e-5)
    alone = Scored(np.array([[30.0, 40, 50]]), [0]), Scored(np.array([[20.0, 20, 20]]), [0])
    assert same == pytest.approx(difference(*alone).high - difference(*alone).low)


def test_which_leaves_out_what_no_training_was_scored_everywhere_by(place):
    records = [place(p, target=t) for p in ("rotation", "jigsaw") for t in ("glyphs", "digits")]
    records += [place("labels", counts=(9, 9)), place("labels", target="digits", counts=(9, 9), seed=1)]
    table = view("which", records)
    assert sorted(table.numbers["pretext"]) == ["jigsaw", "rotation"]
    assert "2 of 2 methods that have scores of one training in every column" in table.notes[0]


def test_what_no_training_was_scored_everywhere_by_is_no_candidate_of_a_transfer(place):
    records = [place(p, counts=(c, c), shots=k) for p, c in (("rotation", 5), ("jigsaw", 4)) for k in (1, 5)]
    records += [place("labels", counts=(9, 9), shots=k, seed=k) for k in (1, 5)]
    (found,) = [r for r in rows("best-transfer", records) if r["column"] == "glyphs, all protocols"]
    assert (found["pretext"], found["methods"], found["ahead"]) == ("rotation", 2, pytest.approx(10))


def test_robust_intervals_are_over_seeds_and_seeds_that_agree_have_none(place):
    records = [
        place("labels", target=t, counts=(c + add, c + add), seed=s)
        for t, add in (("glyphs", 0), ("digits", 2))
        for s, c in enumerate((2, 4, 6))
    ]
    records += [place(target=t, counts=(3, 5), seed=s, **FLOOR) for t in ("glyphs", "digits") for s in range(3)]
    found = by(rows("robust", records), "pretext")
    # Seeds' means 30, 50 and 70: standard error 20 / sqrt(3).
    assert found["labels"]["mean"] == pytest.approx(50)
    assert found["labels"]["mean_high"] == pytest.approx(50 + 4.302653 * 20 / math.sqrt(3))
    assert (found["none"]["mean_low"], found["none"]["iqm_low"]) == (None, None)
    assert list(view("robust", records).rows["mean"])[1] == "40.00"


def test_shots_mark_seeds_that_agree(place):
    table = view("shots", [place(seed=s, shots=k, counts=(5, 9)) for s in (0, 1) for k in (1, 5)])
    assert table.rows.loc[0, "1-shot"] == f"70.00 ± {1.96 * 20 / math.sqrt(2):.2f}‡"
    assert "‡" in table.notes[0]


def test_pareto_front_of_each_cost(place):
    records = [
        place("rotation", counts=(5, 5), seconds=10, flops=300),
        place("jigsaw", counts=(7, 7), seconds=20, flops=200),
        place("labels", counts=(6, 6), seconds=30, flops=100),
        place("mixture", counts=(4, 4), seconds=5, flops=400),
    ]
    found = by(rows("pareto", records), "pretext")
    assert {p for p, r in found.items() if r["front_train_seconds"]} == {"rotation", "jigsaw", "mixture"}
    assert {p for p, r in found.items() if r["front_flops"]} == {"jigsaw", "labels"}
    assert {p for p, r in found.items() if r["front_labels_used"]} == {"jigsaw"}


def test_pareto_leaves_out_what_lacks_a_column(place):
    table = view("pareto", [place("rotation"), place("rotation", target="digits"), place("jigsaw")])
    assert list(table.rows["method"]) == ["rotation × protonet"]
    assert any(n.startswith("Left out") and "jigsaw × protonet" in n for n in table.notes)


def test_which_keeps_what_is_not_worse_and_puts_the_cheapest_first(place):
    many = tuple(range(1, 9)) * 10
    records = [
        place("labels", counts=tuple(c + 1 for c in many), seconds=100),
        place("rotation", counts=(*(c + 1 for c in many[:-1]), many[-1] - 1), seconds=10),
        place("jigsaw", counts=tuple(c - 1 for c in many), seconds=1),
    ]
    table = view("which", records)
    assert list(table.rows["method"]) == ["rotation × protonet", "labels × protonet"]
    assert list(table.rows["from best"])[1] == "best"
    assert table.notes[0].startswith("2 of 3 methods")
    assert [r["pretext"] for r in rows("which", records, labels="none")] == ["rotation"]
    assert [r["pretext"] for r in rows("which", records, seconds=5)] == ["jigsaw"]


def test_transfer_averages_over_the_methods_that_every_source_has(place):
    accuracies = {
        ("rotation", "glyphs"): 4,
        ("rotation", "symbols"): 6,
        ("jigsaw", "glyphs"): 8,
        ("jigsaw", "symbols"): 2,
    }
    records = [place(p, counts=(c, c), source=s) for (p, s), c in accuracies.items()]
    table = rows("transfer", [*records, place("labels", source="glyphs"), place(**FLOOR)])
    found = by([r for r in table if r["method"] == "all"], "source")
    assert found["glyphs"]["glyphs 5way-1shot"] == pytest.approx(60)
    assert found["symbols"]["glyphs 5way-1shot"] == pytest.approx(40)
    assert found["glyphs"]["methods"] == 2
    own = {(r["method"], r["source"]): r["glyphs 5way-1shot"] for r in table if r["method"] != "all"}
    assert own == {(f"{p} × protonet", s): 10 * c for (p, s), c in accuracies.items()}


def test_transfer_leaves_out_what_no_method_was_scored_under_from_some_source(place):
    records = [place("rotation", counts=(c, c), source=s) for s, c in (("glyphs", 4), ("symbols", 6))]
    records.append(place("rotation", counts=(9, 9), shots=5))
    # From glyphs it has the column, from symbols it lacks it, as another method does not.
    records += [place("jigsaw", source="glyphs"), place("jigsaw", target="digits", source="symbols")]
    table = view("transfer", records)
    assert "glyphs 5way-5shot" not in table.rows.columns
    assert "since no method has a score there from every source: digits 5way-1shot, glyphs 5way-5shot." in "".join(
        table.notes
    )
    assert [(r["method"], r["source"], r["methods"]) for r in plain_rows(table)] == [
        ("all", "glyphs", 1), ("all", "symbols", 1),
        ("rotation × protonet", "glyphs", 1), ("rotation × protonet", "symbols", 1),
    ]  # fmt: skip
    assert [r["glyphs 5way-1shot"] for r in plain_rows(table)] == pytest.approx([40, 60, 40, 60])
    assert "digits 5way-1shot" not in plain_rows(table)[0]
    nothing = view("transfer", [place(source="glyphs"), place(target="digits", source="symbols")])
    assert nothing.rows.empty


def test_the_transfer_gap_is_what_training_elsewhere_costs_on_the_same_target(place):
    accuracies = {
        ("glyphs", "glyphs"): 8,
        ("glyphs", "symbols"): 3,
        ("symbols", "glyphs"): 6,
        ("symbols", "symbols"): 7,
    }
    records = [place(target=t, counts=(c, c), source=s) for (s, t), c in accuracies.items()]
    records += [place(target="digits", counts=(1, 1), source=s) for s in ("glyphs", "symbols")]
    # Trained on glyphs, on symbols: 70 there, 30 here. Digits is no source, and counts for nothing.
    expected = {"glyphs": 70 - 30, "symbols": 80 - 60}
    board = by(rows("overall", [*records, place(**FLOOR)]), "source")
    assert {s: board[s]["transfer_gap"] for s in expected} == pytest.approx(expected)
    assert board[""]["transfer_gap"] is None
    matrix = [r for r in rows("transfer", records) if r["method"] == "all"]
    assert {r["source"]: r["transfer_gap"] for r in matrix} == pytest.approx(expected)
    assert view("overall", records).rows["transfer gap"].tolist() == ["40.00", "20.00"]
    assert "transfer gap" not in view("overall", [place()]).rows.columns


def test_what_transfers_best_and_whether_it_is_told_apart(place):
    many = tuple(range(1, 9)) * 10
    records = [
        place("labels", source="symbols", counts=tuple(c + 1 for c in many)),
        place("rotation", source="symbols", counts=(*(c + 1 for c in many[:-1]), many[-1])),
        place("jigsaw", source="symbols", counts=many),
        place("jigsaw", source="glyphs", counts=many),
        place(**FLOOR),
    ]
    table = view("best-transfer", records)
    assert not [r for r in plain_rows(table) if "all protocols" in r["column"]], "there is but one"
    found = by(plain_rows(table), "source")
    assert (found["symbols"]["pretext"], found["symbols"]["meta"]) == ("labels", "protonet")
    assert found["symbols"]["next"].startswith("rotation × protonet")
    # One of eighty episodes, by 10 points.
    assert found["symbols"]["ahead"] == pytest.approx(10 / 80)
    assert (found["symbols"]["tied"], found["symbols"]["methods"], found["symbols"]["in_domain"]) == (1, 3, False)
    assert "jigsaw" not in found["symbols"]["tied_with"]
    assert (found["glyphs"]["in_domain"], found["glyphs"]["methods"]) == (True, 1)


def test_what_transfers_best_over_all_protocols_of_a_target(place):
    def scored(pretext, shots, counts, images, source="symbols"):
        return place(pretext, source=source, counts=counts, shots=shots).model_copy(update={"episodes_hash": images})

    def best(records):
        (row,) = [r for r in rows("best-transfer", records) if r["column"] == "glyphs, all protocols"]
        return row

    # Two protocols on the same images: image by image 5 and 7 of ten against 5 and 5, a difference of 0 and 20 points.
    same = [
        scored("labels", 1, (6, 8), "images"), scored("labels", 2, (4, 6), "images"),
        scored("rotation", 1, (5, 5), "images"), scored("rotation", 2, (5, 5), "images"),
    ]  # fmt: skip
    found = best(same)
    assert (found["pretext"], found["mean"], found["ahead"], found["methods"]) == ("labels", 60, pytest.approx(10), 2)
    # Student's t of 0 and 20 with one degree of freedom is 1.
    assert found["p_holm"] == pytest.approx(0.5)
    # A third on episodes of its own, where rotation is 40 points ahead: each protocol counts once.
    apart = [scored("labels", 5, (3, 3), "episodes"), scored("rotation", 5, (7, 7), "episodes")]
    found = best([*same, *apart])
    assert (found["pretext"], found["ahead"]) == ("rotation", pytest.approx((40 - 2 * 10) / 3))
    assert found["mean"] == pytest.approx((50 + 50 + 70) / 3)
    # What lacks a protocol is not compared.
    assert best([*same, *apart, scored("jigsaw", 1, (9, 9), "images")])["methods"] == 2
    # Another source's methods were scored under two of the three.
    fewer = [scored("rotation", shots, (c, c), "images", "digits") for c, shots in ((4, 1), (8, 2))]
    found = {r["column"]: r for r in rows("best-transfer", [*same, *apart, *fewer]) if r["source"] == "digits"}
    assert found["glyphs, 2 of 3 protocols"]["mean"] == pytest.approx(60)
    assert "glyphs, all protocols" not in found


def test_shots_curves_need_a_protocol_that_states_them(place, make):
    table = view("shots", [place(shots=1), place(shots=5, counts=(9, 9)), make(target="digits")])
    assert list(table.rows.columns) == ["target", "ways", "method", "1-shot", "5-shot"]
    assert table.rows.loc[0, "5-shot"] == "90.00 ± 0.00"
    assert [(r["shots"], r["mean"]) for r in plain_rows(table)] == [(1, 75), (5, 90)]
    assert "digits 5way-1shot" in table.notes[-1]


def test_learning_curves_are_averaged_over_seeds_and_stages_follow_each_other(place):
    stages = [{"samples": float(s), "loss": 4.0} for s in (1, 2)] + [{"samples": float(s), "loss": 2.0} for s in (1, 2)]
    records = [
        place(seed=seed).model_copy(update={"curve": [{**p, "loss": p["loss"] + seed} for p in stages]})
        for seed in (0, 1)
    ]
    points = rows("learning", records)
    assert [(p["samples"], p["loss"]) for p in points] == [(1, 4.5), (2, 4.5), (3, 2.5), (4, 2.5)]
    assert all(p["accuracy"] is None for p in points)


def test_adaptation_curves_are_the_metrics_named_by_steps(place):
    records = []
    for seed, counts in enumerate(([2, 4], [4, 6])):
        r = place("rotation", "maml", counts=(5, 5), seed=seed)
        at = {"accuracy@10": Metric(values=counts, denominator=10), "loss@0": Metric(values=[1.5, 2.5 + seed])}
        records.append(r.model_copy(update={"summary": {**r.summary, **{k: Summary.of(m) for k, m in at.items()}}}))
    table = view("adaptation", [*records, place("jigsaw")])
    found = [(r["method"], r["metric"], r["steps"], r["mean"], r["seeds"]) for r in plain_rows(table)]
    # (0.3 + 0.5) / 2, and (2 + 2.5) / 2.
    assert found == [("rotation × maml", "accuracy", 10, 0.4, 2), ("rotation × maml", "loss", 0, 2.25, 2)]
    assert list(table.rows["0 steps"]) == ["–", "2.250"]


def trained(place, accuracies, counts, *, target="glyphs", recipe_shots=1, ways=5, stages=(), **settings):
    """A record of a training with such accuracies at the end of its last stage."""
    r = place("labels", "maml", target, counts, **settings)
    curve = [*stages, *({"samples": 10.0 * (i + 1), "accuracy": a} for i, a in enumerate(accuracies))]
    content = {**r.content, "training_ways": [ways], "recipe": {"episodes": {"shots": recipe_shots}}}
    return r.model_copy(update={"curve": curve, "content": content})


def test_the_gap_is_between_the_end_of_training_and_test_episodes_of_the_same_kind(place):
    # The last fifth of ten points: 0.9 and 0.7. Test: 5 and 3 of 10. An earlier stage's points have no part in it.
    earlier = [{"samples": 99.0, "accuracy": 0.1}] * 5
    record = trained(place, [0.2] * 8 + [0.9, 0.7], (5, 3), stages=earlier)
    (row,) = rows("overfitting", [record])
    assert (row["train"], row["test"], row["gap"], row["chance"]) == pytest.approx((80, 40, 40, 20))
    # Standard errors: 10 / sqrt(2) on both sides.
    assert row["ci95"] == pytest.approx(1.96 * 10)
    assert row["carried"] == pytest.approx(20 / 60)
    assert row["verdict"] == "memorised"


def test_gaps_of_seeds_and_what_is_not_learned(place):
    records = [trained(place, [0.6] * 5, (4, 4), seed=0), trained(place, [0.6] * 5, (6, 6), seed=1)]
    (row,) = rows("overfitting", records)
    # Gaps of 20 and 0; 12.706 is the 97.5% quantile of Student's t with one degree of freedom.
    assert (row["gap"], row["seeds"], row["over"], row["verdict"]) == (pytest.approx(10), 2, "seeds", "carries over")
    assert row["ci95"] == pytest.approx(12.7062 * 10, rel=1e-5)
    # Seeds that agree exactly show no spread: as for one of them, standard errors 0 and 10 / sqrt(2).
    (row,) = rows("overfitting", [trained(place, [0.6] * 5, (4, 6), seed=seed) for seed in (0, 1)])
    assert (row["ci95"], row["over"], row["seeds"]) == (pytest.approx(1.96 * 10 / math.sqrt(2)), "episodes", 2)
    (row,) = rows("overfitting", [trained(place, [0.3, 0.1] * 5, (2, 2))])
    assert (row["carried"], row["verdict"]) == (None, "not learned")


def test_episodes_of_another_kind_have_no_gap(place):
    others = [
        trained(place, [0.9] * 5, (5, 5), target="digits"),
        trained(place, [0.9] * 5, (5, 5), recipe_shots=5, seed=1),
        trained(place, [0.9] * 5, (5, 5), ways=20, seed=2),
        trained(place, [], (5, 5), seed=3, stages=[{"samples": 1.0, "loss": 2.0}]),
    ]
    assert rows("overfitting", others) == []


def test_targets_keep_the_variance_of_episodes_and_seeds_apart(place):
    # Episodes move both seeds alike by ±10 points, seeds by ±5, nothing is left over.
    records = [place(counts=c, seed=s) for s, c in enumerate([(40, 60), (50, 70)])]
    for r in records:
        r.scores["accuracy"].denominator = 100
    (row,) = rows("target", records)
    assert (row["mean"], row["over"], row["seeds"], row["episodes"]) == (55, "seeds", 2, 2)
    assert row["seed_se"] == pytest.approx(5)
    assert row["episode_se"] == pytest.approx(10 / math.sqrt(2))
    # 12.706: the 97.5% quantile of Student's t with one degree of freedom.
    assert row["high"] - row["mean"] == pytest.approx(12.7062 * 5, rel=1e-5)


def test_significance_counts_wins_and_makes_no_claim_from_few_targets(place):
    many = tuple(range(1, 9)) * 10
    records = [
        place("labels", target=t, counts=tuple(c + d for c in many)) for t, d in (("glyphs", 1), ("digits", 2))
    ] + [place("rotation", target=t, counts=many) for t in ("glyphs", "digits")]
    table = view("significance", records)
    found = by(plain_rows(table), "pretext")
    assert (found["labels"]["wins"], found["labels"]["losses"], found["rotation"]["losses"]) == (2, 0, 2)
    assert (found["labels"]["mean_rank"], found["labels"]["groups"]) == (1, "")
    assert any(n.startswith("No claim can be made across targets") for n in table.notes)
    assert any("single training seed" in n for n in table.notes)


def test_significance_groups_over_enough_targets(place):
    levels = {"labels": 9, "rotation": 6, "jigsaw": 3}
    records = [place(p, target=f"t{i}", counts=(c, c - i % 2)) for p, c in levels.items() for i in range(8)]
    table = view("significance", records)
    # CD = 2.3437 * sqrt(3 * 4 / 48) = 1.172: neighbours, one rank apart, are not told apart.
    assert {r["pretext"]: r["groups"] for r in plain_rows(table)} == {"labels": "a", "rotation": "ab", "jigsaw": "b"}
    assert any("1.172" in n for n in table.notes)
    p = {r["pretext"]: (r["nemenyi_p"], r["wilcoxon_p"]) for r in plain_rows(table)}
    assert p["labels"] == (None, None)
    # Ranks are one and two apart, studentised 2 sqrt(2) and 4 sqrt(2); all eight signs agree: 3 * 2 / 2^8.
    assert p["rotation"] == (pytest.approx(0.1122, abs=5e-5), pytest.approx(3 * 2 / 2**8, abs=1e-6))
    assert p["jigsaw"] == (pytest.approx(0.000187, abs=1e-6), pytest.approx(3 * 2 / 2**8, abs=1e-6))


def test_robust_aggregates(place):
    records = [place("labels", counts=(c, c), seed=s) for s, c in enumerate((2, 4, 6, 9))]
    records += [place("rotation", counts=(c, c), seed=s) for s, c in enumerate((1, 4, 1, 1))]
    found = by(rows("robust", records), "pretext")
    assert found["labels"]["iqm"] == pytest.approx(50)
    # Of 16 pairs, 3 rotations of 10% lose all, the one of 40% beats 20% and ties with 40%.
    assert found["rotation"]["improvement"] == pytest.approx(1.5 / 16)


def test_protocols_average_over_targets_that_are_all_there(place):
    records = [place("rotation"), place("rotation", target="digits", counts=(2, 4)), place("jigsaw", counts=(9, 9))]
    found = by(rows("protocol", records), "pretext")
    assert found["rotation"]["5way-1shot"] == pytest.approx((75 + 30) / 2)
    assert found["jigsaw"]["5way-1shot"] is None
    assert found["jigsaw"]["5way-1shot rank"] == 1


def test_unknown_names_suggest_the_nearest(place):
    records = [place(), place(target="digits", source="symbols")]
    with pytest.raises(BenchbenchError, match="unknown view 'parto'; did you mean 'pareto'"):
        view("parto", records)
    with pytest.raises(BenchbenchError, match="--target glyps: no record has it; did you mean 'glyphs'"):
        view("overall", records, Filters(target="glyps"))
    with pytest.raises(BenchbenchError, match="no record passes --seconds 1"):
        view("overall", records, Filters(seconds=1))


def test_filters_keep_floors_whatever_their_source(place):
    records = [place(source="symbols"), place(source="glyphs"), place(**FLOOR)]
    assert {r["source"] for r in rows("overall", records, source="symbols")} == {""}
    assert len(rows("overall", records, source="symbols")) == 2


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_of_one_failed_method_is_a_table(place, name):
    table = view(name, [place(counts=None, reason="killed")])
    assert table.title
    assert list(table.rows.columns) or name == "overall"


@pytest.mark.parametrize("name", VIEWS)
def test_views_do_not_depend_on_the_order_of_records(place, name):
    records = [
        place(p, m, t, tuple(HARD + i), seed=s, regime="joint" if m == "nearest-centroid" else "pseudo")
        for i, p in enumerate(("rotation", "jigsaw"))
        for m in ("nearest-centroid", "protonet")
        for t in ("glyphs", "digits")
        for s in (0, 1)
    ]
    there, back = view(name, records), view(name, [*reversed(records), records[0]])
    assert there.rows.equals(back.rows)
    assert plain_rows(there) == plain_rows(back)
    assert there.notes == back.notes
