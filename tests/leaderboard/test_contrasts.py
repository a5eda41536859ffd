"""The contrasts of a study, against effects that are put into records."""

import numpy as np
import pytest
from scipy import stats

from benchbench.errors import BenchbenchError
from benchbench.keys import content_key
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.stated.contrasts import contrasts
from benchbench.leaderboard.stated.preregistered import Study, load_study

EASY = np.array([4, 6, 5, 5])
SOURCES, TARGETS, SEEDS = ("glyphs", "photographs"), ("glyphs", "photographs", "digits"), (0, 1, 2)


def study(**changes):
    plain, episodic = ({"pretext": "contrastive", "meta": m, "samples": 1_000} for m in ("plain", "protonet"))
    contrast = {
        "name": "it",
        "claim": "ProtoNet is better",
        "first": episodic,
        "second": plain,
        "expected": [0.0, 50.0],
    }
    design = {
        "sources": list(SOURCES), "pretexts": ["contrastive"], "methods": ["plain", "protonet"], "budgets": [1_000],
        "seeds": list(SEEDS), "protocol": "5way-1shot", "episodes": 4, "tuning": {},
    }  # fmt: skip
    return Study.model_validate({"matrix": "study", "design": design, "contrast": [contrast | changes]})


@pytest.fixture(scope="module")
def record(make):
    def made(meta, source, target, more, *, seed, samples=1_000, failed=False):
        floor = meta == "floor"
        regime = "pseudo" if meta in ("protonet", "maml") else "joint"
        recipe = {"budget": {"samples": samples}}
        counts = None if failed else tuple(np.clip(EASY + more, 0, 10))
        named = {"meta": "nearest-centroid", "pretext": "none"} if floor else {"meta": meta, "pretext": "contrastive"}
        r = make(
            named["pretext"], named["meta"], target, counts, seed=seed, source=source, regime=regime, floor=floor,
            recipe=recipe, reason="out of memory" if failed else None,
        )  # fmt: skip
        key = content_key([r.key, samples, seed, source, meta])
        return r.model_copy(update={"key": key, "training_key": content_key([key, "t"]), "episodes_hash": target})

    return made


@pytest.fixture(scope="module")
def records(record):
    """ProtoNet gains 1 of ten on other targets with seed 0, 2 with seed 1, 3 with seed 2; 4 on its own source."""
    found = []
    for source in SOURCES:
        for target in TARGETS:
            for seed in SEEDS:
                gain = 4 if source == target else 1 + seed
                found.append(record("plain", source, target, 0, seed=seed))
                found.append(record("protonet", source, target, gain, seed=seed))
                found.append(record("floor", source, target, -3, seed=seed))
    return found


def row(stated, records):
    (found,) = plain_rows(contrasts(stated, records))
    return found


def test_the_effect_is_averaged_over_targets_and_sources_for_each_seed(records):
    found = row(study(), records)
    by_seed = np.array([10.0, 20.0, 30.0])
    half = stats.t.ppf(0.975, 2) * by_seed.std(ddof=1) / 3**0.5
    assert (found["effect"], found["effect_low"], found["effect_high"]) == pytest.approx((20, 20 - half, 20 + half))
    assert found["p"] == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue, abs=1e-6)
    assert found["d_seeds"] == pytest.approx(2.0)
    assert found["inside"] == pytest.approx(40)
    assert found["verdict"] == "open"
    assert row(study(expected=[-10.0, 60.0]), records)["verdict"] == "holds"
    assert row(study(expected=[-60.0, -50.0]), records)["verdict"] == "contradicted"


def test_half_a_study_is_no_answer(records):
    lacking = [r for r in records if not (r.method.meta == "protonet" and r.seed == 2 and r.target == "digits")]
    assert row(study(), lacking)["verdict"] == "not run"


def test_a_failed_training_counts_at_chance_level_and_is_listed(records, record):
    kept = [r for r in records if not (r.method.meta == "protonet" and r.source == "glyphs" and r.seed == 0)]
    failed = [record("protonet", "glyphs", target, 0, seed=0, failed=True) for target in TARGETS]
    table = contrasts(study(), [*kept, *failed])
    (found,) = plain_rows(table)
    # With seed 0 glyphs' effect is 20 - 50 instead of 10: the mean over sources falls by 20, that over seeds by 20/3.
    assert found["effect"] == pytest.approx(20 - 20 / 3)
    assert any("Failed" in note and "contrastive × protonet on glyphs" in note for note in table.notes)


def test_places_where_nothing_beats_the_floor_are_left_out_and_listed(records, record):
    hard = [r for r in records if not (r.flags.floor and r.target == "digits" and r.source == "glyphs")]
    hard += [record("floor", "glyphs", "digits", 4, seed=seed) for seed in SEEDS]
    table = contrasts(study(), hard)
    assert any("Left out" in note and "glyphs to digits" in note for note in table.notes)
    (found,) = plain_rows(table)
    assert found["effect"] == pytest.approx(20)


def test_one_difference_beyond_another(records, record):
    longer = [record(meta, s, t, more, seed=seed, samples=9_000)
              for s in SOURCES for t in TARGETS for seed in SEEDS
              for meta, more in (("plain", 2), ("protonet", 3))]  # fmt: skip
    plain, episodic = ({"pretext": "contrastive", "meta": m, "samples": 9_000} for m in ("plain", "protonet"))
    stated = study(beyond={"first": episodic, "second": plain})
    # 10, 20 and 30 at 1,000 samples, 10 at 9,000.
    assert row(stated, [*records, *longer])["effect"] == pytest.approx(10)


def test_the_packaged_study_fits_its_matrix_and_says_which_key_is_wrong(tmp_path):
    stated = load_study()
    assert len(stated.contrast) <= 6
    for contrast in stated.contrast:
        sides = [contrast.first, contrast.second, *([contrast.beyond.first] if contrast.beyond else [])]
        for side in sides:
            assert side.pretext in stated.design.pretexts
            assert side.meta in stated.design.methods
            assert side.samples in stated.design.budgets
            assert side.samples <= stated.design.largest.get(side.meta, side.samples)
    (tmp_path / "mine.toml").write_text('matrix = "study"\ncontrasts = []\n')
    with pytest.raises(BenchbenchError, match=r"mine.toml: .*(design|contrast)"):
        load_study(tmp_path / "mine.toml")
