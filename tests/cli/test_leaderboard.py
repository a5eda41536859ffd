import csv
import io

import pytest

from benchbench.leaderboard.views import VIEWS


def test_prints_and_writes(command, results, tmp_path):
    code, out, err = command("leaderboard", results, "--output", tmp_path / "out")
    assert code == 0
    assert "rotation × protonet" in out
    assert "70.00 ±" in out
    assert "failed" in out
    files = {p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {f"leaderboard.{suffix}" for suffix in ("csv", "json", "tex", "html")} < {p.name for p in files}
    assert err.count("wrote ") == len(files)


def test_formats(command, results):
    assert command("leaderboard", results, "--format", "markdown")[1].startswith("# Leaderboard\n\n| method")
    rows = list(csv.DictReader(io.StringIO(command("leaderboard", results, "--format", "csv")[1])))
    assert [r["digits 5way-1shot"] for r in rows] == ["70.0", ""]


def test_a_cut_record_file_is_reported_and_the_rest_used(command, results):
    file = sorted((results / "records").glob("*.jsonl"))[0]
    file.write_text(file.read_text()[:200])
    code, out, err = command("leaderboard", results)
    assert code == 0
    assert f"{file}:1: not a whole record, left out" in err
    assert "× protonet" in out


def test_nothing_to_show(command, tmp_path):
    code, out, err = command("leaderboard", tmp_path)
    assert (code, out) == (2, "")
    assert err == f"error: no records in {tmp_path}: `benchbench run` makes some\n"
    assert command("leaderboard", tmp_path / "nowhere")[0] == 2


NO_TORCH = """
import sys
from benchbench.cli import group
for arguments in (["--help"], ["--version"], ["plugins"], ["plugins", "--json"], ["data", "--help"],
                  ["leaderboard", {0!r}], ["leaderboard", {0!r}, "--view", "target"],
                  ["leaderboard", {0!r}, "--output", {0!r} + "/out"], ["status", {0!r}]):
    group.main(arguments, "benchbench", standalone_mode=False)
kinds = ("torch", *("benchbench_standard." + k + "s" for k in ("pretext", "meta", "backbone", "dataset")))
loaded = [m for m in sys.modules if m.startswith(kinds)]
assert not loaded, loaded
"""


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_reading_imports_neither_torch_nor_plugins(results, locale, python):
    python("-c", NO_TORCH.format(str(results)), env={"LC_ALL": locale}, encoding="utf-8")


def test_symbols_print_under_a_bare_locale(results, python):
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = python("-m", "benchbench", "leaderboard", results, env=env, encoding="utf-8", check=False)
    assert "rotation × protonet" in done.stdout, done.stderr


def test_views_and_filters(command, results):
    code, out, _ = command("leaderboard", results, "--view", "pareto", "--backbone", "conv4")
    assert code == 0
    assert "on the front of" in out
    code, out, err = command("leaderboard", results, "--view", "paretto")
    assert (code, out) == (2, "")
    assert "unknown view 'paretto'; did you mean 'pareto'" in err
    code, _, err = command("leaderboard", results, "--target", "digit")
    assert code == 2
    assert "--target digit: no record has it; did you mean 'digits'" in err
    code, _, err = command("leaderboard", results, "--view", "pareto", "--output", results / "out")
    assert code == 2
    assert "neither takes a view or a filter" in err


def test_records_of_plugins_that_are_not_installed_render_all_the_same(command, results):
    for file in (results / "records").glob("*.jsonl"):
        text = file.read_text("utf-8").replace('"rotation"', '"acme-swirl"').replace('"conv4"', '"acme-net"')
        file.write_text(text, "utf-8")
    shown = {name: command("leaderboard", results, "--view", name) for name in VIEWS}
    assert {(code, err) for code, _, err in shown.values()} == {(0, "")}
    for name in ("overall", "protocol", "pareto", "significance", "robust"):
        assert "acme-swirl × protonet" in shown[name][1]
    assert command("leaderboard", results, "--output", results / "out")[0] == 0
    assert "acme-swirl" in (results / "out" / "leaderboard.csv").read_text("utf-8")
