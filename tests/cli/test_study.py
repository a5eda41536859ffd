"""`benchbench study`: the contrasts, the answers by budget and by source, and where they are written."""

from pathlib import Path

import pytest

RECORDS = Path(__file__).parents[2] / "results" / "study"


def test_the_tables_and_the_plot_are_written(command, tmp_path):
    code, out, err = command("study", RECORDS, "--output", tmp_path / "study.md", "--plot", tmp_path / "study.svg")
    assert code == 0, err
    text = (tmp_path / "study.md").read_text("utf-8")
    for heading in (
        "# Contrasts written down beforehand",
        "# What methods add, by budget",
        "# What methods add, source by source",
    ):
        assert heading in text
    assert "pseudo-tasks: ProtoNet on contrastive episodes" in out
    assert (tmp_path / "study.svg").read_text("utf-8").count("<svg") == 1
    assert err.splitlines() == [f"wrote {tmp_path / 'study.md'}", f"wrote {tmp_path / 'study.svg'}"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("absent",), "no results folder absent"),
        ((RECORDS, "--plot", "study.gif"), "--plot study.gif: a name that ends in .svg, .png or .pdf is expected"),
        (
            (RECORDS, "--plot-sources", "study"),
            "--plot-sources study: a name that ends in .svg, .png or .pdf is expected",
        ),
        ((RECORDS, "--study", "study", "--study", "study-omniglot", "--plot", "a.svg"), "--plot draws one study"),
        ((RECORDS, "--study", "absent.toml"), "no study file absent.toml"),
        ((RECORDS, "--study", "study-omniglott"), "unknown study 'study-omniglott'; did you mean 'study-omniglot'?"),
    ],
)
def test_what_is_wrong_is_said(command, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, _, err = command("study", *arguments)
    assert code == 2
    assert said in err


def test_several_studies_share_the_table_of_sources(command, tmp_path):
    code, _, err = command(
        "study", RECORDS, "--study", "study-omniglot", "--study", "study", "--output", tmp_path / "s.md"
    )
    assert code == 0, err
    titles = [line[2:] for line in (tmp_path / "s.md").read_text("utf-8").splitlines() if line.startswith("# ")]
    told = ("Contrasts written down beforehand", "What methods add, by budget")
    assert titles == [f"{t}: {s}" for s in ("study-omniglot", "study") for t in told] + [
        "What methods add, source by source"
    ]


@pytest.mark.parametrize("option", ["--plot", "--plot-sources"])
def test_without_an_effect_there_is_no_plot(command, tmp_path, option):
    (tmp_path / "records").mkdir()
    one = sorted((RECORDS / "records").glob("*.jsonl"))[0]
    (tmp_path / "records" / one.name).write_bytes(one.read_bytes())
    code, _, err = command("study", tmp_path, option, tmp_path / "study.png")
    assert code == 2
    assert "nothing that methods add is known yet" in err
