"""The same in processes of their own, as a shell starts them."""

from pathlib import Path
from random import Random

import pytest

from benchbench.store.records import parse_record
from tests.fuzz.spoilt import spoilt, valid

GOOD, SPOILT = valid("quick", 1)[0], valid("regimes", 1)[0]
READ = ("leaderboard {store}", "results list {store}")
WRONG = (
    "leaderboard {store} --view paretto",
    "leaderboard {store} --seconds nan",
    "results list ''",
    "status {store}/nowhere",
    "compare {store} {store} --margin inf --fail-on-regression",
    "gc /dev/null",
)


@pytest.mark.parametrize("number", range(14))
def test_a_spoilt_record_is_left_out(number: int, tmp_path: Path, python) -> None:
    records = tmp_path / "records"
    records.mkdir()
    (records / "good.jsonl").write_bytes(GOOD + b"\n")
    (records / "bad.jsonl").write_bytes(spoilt(Random(number), SPOILT) + b"\n")
    words = READ[number % len(READ)].format(store=tmp_path).split()
    done = python("-m", "benchbench", *words, check=False, timeout=10)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert parse_record(GOOD).method.pretext in done.stdout


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_gets_one_message(line: str, tmp_path: Path, python) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "good.jsonl").write_bytes(GOOD + b"\n")
    words = ["" if word == "''" else word.format(store=tmp_path) for word in line.split()]
    done = python("-m", "benchbench", *words, check=False, timeout=10)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "rror: " in done.stderr
