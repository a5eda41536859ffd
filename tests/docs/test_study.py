"""docs/study.md and the README's first answer say what the committed records give."""

import json
import re
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from benchbench import load_records
from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.grid import MISSING
from benchbench.leaderboard.stated.answers_by_budget import answers_by_budget
from benchbench.leaderboard.stated.answers_by_source import answers_by_source
from benchbench.leaderboard.stated.contrasts import contrasts as contrasts_of
from benchbench.leaderboard.stated.preregistered import load_study
from benchbench.leaderboard.views.text import bounds
from benchbench.store.records import Record

ROOT = Path(__file__).parents[2]
PAGE, RECORDS, FIGURES = (ROOT / name for name in ("docs/study.md", "results/study", "docs/figures"))
BOTH = ("--study", "study", "--study", "study-omniglot")


#: Those that are whole.
BUDGETS = (4_000, 16_000, 64_000, 256_000)
PRETEXTS = ("labels", "contrastive")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return load_records(RECORDS)


@pytest.fixture(scope="module")
def answers(records: list[Record]) -> Table:
    return answers_by_budget(load_study(), records)


@pytest.fixture(scope="module")
def contrasts(records: list[Record]) -> Table:
    return contrasts_of(load_study(), records)


@pytest.fixture(scope="module")
def rows(answers: Table) -> dict[tuple[str, str, int], dict]:
    return {(r["pretext"], r["meta"], r["samples"]): r for r in plain_rows(answers)}


def said(path: Path) -> str:
    return re.sub(r"\s+", " ", path.read_text("utf-8"))


def table_rows(text: str) -> Counter[str]:
    """The rows of all tables, however wide their columns, without rules and titles."""
    lines = (re.sub(r" +", " ", line) for line in text.splitlines() if line.startswith("|"))
    return Counter(line for line in lines if not line.startswith(("|-", "| pretext ", "| contrast ")))


def test_the_tables_are_those_of_the_command(command, tmp_path) -> None:
    code, _, err = command("study", RECORDS, *BOTH, "--output", tmp_path / "study.md")
    assert code == 0, err
    printed = table_rows((tmp_path / "study.md").read_text("utf-8"))
    assert table_rows(PAGE.read_text("utf-8")) == printed


@pytest.mark.parametrize(
    ("name", "options"),
    [("study", ["--plot"]), ("study-sources", [*BOTH, "--plot-sources"])],
    ids=["average", "sources"],
)
def test_the_figures_are_the_commands(command, tmp_path, name, options) -> None:
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    if f"matplotlib=={version('matplotlib')}\n" not in pins:
        pytest.skip("another version of matplotlib draws other bytes")
    assert command("study", RECORDS, *options, tmp_path / "plot.svg")[0] == 0
    assert (FIGURES / f"{name}.svg").read_bytes() == (tmp_path / "plot.svg").read_bytes()


def crossing(answers: Table, method: str) -> str:
    (note,) = (n for n in answers.notes if n.startswith(method))
    (found,) = re.findall(r"at (\S+ samples \[.*\]), in", note)
    return found


def test_on_labels(answers: Table, rows: dict[tuple[str, str, int], dict]) -> None:
    text = said(PAGE)
    labels = [rows["labels", "protonet", n] for n in BUDGETS]
    first, second, third, last = (bounds(r, "effect") for r in labels)
    assert (
        f"{first} points at 4,000 samples and {second} at 16,000, but {third} at 64,000 and {last} at 256,000." in text
    )
    assert f"{labels[1]['inside']:+.2f} at 16,000, {labels[3]['inside']:+.2f} at 256,000." in text
    assert f"The sign changes at {crossing(answers, 'labels × protonet')}. Inductive MAML" in text
    first, second, third = (bounds(rows["labels", "maml-inductive", n], "effect") for n in BUDGETS[:3])
    changes = crossing(answers, "labels × maml-inductive")
    assert f"the same way: {first}, {second} and {third}, changing at {changes}." in text
    plain, best = rows["labels", "plain", 256_000], max(r["score"] or 0 for (p, *_), r in rows.items() if p != "labels")
    assert f"plain classification ends at {plain['score']:.2f}, the best without labels" in text
    assert f"(transductive MAML at 64,000) at {best:.2f}" in text
    assert best == rows["contrastive", "maml", 64_000]["score"]


