"""The connectors as users get them: wheels in a fresh environment without this checkout, checked and run together."""

import hashlib
import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.full
ROOT = Path(__file__).parents[2]
NAMES = ("benchbench-easyfsl", "benchbench-huggingface", "benchbench-lightly", "benchbench-timm")
#: What they offer is no part of a matrix; they import what they serve when it is asked for.
SERVICES = ("benchbench-submitit", "benchbench-trackers")
#: Run there: weights in timm's format, and a folder of Hugging Face's datasets with six classes of twenty images.
PREPARE = """
import datasets, numpy, timm, torch
from PIL import Image
from safetensors.torch import save_file
torch.manual_seed(0)
save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), "weights.safetensors")
state, names = numpy.random.RandomState(0), [f"shade {i}" for i in range(6)]
labels = [i for i in range(6) for _ in range(20)]
shades = [Image.fromarray((40 * i + state.randint(0, 30, (24, 24, 3))).astype("uint8")) for i in labels]
features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
datasets.Dataset.from_dict({"image": shades, "label": labels}, features=features).save_to_disk("shades")
"""
MATRIX = """
name = "installed"
[axes]
pretext = ["lightly-simsiam"]
meta = ["easyfsl-simple-shot", "easyfsl-bd-cspn"]
backbone = ["timm", "timm-resnet"]
source = ["huggingface"]
target = ["huggingface"]
protocol = ["episodic"]
[budget]
samples = 32
[training]
batch_size = 16
[settings.backbone.timm]
model = "test_resnet"
weights = "{weights}"
sha256 = "{sha256}"
pretrained_on = "shades"
pretrained_labels = false
[settings.backbone.timm-resnet]
model = "test_resnet"
[settings.dataset.huggingface]
path = "{folder}"
split = "{split}"
size = 24
[settings.protocol.episodic]
ways = 3
queries = 4
episodes = 6
"""


@pytest.fixture(scope="module")
def installed(fresh, build, suite_wheel, tmp_path_factory):
    for library in ("datasets", "easyfsl", "lightly", "timm"):
        pytest.importorskip(library, reason="needs benchbench-suite[connectors]")
    made = fresh("connectors", BENCHBENCH_CACHE=str(tmp_path_factory.mktemp("cache")))
    made.install(suite_wheel, *(build(ROOT / "plugins" / name, made.folder / "wheels") for name in (*NAMES, *SERVICES)))
    return made


def test_they_are_those_of_the_wheels(installed):
    modules = [name.replace("-", "_") for name in (*NAMES, *SERVICES)]
    found = installed.run("-c", f"import {', '.join(modules)}; print({', '.join(f'{m}.__file__' for m in modules)})")
    assert found.returncode == 0, found.stderr
    assert all(Path(p).is_relative_to(installed.folder / "venv") for p in found.stdout.split())
    assert len(found.stdout.split()) == len(modules)


def test_a_matrix_of_theirs_runs(installed):
    assert (made := installed.run("-c", PREPARE)).returncode == 0, made.stderr
    folder = installed.folder
    (folder / "split.json").write_text(json.dumps({
        "train": ["shade 0", "shade 2", "shade 4"], "test": ["shade 1", "shade 3", "shade 5"],
    }))  # fmt: skip
    weights = folder / "weights.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    text = MATRIX.format(weights=weights, sha256=digest, folder=folder / "shades", split=folder / "split.json")
    (folder / "matrix.toml").write_text(text)
    done = installed.run("-m", "benchbench", "run", "--matrix", "matrix.toml", "--executor", "inline")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for path in sorted((folder / "runs" / "records").rglob("*.jsonl")) for line in path.open()]
    records = [r for r in map(json.loads, lines) if not r["flags"]["floor"]]
    assert {r["status"] for r in records} == {"ok"}
    assert {(r["method"]["meta"], r["method"]["backbone"]): r["flags"]["transductive"] for r in records} == {
        (f"easyfsl-{meta}", backbone): meta == "bd-cspn"
        for meta in ("simple-shot", "bd-cspn")
        for backbone in ("timm", "timm-resnet")
    }
    # What an encoder had learned before stands in its records and in the table, and so does that it had not.
    began = {r["method"]["backbone"]: r["content"].get("pretrained_on") for r in records}
    assert began == {"timm": "shades", "timm-resnet": None}
    rows = [row.split() for row in done.stdout.splitlines() if row.startswith("lightly-simsiam")]
    assert {(row[4], " ".join(row[-3:])) for row in rows if row[4] == "timm"} == {("timm", "shades, no labels")}
    assert {row[-1] for row in rows if row[4] == "timm-resnet"} == {"random"}


def test_they_conform_there(installed):
    done = installed.run("-m", "benchbench", "plugins", "check", *NAMES, "--json")
    cards = json.loads(done.stdout)
    assert {c["name"]: [r for r in c["checks"] if r["outcome"] == "fail"] for c in cards if not c["conforms"]} == {}
    assert len(cards) >= 14
    assert done.returncode == 0
