from pathlib import Path

import pytest

from benchbench.keys import content_key
from benchbench.store.files import Store

NEEDED = content_key("jigsaw × protonet")
OLD = content_key("of another matrix")


def write(store: Store, key: str, name: str) -> Path:
    path = store.checkpoint(key, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 2**20)
    return path


@pytest.fixture
def store(results) -> Store:
    """One checkpoint that a plan needs, with a half-written one beside it, and one that nothing needs."""
    store = Store(results)
    for key in (NEEDED, OLD):
        write(store, key, "final")
    write(store, NEEDED, ".resume.safetensors-")
    return store


def files(store: Store) -> set[str]:
    return {f"{p.parent.name}/{p.name}" for p in (store.root / "checkpoints").rglob("*") if p.is_file()}


def test_what_nothing_needs_goes(command, store):
    before = files(store)
    code, out, _ = command("gc", store.root, "--dry-run")
    assert (code, files(store)) == (0, before)
    assert "would remove 2 files, 2.0 MiB" in out
    assert "removed 2 files, 2.0 MiB" in command("gc", store.root)[1]
    assert files(store) == {f"{NEEDED[:16]}/final.safetensors"}
    assert not store.checkpoint(OLD, "final").parent.exists()
    assert "removed 0 files" in command("gc", store.root)[1]


def test_a_record_needs_the_stages_of_its_training(command, store):
    (path,) = (p for p in (store.root / "records").glob("*.jsonl") if '"rotation"' in p.read_text())
    path.write_text(path.read_text().replace('"content":{}', f'"content":{{"stages":["{OLD}"]}}'))
    command("gc", store.root)
    assert store.checkpoint(OLD, "final").exists()


def test_what_a_run_holds_stays(command, store):
    lease = store.lease(OLD)
    with lease.acquire():
        command("gc", store.root)
        assert store.checkpoint(OLD, "final").exists()
    command("gc", store.root)
    assert not store.checkpoint(OLD, "final").exists()


def test_nothing_goes_where_a_plan_or_record_cannot_be_read(command, store):
    before = files(store)
    (store.root / "plans" / "old.json").write_text('{"matrix": "old", "trainings": [{"key": "a"}]}')
    code, _, err = command("gc", store.root)
    assert (code, files(store)) == (2, before)
    assert "nothing was removed" in err
    (store.root / "plans" / "old.json").unlink()
    (store.root / "records" / "half.jsonl").write_text('{"key": "a", "conte')
    code, _, err = command("gc", store.root)
    assert (code, files(store)) == (2, before)
    assert "half.jsonl:1" in err


def test_leases_of_the_dead_go(command, store):
    lease = store.root / "leases" / "0123456789abcdef.lease"
    lease.parent.mkdir()
    with store.lease("0123456789abcdef").acquire():
        text = lease.read_text()
    # The same process number with another start: that process is gone.
    lease.write_text(text.replace("start=", "start=9"))
    command("gc", store.root)
    assert not lease.exists()


def test_features_go(command, store):
    """They are made again where they are missed."""
    store.features.mkdir()
    (store.features / "0a.safetensors").write_bytes(b"x")
    command("gc", store.root)
    assert not list(store.features.iterdir())