def test_protonet_on_pseudo_tasks(answers: Table, rows: dict[tuple[str, str, int], dict], contrasts: Table) -> None:
    text = said(PAGE)
    views = [rows["contrastive", "protonet", n] for n in BUDGETS]
    behind = ["{:.2f}".format(-r["effect"]) for r in views[:3]]
    assert "is {}, {} and {} points behind SimCLR's loss".format(*behind) in text
    assert all(r["effect_high"] < 0 for r in views[:3])
    assert f"level at 256,000: {bounds(views[3], 'effect')}, in domain {bounds(views[3], 'inside')}." in text
    assert views[3]["effect_low"] < 0 < views[3]["effect_high"]
    assert views[3]["inside_low"] > 0
    assert f"The sign changes at {crossing(answers, 'contrastive × protonet')}." in text
    (gain,) = (r for r in plain_rows(contrasts) if r["name"] == "pseudo-tasks, longer")
    assert f"it gains {bounds(gain, 'effect').removeprefix('+')} on plain training" in text


def test_maml_on_pseudo_tasks(answers: Table, rows: dict[tuple[str, str, int], dict]) -> None:
    text = said(PAGE)
    first, second, third = (bounds(rows["contrastive", "maml-inductive", n], "effect") for n in BUDGETS[:3])
    changes = crossing(answers, "contrastive × maml-inductive")
    assert (
        f"inductive {first}, {second} and {third} at 4,000, 16,000 and 64,000 samples, changing at {changes}." in text
    )


def test_maml_at_equal_flops(rows: dict[tuple[str, str, int], dict]) -> None:
    text, readme = said(PAGE), said(ROOT / "README.md")
    whole = [rows[p, meta, 64_000]["flops"] for p in ("labels", "contrastive") for meta in ("maml-inductive", "plain")]
    assert [f"{a / b:.1f}" for a, b in (whole[:2], whole[2:])] == ["4.2", "4.2"]
    assert "takes 4.2 times those of plain training" in text
    labels, views = ([bounds(rows[p, "maml-inductive", n], "equal") for n in BUDGETS[:3]] for p in PRETEXTS)
    assert "On labels {} at 4,000 samples, {} and {} at 16,000 and 64,000;".format(*labels) in text
    assert "on pseudo-tasks {}, {} and {}.".format(*views) in text
    protonet = [rows["contrastive", "protonet", n] for n in BUDGETS[1:]]
    assert "for as many FLOPs it has {:+.2f}, {:+.2f} and {:+.2f} there".format(*(r["equal"] for r in protonet)) in text
    cost = [
        rows["contrastive", "maml-inductive", n]["flops"] / r["flops"] for n, r in zip(BUDGETS, protonet, strict=False)
    ]
    assert all(0.95 < ratio < 1.1 for ratio in cost)
    assert f"4.2 times the FLOPs: over plain training of as many, {views[2]} is left" in readme
    assert f"where ProtoNet has {protonet[2]['equal']:+.2f} for these FLOPs" in readme
    assert f"and {labels[1]} on labels at 16,000 samples." in readme


def test_transduction(rows: dict[tuple[str, str, int], dict]) -> None:
    text = said(PAGE)
    adds = [
        rows[p, "maml", n]["effect"] - rows[p, "maml-inductive", n]["effect"] for p in PRETEXTS for n in BUDGETS[:3]
    ]
    said_of_it = f"{min(adds):.1f} to {max(adds):.1f} points to"
    assert f"adds {said_of_it} MAML" in text
    assert f"adds {said_of_it} it" in said(ROOT / "README.md")
    best = rows["contrastive", "maml", 64_000]
    assert f"it then has {bounds(best, 'effect')}, at equal FLOPs {bounds(best, 'equal')}." in text


def test_what_was_expected(contrasts: Table) -> None:
    verdicts = [r["verdict"] for r in plain_rows(contrasts)]
    assert (len(verdicts), verdicts.count("contradicted"), verdicts.count("holds")) == (6, 4, 2)
    assert "four of the six came out other than expected" in said(PAGE)
    assert "Four of six predictions failed; for Omniglot, one of six." in said(ROOT / "README.md")


