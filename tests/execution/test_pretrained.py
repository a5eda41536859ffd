"""What an encoder says that it learned before goes into its records, and from there into tables."""

from pathlib import Path

import pytest

import benchbench
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.cells import cells_of, read_cells
from benchbench.planning.matrix import parse_matrix
from benchbench_standard.backbones.conv4 import Conv4


@pytest.mark.parametrize(
    ("labels", "held", "shown"),
    [
        (True, {"pretrained_on": "photographs", "pretrained_labels": True}, ("photographs, labels", "weights")),
        (False, {"pretrained_on": "photographs", "pretrained_labels": False}, ("photographs, no labels", "none")),
        (None, {"pretrained_on": "photographs"}, ("photographs", "none")),
    ],
)
def test_records_and_tables_hold_what_weights_were_trained_on(monkeypatch, tmp_path: Path, labels, held, shown) -> None:
    monkeypatch.setattr(Conv4, "pretrained_on", "photographs")
    monkeypatch.setattr(Conv4, "pretrained_labels", labels)
    content = {
        "axes": {
            "pretext": ["none"], "meta": ["nearest-centroid"], "backbone": ["conv4"], "source": ["digits"],
            "target": ["digits"], "protocol": ["5way-1shot"],
        },
        "budget": {"samples": 320},
        "settings": {"backbone": {"conv4": {"width": 4}}, "protocol": {"episodic": {"episodes": 4}}},
    }  # fmt: skip
    records = benchbench.run(parse_matrix(content, "before"), tmp_path, executor="inline").records
    (record,) = (r for r in records if r.method.backbone == "conv4")
    assert {k: v for k, v in record.content.items() if k.startswith("pretrained")} == held
    assert record.flags.labels == "none"  # of the source's: training read none
    row = aggregate(records).rows.set_index("backbone").loc["conv4"]
    assert (row["weights"], row["labels"]) == shown
    # Summaries, which most tables are made from, say the same as whole records.
    (cell,) = (c for c in cells_of(read_cells(tmp_path)[0])[0] if c.backbone == "conv4")
    assert (cell.weights, cell.labels) == shown
