"""What the READMEs say is what components and committed records say."""

import json
import re
import statistics
from pathlib import Path

import pytest

from benchbench import load_records

ROOT = Path(__file__).parents[2]
Table = dict[str, dict[str, str]]


def table(text: str) -> Table:
    """The first table of a Markdown text: its rows by their first cell, each by column."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("|")]
    columns, _, *rows = ([cell.strip() for cell in line.split("|")] for line in lines)
    return {row[0]: dict(zip(columns, row, strict=True)) for row in rows}


def section(heading: str) -> str:
    """What stands below a heading of the README."""
    return (ROOT / "README.md").read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]


def test_the_components(command, monkeypatch) -> None:
    """The README's table of components is what the command that it names prints."""
    text = section("Components")
    (words,) = re.findall(r"`benchbench (plugins list [^`]+)`", text)
    monkeypatch.setenv("BENCHBENCH_PLUGINS", "benchbench-suite")
    code, out, _ = command(*words.split())
    assert code == 0
    assert out.strip() in text


def test_what_was_reproduced() -> None:
    """Published numbers that were met, and by how much the others were missed."""
    limits = (ROOT / "results" / "README.md").read_text("utf-8").split("## Honest limits\n")[1]
    text = re.sub(r"\s+", " ", limits)
    report = (ROOT / "results" / "REPRODUCTION.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in report.splitlines() if "|" in line]
    verdicts: dict[tuple[str, str], list[str]] = {}
    for method, protocol, *_, verdict, _, _ in (row for row in rows if len(row) == 11):
        verdicts.setdefault((method.split(",")[0].split(" (")[0], protocol), []).append(verdict)
    omniglot = {place: of for place, of in verdicts.items() if place[1].startswith("Omniglot")}
    assert ["not run"] not in omniglot.values()
    met = [place for place, of in omniglot.items() if any(v.startswith("within") for v in of)]
    today = [place for place, of in omniglot.items() if "within" in of]
    assert (len(omniglot), len(met), len(today)) == (29, 25, 14)
    assert "Of twenty-nine published Omniglot numbers" in text
    assert "twenty-five were reproduced, most by one training each, fourteen of these by today's harness" in text
    missed = [(place[0], of) for place, of in omniglot.items() if place not in met]
    assert missed == [
        ("MatchingNet", ["missed: 0.06 above"]),
        ("UMTRA", ["missed: 0.34 below"]),
        ("MAML without convolutions", ["missed: 0.70 below"]),
        ("MAML without convolutions", ["missed: 1.54 below"]),
    ]
    assert (
        "MatchingNet's 20-way one was missed by 0.06 points, those of MAML without convolutions by 0.70 and 1.54 "
        "(1 and 5 shots), after a sixth of its steps, UMTRA's 20-way 1-shot one by 0.34." in text
    )
    ours = [of for place, of in verdicts.items() if place[0] == "R2D2" and place[1].startswith("CIFAR-FS")]
    assert [of[-1] for of in ours] == ["within", "within"]
    assert "On CIFAR-FS R2D2 reproduces both numbers of its paper's network of 64 channels" in text
    short = {place[0]: of[0] for place, of in verdicts.items() if place[1].startswith("CIFAR-FS, 5-way 1-shot")}
    long = {place[0]: of[0] for place, of in verdicts.items() if place[1] == "CIFAR-FS, 5-way 5-shot"}
    below = [re.findall(r"[\d.]+", of)[0] for of in (short["R2D2"], long["R2D2"])]
    assert "missed its bands by {} and {} points.".format(*below) in text
    fewer, more = (row for row in rows if row[0] in ("MAML, 4,000 steps", "MAML, 12,000 steps"))
    gaps = [re.findall(r"missed: ([\d.]+) below", row[8])[0] for row in (fewer, more)]
    hours, gained = float(more[9].replace(",", "")) / 3600, float(more[4]) - float(fewer[4])
    assert (
        f"MAML misses its band by {gaps[1]} points after 12,000 of the recipe's 60,000 steps, {hours:.1f} hours of one "
        f"core; by an earlier revision it missed it by {gaps[0]} after 4,000." in text
    )
    times = 3 ** (float(gaps[1]) / gained)
    assert f"add {gained:.1f} points, {12 * times:.0f},000 would reach it, in {hours * times:.1f} hours." in text
    (reptile,) = (row for row in rows if row[0] == "Transductive Reptile is behind first-order MAML")
    behind = reptile[2].split()[0].strip("-")
    assert f"Reptile, after a twentieth of its steps, is {behind} points behind first-order MAML." in text
    against = [row for row in rows if row[0].startswith("NIL test") and row[5] == "contradicted"]
    assert [row[0].split(": ")[1].split("'s encoder")[0] for row in against] == ["MAML", "ANIL", "MAML"]
    assert (
        "ours are {} and {} points behind plain classification's, and MAML's {} behind that of training without".format(
            *(row[2].split()[0].strip("-") for row in against)
        )
        in text
    )


def told(title: str) -> str:
    """What results/README.md says of something, up to the next thing in bold or the next heading."""
    text = (ROOT / "results" / "README.md").read_text("utf-8").split(f"**{title}.**")[1]
    return re.split(r"\n(?:\*\*|## )", text)[0]


def effects_of(command, folder: str) -> dict[tuple[str, str], dict]:
    """Effects by pretext and meta-algorithm."""
    code, out, _ = command("leaderboard", str(ROOT / "results" / folder), "--view", "effects", "--format", "json")
    assert code == 0
    return {(r["pretext"], r["value"].removesuffix(" (pseudo)")): r for r in json.loads(out)["rows"]}


def as_told(row: dict, column: str = "effect") -> str:
    """An effect as the tables have it."""
    assert row["over"] == "seeds"
    return f"{row[column]:+.2f} [{row[f'{column}_low']:+.2f}, {row[f'{column}_high']:+.2f}]"


def means_of(folder: str) -> dict[tuple[str, str, str, str], list[float]]:
    """Percent of each seed, by pretext or a floor's backbone, meta-algorithm, target and protocol."""
    means: dict[tuple[str, str, str, str], list[float]] = {}
    for r in load_records(ROOT / "results" / folder):
        of = r.method.backbone if r.flags.floor else r.method.pretext
        means.setdefault((of, r.method.meta, r.target, r.protocol), []).append(100 * r.summary["accuracy"].mean)
    return means


@pytest.mark.parametrize(("folder", "title"), [("intents-folds", "Intents by folds"), ("names", "Names")])
def test_what_meta_learning_adds_on_texts(command, folder, title) -> None:
    """Tables of results/README.md, pretexts x meta-algorithms, are the effects that the records give."""
    found, metas = effects_of(command, folder), {"MAML": "maml", "ProtoNet": "protonet", "R2D2": "r2d2"}
    shown = {(p, metas[m]): cell for p, row in table(told(title)).items() for m, cell in row.items() if m in metas}
    assert shown == {place: as_told(row) for place, row in found.items() if row["axis"] == "meta" and place[0] != "all"}


def test_names() -> None:
    said = " ".join(told("Names").split())
    means = {place: statistics.mean(v) for place, v in means_of("names").items()}

    def shown(of: str, meta: str) -> str:
        return " and ".join(f"{means[of, meta, 'names', f'5way-{k}shot']:.1f}" for k in (1, 5))

    assert f"n-grams, untrained, have {shown('ngrams', 'nearest-centroid')} (1 and 5 shots)" in said
    assert f"plain training has {shown('labels', 'readout')}, ProtoNet {shown('labels', 'protonet')};" in said
    best = [
        max(mean for (of, meta, _, p), mean in means.items()
            if p == f"5way-{k}shot" and meta != "nearest-centroid" and of != "labels")
        for k in (1, 5)
    ]  # fmt: skip
    assert "without labels nothing has more than {:.1f} and {:.1f}.".format(*best) in said


def test_from_motifs_to_dna(command) -> None:
    found, text = effects_of(command, "splice"), told("From motifs to DNA")
    columns = {"motifs": "motifs 5way-5shot", "splice": "splice 3way-5shot", "promoters": "promoters 2way-5shot"}
    shown = {(p, t): cell for p, row in table(text).items() for t, cell in row.items() if t in columns}
    metas = {p: row for (p, _), row in found.items() if row["axis"] == "meta" and p != "all"}
    assert shown == {(p, t): as_told(row, column) for p, row in metas.items() for t, column in columns.items()}
    seeds = {(of, meta, target): v for (of, meta, target, _), v in means_of("splice").items()}
    means = {place: statistics.mean(v) for place, v in seeds.items()}
    plain = seeds["labels", "readout", "motifs"]
    said = " ".join(text.split())
    assert (
        f"ProtoNet has {means['labels', 'protonet', 'motifs']:.1f}, plain training {statistics.mean(plain):.1f} and "
        f"from {min(plain):.1f} to {max(plain):.1f} by seed" in said
    )
    for target, floor, name in (("splice", "onehot", "one-hot places"), ("promoters", "kmers", "k-mers")):
        raw = means[floor, "nearest-centroid", target]
        best = max(mean for (_, meta, t), mean in means.items() if t == target and meta != "nearest-centroid")
        assert f"{name} have {raw:.1f} and the best trained encoder {best:.1f}" in said


def test_users(command) -> None:
    said = " ".join(told("Users").split())
    rows = table((ROOT / "results" / "tastes-quick" / "LEADERBOARD.md").read_text("utf-8"))
    score = {(m, row["backbone"]): float(row["tastes ranking"].split()[0]) for m, row in rows.items()}
    labels = [score[f"labels × {meta}", "fields"] for meta in ("maml", "melu", "protonet")]
    popularity = score["popularity × prior", "item-score"]
    assert "MAML has {:.1f} and MeLU, whose inner loop leaves the items' vectors alone, {:.1f};".format(*labels) in said
    assert f"popularity, which is the same for everybody, has {popularity:.1f}, ProtoNet {labels[2]:.1f}." in said
    best = max(of for (m, _), of in score.items() if m.startswith(("contrastive", "cactus")))
    raw = statistics.mean(means_of("tastes-quick")["multi-hot", "nearest-centroid", "tastes", "ranking"])
    assert f"nothing trained has more than {best:.1f}, below {raw:.1f} of an untrained look" in said
    found = effects_of(command, "tastes-quick")
    assert f"ProtoNet {as_told(found['contrastive', 'protonet'])}" in said
    assert f"MeLU {as_told(found['contrastive', 'melu'])}." in said


def test_intents_by_folds() -> None:
    """What results/README.md says of texts is what the records give."""
    folder, text = ROOT / "results" / "intents-folds", told("Intents by folds")
    means: dict[tuple[str, str, str], list[float]] = {}
    for (of, meta, _, protocol), seeds in means_of("intents-folds").items():
        means.setdefault((of, meta, protocol), []).extend(seeds)
    records = load_records(folder)
    # Two cells of one training.
    seconds = {r.training_key: (r.method.meta, r.timing["train_seconds"]) for r in records}
    took = {meta: statistics.mean(t for m, t in seconds.values() if m == meta) for meta, _ in seconds.values()}
    said = f"MAML {took['maml']:.1f} seconds, ProtoNet {took['protonet']:.1f} and plain training {took['readout']:.1f}"
    assert said in " ".join(text.split())

    def shown(of: str, meta: str) -> str:
        return " and ".join(f"{statistics.mean(means[of, meta, f'5way-{k}shot']):.1f}" for k in (1, 5))

    said = " ".join(text.split())
    assert f"n-grams have {shown('ngrams', 'nearest-centroid')} (1 and 5 shots)" in said
    assert f"masked-tokens × MAML, {shown('masked-tokens', 'maml')}, the best with labels" in said
    assert f"MAML too, {shown('labels', 'maml')}." in said
    best = {labels: max((statistics.mean(v), k[0]) for k, v in means.items()
                        if k[2] == "5way-1shot" and k[1] != "nearest-centroid" and (k[0] == "labels") == labels)[1]
            for labels in (True, False)}  # fmt: skip
    assert best == {True: "labels", False: "masked-tokens"}
