"""Ranks are of one modality, and scores below raw inputs are marked."""

import json

import pytest

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.aggregate import tabulated
from benchbench.leaderboard.cells import read_cells
from benchbench.leaderboard.check import check
from benchbench.leaderboard.frames import leaderboard
from benchbench.leaderboard.grid import BELOW, grid, raw_inputs
from benchbench.leaderboard.render import places_of


def of(record, modality):
    return (
        record
        if modality == "image"
        else record.model_copy(update={"content": {**record.content, "modality": modality}})
    )


@pytest.fixture
def mixed(make):
    """Two methods on an image target and on a text target; what is first on one is second on the other."""
    return [
        of(make("rotation", "protonet", "glyphs", (9, 9)), "image"),
        of(make("labels", "protonet", "glyphs", (5, 5)), "image"),
        of(make("labels", "protonet", "intents", (9, 9)), "text"),
        of(make("masked-tokens", "protonet", "intents", (5, 5)), "text"),
    ]


@pytest.fixture
def stored(mixed, tmp_path):
    folder = tmp_path / "runs"
    (folder / "records").mkdir(parents=True)
    for r in mixed:
        (folder / "records" / f"{r.training_key[:16]}.jsonl").write_text(r.model_dump_json() + "\n")
    return folder


def test_each_modality_has_files_of_its_own(command, mixed, stored, tmp_path):
    assert command("leaderboard", stored, "--output", tmp_path, "--tables")[0] == 0
    image, text = ((tmp_path / m / "LEADERBOARD.md").read_text() for m in ("image", "text"))
    assert "intents" not in image
    assert "glyphs" not in text
    assert not (tmp_path / "LEADERBOARD.md").exists()
    assert places_of(["image"], tmp_path) == {"image": tmp_path}


def test_the_command_prints_a_table_each(command, stored):
    code, out, _ = command("leaderboard", stored)
    assert code == 0
    first, second = out.split("Leaderboard: text")
    assert first.startswith("Leaderboard: image\n")
    assert "rotation × protonet" in first
    assert "rotation" not in second
    code, out, _ = command("leaderboard", stored, "--modality", "text")
    assert "glyphs" not in out
    # A target is of one modality.
    code, out, _ = command("leaderboard", stored, "--target", "intents")
    assert code == 0
    assert "glyphs" not in out
    code, _, err = command("leaderboard", stored, "--format", "csv")
    assert (code, err) == (2, "error: ranks are of one modality: choose one with --modality, of image, text\n")
    code, _, err = command("leaderboard", stored, "--modality", "txt")
    assert (code, err) == (2, "error: --modality txt: no record has it; did you mean 'text'?\n")


def test_files_of_several_modalities_are_checked(command, stored):
    assert command("leaderboard", stored, "--output", stored, "--tables")[0] == 0
    assert check(stored, stored) == []
    path = stored / "text" / "LEADERBOARD.md"
    path.write_text(path.read_text().replace("90.00", "95.00"))
    assert any("text/LEADERBOARD.md" in message for message in check(stored, stored))


def test_a_frame_is_of_one_modality(mixed):
    with pytest.raises(BenchbenchError, match="choose by modality, of image, text"):
        leaderboard(mixed)
    assert set(leaderboard(mixed, modality="text").columns) & {"intents 5way-1shot"}


def test_cells_know_their_modality(stored):
    cells, _ = read_cells(stored)
    assert {(c.target, c.modality) for c in cells} == {("glyphs", "image"), ("intents", "text")}


def raw(make, target, counts):
    record = make("none", "nearest-neighbour", target, counts, backbone="pixels", regime="joint", floor=True)
    return record.model_copy(update={"cost": record.cost.model_copy(update={"parameters": 0, "samples": 0})})


def test_scores_below_raw_inputs_are_marked(make):
    untrained = make("none", "nearest-centroid", "digits", (3, 3), regime="joint", floor=True)
    records = [
        raw(make, "digits", (6, 6)),
        untrained,
        make("rotation", "protonet", "digits", (5, 5)),
        make("labels", "protonet", "digits", (7, 7)),
        make("rotation", "protonet", "glyphs", (2, 2)),
    ]
    found = grid(records)
    assert raw_inputs(found) == {"digits 5way-1shot": pytest.approx(60)}
    table = tabulated(found)
    shown = dict(zip(table.rows["method"], table.rows["digits 5way-1shot"], strict=True))
    assert {name: text.endswith(BELOW) for name, text in shown.items()} == {
        "labels × protonet": False,
        "rotation × protonet": True,
        "none × nearest-neighbour (floor)": False,
        "none × nearest-centroid (floor)": False,
    }
    assert any(note.startswith(BELOW) for note in table.notes)
    assert not any(note.startswith(BELOW) for note in tabulated(grid([records[0], records[3]])).notes)
    # Only what is shown: numbers stay numbers.
    assert json.loads(table.numbers.to_json())["digits 5way-1shot"]
