"""Hundreds of command lines and matrices that are wrong somewhere: one clear message each, never a traceback."""

import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchbench.errors import BenchbenchError
from tests.cli.conftest import results  # noqa: F401
from tests.fuzz.lines import Shop, leaves, wrong_line, wrong_matrix

MATRIX = (Path(__file__).parents[2] / "tasks" / "matrices" / "ci.toml").read_text("utf-8")
#: Seconds that one call may take.
PATIENCE = 10
#: The alarm of a call would replace that of pytest-timeout.
pytestmark = pytest.mark.timeout(300, method="thread")


def refuse(*_: Any, **__: Any) -> None:
    raise BenchbenchError("nothing trains here")


class NoEnd(BaseException):
    """A call took too long. Not an Exception, which a command may take to be a plugin's."""


def give_up(*_: Any) -> None:
    raise NoEnd(f"after {PATIENCE} s")


@pytest.fixture
def shop(tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:  # noqa: F811
    """Valid and odd things that lines can name; whatever would train is refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)
    monkeypatch.setattr("benchbench.results.audit.audit", refuse)
    monkeypatch.setattr("benchbench.testing.cards.check_offer", refuse)
    monkeypatch.setattr("benchbench.data.downloads.fetch", refuse)
    before = signal.signal(signal.SIGALRM, give_up)
    yield Shop.furnish(
        tmp_path,
        MATRIX,
        {
            "results": [str(results)],
            "folders": [str(results)],
            "folder": [str(tmp_path / "folder")],
            "a": [str(results)],
            "b": [str(results)],
            "name": ["digits"],
            "only": ["pretext=rotation"],
            "seeds": ["0,1"],
            "shard": ["1/2"],
            "view": ["overall"],
            "executor": ["inline"],
            "device": ["cpu", "auto"],
            "by": ["meta"],
            "key": ["waiting"],
        },
    )
    signal.signal(signal.SIGALRM, before)


def fault(command: Any, line: list[str]) -> str | None:
    """What is wrong with the answer to a line, or None."""
    signal.alarm(PATIENCE)
    try:
        code, _, err = command(*line)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    if code not in (0, 1, 2) or "Traceback" in err:
        return f"exit {code}: {err}"
    messages = sum(text.startswith(("error: ", "Error: ")) for text in err.splitlines())
    # A group of commands alone prints its help.
    told = messages == 1 or (messages == 0 and err.startswith("Usage: "))
    return f"{messages} messages: {err}" if code == 2 and not told else None


def lines(rng: Random, shop: Shop, count: int) -> Iterator[list[str]]:
    """By turns a dry run of a matrix, a line for the next command, and one for a command with many options."""
    commands = list(leaves())
    weights = [len(command.params) for _, command in commands]
    content = tomllib.loads(MATRIX)
    content |= {
        "exclude": [{"pretext": "labels", "meta": ["maml"]}],
        "when": [{"meta": "maml", "training": {"lr": 0.1}}],
    }
    for number in range(count):
        if number % 3:
            chosen = commands[number // 3 % len(commands)] if number % 3 == 1 else rng.choices(commands, weights)[0]
            yield wrong_line(rng, *chosen, shop)
        else:
            path = shop.folder / f"wrong-{number}.toml"
            path.write_bytes(wrong_matrix(rng, content))
            yield ["run", "--matrix", str(path), "--dry-run", "--executor", "inline", "--quiet"]


def survey(command: Any, shop: Shop, rng: Random, count: int) -> None:
    wrong = [f"{line}\n  {found[-2000:]}" for line in lines(rng, shop, count) if (found := fault(command, line))]
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(w[:3000] for w in wrong[:20])


def test_wrong_lines_get_one_message(command, shop):
    survey(command, shop, Random(0), 400)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 7))
def test_many_wrong_lines_get_one_message(command, shop, seed):
    survey(command, shop, Random(seed), 500)


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
@pytest.mark.parametrize("line", ["run --dry-run --matrix", "tune", "reproduce --published"])
def test_no_device_is_read_as_toml(command, shop, line, path):
    code, _, err = command(*line.split(), path)
    assert code == 2
    assert err.startswith("error: ")
    assert path in err
