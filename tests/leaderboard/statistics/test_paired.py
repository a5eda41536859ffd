import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.statistics.bootstrap import Mixture, expanded_interval, resampled_means, student_p
from benchbench.leaderboard.statistics.paired import compare_all, holm, paired_difference


def tables(seed=0, seeds=3, episodes=200, effect=2.0, seed_spread=1.0):
    """Two methods on shared episodes: hard episodes are hard for both."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 10, episodes)
    a, b = (50 + hard + rng.normal(0, seed_spread, (seeds, 1)) + rng.normal(0, 6, (seeds, episodes)) for _ in range(2))
    return a + effect, b


def ends(difference):
    return difference.low, difference.high


def test_one_seed_is_compared_over_its_episodes_and_supports_no_claim():
    a, b = tables(seeds=1, effect=4)
    found = paired_difference(a, b)
    student = stats.ttest_rel(a[0], b[0])
    assert found.mean == pytest.approx((a - b).mean())
    assert found.p == found.p_holm == pytest.approx(student.pvalue)
    # With 200 episodes, resampling and Student agree but for the noise of 2,000 resamples.
    width = student.confidence_interval().high - student.confidence_interval().low
    np.testing.assert_allclose(ends(found), student.confidence_interval(), atol=0.05 * width)
    assert (found.episodes, found.seeds, found.pairing, found.over) == (200, 1, "seeds", "episodes")
    assert found.significant
    assert not found.claim
    assert "one training seed" in found.reason


def test_pairing_takes_out_what_the_episodes_do_to_both():
    a, b = tables(seeds=1)
    low, high = ends(paired_difference(a, b))
    unpaired = 2 * 1.96 * math.sqrt((a.var() + b.var()) / 200)
    assert high - low < 0.65 * unpaired


def test_seeds_alone_give_student_s_interval_over_seeds():
    # One episode: differences .2 and .15, mean .175, standard error .025; 12.7062 is t's 97.5% quantile, 1 degree of
    # freedom.
    found = paired_difference([[0.3], [0.2]], [[0.1], [0.05]])
    np.testing.assert_allclose(ends(found), [0.175 - 12.7062 * 0.025, 0.175 + 12.7062 * 0.025], atol=1e-5)
    # Student's t with one degree of freedom is Cauchy's: p = 1 - 2/pi * arctan(t), t = 7.
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(7))
    assert (found.seeds, found.over, found.reason) == (2, "seeds", None)


def test_seeds_and_episodes_together_are_the_two_level_bootstrap():
    a, b = tables(seeds=4, episodes=60)
    found = paired_difference(a, b, resamples=4000)
    # The same by brute force: another generator, and draws of t instead of their distribution.
    rng, d = np.random.default_rng(5), a - b
    column, row, mean = d.mean(axis=0), d.mean(axis=1), d.mean()
    rest = ((d - column - row[:, None] + mean) ** 2).sum() / (3 * 59)
    kept = math.sqrt(1 - rest / 4 / column.var(ddof=1))
    resampled = rng.choice(column, (20_000, 60)).mean(axis=1) - mean
    draws = mean + kept * resampled + rng.standard_t(3, 20_000) * row.std(ddof=1) / 2
    np.testing.assert_allclose(ends(found), np.quantile(draws, (0.025, 0.975)), atol=0.04 * (found.high - found.low))
    assert found.p == pytest.approx(2 * np.mean(draws < 0), abs=0.01)


def test_the_interval_and_p_are_of_one_distribution():
    a, b = tables()
    found = paired_difference(a, b)
    for edge in ends(found):
        assert paired_difference(a - edge, b).p == pytest.approx(0.05, abs=1e-4)


def test_rows_are_paired_by_seed_and_drawn_apart_where_the_seeds_differ():
    a, b = tables(seed_spread=0)
    shift = np.array([[-9.0], [0.0], [9.0]])
    # A seed that moves both methods alike drops out, whatever the order of rows.
    same = paired_difference(a + shift, (b + shift)[::-1], seeds_a=[1, 2, 3], seeds_b=[3, 2, 1])
    assert ends(same) == pytest.approx(ends(paired_difference(a, b)))
    assert same.pairing == "seeds"
    apart = paired_difference(a + shift, b + shift, seeds_a=[1, 2, 3], seeds_b=[4, 5, 6])
    assert apart.pairing == "episodes"
    assert apart.high - apart.low > 5 * (same.high - same.low)


def test_seeds_apart_are_welch_s():
    # Without episodes: means 2 and 6, variances 1 and 4 over 3 and 2 seeds (the latter 2 ± sqrt 2 about 6).
    a, b = [[1.0], [2.0], [3.0]], [[6 - math.sqrt(2)], [6 + math.sqrt(2)]]
    found = paired_difference(a, b)
    expected = stats.ttest_ind(np.ravel(a), np.ravel(b), equal_var=False)
    assert (found.mean, found.seeds, found.pairing) == (pytest.approx(-4), 2, "episodes")
    assert found.p == pytest.approx(expected.pvalue)
    np.testing.assert_allclose(ends(found), expected.confidence_interval(), rtol=1e-4)


def test_a_method_of_one_seed_against_three_is_over_episodes():
    a, b = tables()
    found = paired_difference(a, b[:1])
    assert (found.seeds, found.over, found.claim) == (1, "episodes", False)
    assert found.p == pytest.approx(stats.ttest_rel(a.mean(axis=0), b[0]).pvalue)


def test_methods_that_do_not_train_vary_over_episodes_alone():
    a, b = tables(seeds=1)
    found = paired_difference(np.repeat(a, 3, axis=0), np.repeat(b, 3, axis=0))
    assert ends(found) == pytest.approx(ends(paired_difference(a, b)))
    assert (found.seeds, found.over) == (3, "seeds")


def test_rounding_is_no_difference_between_seeds():
    # -0.2 has no exact double: sums of three or eight of it leave a last bit.
    found = paired_difference(np.zeros((3, 8)), np.full((3, 8), 0.2))
    assert (found.mean, *ends(found), found.p) == pytest.approx((-0.2, -0.2, -0.2, 0))
    shifted = paired_difference(np.full((3, 8), 0.1) + 0.2, np.full((3, 8), 0.3))
    assert (shifted.mean, *ends(shifted), shifted.p) == pytest.approx((0, 0, 0, 1), abs=1e-12)


def test_equal_scores_do_not_differ():
    a, _ = tables()
    found = paired_difference(a, a)
    assert (found.mean, found.low, found.high, found.p, found.claim) == (0, 0, 0, 1, False)


def test_one_score_says_nothing():
    found = paired_difference([[0.7]], [[0.5]])
    assert (*ends(found), found.p) == (-math.inf, math.inf, 1)


def test_all_pairs_are_corrected_together():
    a, b = tables()
    scores = {"a": a, "b": b, "c": b[::-1] + 0.5}
    found = compare_all(scores)
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [d.p_holm for d in found.values()] == holm([d.p for d in found.values()]).tolist()
    for (x, y), d in found.items():
        alone = paired_difference(scores[x], scores[y])
        assert (d.mean, d.p, *ends(d)) == pytest.approx((alone.mean, alone.p, *ends(alone)))
    assert compare_all({"a": a}) == compare_all({}) == {}


def test_holm_by_hand():
    # Sorted: .01 * 4, .02 * 3, .03 * 2, .04 * 1, none below its predecessor.
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.5]), [1, 1])
    np.testing.assert_array_equal(holm([0.01, math.nan, 0.5]), [0.02, math.nan, 0.5])
    assert holm([]).shape == (0,)


def test_episodes_are_resampled_as_a_bootstrap_does():
    x = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    drawn = resampled_means(x, 10_000, seed=0)
    # How often the third of three episodes is drawn: binomial with 3 trials of 1/3.
    shares = [np.isclose(drawn[0], k / 3).mean() for k in range(4)]
    np.testing.assert_allclose(shares, stats.binom.pmf(range(4), 3, 1 / 3), atol=0.015)
    # The same draws for every row, and again the next time; others for another seed.
    np.testing.assert_allclose(drawn.sum(axis=0), 1)
    assert (resampled_means(x, 10_000, seed=0) == drawn).all()
    assert (resampled_means(x, 10_000, seed=1) != drawn).any()


def test_few_episodes_widen_the_percentiles():
    offsets = np.linspace(-1, 1, 2001)
    # sqrt(5/4) * 2.7764 / 1.9600: Student's quantile with 4 degrees of freedom over the normal one.
    assert expanded_interval(offsets, 5) == pytest.approx((-1.5045, 1.5045), abs=1e-3)
    assert expanded_interval(offsets, 10**6) == pytest.approx((-0.95, 0.95), abs=1e-3)


def test_student_s_p_at_its_edges():
    assert student_p(0, 1, 9) == student_p(1, 1, 0) == 1
    assert student_p(1, 0, 9) == 0
    assert student_p(-2.262157, 1, 9) == pytest.approx(0.05, abs=1e-6)


def test_a_mixture_around_a_normal_is_the_sum_of_both():
    # So many degrees of freedom that t is normal: 3² + 4² = 5².
    found = Mixture.around(stats.norm.ppf((np.arange(5000) + 0.5) / 5000, 10, 3), 4, 10**7)
    assert found.interval() == pytest.approx((10 - 5 * 1.96, 10 + 5 * 1.96), abs=0.03)
    assert found.p_of_zero() == pytest.approx(2 * stats.norm.cdf(-2), rel=0.02)


@pytest.mark.parametrize(
    ("a", "b", "seeds_a", "seeds_b", "message"),
    [
        ([[1, 2]], [[1, 2, 3]], None, None, "'first' has 2, 'second' has 3"),
        ([1, 2], [[1, 2]], None, None, "'first' are no"),
        ([[1, 2]], [[1, math.nan]], None, None, "'second' are no"),
        ([[]], [[]], None, None, "'first' are no"),
        ([[1], [2]], [[1], [2]], [0, 0], [0, 1], "'first': 2 rows need one seed each, but have \\[0, 0\\]"),
        ([[1], [2]], [[1], [2]], [0, 1], [0], "'second': 2 rows need one seed each, but have \\[0\\]"),
    ],
)
def test_tables_that_do_not_fit_are_refused(a, b, seeds_a, seeds_b, message):
    with pytest.raises(BenchbenchError, match=message):
        paired_difference(a, b, seeds_a=seeds_a, seeds_b=seeds_b)


SCORES = hnp.arrays(int, (3, 8), elements=st.integers(0, 75))


@settings(max_examples=50, deadline=None)
@given(SCORES, SCORES, st.integers(1, 100), st.integers(-50, 50))
def test_differences_are_antisymmetric_and_follow_the_unit(a, b, scale, offset):
    first = paired_difference(a / 75, b / 75, resamples=200)
    swapped = paired_difference(b / 75, a / 75, resamples=200)
    other = paired_difference(scale * a / 75 + offset, scale * b / 75 + offset, resamples=200)
    close = {"rel": 1e-3, "abs": 1e-6}
    assert (swapped.mean, *ends(swapped)) == pytest.approx((-first.mean, -first.high, -first.low), **close)
    assert (other.mean, *ends(other)) == pytest.approx(tuple(scale * x for x in (first.mean, *ends(first))), **close)
    assert swapped.p == pytest.approx(first.p, **close)
    assert other.p == pytest.approx(first.p, **close)
    assert first.low <= first.mean <= first.high


@settings(max_examples=25, deadline=None)
@given(st.lists(SCORES, min_size=3, max_size=4), st.randoms())
def test_the_order_of_methods_and_seeds_changes_nothing(scores, random):
    named = {f"m{i}": s for i, s in enumerate(scores)}
    names, rows = list(named), [0, 1, 2]
    random.shuffle(names)
    random.shuffle(rows)
    first = compare_all(named, resamples=200)
    for (x, y), d in compare_all({n: named[n][rows] for n in names}, resamples=200).items():
        same = first.get((x, y)) or first[y, x]
        assert d.p == pytest.approx(same.p, rel=1e-3, abs=1e-9)
        assert d.p_holm == pytest.approx(same.p_holm, rel=1e-3, abs=1e-9)


def test_statistics_load_no_heavy_library(python):
    modules = ("across", "bootstrap", "intervals", "paired", "pairs", "power", "ranks", "robust")
    program = "\n".join(f"import benchbench.leaderboard.statistics.{m}" for m in modules)
    program += "\nimport sys; print(*{m.partition('.')[0] for m in sys.modules})"
    done = python("-c", program)
    assert not {"torch", "pandas", "matplotlib", "statsmodels", "scikit_posthocs"} & set(done.stdout.split())
