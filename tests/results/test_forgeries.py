"""Forged submissions whose keys are right wherever they can be: each is refused with its reason, or stays external."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchbench.planning.identity import cell_key, training_key
from benchbench.results import recompute
from benchbench.results.consistency import stage_keys
from benchbench.store.files import read_records
from benchbench.store.records import Metric, Record, Summary
from tests.results.conftest import TINY

PROVENANCE = {"who": "A. Nother", "contact": "https://example.org", "when": "2026-11-28"}
SUITE = "benchbench-suite"
Fields = dict[str, Any]
Forge = Callable[[Fields], object]

MATRIX: Fields = {**TINY, "floors": True, "axes": {**TINY["axes"], "meta": ["nearest-centroid", "protonet", "maml"]}}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Records that were really made, by learner; `floor` is an untrained encoder's."""
    from benchbench.api import run
    from benchbench.planning.matrix import parse_matrix

    store = tmp_path_factory.mktemp("real") / "store"
    run(parse_matrix(MATRIX, "tiny"), store, executor="inline")
    records = [r for r in read_records(store)[0] if r.method.backbone == "conv4"]
    return {"floor" if r.flags.floor else r.method.meta: r for r in records}


def rekeyed(fields: Fields) -> Fields:
    """The fields with the keys that their content gives, as far as it gives any."""
    try:
        record = Record(**fields)
        record.content["stages"] = stages = stage_keys(record)
        training = training_key(record.content)
        fingerprint, protocol = fields["content"]["target"]["fingerprint"], fields["content"]["protocol"]
        key = cell_key(training, fingerprint, protocol, record.content)
    except Exception:
        return fields
    fields["content"]["stages"] = stages
    return fields | {"training_key": training, "key": key}


def put(path: str, value: object) -> Forge:
    """Set the field at a path."""

    def forge(fields: Fields) -> None:
        *way, last = path.split(".")
        for name in way:
            fields = fields[name]
        fields[last] = value

    return forge


def both(*forges: Forge) -> Forge:
    """Several changes."""
    return lambda fields: [forge(fields) for forge in forges]


def scored(values: list[Any], denominator: int | None = 75, name: str = "accuracy", unit: str = "episode") -> Forge:
    """Give a metric these values, and their summary."""
    metric = Metric(values=values, denominator=denominator, unit=unit)
    about = Summary.of(metric).model_dump()
    return both(put(f"scores.{name}", metric.model_dump()), put(f"summary.{name}", about))


def renamed(fields: Fields) -> None:
    for held in ("scores", "summary"):
        fields[held]["precision"] = fields[held].pop("accuracy")


def longer(fields: Fields) -> None:
    samples = fields["cost"]["samples"]
    fields["curve"] = [{"step": n + 1.0, "samples": samples * (n + 1) / 500} for n in range(500)]


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def search(low: float, high: float) -> list[Fields]:
    """A declared search for the width of conv4."""
    space = {"backbone": {"conv4": {"width": {"low": low, "high": high, "log": False}}}}
    about = {"criterion": "labelled-valid", "trials": 9, "sampler": "tpe", "seed": 0, "best": 0.9, "method": "?"}
    return [about | {"budget": {"samples": 400}, "space": space}]


def stages(*ends: tuple[float, float]) -> Forge:
    """A curve of these last steps and samples, and their sum as cost."""
    curve = [{"step": step, "samples": samples} for step, samples in ends]
    return both(put("curve", curve), put("cost.samples", int(sum(samples for _, samples in ends))))


