"""Fenced blocks of the README and of the site's pages, and what runs them in this process."""

import json
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from benchbench.cli import group
from benchbench.components import registry
from benchbench.components.settings import validate
from benchbench.planning.matrix import parse_matrix
from benchbench.testing import installed

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs"
#: Options that make a command small, by the matrix that it names: the same columns and commands, on less of everything.
SMALL = ["--set", "settings.backbone.conv4.width=4", "--set", "settings.protocol.episodic.episodes=6"]
LESS = {
    "quick": "--set budget.samples=200 --only pretext=none,rotation,contrastive --only meta=protonet,maml",
    # One seed: each of the others has a floor of its own.
    "my.toml": "--set budget.samples=200 --seeds 0",
    "rates.toml": "--set budget.samples=200",
    # Its data are not to be had everywhere.
    "omniglot": "--dry-run",
}
#: What a reader has already: files by name, and where they are copied from.
GIVEN = {"theirs.jsonl": next(iter(sorted((ROOT / "results" / "quick" / "records").glob("*.jsonl"))))}
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<language>[a-z]*)(?: title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block. `why` is the reason for which it is not run, `title` the file that it is."""

    language: str
    body: str
    title: str | None
    why: str | None

    @property
    def commands(self) -> list[list[str]]:
        """Its lines as arguments, comments dropped."""
        return [words for line in self.body.splitlines() if (words := shlex.split(line, comments=True))]


def blocks_of(text: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    return [Block(m["language"], m["body"], m["title"], m["why"]) for m in FENCE.finditer(text)]


def parse(words: list[str]) -> None:
    """Parse a ``benchbench`` command without running it. Raises click's UsageError for an option or command that is
    not there."""
    command: click.Command = group
    context = click.Context(group, info_name="benchbench")
    rest = words[1:]
    while True:
        parser = command.make_parser(context)
        _, rest, _ = parser.parse_args(list(rest))
        if not isinstance(command, click.Group) or not rest:
            return
        name, *rest = rest
        found = command.get_command(context, name)
        if found is None:
            raise click.UsageError(f"no command {name!r}")
        command, context = found, click.Context(found, parent=context, info_name=name)


def smaller(words: list[str]) -> list[str]:
    """The command of a page as it is run here: in this process, on less, and with the key of a training for KEY."""
    if "KEY" in words:
        (*_, record) = sorted(Path("runs", "records").rglob("*.jsonl"))
        return [json.loads(record.read_text().splitlines()[0])["training_key"] if w == "KEY" else w for w in words]
    if words[1] == "tune":
        return [*words[:-1], "2", *SMALL, "--set", "budget.samples=200"]
    if words[1] != "run" or "--dry-run" in words or words[words.index("--matrix") + 1] not in LESS:
        return words
    return [*words, "--executor", "inline", *SMALL, *LESS[words[words.index("--matrix") + 1]].split()]


def check_piece(text: str, page: Path) -> None:
    """A piece of a matrix holds keys, and settings of installed components, that there are."""
    axes = {axis: ["any"] for axis in ("pretext", "meta", "backbone", "source", "target", "protocol")}
    content = tomllib.loads(text)
    whole = {"budget": {"steps": 1}, **content, "axes": axes | content.get("axes", {})}
    matrix = parse_matrix(whole, page.name)
    for kind, named in matrix.settings.items():
        for name, settings in named.items():
            if any(offer.name == name for offer in registry.offers(kind)):
                validate(f"{kind} {name}", registry.find(kind, name).load(), settings)


def _take_pictures(folder: Path) -> None:
    """Twelve classes of twenty pictures, as a reader has them, other ones in each folder."""
    first = sum(folder.name.encode())
    for c in range(12):
        (folder / f"kind {c}").mkdir(parents=True)
        for k in range(20):
            grey = np.random.RandomState(first + 20 * c + k).randint(10 * c, 10 * c + 128, (30, 40))
            Image.fromarray(grey.astype(np.uint8)).save(folder / f"kind {c}" / f"{k}.jpg")


@pytest.fixture
def run_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str, str]]
) -> Iterator[Callable[[Path], int]]:
    """Run a page's blocks in order, in an empty folder; gives how many were run."""
    plugins, modules = ExitStack(), set(sys.modules)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(ROOT / "results")
    for name, source in GIVEN.items():
        shutil.copy2(source, tmp_path / name)
    for folder in ("pictures", "birds", "cars"):
        _take_pictures(tmp_path / folder)
    # Pages need no data; with some, listing them takes long.
    monkeypatch.delenv("BENCHBENCH_DATA", raising=False)

    def run(page: Path) -> int:
        names: dict[str, object] = {}
        ran = 0
        for block in blocks_of(page.read_text("utf-8")):
            if block.why or block.language in ("text", "json"):
                continue
            ran += 1
            if block.title:
                (tmp_path / block.title).parent.mkdir(exist_ok=True)
                (tmp_path / block.title).write_text(block.body, "utf-8")
            elif block.language == "python":
                exec(compile(block.body, str(page), "exec"), names)
            elif block.language == "toml":
                check_piece(block.body, page)
            else:
                for words in block.commands:
                    run_command(words)
        return ran

    def run_command(words: list[str]) -> None:
        if words[:3] == ["pip", "install", "-e"]:
            plugins.enter_context(installed(tmp_path / words[3]))
            return
        assert words[0] == "benchbench", f"{words[0]}: a command that no test runs; mark its block as not run"
        code, _, errors = command(*smaller(words)[1:])
        assert code == 0, f"{shlex.join(words)} ends with {code}: {errors}"

    with plugins:
        yield run
    for name in set(sys.modules) - modules:
        if name.startswith("benchbench_") and not name.startswith("benchbench_standard"):
            del sys.modules[name]


@pytest.fixture(name="blocks_of")
def blocks_of_text() -> Callable[[str], list[Block]]:
    """Every fenced block of a page."""
    return blocks_of


@pytest.fixture(name="parse")
def parse_command() -> Callable[[list[str]], None]:
    """Parse a command without running it."""
    return parse


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    """The README and every page of the site."""
    return [ROOT / "README.md", *sorted(PAGES.rglob("*.md"))]


@pytest.fixture
def pictures() -> Callable[[Path], None]:
    """Writes a folder of class folders of pictures."""
    return _take_pictures
