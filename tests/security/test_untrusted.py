"""Results from strangers: reading them runs nothing, and no name in them leads out of a folder."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from benchbench.errors import BenchbenchError
from benchbench.planning.matrix import load_matrix
from benchbench.store.files import read_records
from benchbench.training.checkpoints import Damaged, load_checkpoint, read_state

RECORD = Path(__file__).parents[1] / "fixtures" / "records-v2" / "a1610b4756079341.jsonl"


class Trap:
    """An object whose pickle makes a folder when it is read."""

    def __init__(self, folder: Path):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_checkpoint_that_is_a_pickle_is_refused_unread(tmp_path, write):
    path, sprung = tmp_path / "final.safetensors", tmp_path / "sprung"
    write(Trap(sprung), path)
    torch_format = zipfile.is_zipfile(path)
    content = zipfile.ZipFile(path).read("final/data.pkl") if torch_format else path.read_bytes()
    assert b"mkdir" in content, "the trap is set"
    for read in (read_state, lambda p: load_checkpoint(p, {"encoder": torch.nn.Linear(1, 1)})):
        with pytest.raises(Damaged):
            read(path)
    assert not sprung.exists()


@pytest.mark.parametrize("key", ["../../../outside", "/outside", "..", "", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_training_key_that_is_none_names_no_file(command, tmp_path, key):
    records = tmp_path / "theirs" / "records"
    records.mkdir(parents=True)
    content = json.loads(RECORD.read_text().splitlines()[0])
    (records / "bad.jsonl").write_text(json.dumps({**content, "training_key": key}) + "\n")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = command("results", "merge", tmp_path / "theirs", "--into", tmp_path / "ours")
    assert code == 2
    assert "bad.jsonl:1: not a whole record, left out (training_key: string should match pattern" in err
    assert sorted(tmp_path.rglob("*")) == before
    assert read_records(tmp_path / "theirs")[0] == []


def test_names_that_look_like_paths_stay_text(command, tmp_path):
    records = tmp_path / "theirs" / "records"
    records.mkdir(parents=True)
    content = json.loads(RECORD.read_text().splitlines()[0])
    odd = dict.fromkeys(("matrix", "source", "target", "protocol"), "../../../outside")
    (records / "odd.jsonl").write_text(json.dumps({**content, **odd}) + "\n")
    code, _, err = command("results", "merge", tmp_path / "theirs", "--into", tmp_path / "deep" / "er" / "ours")
    assert code == 0, err
    assert command("leaderboard", tmp_path / "deep" / "er" / "ours")[0] == 0
    name = f"{content['training_key'][:16]}.jsonl"
    written = {path.name for path in (tmp_path / "deep").rglob("*.jsonl")}
    assert written == {name}
    assert {p.name for p in tmp_path.iterdir()} == {"theirs", "deep"}
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"er"}
    assert {p.name for p in (tmp_path / "deep" / "er").iterdir()} == {"ours"}


@pytest.mark.parametrize("name", ["../outside", "/outside", "..", ".hidden", "a\\b"])
def test_a_matrix_name_that_is_a_path_is_refused(name):
    with pytest.raises(BenchbenchError, match="name: a name begins with no dot"):
        load_matrix("ci", {"name": name})
