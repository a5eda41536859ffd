"""The index of the site: one line and one figure a results folder."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = """# Results

| folder | matrix | what it is for |
|---|---|---|
| `one` | `one` | the first <look>: `a` & b |
| `two`, `three` | the same | what comes next |
"""


class Parsed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "a":
            self.links.append(found["href"])
        if tag == "img":
            self.images.append((found["src"], found["alt"]))

    def handle_data(self, data):
        self.text += data


def folder(site, name, *plots):
    (site / name / "plots").mkdir(parents=True)
    board = {"rows": [{}, {}], "columns": ["digits 5way-1shot"]}
    (site / name / "leaderboard.json").write_text(json.dumps(board), "utf-8")
    for plot in plots:
        height = 900 if plot.startswith("tall-") else 50
        path = site / name / "plots" / f"{plot.removeprefix('tall-')}.svg"
        path.write_text(f'<svg viewBox="0 0 100 {height}"/>', "utf-8")


def test_every_folder_has_a_line_a_figure_and_a_link(tmp_path):
    site = tmp_path / "site"
    folder(site, "one", "scores", "effects")
    folder(site, "three", "tall-effects", "scores")
    folder(site, "unknown", "tall-effects")
    (tmp_path / "README.md").write_text(README, "utf-8")
    subprocess.run([sys.executable, ROOT / ".ci" / "index", site, tmp_path / "README.md"], check=True)
    found = Parsed((site / "index.html").read_text("utf-8"))
    assert set(found.links) == {f"{name}/leaderboard.html" for name in ("one", "three", "unknown")}
    assert [source for source, _ in found.images] == [
        "one/plots/effects.svg", "three/plots/scores.svg", "unknown/plots/effects.svg",
    ]  # fmt: skip
    assert all(alt for _, alt in found.images)
    assert "the first <look>: a & b" in found.text
    assert "what comes next" in found.text
    assert found.text.count("2 methods, 1 columns of targets and protocols") == 3


def test_results_readme_has_a_line_for_every_committed_folder():
    namespace: dict = {"__name__": "index"}
    exec(compile((ROOT / ".ci" / "index").read_text("utf-8"), "index", "exec"), namespace)
    said = namespace["purposes"]((ROOT / "results" / "README.md").read_text("utf-8"))
    assert {path.name for path in (ROOT / "results").iterdir() if path.is_dir()} <= said.keys()
