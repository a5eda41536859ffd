"""Numbers, empty texts and missing values on the command line, whichever the command."""

import click
import pytest

from benchbench import BenchbenchError
from benchbench.cli.values import (
    Amount,
    Finite,
    Whole,
    check_arguments,
    parse_only,
    parse_seeds,
    parse_settings,
    parse_shard,
)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "-1", "11", "١", "5" * 5_000, "", "x"])
def test_numbers_are_finite_and_in_range(text):
    with pytest.raises(click.BadParameter):
        Finite(0, 10).convert(text, None, None)
    with pytest.raises(click.BadParameter):
        Whole(0, 10).convert(text, None, None)
    with pytest.raises(click.BadParameter):
        Finite().convert("nan", None, None)


def test_whole_numbers_have_64_bits():
    assert Whole().convert(str(-(2**63)), None, None) == -(2**63)
    with pytest.raises(click.BadParameter, match="is not in the range"):
        Whole().convert(str(2**63), None, None)


def test_parsers_give_what_was_written():
    assert parse_settings(["a.b=1_0", "c=x y", 'd=""', "e=[1.5]"]) == {"a.b": 10, "c": "x y", "d": "", "e": [1.5]}
    assert parse_only(["meta=maml,protonet", "meta=anil"]) == {"meta": ["maml", "protonet", "anil"]}
    assert parse_seeds("0, 1,-2") == [0, 1, -2]
    assert parse_shard("1/8") == (1, 8)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((lambda t: parse_settings([t]), t) for t in ("=1", "a", "a=", "a..b=1", ".a=1", "a=1\nb=2", "a=\ud800")),
        *((lambda t: parse_settings([t]), f"a={t}") for t in ("nan", "1e999", "9" * 5_000, "9" * 30, "[" * 5_000)),
        *((lambda t: parse_only([t]), t) for t in ("=x", "meta=", "meta", "meta=a,,b", "meta=,")),
        *((parse_seeds, t) for t in ("", "1,", "²", "١", "9" * 5_000, "0x1", "1.0")),
        *((parse_shard, t) for t in ("0/1", "2/1", "1/١", "²/3", "1", "1/2/3", "1/" + "9" * 5_000)),
        *((lambda t: check_arguments(["run", *t.split()]), t) for t in ("--results=", "a\0b", "--set=\udcff")),
    ],
)
def test_what_nobody_means_is_refused(parse, text):
    with pytest.raises(BenchbenchError):
        parse(text)


def test_an_option_is_no_other_options_value(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command("run", "--results", "--dry-run")
    assert code == 2
    assert "Option '--results' requires an argument, but '--dry-run' follows" in err
    assert command("results", "list", "--results")[0] == 2
    assert "'--set' requires an argument" in command("data", "show", "digits", "--set", "--ways=5")[2]
    assert not list(tmp_path.iterdir())


def test_no_margin_lets_every_regression_pass(command):
    for margin in ("nan", "inf", "-1", "101"):
        code, _, err = command("compare", "a", "b", "--fail-on-regression", "--margin", margin)
        assert code == 2
        assert "--margin" in err


@pytest.mark.parametrize(
    ("text", "value"),
    [("60k", 60_000), ("2.5T", 2.5e12), ("12000", 12_000), ("1e3M", 1e9), ("0", 0), ("3P", 3e15)],
)
def test_amounts(text, value):
    assert Amount().convert(text, None, None) == value


@pytest.mark.parametrize("text", ["k", "", "2.5X", "nan", "infk", "-1k", "1e400", "٣k", "1 k k"])
def test_what_is_no_amount(text):
    with pytest.raises(click.BadParameter):
        Amount().convert(text, None, None)
