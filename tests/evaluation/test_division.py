"""How a target's images are divided into parts to fit on, to select by and to test."""

import numpy as np
import pytest

from benchbench import Amount, BenchbenchError
from benchbench.evaluation.division import check_division, divide, reduced

#: Three classes of 20, 7 and 3 images, as rows of a table.
INDEX = [np.arange(0, 20), np.arange(20, 27), np.arange(27, 30)]


def test_every_class_is_divided_by_the_stated_shares() -> None:
    found = divide("a target", INDEX)
    # Half to test and a tenth to select by, rounded down, at least one each.
    assert np.bincount(found.fit.y).tolist() == [8, 3, 1]
    assert np.bincount(found.select.y).tolist() == [2, 1, 1]
    everything = np.concatenate([found.fit.rows, found.select.rows, found.test])
    assert sorted(everything.tolist()) == list(range(30))
    for part in (found.fit, found.select):
        assert all(row in INDEX[y] for row, y in zip(part.rows, part.y, strict=True))
    # Places of test images must not tell their classes.
    assert (np.diff(np.searchsorted([20, 27], found.test, side="right")) < 0).any()


def test_it_depends_on_the_key_alone() -> None:
    assert divide("a", INDEX).digest == divide("a", INDEX).digest != divide("b", INDEX).digest
    # Golden: the streams are promised never to change.
    assert divide("golden", INDEX).test.tolist() == [19, 7, 11, 18, 28, 26, 9, 14, 3, 6, 25, 22, 8, 16]


def test_a_large_class_counts_with_a_thousand_images() -> None:
    found = divide("a", [np.arange(5000), np.arange(5000, 5010)])
    assert (found.fit.y == 0).sum() == 400
    assert (found.select.y == 0).sum() == 100
    assert (found.test < 5000).sum() == 500


def test_few_shots_are_nested_and_draws_differ() -> None:
    whole = divide("a", [np.arange(100), np.arange(100, 200)])
    few = {k: reduced("a", whole, Amount(shots=k), 0) for k in (1, 5, 10)}
    assert [np.bincount(few[k].fit.y).tolist() for k in few] == [[1, 1], [5, 5], [10, 10]]
    assert set(few[1].fit.rows) < set(few[5].fit.rows) < set(few[10].fit.rows) < set(whole.fit.rows)
    assert set(few[5].select.rows) < set(whole.select.rows)
    assert (few[5].test == whole.test).all()
    assert set(reduced("a", whole, Amount(shots=5), 1).fit.rows) != set(few[5].fit.rows)


def test_fractions_and_examples() -> None:
    whole = divide("a", [np.arange(1000), np.arange(1000, 1100)])
    tenth = reduced("a", whole, Amount(fraction=0.1), 0)
    assert np.bincount(tenth.fit.y).tolist() == [40, 4]
    assert np.bincount(reduced("a", whole, Amount(fraction=0.001), 0).fit.y).tolist() == [1, 1]
    some = reduced("a", whole, Amount(examples=100), 0)
    assert (len(some.fit), len(some.select)) == (80, 20)
    assert len(set(some.fit.rows)) == 80


def test_what_is_too_small_is_refused() -> None:
    with pytest.raises(
        BenchbenchError, match="here: fit, select and test parts need 3 images a class, but its smallest class has 2"
    ):
        check_division(Amount(), [np.arange(2)], "here")
    with pytest.raises(BenchbenchError, match="here: 2 shots, but the fit part of its smallest class has 1 images"):
        check_division(Amount(shots=2), INDEX, "here")
    with pytest.raises(BenchbenchError, match=r"need 3 images a class, .* has 2; too small: 'owl' 2 .1 of 2 classes."):
        check_division(Amount(), [np.arange(9), np.arange(2)], "here", ["ant", "owl"])
    # Of the class with more images, more are held out.
    index, held = [np.arange(9), np.arange(9, 29)], np.array([0, *range(9, 27)])
    with pytest.raises(BenchbenchError, match="the fit part of its smallest class, 'owl', has 1 images"):
        check_division(Amount(shots=2), index, "here", ["ant", "owl"], held)
    with pytest.raises(
        BenchbenchError, match="here: 20 examples are 16 to fit and 4 to select by, but it has 12 and 4"
    ):
        check_division(Amount(examples=20), INDEX, "here")
    with pytest.raises(BenchbenchError, match="here has no classes"):
        check_division(Amount(), [], "here")
    with pytest.raises(BenchbenchError, match="'shots' and 'fraction' exclude each other"):
        Amount(shots=1, fraction=0.5)


def test_rows_held_out_are_those_tested_on() -> None:
    """Ten images a class, four of them held out: six are left, a fifth of which is one."""
    index, held = [np.arange(10), np.arange(10, 20)], np.array([0, 3, 5, 9, 11, 12, 13, 14])
    found = divide("a", index, held)
    assert sorted(found.test) == held.tolist()
    assert np.bincount(found.fit.y).tolist() == [5, 5]
    assert np.bincount(found.select.y).tolist() == [1, 1]
    assert not set(held) & {*found.fit.rows, *found.select.rows}
    large = divide("a", [np.arange(3000)], np.arange(600))
    assert (len(large.fit), len(large.select), len(large.test)) == (400, 100, 500)
    with pytest.raises(BenchbenchError, match="here: class 'owl' has 1 images to fit and select by and 9 to test on"):
        check_division(Amount(), [np.arange(10)], "here", ["owl"], np.arange(1, 10))
