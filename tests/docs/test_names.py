"""The guide's example of names: a table that reads without a legend, and the same names everywhere else."""

import json
import re
from collections.abc import Callable
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "matrix.md"


def test_names_of_ones_own_are_the_same_everywhere(run_page, tmp_path: Path, command: Callable) -> None:
    section = GUIDE.read_text("utf-8").partition("## Names of your own")[2].partition("\n## ")[0]
    (tmp_path / "page.md").write_text(section, "utf-8")
    assert run_page(tmp_path / "page.md") == 2
    records = [json.loads(line) for f in (tmp_path / "runs" / "records").rglob("*.jsonl") for line in f.open()]
    trained = [r for r in records if not r["flags"]["floor"]]
    assert {r["seed"] for r in trained} == {0, 1, 2}
    # What a record is of, and what it was called.
    assert {(r["method"]["meta"], r["source"], r["target"]) for r in trained} == {
        ("maml", "imagefolder", "imagefolder")
    }
    assert {r["content"]["learner"]["settings"]["inner_lr"] for r in trained} == {0.1, 0.01}
    called = {(r["content"]["names"]["meta"], r["content"]["names"]["target"]) for r in trained}
    assert called == {(m, t) for m in ("maml-fast", "maml-slow") for t in ("birds", "cars")}

    table = (tmp_path / "runs" / "LEADERBOARD.md").read_text("utf-8")
    head = next(line for line in table.splitlines() if line.startswith("|"))
    assert "birds 5way-1shot" in head
    assert "cars 5way-1shot" in head
    page = (tmp_path / "runs" / "leaderboard.html").read_text("utf-8")
    plots = "".join(p.read_text("utf-8") for p in (tmp_path / "runs").rglob("*.svg"))
    for text in (table, page, plots):
        assert "maml-fast" in text
        assert "maml-slow" in text
        assert not re.search(r"imagefolder 5way-1shot|\[[0-9a-f]{6}\]", text)

    code, out, _ = command("compare", "labels/maml-fast", "labels/maml-slow", "--results", "runs", "--format", "json")
    assert code == 0
    assert {(r["what"], r["target"]) for r in json.loads(out)["rows"]} == {
        ("conv4, birds", "birds"),
        ("conv4, birds", "cars"),
    }
    listed = command("results", "list", "runs")[1]
    assert re.search(r"labels +maml-slow +conv4 +pseudo +birds +cars +5way-1shot", listed)
    only = command("leaderboard", "runs", "--target", "cars")[1]
    assert "cars 5way-1shot" in only
    assert "birds 5way-1shot" not in only
