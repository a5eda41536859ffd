"""What results/README.md and README.md say of pretrained encoders is what the committed records give."""

import json
import re
from pathlib import Path

import pytest

from benchbench import load_records
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.stated.findings import findings
from benchbench.leaderboard.stated.published import Cell, Finding, load_published
from benchbench.leaderboard.views.text import bounds
from benchbench.store.records import Record

ROOT = Path(__file__).parents[2]
TARGETS = ("cifar-fs", "caltech-101", "omniglot", "mnist", "symbols", "glyphs")


def said(name: str) -> str:
    return re.sub(r"\s+", " ", (ROOT / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [r for name in ("study", "pretrained") for r in load_records(ROOT / "results" / name)]


def cell(pretext: str, meta: str, source: str, target: str) -> Cell:
    return Cell(
        matrix="pretrained", pretext=pretext, meta=meta, protocol="5way-1shot", source=source, target=target
    )  # fmt: skip


def added(records: list[Record], meta: str, source: str, target: str, pretext: str = "labels") -> dict:
    """What training adds to the cosine of the weights as they came."""
    stated = Finding(
        claim="it adds",
        expected=[0.0, 0.0],
        source="",
        first=cell(pretext, meta, source, target),
        second=cell("none", "nearest-centroid", source, target),
    )
    (row,) = plain_rows(findings(records, [stated]))
    return row


def mean(records: list[Record], wanted: Cell) -> str:
    found = [100 * r.summary["accuracy"].mean for r in wanted.of(records)[0]]
    return f"{sum(found) / len(found):.2f}"


def test_what_protonet_adds_by_target(records) -> None:
    text = (ROOT / "results" / "README.md").read_text("utf-8").split("**Pretrained.**")[1].split("\n\n**")[0]
    lines = [[c.strip() for c in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("|")]
    for source, line in zip(("cifar-fs", "glyphs"), lines[2:], strict=True):
        rows = [added(records, "protonet", source, target) for target in TARGETS]
        assert line[1:] == [bounds(row, "ours") for row in rows]
        assert {row["seeds"] for row in rows} == {3}


def test_what_is_left_after_correction(command) -> None:
    code, out, _ = command(
        *("compare", "--results", ROOT / "results" / "pretrained", "none/nearest-centroid", "labels/protonet"),
        *("--format", "json"),
    )
    assert code == 0
    rows = json.loads(out)["rows"]
    shapes = {"cifar-fs": "[3,32,32]", "glyphs": "[1,28,28]"}
    gains = {
        (source, r["target"]): r["difference"]["p_holm"]
        for r in rows
        for source, shape in shapes.items()
        if r["what"].startswith(f"lite0, {source} ") and shape in r["what"] and r["protocol"] == "5way-1shot"
        if r["difference"]["mean"] > 0
    }
    near = {("cifar-fs", "cifar-fs"), ("glyphs", "glyphs"), ("glyphs", "symbols")}
    weak = {("cifar-fs", "caltech-101"), ("glyphs", "omniglot"), ("glyphs", "mnist")}
    assert set(gains) == near | weak
    assert max(gains[place] for place in near) < 0.05
    p = sorted(gains[place] for place in weak)
    assert (
        f"over all {len(rows)} comparisons of `benchbench compare`, the gains on Caltech-101, Omniglot and MNIST have "
        f"*p* from {p[0]:.2f} to {p[-1]:.2f}." in said("results/README.md")
    )


def test_what_was_expected(records) -> None:
    text = said("results/README.md")
    stated = [f for f in load_published().finding if "pretrained" in {f.first.matrix, f.second.matrix}]
    rows = {f.claim: r for f, r in zip(stated, plain_rows(findings(records, stated)), strict=True)}
    near, far = (r for claim, r in rows.items() if claim.startswith("From CIFAR-FS"))
    assert f"more than ProtoNet adds to them, by {bounds(near, 'ours')} points on CIFAR-FS; on Omniglot" in text
    assert f"on Omniglot by {bounds(far, 'ours')}, which is open" in text
    best = cell("labels", "plain", "cifar-fs", "omniglot").model_copy(update={"matrix": "study", "samples": 256_000})
    weights = cell("none", "nearest-centroid", "cifar-fs", "omniglot")
    assert f"that Conv-4 has {mean(records, best)}, the weights {mean(records, weights)}." in text
    tuned = {("Omniglot" in claim): r for claim, r in rows.items() if claim.startswith("Fine-tuning")}
    assert f"adds {bounds(tuned[True], 'ours')} on Omniglot and {bounds(tuned[False], 'ours')} on CIFAR-FS" in text
    verdicts = [r["verdict"] for r in rows.values()]
    assert verdicts == ["holds", "open", "holds", "holds", "open", "holds", "holds", "open"]


def test_in_context(records) -> None:
    text = said("results/README.md")
    places = [(pretext, source) for source in ("cifar-fs", "glyphs") for pretext in ("labels", "camelu")]
    caml = [added(records, "caml", source, source, pretext) for pretext, source in places]
    anil = [added(records, "anil", source, source) for source in ("cifar-fs", "glyphs")]
    assert {row["seeds"] for row in caml + anil} == {3}
    photographs, without, letters, letters_without = (bounds(row, "ours") for row in caml)
    assert (
        f"adds {photographs} on CIFAR-FS, trained there on labels, and {without} on CAMeLU's episodes, without; on "
        f"glyphs, trained there, {letters} and {letters_without}." in text
    )
    photographs, letters = (bounds(row, "ours") for row in anil)
    assert f"ANIL adds {photographs} on CIFAR-FS, trained there, and {letters} on glyphs." in text


def test_the_readme_says_the_same(records) -> None:
    near, far = (bounds(added(records, "protonet", "cifar-fs", t), "ours") for t in ("cifar-fs", "omniglot"))
    text = said("README.md")
    assert f"ProtoNet adds {near} points on unseen classes of its own photographs and {far} on Omniglot" in text
    caml = added(records, "caml", "cifar-fs", "cifar-fs")
    assert "an in-context learner, CAML, is behind the plain cosine there" in text
    assert caml["ours_high"] < 0


def test_scenes() -> None:
    text, scores = said("results/README.md"), dict[tuple[str, str], list[float]]()
    for r in load_records(ROOT / "results" / "pretrained-scenes"):
        own = r.content.get("names") or {}
        backbone, protocol = own.get("backbone", "conv4"), own.get("protocol", r.protocol)
        metric = "miou" if protocol.startswith("seg") else "map"
        scores.setdefault((backbone, protocol), []).append(100 * r.summary[metric].mean)
    means = {place: f"{sum(of) / len(of):.2f}" for place, of in scores.items()}
    assert {len(of) for of in scores.values()} == {3}
    assert (
        f"a mean IoU of {means['lite0', 'segmentation']}, frozen {means['lite0', 'segmentation-frozen']}; the same "
        f"network from scratch has {means['lite0-scratch', 'segmentation']}, Conv-4 {means['conv4', 'segmentation']}."
    ) in text
    frozen = scores["lite0", "detection-frozen"]
    seeds = f"from {min(frozen):.0f} to {max(frozen):.0f} by seed"
    assert (
        f"frozen, {means['lite0', 'detection-frozen']} mAP, but {seeds}; trained with its head it has "
        f"{means['lite0', 'detection']}, from scratch {means['lite0-scratch', 'detection']}."
    ) in text