EPISODIC = "content.protocol.settings"
#: What is forged of which record, and why it is refused.
FORGERIES: dict[str, tuple[str, Forge, str]] = {
    # What it is called.
    "5-way called 20-way": ("protonet", put("protocol", "20way-1shot"), "protocol '20way-1shot' has ways = 20"),
    "5 shots called 1": ("protonet", put(f"{EPISODIC}.shots", 5), "protocol '5way-1shot' has shots = 1"),
    "no shots at all": ("protonet", put(EPISODIC, {}), "protocol '5way-1shot' has ways = 5, shots = 1"),
    "unknown protocol": ("protonet", put("protocol", "6way-1shot"), "protocol '6way-1shot' is no name of"),
    "another protocol": ("protonet", put("protocol", "knn"), "protocol 'knn' is no name of"),
    "evil protocol by a preset": ("protonet", put("content.protocol.name", "evil:episodic"), "a preset of episodic"),
    "evil protocol by a name": (
        "protonet",
        both(put("content.protocol.name", "evil:episodic"), put("protocol", "episodic")),
        "protocol 'episodic' is no name of evil:episodic",
    ),
    "evil learner": (
        "protonet",
        both(put("content.learner.name", "evil:protonet"), put("environment.distributions.evil", "1")),
        f"method.meta is a name of {SUITE}:protonet too",
    ),
    "evil target": ("protonet", put("content.target.name", "evil:digits"), f"target is a name of {SUITE}:digits too"),
    "evil source": ("protonet", put("content.source.name", "evil:glyphs"), f"source is a name of {SUITE}:glyphs too"),
    "three parts": ("protonet", put("content.pretext.name", "other:x:rotation"), "content.pretext.name: string should"),
    "unknown distribution": (
        "protonet",
        both(put("content.pretext.name", "other:cubism"), put("method.pretext", "cubism")),
        "of a distribution that environment.distributions does not have",
    ),
    "no distributions": ("protonet", put("environment", {}), "environment.distributions does not say"),
    "empty distributions": ("protonet", put("environment.distributions", {}), "distributions does not have"),
    "method swapped": (
        "protonet",
        both(put("method.pretext", "protonet"), put("method.meta", "labels")),
        "method.pretext is 'protonet', but its content says",
    ),
    "another source": ("protonet", put("source", "symbols"), "source is 'symbols', but its content says"),
    # Metrics.
    "invented metric": ("protonet", scored([10**6] * 8, None, "glory"), "scores.glory is no metric of protocol"),
    "invented steps": ("protonet", scored([75] * 8, 75, "accuracy@9"), "scores are of ['accuracy', 'accuracy@9']"),
    "metric missing": ("protonet", both(put("scores", {}), put("summary", {})), "of status ok has none"),
    "metric renamed": ("protonet", renamed, "scores.accuracy is missing"),
    "another unit": ("protonet", scored([60] * 8, unit="target"), "has a value per target, its protocol per episode"),
    "counts above": ("protonet", scored([76] * 8), "scores.accuracy holds 76: expected counts of 0 to 75"),
    "fewer queries": ("protonet", scored([1] * 8, 1), "scores.accuracy counts of 1, its protocol of 75"),
    "fractions": ("protonet", scored([0.9] * 8, None), "scores.accuracy counts of None, its protocol of 75"),
    "fewer episodes": ("protonet", scored([75]), "scores.accuracy has 1 values, its protocol gives 8"),
    "summary": ("protonet", put("summary.accuracy.mean", 0.99), "summary.accuracy.mean is 0.99, but its scores give"),
    "no interval": ("protonet", put("summary.accuracy.ci95", 0.0), "summary.accuracy.ci95 is 0.0, but"),
    "not finite": ("protonet", put("summary.accuracy.mean", float("nan")), "summary.accuracy.mean is not finite"),
    "infinite loss": ("protonet", put("curve", [{"step": 1.0, "samples": float("inf")}]), "is not finite"),
    # Flags.
    "maml not transductive": ("maml", put("flags.transductive", False), "flags.transductive is not True"),
    "protonet transductive": ("protonet", put("flags.transductive", True), "flags.transductive is not False"),
    "labels hidden": ("protonet", put("flags.labels", "none"), "flags.labels is not 'source'"),
    "selection labels": ("protonet", put("flags.selection_labels", "source"), "flags.selection_labels is not 'none'"),
    "selection": ("protonet", put("flags.selection", "labelled-valid"), "but its recipe says otherwise"),
    "norm": ("maml", put("content.norm.test", "running"), "content.norm is not"),
    "adaptation steps": ("maml", put("content.adaptation_steps", 0), "content.adaptation_steps is not 5"),
    # Costs and curves.
    "samples against curve": ("protonet", put("cost.samples", 7), "cost.samples is 7, but the curve ends at"),
    "samples over the budget": ("protonet", stages((2, 4e6)), "cost.samples 4000000 exceed the budget of 400"),
    "one step beside many": ("protonet", stages((1, 9), (900, 4e6)), "cost.samples 4000009 exceed the budget of 400"),
    "long curve": ("protonet", longer, "curve has 500 points: expected at most 101 a stage"),
    "curve without steps": ("protonet", put("curve", [{"loss": 1.0}]), "curve has points without step and samples"),
    "trained on nothing": ("protonet", stages(), "curve is missing"),
    "negative cost": ("protonet", put("cost.flops", -1), "cost.flops is negative"),
    "huge cost": ("protonet", put("cost.flops", 10**18 + 1), "cost.flops is 1000000000000000001: expected at most"),
    "cost of a float": ("protonet", put("cost.flops", 1e30), "cost.flops: input should be a valid integer"),
    "half a parameter": ("protonet", put("cost.parameters", 0.5), "cost.parameters: input should be a valid integer"),
    "parameters": ("protonet", put("cost.parameters", 1), "cost.parameters is 1, but its backbone has 500"),
    "no cost": ("protonet", put("cost", None), "cost is missing"),
    # Seeds, data and episodes.
    "seed": ("protonet", put("seed", 1), "seed is 1, but its content says 0"),
    "long seed": ("protonet", both(put("seed", 2**64), put("content.seed", 2**64)), "needs more than 64 bits"),
    "target's data": ("protonet", put("content.target.fingerprint", "f" * 64), "key is not what its settings give"),
    "source's data": ("protonet", put("content.source.fingerprint", "f" * 64), "training_key is not what its"),
    "episodes": ("protonet", put("episodes_hash", "0" * 64), "episodes_hash is not that of its target's fixed"),
    # Settings that are refused before any data are read.
    "many episodes": ("protonet", put(f"{EPISODIC}.episodes", 10**9), "episodes: at most 10,000 is expected"),
    "large images": ("protonet", put("content.target.settings.size", 10**6), "size: at most 1,024 is expected"),
    "many ways": ("protonet", put(f"{EPISODIC}.ways", 10**6), "ways: at most 1,000 is expected"),
    "nested": ("protonet", put("content.backbone.settings.deep", deep(100)), "nested more than 64 levels deep"),
    "too long": ("protonet", put("reason", "x" * (1 << 24)), "longer than 16 MiB"),
    # What no training of the suite is.
    "more ways than classes": (
        "protonet",
        both(put(f"{EPISODIC}.ways", 900), put("protocol", "episodic")),
        "it cannot be planned: ",
    ),
    "unknown setting": ("protonet", put("content.backbone.settings.magic", 1), "its settings are refused: backbone"),
    "impossible setting": ("protonet", put("content.backbone.settings.width", -4), "settings are refused: backbone"),
    "another revision": ("protonet", put("content.backbone.revision", 99), "at revision 99, installed at "),
    "precision": ("protonet", put("content.recipe.precision", "int2"), "content.recipe.precision"),
    "no budget": ("protonet", put("content.recipe.budget", {"tea": 5}), "content.recipe.budget.tea: extra inputs"),
    "learning rate": ("protonet", put("content.recipe.training.lr", "fast"), "it cannot be planned: "),
    "unknown regime": ("protonet", put("method.regime", "magic"), "method.regime 'magic' is unknown"),
    "regime of no adapter": ("protonet", put("method.regime", "joint"), "protonet needs meta-training"),
    "regime of an adapter": ("nearest-centroid", put("method.regime", "pseudo"), "nearest-centroid only adapts"),
    "search elsewhere": ("protonet", put("content.tuned", search(8, 64)), "that cannot have found 4"),
    "search of others": ("protonet", put("content.tuned", []), "training_key is not what its settings give"),
    # Floors and failures.
    "floor with a cost": ("floor", stages((1, 64)), "a floor is not trained, but cost.samples is not 0"),
    "floor of a pretext": (
        "floor",
        both(put("content.pretext", {"name": f"{SUITE}:rotation", "revision": 1, "settings": {}}),
             put("method.pretext", "rotation")),
        f"flags.floor is True, but pretext {SUITE}:rotation trains",
    ),
    "floor that trained": ("floor", put("flags.floor", False), "content.source: field required"),
    "trained floor": ("protonet", put("flags.floor", True), "content.sample: field required"),
    "failed with scores": ("protonet", put("status", "failed"), "status is failed, but there are scores"),
    # Its form.
    "extra field": ("protonet", put("trusted", True), "trusted: extra inputs are not permitted"),
    "extra flag": ("protonet", put("flags.verified", True), "flags.verified: extra inputs are not permitted"),
}  # fmt: skip
#: Keys that do not follow from the content.
UNKEYED: dict[str, tuple[str, Forge, str]] = {
    "fewer stages": ("protonet", put("content.stages", []), "flags.floor says whether nothing was trained"),
    "other stages": ("protonet", put("content.stages", ["0" * 64]), "content.stages are not what its settings give"),
    "regime": ("protonet", put("method.regime", "auxiliary"), "content.stages are not what its settings give"),
    "learner": ("protonet", put("content.learner.settings.distance", "cosine"), "training_key "),
    "key": ("protonet", put("key", "0" * 64), "key 000000000000 is not what its settings give"),
    "failed under any key": (
        "protonet",
        both(*(put(*f) for f in (("status", "failed"), ("reason", "?"), ("scores", {}), ("summary", {}),
                                 ("key", "0" * 64))), lambda fields: fields["content"]["target"].pop("fingerprint")),
        "key is not what its settings give",
    ),
}  # fmt: skip


