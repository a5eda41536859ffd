"""Hundreds of record files that are wrong somewhere, read by every command that reads: what is whole is used, the rest
named, and nothing hangs or ends in a traceback."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from benchbench.leaderboard.cells import Decoder, cells_of
from benchbench.store.files import Store
from benchbench.store.plans import PlanFile, PlannedCell, PlannedTraining, write_plan
from benchbench.store.records import parse_record
from benchbench.store.scan import scan
from tests.fuzz.spoilt import spoilt, today, valid
from tests.fuzz.test_command_lines import PATIENCE, give_up

#: The alarm of a call would replace that of pytest-timeout.
pytestmark = pytest.mark.timeout(900, method="thread")

GOOD = [*valid("quick", 2), *map(today, valid("regimes", 1))]
#: Lines to spoil, none of them among the good ones.
LINES = [line for old in (*valid("quick", 2, 3), *valid("regimes", 4, 2)) for line in (old, today(old))]


@dataclass(frozen=True)
class Reader:
    """A command over the store, and what it prints if the good records are used. One that is `strict` may refuse to go
    on where it would lose or vouch for what it cannot read."""

    line: str
    used: str
    strict: bool = False


ONE = parse_record(GOOD[0])
LABEL = ONE.method.label
READERS = [
    Reader("leaderboard {store}", LABEL),
    Reader("results list {store}", ONE.key[:12]),
    Reader("leaderboard {store} --view effects", "verdict"),
    Reader("results show {key} --results {store}", ONE.key),
    Reader("leaderboard {store} --view which", ""),
    Reader("results export {store} --csv {out}/table.csv", "wrote"),
    Reader("leaderboard {store} --view learning", LABEL),
    Reader("results prune {store} --dry-run", "would drop", strict=True),
    Reader("leaderboard {store} --format json", ONE.method.pretext),
    Reader("results merge {store} --into {out}/merged", "holds", strict=True),
    Reader("leaderboard {store} --format latex", ONE.method.pretext),
    Reader("results add {store}/records/bad.jsonl --results {out}/added --who a --contact b", "added", strict=True),
    Reader("leaderboard {store} --output {out}/board --tables", LABEL),
    Reader("compare {good} {store}", LABEL, strict=True),
    Reader("leaderboard {store} --check", "LEADERBOARD.md: is missing"),
    Reader("status {store}", "tiny"),
    Reader("gc {store} --dry-run", "would remove", strict=True),
    Reader("logs {training} --results {store}", ""),
    Reader("reproduce {store}", "published"),
]


@dataclass(frozen=True)
class Shelf:
    """A store of good records, with a place for a bad file among them."""

    folder: Path
    command: Any

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def bad(self) -> Path:
        return self.store / "records" / "bad.jsonl"

    def fault(self, reader: Reader) -> str | None:
        """What is wrong with the answer to a reader, or None."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        places = {"store": self.store, "good": self.folder / "good", "out": out}
        line = reader.line.format(**places, key=ONE.key[:12], training=ONE.training_key[:12])
        signal.alarm(PATIENCE)
        try:
            code, said, err = self.command(*line.split())
        except BaseException as error:
            return f"{line}\n  {type(error).__name__}: {error}"
        finally:
            signal.alarm(0)
        if code not in (0, 1, 2) or "Traceback" in err:
            return f"{line}\n  exit {code}: {err[-2000:]}"
        if reader.strict and code and err:
            return None
        return (
            None if code < 2 and reader.used in said else f"{line}\n  exit {code}, not used: {said[-300:]} {err[-500:]}"
        )


@pytest.fixture
def shelf(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)
    found = Shelf(tmp_path, command)
    for name in ("store", "good"):
        folder = tmp_path / name / "records"
        folder.mkdir(parents=True)
        (folder / "good.jsonl").write_bytes(b"\n".join(GOOD) + b"\n")
    cells = [PlannedCell(ONE.key, ONE.target, ONE.protocol)]
    training = PlannedTraining(ONE.training_key, LABEL, ONE.method, ONE.source, ONE.seed, ONE.content["stages"], cells)
    write_plan(PlanFile("tiny", [training]), Store(found.store))
    # Drawing the datasets takes longer than reading: `tests/results` recomputes episodes.
    monkeypatch.setattr("benchbench.results.recompute.Recomputed.faults", lambda *_: ([], []))
    before = signal.signal(signal.SIGALRM, give_up)
    yield found
    signal.signal(signal.SIGALRM, before)


def survey(shelf: Shelf, rng: Random, count: int, readers: list[Reader]) -> None:
    wrong = []
    for number in range(count):
        lines = [spoilt(rng, rng.choice(LINES)) for _ in range(rng.choice((1, 1, 2, 3)))]
        shelf.bad.write_bytes(b"\n".join(lines))
        if found := shelf.fault(readers[number % len(readers)]):
            wrong.append(f"{found}\n  {lines[0][:300]!r}")
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(w[:3000] for w in wrong[:20])


def test_spoilt_records_are_left_out(shelf):
    survey(shelf, Random(0), 300, READERS)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 7))
def test_many_spoilt_records_are_left_out(shelf, seed):
    survey(shelf, Random(seed), 500, READERS)


def outcome(read: Callable[[bytes], Any], line: bytes) -> Any:
    """What a reader makes of a line; None if it refuses it."""
    try:
        return read(line)
    except ValueError:
        return None


def agree(rng: Random, count: int) -> None:
    for _ in range(count):
        line = spoilt(rng, rng.choice(LINES))
        fast, whole = outcome(scan, line), outcome(parse_record, line)
        assert (fast is None) == (whole is None), line[:2000]
        if whole is not None:
            # By their text: the NaN of a failed cell is not equal to itself.
            (cell,), _ = cells_of([whole])
            assert repr(Decoder()(line)) == repr(replace(cell, record=None)), line[:2000]


def test_both_readers_accept_the_same_lines_and_make_the_same_cells():
    agree(Random(0), 300)


@pytest.mark.full
def test_both_readers_agree_on_many_lines():
    agree(Random(1), 3_000)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def dangling(path: Path) -> None:
    path.symlink_to("no such file")


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [fifo, device, dangling, folder])
@pytest.mark.parametrize("number", [0, 1, 5, 7, 16])
def test_what_is_no_file_of_records_is_named(shelf, make, number):
    make(shelf.bad)
    assert not (found := shelf.fault(READERS[number])), found
    code, _, err = shelf.command("leaderboard", shelf.store)
    assert (code, err.count("bad.jsonl: left out")) == (0, 1)


@pytest.mark.parametrize("make", [fifo, device, dangling, folder])
def test_only_regular_files_are_replaced(shelf, make):
    target = shelf.folder / "table.csv"
    make(target)
    before = target.lstat()
    code, _, err = shelf.command("results", "export", shelf.store, "--csv", target)
    assert (code, err.count("error: ")) == (2, 1)
    assert "expected a regular file" in err
    assert target.lstat() == before or target.lstat().st_ino == before.st_ino


def test_a_line_that_is_no_record_gives_way_to_the_record_of_its_key(shelf):
    shelf.bad.write_bytes(GOOD[0].replace(b'"values":[', b'"values":[1e400,'))
    code, said, err = shelf.command("status", shelf.store)
    assert (code, err.count("bad.jsonl:1: ")) == (0, 1)
    assert "tiny" in said
