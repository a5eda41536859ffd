"""From nothing to rows of a matrix: one plugin of each kind is scaffolded, built, installed away from the checkout,
tested by its own tests and by `plugins check`, and run beside the others."""

import json
from pathlib import Path

import pytest

from benchbench.scaffold import KINDS, new_plugin

MATRIX = """
name = "scaffolded"
floors = false
[axes]
pretext = ["my-pretext"]
meta = ["my-meta", "nearest-centroid"]
backbone = ["my-backbone"]
source = ["my-dataset"]
target = ["my-dataset"]
protocol = ["my-protocol", "episodic"]
[budget]
samples = 400
[episodes]
ways = 2
queries = 2
meta_batch = 2
[settings.protocol.episodic]
episodes = 5
"""


#: The same of texts, in one distribution, beside components of ours.
TEXTS = """
name = "texts"
[axes]
pretext = ["my-texts-pretext", "next-token", "contrastive", "labels"]
meta = ["nearest-centroid", "protonet"]
backbone = ["my-texts-backbone"]
source = ["my-texts-dataset"]
target = ["my-texts-dataset"]
protocol = ["episodic"]
[budget]
samples = 400
[episodes]
ways = 3
queries = 2
meta_batch = 2
[settings.protocol.episodic]
episodes = 50
"""


@pytest.fixture(scope="module")
def scaffolded(fresh, build, suite_wheel, tmp_path_factory):
    """A fresh environment with the suite's wheel, and the wheel of one scaffolded plugin of each kind."""
    made = fresh("scaffolded", BENCHBENCH_CACHE=str(tmp_path_factory.mktemp("cache")))
    plugins = [new_plugin(f"my-{kind}", kind, made.folder / "plugins") for kind in KINDS]
    plugins.append(new_plugin("my-texts", ["dataset", "backbone", "pretext"], made.folder / "plugins", "text"))
    made.install(suite_wheel, *(build(plugin, made.folder / "wheels") for plugin in plugins))
    return made


def test_their_own_tests_pass(scaffolded):
    away = "import benchbench, benchbench_standard; print(benchbench.__file__, benchbench_standard.__file__)"
    assert all(Path(p).is_relative_to(scaffolded.folder / "venv") for p in scaffolded.run("-c", away).stdout.split())
    done = scaffolded.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "plugins")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.full
def test_they_conform(scaffolded):
    done = scaffolded.run(
        "-m", "benchbench", "plugins", "check", *(f"benchbench-my-{kind}" for kind in KINDS), "benchbench-my-texts",
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    cards = json.loads(done.stdout)
    ours = [(kind, f"my-{kind}") for kind in KINDS]
    assert [(c["kind"], c["name"]) for c in cards][: len(ours)] == ours
    assert len(cards) == len(ours) + 3
    assert all(c["conforms"] for c in cards)
    assert not [check for c in cards for check in c["checks"] if "stand-in encoder" in check["message"]]


def test_a_matrix_uses_them_all(scaffolded):
    (scaffolded.folder / "matrix.toml").write_text(MATRIX)
    done = scaffolded.run("-c", "import benchbench; benchbench.run('matrix.toml', 'results', executor='inline')")
    assert done.returncode == 0, done.stderr
    lines = [
        line for p in sorted((scaffolded.folder / "results").rglob("*.jsonl")) for line in p.read_text().splitlines()
    ]
    records = [json.loads(line) for line in lines]
    assert {r["status"] for r in records} == {"ok"}
    assert {(r["method"]["meta"], r["protocol"]) for r in records} == {
        (meta, protocol) for meta in ("my-meta", "nearest-centroid") for protocol in ("my-protocol", "episodic")
    }
    for kind in KINDS:
        assert any(f"benchbench-my-{kind}:my-{kind}" in line for line in lines), kind


def test_texts_of_a_third_party_take_120_lines_and_stand_in_a_matrix(scaffolded):
    modules = list((scaffolded.folder / "plugins" / "benchbench-my-texts").glob("*.py"))
    assert len(modules) == 3
    assert sum(len(m.read_text().splitlines()) for m in modules) <= 120
    (scaffolded.folder / "texts.toml").write_text(TEXTS)
    done = scaffolded.run("-c", "import benchbench; benchbench.run('texts.toml', 'texts', executor='inline')")
    assert done.returncode == 0, done.stderr
    lines = [line for p in (scaffolded.folder / "texts").rglob("*.jsonl") for line in p.read_text().splitlines()]
    records = [json.loads(line) for line in lines]
    assert {r["status"] for r in records} == {"ok"}
    assert {r["content"]["modality"] for r in records} == {"text"}
    trained = [r for r in records if not r["flags"]["floor"]]
    assert all(r["content"]["tokens"] > r["cost"]["samples"] for r in trained)
    assert {r["method"]["pretext"] for r in trained} >= {"my-texts-pretext", "next-token", "contrastive", "labels"}
    assert {"words", "ngrams"} <= {r["method"]["backbone"] for r in records if r["flags"]["floor"]}