def test_the_floor_beside_it(answers: Table, rows: dict[tuple[str, str, int], dict]) -> None:
    text = said(PAGE)
    (floors,) = (n for n in answers.notes if n.startswith("Floors"))
    (untrained,) = re.findall(r"\(conv4\) ([\d.]+)", floors)
    learners = ("labels", "plain"), ("contrastive", "protonet")
    plain, views = ([rows[*learner, n]["score"] for n in BUDGETS[:3]] for learner in learners)
    assert f"An untrained encoder has {untrained} on average." in text
    assert f"below it at 4,000 samples ({plain[0]:.2f}) and level with it at 16,000 ({plain[1]:.2f})" in text
    assert plain[0] < float(untrained) - 5
    assert abs(plain[1] - float(untrained)) < 0.5
    assert "hardly above it ({:.2f}, {:.2f}) before 64,000 samples ({:.2f})".format(*views) in text
    adds = [rows["labels", "protonet", n]["score"] for n in BUDGETS[:2]]
    assert "adds there (to {:.2f} and {:.2f})".format(*adds) in text
    assert f"inductive MAML is at {rows['labels', 'maml-inductive', 4_000]['score']:.2f} after 4,000." in text


def test_source_by_source(records: list[Record]) -> None:
    text, effects = said(PAGE), dict[tuple[str, str, str], dict[int, str]]()
    both = [load_study(), load_study("study-omniglot")]
    for r in plain_rows(answers_by_source(both, records)):
        effects[r["pretext"], r["meta"], r["source"]] = {n: bounds(r, f"effect_{n}") for n in BUDGETS}
    cifar, glyphs, omniglot = (effects["labels", "protonet", s] for s in ("cifar-fs", "glyphs", "omniglot"))
    inductive = [effects["labels", "maml-inductive", s][64_000] for s in ("cifar-fs", "glyphs", "omniglot")]
    assert (
        f"lead is gone by 16,000 samples on CIFAR-FS, {cifar[16_000]}, and by 64,000 on glyphs and Omniglot, "
        f"{glyphs[64_000]} and {omniglot[64_000]}. At 256,000 it is {cifar[256_000]} on CIFAR-FS, {glyphs[256_000]} on "
        f"glyphs and, where it was expected to be behind, {omniglot[256_000]} on Omniglot. Inductive MAML has "
        "{}, {} and {} at 64,000.".format(*inductive)
    ) in text
    assert all("[-" in effect for effect in (cifar[16_000], glyphs[64_000], omniglot[64_000]))
    cifar, glyphs, omniglot = (effects["contrastive", "protonet", s] for s in ("cifar-fs", "glyphs", "omniglot"))
    inductive = [effects["contrastive", "maml-inductive", s] for s in ("cifar-fs", "glyphs", "omniglot")]
    assert (
        f"ProtoNet ends at {glyphs[256_000]} on glyphs and {omniglot[256_000]} on Omniglot, inductive MAML at "
        f"{inductive[1][64_000]} and {inductive[2][64_000]}. On CIFAR-FS ProtoNet is never ahead, {cifar[256_000]} at "
        f"256,000, and inductive MAML's {inductive[0][4_000]} at 4,000 fades to {inductive[0][64_000]} at 64,000."
    ) in text
    assert all(effect.startswith("-") for effect in cifar.values())
    readme = said(ROOT / "README.md")
    labels = effects["labels", "protonet", "omniglot"]
    assert (
        f"ProtoNet on pseudo-tasks has {glyphs[256_000]} on glyphs and {cifar[256_000]} on CIFAR-FS; on Omniglot, a "
        f"third source that was trained later, {omniglot[256_000]}, and {labels[256_000]} on labels."
    ) in readme


def test_omniglot_as_the_source(records: list[Record]) -> None:
    text, stated = said(PAGE), load_study("study-omniglot")
    rows = {(r["pretext"], r["meta"], r["samples"]): r for r in plain_rows(answers_by_budget(stated, records))}
    found = {r["name"]: r for r in plain_rows(contrasts_of(stated, records))}
    assert {place for place, r in rows.items() if r["score"] is not None} == {
        (side.pretext, side.meta, side.samples) for side in stated.design.sides()
    }
    verdicts = [r["verdict"] for r in found.values()]
    assert (verdicts.count("holds"), verdicts.count("contradicted")) == (4, 1)
    assert "four of six predictions held, one failed." in text
    plain = [rows["contrastive", "plain", n]["score"] for n in BUDGETS]
    assert "falls from {:.2f} at 64,000 samples to {:.2f} at 256,000".format(*plain[2:]) in text
    assert plain[3] < plain[2]
    protonet, inductive = (
        bounds(rows["contrastive", *learner], "inside")
        for learner in (("protonet", 256_000), ("maml-inductive", 64_000))
    )
    assert f"not beaten: ProtoNet has {protonet} there, inductive MAML {inductive}." in text
    assert f"Seeing all queries adds {bounds(found['transduction'], 'effect')} there too." in text