@pytest.fixture
def add(command, real, tmp_path) -> Callable[..., tuple[int, str, Path]]:
    """Forge a record and submit it: exit code, standard error, the results folder."""

    def submit(which: str, forge: Forge, *, keys: bool = True) -> tuple[int, str, Path]:
        fields = real[which].model_dump(mode="json") | {"provenance": PROVENANCE}
        forge(fields)
        path, results = tmp_path / "forged.jsonl", tmp_path / "results"
        path.write_text(json.dumps(rekeyed(fields) if keys else fields) + "\n", "utf-8")
        code, _, err = command("results", "add", path, "--results", results)
        return code, err, results

    return submit


def test_the_records_that_are_forged_are_accepted(add, real):
    for which in ("protonet", "maml", "nearest-centroid", "floor"):
        assert add(which, lambda fields: None)[:1] == (0,), which


@pytest.mark.parametrize(("which", "forge", "reason"), FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_with_right_keys_is_refused(add, which, forge, reason):
    code, err, results = add(which, forge)
    assert code == 1, err
    assert any(reason in line for line in err.splitlines() if line.startswith("refused: ")), err
    assert not results.exists()


@pytest.mark.parametrize(("which", "forge", "reason"), UNKEYED.values(), ids=UNKEYED)
def test_a_forgery_with_other_keys_is_refused(add, which, forge, reason):
    code, err, results = add(which, forge, keys=False)
    assert code == 1, err
    assert any(reason in line for line in err.splitlines() if line.startswith("refused: ")), err
    assert not results.exists()


@pytest.mark.parametrize("name", ["many episodes", "large images", "many ways", "nested", "too long"])
def test_what_would_cost_the_reader_is_refused_before_data_are_prepared(add, monkeypatch, name):
    from benchbench.planning import plan

    def never(*_: object, **__: object) -> None:
        raise AssertionError("data are prepared")

    for module in (recompute, plan):
        monkeypatch.setattr(module, "prepare", never)
    which, forge, _ = FORGERIES[name]
    began = time.monotonic()
    assert add(which, forge)[0] == 1
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "forge",
    [
        put("origin", "own"),
        put("origin", "verified"),
        # Nothing but training it again could tell that these scores and costs are not its own.
        scored([75] * 8),
        put("cost.flops", 1),
        put("timing.train_seconds", 0.0),
    ],
    ids=["own", "verified", "scores", "flops", "seconds"],
)
def test_what_no_reader_can_tell_comes_out_as_an_external_row(add, forge):
    from benchbench.leaderboard.aggregate import aggregate

    code, err, results = add("protonet", forge)
    assert code == 0, err
    (record,) = read_records(results)[0]
    assert (record.origin, record.provenance.who) == ("external", "A. Nother")
    table = aggregate([record])
    assert list(table.rows["method"]) == ["labels × protonet (external)"]
    assert list(table.rows["rank"]) == ["–"]
