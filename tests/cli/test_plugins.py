import json
import sys
import types
from importlib.metadata import EntryPoint, version

import click
import pytest

from benchbench import cli
from benchbench.components import registry
from benchbench.components.described import described
from benchbench.components.registry import Offer
from benchbench.errors import BenchbenchError


def test_lists_what_is_installed(command):
    rows = json.loads(command("plugins", "--json")[1])
    (maml,) = [row for row in rows if (row["kind"], row["name"]) == ("meta", "maml")]
    assert (maml["distribution"], maml["version"]) == ("benchbench-suite", version("benchbench-suite"))
    assert maml["description"] == "Model-agnostic meta-learning"
    assert maml["paper"] == "Finn, Abbeel & Levine 2017, arXiv 1703.03400"
    assert command("plugins", "list", "--json")[1] == command("plugins", "--json")[1]


def test_one_line_a_component_says_what_it_is_and_names_its_paper(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "170")
    lines = command("plugins")[1].splitlines()
    assert lines[0].split("  ")[0] == "kind"
    assert max(map(len, lines)) <= 170
    (rotation,) = [line for line in lines if line.startswith("pretext   rotation ")]
    assert "Predict by how many quarter turns an image was rotated" in rotation
    assert rotation.endswith("Gidaris, Singh & Komodakis 2018, arXiv 1803.07728")
    assert command("plugins", "list")[1].splitlines() == lines
    metas = command("plugins", "list", "--kind", "meta")[1].splitlines()[2:]
    assert {line.split()[0] for line in metas} == {"meta"}


@pytest.mark.parametrize(
    ("text", "line", "paper"),
    [
        ("A thing (Roe & Poe 2020, arXiv 2001.00001, eq. 1). More.", "A thing", "Roe & Poe 2020, arXiv 2001.00001"),
        ("As in Roe et al. (2019), one thing. More.", "As in Roe et al., one thing", "Roe et al. 2019"),
        ("ISIC 2018, task 3: 100 images (of 2018).", "ISIC 2018, task 3: 100 images", ""),
        ("Of (a (nested Roe 1999) sort) it\n    all.", "Of it all", "Roe 1999"),
        ("Two (first Roe 2001; Poe 2002).", "Two", "Roe 2001"),
    ],
)
def test_a_docstring_is_read_without_importing_its_module(tmp_path, monkeypatch, text, line, paper):
    name = f"described_{abs(hash(text))}"
    body = f'raise SystemExit("imported")\n\n\nclass Thing:\n    """{text}\n\n    Poe 1990."""\n'
    (tmp_path / f"{name}.py").write_text(body, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = described(EntryPoint("thing", f"{name}:Thing", "benchbench.metas"))
    assert (found.line, found.paper) == (line, paper)
    assert described(EntryPoint("gone", f"{name}:Gone", "benchbench.metas")).line == ""
    assert described(EntryPoint("gone", "no_such_package.module:Gone", "benchbench.metas")).line == ""


def test_a_broken_plugin_is_listed_with_its_reason(command, monkeypatch):
    entry = EntryPoint("broken", "no_such_module:Thing", "benchbench.metas")
    broken = Offer("meta", "broken", "their-dist", "2.0", entry)
    installed = registry.offers
    monkeypatch.setattr("benchbench.cli.cmd_plugins.offers", lambda kind: (*installed(kind), broken)[-1:])
    code, out, _ = command("plugins", "--check", "--json")
    states = [r["state"] for r in json.loads(out) if r["kind"] == "meta"]
    assert code == 0
    assert states[0].startswith("broken: plugin their-dist 2.0: meta 'broken' cannot be imported")
    assert "No module named 'no_such_module'" in states[0]


def test_show_names_settings_with_types_and_defaults(command):
    code, out, _ = command("plugins", "show", "maml")
    assert code == 0
    assert f"meta benchbench-suite:maml (version {version('benchbench-suite')}, revision" in out
    assert any(line.split() == ["inner_lr", "float,", "Gt(gt=0)", "0.1"] for line in out.splitlines())
    assert "head_ways    int, Gt(gt=0)" in out
    assert "Finn" in out
    assert "Sequence[ComponentRef]" in command("plugins", "show", "mixture")[1]


def test_show_suggests_the_nearest_name(command):
    code, _, err = command("plugins", "show", "protonett")
    assert (code, err) == (2, "error: unknown component 'protonett'; did you mean 'protonet'?\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["leaderbord"], "did you mean 'leaderboard'?"),
        (["leaderboard", "--formt", "csv"], "--format"),
        (["leaderboard", "--format", "cvs"], "'cvs'"),
        (["data", "prepare", "digits", "--set", "size"], "expected KEY=VALUE"),
    ],
)
def test_bad_usage(command, arguments, message):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def offer_command(monkeypatch, loaded):
    module = types.ModuleType("their_module")
    module.thing = loaded
    monkeypatch.setitem(sys.modules, "their_module", module)
    entries = [EntryPoint("theirs", "their_module:thing", "benchbench.commands")]
    entries.append(EntryPoint("broken", "no_such_module:thing", "benchbench.commands"))
    monkeypatch.setattr(cli, "entry_points", lambda group: entries)


def test_commands_of_plugins(command, monkeypatch):
    @click.command()
    @click.pass_context
    def theirs(ctx):
        click.echo("ran")
        ctx.exit(3)

    offer_command(monkeypatch, theirs)
    assert "theirs" in command("--help")[1]
    with pytest.warns(DeprecationWarning, match="'theirs' .* give the plugin a script of its own"):
        assert command("theirs") == (3, "ran\n", "")
    code, _, err = command("broken")
    assert code == 2
    assert "command 'broken' from no_such_module:thing cannot be imported: ModuleNotFoundError" in err


def failing(error):
    @click.command()
    def theirs():
        raise error

    return theirs


def test_errors_are_one_line_unless_debugging(command, monkeypatch):
    offer_command(monkeypatch, failing(BenchbenchError("file x: expected y")))
    assert command("theirs") == (2, "", "error: file x: expected y\n")
    with pytest.raises(BenchbenchError):
        command("theirs", "--debug")
    monkeypatch.setenv("BENCHBENCH_DEBUG", "1")
    with pytest.raises(BenchbenchError):
        command("theirs")


def test_interrupted(command, monkeypatch):
    offer_command(monkeypatch, failing(KeyboardInterrupt()))
    code, _, err = command("theirs")
    assert code == 130
    assert len(err.strip().splitlines()) == 1


def test_the_namesake_is_warned_of(command, monkeypatch):
    assert "unrelated" not in command("plugins")[2]
    monkeypatch.setattr(cli, "version", lambda name: "0.0.1")
    assert "unrelated distribution 'benchbench' is installed" in command("plugins")[2]