def test_a_head_that_is_solved(records: list[Record], rows: dict[tuple[str, str, int], dict]) -> None:
    text, readme, stated = said(PAGE), said(ROOT / "README.md"), load_study("study-learners")
    whole = {(r["pretext"], r["meta"], r["samples"]): r for r in plain_rows(answers_by_budget(stated, records))}
    labels, views = (whole[pretext, "r2d2", 64_000] for pretext in PRETEXTS)
    verdicts = {r["name"]: r for r in plain_rows(contrasts_of(stated, records))}
    means = verdicts["a solved head against means"]
    assert (
        f"On pseudo-tasks it has {bounds(views, 'effect')} over plain contrastive training and "
        f"{bounds(means, 'effect')} over ProtoNet, as was expected: more than is left of MAML at equal FLOPs. On "
        f"labels, where it was expected to be behind, it is level: {bounds(labels, 'effect')}."
    ) in text
    assert [
        verdicts[f"a solved head{rest}"]["verdict"] for rest in (", labels", ", pseudo-tasks", " against means")
    ] == [
        "open",
        "holds",
        "holds",
    ]
    assert all(0.95 < r["flops"] / whole[r["pretext"], "plain", 64_000]["flops"] < 1.05 for r in (labels, views))
    assert views["effect"] > rows["contrastive", "maml-inductive", 64_000]["equal"]
    apart = {
        (r["pretext"], r["source"]): bounds(r, "effect_64000")
        for r in plain_rows(answers_by_source([stated], records))
        if r["meta"] == "r2d2"
    }
    assert (
        f"from glyphs {apart['contrastive', 'glyphs']} on pseudo-tasks and {apart['labels', 'glyphs']} on labels, from "
        f"CIFAR-FS {apart['contrastive', 'cifar-fs']} and {apart['labels', 'cifar-fs']}."
    ) in text
    assert (
        f"has {bounds(views, 'effect')} on pseudo-tasks and {bounds(labels, 'effect')} on labels at 64,000 samples."
    ) in readme


@pytest.mark.parametrize("name", ["study-learners", "study-rates"])
def test_what_is_not_whole_stays_open(name: str, records: list[Record]) -> None:
    verdicts = {r["verdict"] for r in plain_rows(contrasts_of(load_study(name), records))}
    assert "not run" in verdicts
    assert name in PAGE.read_text("utf-8").split("## What stays open")[1]


def test_the_core_is_whole(rows: dict[tuple[str, str, int], dict]) -> None:
    """Every method of the design at every budget up to its largest, on all sources, targets and seeds."""
    wanted = {(side.pretext, side.meta, side.samples) for side in load_study().design.sides()}
    assert {place for place, r in rows.items() if r["score"] is not None} == wanted
    assert "All of it is trained" in said(PAGE)


def test_every_training_is_later_than_what_was_written_down(records: list[Record]) -> None:
    """The records name the searches that the matrix holds."""
    design = load_study().design.tuning
    for r in records:
        for search in r.content.get("tuned", []):
            assert (search["trials"], search["budget"]) == (design["trials"], {"samples": design["samples"]}), r.key


def test_the_readme_gives_the_same_answer(rows: dict[tuple[str, str, int], dict]) -> None:
    text = (ROOT / "README.md").read_text("utf-8").split("## What meta-learning adds\n")[1].split("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    adds = ["ProtoNet adds", "MAML adds"]
    assert lines[0] == ["samples", "labels: plain", *adds, "contrastive: plain", *adds]
    for samples, *cells in lines[2:]:
        n = json.loads(samples.replace(",", ""))
        wanted = []
        for pretext in PRETEXTS:
            wanted += [f"{rows[pretext, 'plain', n]['score']:.2f}", bounds(rows[pretext, "protonet", n], "effect")]
            wanted += [bounds(rows[pretext, "maml-inductive", n], "effect") if n <= 64_000 else MISSING]
        assert cells == wanted
    assert [line[0] for line in lines[2:]] == [f"{n:,}" for n in BUDGETS]
    assert "An untrained encoder has 50.33:" in said(ROOT / "README.md")
    assert "An untrained encoder has 50.33 on average." in said(PAGE)
