"""Checkpoints that are cut short, altered or another stage's: set aside by name, and the records stay the same."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save, save_file

import benchbench
from benchbench.data.prepare import prepare
from benchbench.errors import Stopped, StorageError
from benchbench.execution import job
from benchbench.execution.ray_checkpoints import Folder
from benchbench.planning.matrix import Matrix, parse_matrix
from benchbench.planning.plan import plan
from benchbench.store.files import Store
from benchbench.training.chain import Training
from benchbench.training.checkpoints import (
    Damaged,
    StageCheckpoints,
    load_checkpoint,
    read_checkpoint,
    read_state,
    save_checkpoint,
)

KEY, OTHER = "a" * 64, "b" * 64
Damage = Callable[[Path], object]


def matrix(**changes: object) -> Matrix:
    content = {
        "axes": {
            "pretext": ["contrastive"], "meta": ["protonet"], "backbone": ["mlp"], "source": ["glyphs"],
            "target": ["digits"], "protocol": ["5way-1shot"], "regime": ["pipeline"],
        },
        "floors": False,
        "seeds": [0, 1],
        "selection": "pretext-valid",
        "budget": {"steps": 12},
        "episodes": {"meta_batch": 1, "queries": 2},
        "training": {"batch_size": 8, "validate_times": 4},
        "settings": {"protocol": {"episodic": {"episodes": 4}}, "backbone": {"mlp": {"width": 8, "depth": 1}}},
        **changes,
    }  # fmt: skip
    return parse_matrix(content, "test")


def records(store: Path) -> dict[str, Any]:
    """What is the same in every run."""
    run = benchbench.run(matrix(), store, executor="inline")
    assert run.failed == []
    volatile = {"timing", "environment"}
    return {r.key: r.model_dump(mode="json", exclude=volatile) for r in run.records}


def stages() -> list[str]:
    return [stage.key for training in plan(matrix()).trainings for stage in training.stages]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A store in which all stages are trained and nothing is scored, and what its records are."""
    store = tmp_path_factory.mktemp("whole") / "runs"
    expected = records(store)
    assert len(expected) == 2
    shutil.rmtree(store / "records")
    return store, expected


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the first stage of each training was interrupted after its best step so far."""
    store = tmp_path_factory.mktemp("begun") / "runs"
    for training in plan(matrix()).trainings:
        stops = iter([False] * 3)
        with pytest.raises(Stopped):
            interrupted(training, store, lambda stops=stops: next(stops, True))
        files = {path.stem for path in Store(store).checkpoint(training.stages[0].key, "resume").parent.iterdir()}
        assert files == {"resume", "best"}
    return store


def interrupted(training: Training, store: Path, stop: Callable[[], bool]) -> None:
    job.train(training, prepare(training.source), Store(store), "cpu", lambda _: None, stop=stop)


def header(path: Path) -> int:
    """How many bytes come before those of the tensors."""
    return 8 + int.from_bytes(path.read_bytes()[:8], "little")


def cut(where: Callable[[Path], int]) -> Damage:
    return lambda path: os.truncate(path, where(path))


def flip(where: Callable[[Path], int]) -> Damage:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[where(path)] ^= 1
        path.write_bytes(content)

    return damage


def restated(path: Path) -> None:
    """Another number of samples in the header, and everything else as it was."""
    content = path.read_bytes()
    changed = content.replace(b'\\"samples\\": ', b'\\"samples\\":1', 1)
    assert changed != content
    path.write_bytes(changed)


def without_a_stage(path: Path) -> None:
    """As `Model.save` writes: a digest, and no stage."""
    save_checkpoint(path, {"encoder": torch.nn.Linear(2, 2)}, None, {})


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "kept").touch()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def size(path: Path) -> int:
    return path.stat().st_size


DAMAGES: dict[str, Damage] = {
    "empty": cut(lambda path: 0),
    "seven bytes": cut(lambda path: 7),
    "half a header": cut(lambda path: header(path) // 2),
    "a header": cut(header),
    "half": cut(lambda path: size(path) // 2),
    "all but a byte": cut(lambda path: size(path) - 1),
    "its first byte of tensors": flip(header),
    "its last byte": flip(lambda path: size(path) - 1),
    "a byte between": flip(lambda path: (header(path) + size(path)) // 2),
    "text": lambda path: path.write_text("nothing"),
    "foreign": lambda path: save_file({"x": torch.zeros(3)}, path),
    "an export": lambda path: save_file({"x": torch.zeros(3)}, path, {"format": "pt", "state": "1"}),
    "of no stage": without_a_stage,
    "folder": folder,
    "pipe": pipe,
}


def aside(store: Path) -> list[str]:
    return sorted(p.name for p in store.glob("checkpoints/*/*.damaged-*"))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "benchbench.training"]


@pytest.mark.parametrize("damage", [*DAMAGES.values(), restated], ids=[*DAMAGES, "restated"])
def test_a_damaged_final_is_set_aside_and_trained_again(whole, damage, tmp_path, caplog):
    store, expected = shutil.copytree(whole[0], tmp_path / "runs"), whole[1]
    path = Store(store).checkpoint(stages()[0], "final")
    good = read_checkpoint(path, stages()[0])[1]
    damage(path)
    assert records(store) == expected
    (message,) = told(caplog)
    assert message.startswith(f"checkpoint {path} is damaged: ")
    assert "set aside as final.safetensors.damaged-1" in message
    again = read_checkpoint(path, stages()[0])[1]
    assert all(torch.equal(again[name], tensor) for name, tensor in good.items())
    assert aside(store) == ["final.safetensors.damaged-1"]
    assert list(Folder(store / "checkpoints").read(stages()[:1])) == [f"{stages()[0][:16]}/final.safetensors"]


@pytest.mark.parametrize("name", ["resume", "best"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_resume_or_best_is_set_aside_and_the_stage_begun_anew(begun, whole, name, damage, tmp_path, caplog):
    store = shutil.copytree(begun, tmp_path / "runs")
    path = Store(store).checkpoint(stages()[0], name)
    damage(path)
    assert records(store) == whole[1]
    (message,) = told(caplog)
    assert message.startswith(f"checkpoint {path} is damaged: ")
    assert aside(store) == [f"{name}.safetensors.damaged-1"]
    assert not path.exists()


def test_what_was_interrupted_goes_on_from_whole_checkpoints(begun, whole, tmp_path, caplog):
    store = shutil.copytree(begun, tmp_path / "runs")
    steps: list[int] = []
    training = plan(matrix()).trainings[0]
    job.train(training, prepare(training.source), Store(store), "cpu", lambda m: steps.append(m["step"]))
    assert steps[0] == 5
    assert records(store) == whole[1]
    assert told(caplog) == []


def test_best_weights_that_are_gone_begin_the_stage_anew(begun, whole, tmp_path):
    store = shutil.copytree(begun, tmp_path / "runs")
    Store(store).checkpoint(stages()[0], "best").unlink()
    assert records(store) == whole[1]


def test_swapped_finals_are_both_trained_again(whole, tmp_path, caplog):
    store, keys = shutil.copytree(whole[0], tmp_path / "runs"), stages()
    first, second = (Store(store).checkpoint(key, "final") for key in (keys[0], keys[2]))
    other = second.read_bytes()
    first.rename(second)
    first.write_bytes(other)
    assert records(store) == whole[1]
    assert len(told(caplog)) == 2
    for key in (keys[0], keys[2]):
        assert sum(f"it belongs to stage {key[:16]}" in message for message in told(caplog)) == 1
    assert len(aside(store)) == 2


def test_a_checkpoint_under_another_name_is_not_taken(whole, begun, tmp_path, caplog):
    store = shutil.copytree(whole[0], tmp_path / "runs")
    key = stages()[0]
    for name in ("resume", "best"):
        shutil.copy(Store(begun).checkpoint(key, name), Store(store).checkpoint(key, "final"))
        shutil.rmtree(store / "records", ignore_errors=True)
        assert records(store) == whole[1]
        assert told(caplog)[-1].startswith(f"checkpoint {Store(store).checkpoint(key, 'final')} is damaged: it was")
    assert aside(store) == ["final.safetensors.damaged-1", "final.safetensors.damaged-2"]


def test_checkpoints_of_before_digests_are_taken_if_they_fit(whole, tmp_path, caplog):
    store, key = shutil.copytree(whole[0], tmp_path / "runs"), stages()[0]
    path = Store(store).checkpoint(key, "final")
    state, tensors = read_checkpoint(path, key)
    old = {"state": json.dumps(state)}
    path.write_bytes(save(tensors, old))
    made = path.stat()
    assert records(store) == whole[1]
    assert (path.stat().st_mtime_ns, told(caplog)) == (made.st_mtime_ns, [])
    # A state of another kind, other tensors, a name too many, another dtype.
    renamed = {"encoder/other": torch.zeros(1), **tensors}
    other = {name: t.double() for name, t in tensors.items()}
    for held, about in (
        (tensors, {"state": '{"step": 3}'}),
        (tensors, {"state": "["}),
        ({}, old),
        (renamed, old),
        (other, old),
    ):
        path.write_bytes(save(held, about))
        shutil.rmtree(store / "records")
        assert records(store) == whole[1]
    assert len(aside(store)) == len(told(caplog)) == 5


def test_the_header_says_whose_file_it_is_and_holds_a_digest(tmp_path):
    path = tmp_path / "final.safetensors"
    module = torch.nn.Linear(3, 2)
    save_checkpoint(path, {"encoder": module}, None, {"a": 1}, KEY)
    with safe_open(path, "pt") as file:
        about = file.metadata()
    assert (about["key"], about["kind"], about["state"]) == (KEY, "final", '{"a": 1}')
    first = about["digest"]
    assert len(bytes.fromhex(first)) == 32
    save_checkpoint(path, {"encoder": module}, None, {"a": 1}, KEY)
    with safe_open(path, "pt") as file:
        assert file.metadata()["digest"] == first
    assert read_state(path, KEY) == read_state(path) == {"a": 1}
    with pytest.raises(Damaged, match=f"it belongs to stage {KEY[:16]}, expected {OTHER[:16]}"):
        read_state(path, OTHER)


def test_every_dtype_and_shape_of_a_state_has_a_digest(tmp_path):
    module = torch.nn.Module()
    dtypes = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    for i, dtype in enumerate(dtypes):
        for j, shape in enumerate(((), (0, 3), (2, 3))):
            module.register_buffer(f"b{i}{j}", torch.ones(shape, dtype=dtype))
    save_checkpoint(tmp_path / "best.safetensors", {"m": module}, None, {}, KEY)
    assert load_checkpoint(tmp_path / "best.safetensors", {"m": module}, None, KEY) == {}


def test_any_single_bit_is_noticed(tmp_path):
    path = tmp_path / "final.safetensors"
    save_checkpoint(path, {"encoder": torch.nn.Linear(1, 1)}, None, {}, KEY)
    content = path.read_bytes()
    state, tensors = read_checkpoint(path, KEY)
    for index in range(len(content)):
        changed = bytearray(content)
        changed[index] ^= 1 << index % 8
        path.write_bytes(changed)
        try:
            found, held = read_checkpoint(path, KEY)
        except Damaged:
            continue
        # Nothing but the spelling of the header changed.
        assert found == state, index
        assert all(torch.equal(held[name], tensor) for name, tensor in tensors.items()), index


def test_nothing_is_loaded_of_a_checkpoint_of_other_modules(tmp_path):
    path, module = tmp_path / "final.safetensors", torch.nn.Linear(2, 2)
    before = module.weight.detach().clone()
    save_checkpoint(path, {"encoder": torch.nn.Linear(2, 2, bias=False)}, None, {}, KEY)
    with pytest.raises(Damaged, match="its tensors are not those of encoder, encoder/bias for one"):
        load_checkpoint(path, {"encoder": module}, None, KEY)
    assert torch.equal(module.weight, before)


def test_what_is_set_aside_is_never_replaced(tmp_path, caplog):
    module = torch.nn.Linear(2, 2)
    kept = StageCheckpoints(Store(tmp_path), KEY)
    path = kept.path("final")
    path.parent.mkdir(parents=True)
    for text in ("first", "second", "third"):
        path.write_text(text)
        assert kept.read("final", {"encoder": module}, dict) is None
    texts = [path.with_name(f"final.safetensors.damaged-{n}").read_text() for n in (1, 2, 3)]
    assert texts == ["first", "second", "third"]
    assert kept.read("final", {"encoder": module}, dict) is None
    assert len(told(caplog)) == 3


def test_what_cannot_be_set_aside_ends_the_run(tmp_path, monkeypatch):
    def rename(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    kept = StageCheckpoints(Store(tmp_path), KEY)
    kept.path("final").parent.mkdir(parents=True)
    kept.path("final").touch()
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(StorageError, match=r"is damaged: .*, and cannot be set aside: Operation not permitted"):
        kept.read("final", {}, dict)
