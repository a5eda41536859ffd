"""The raw floors of texts, by the harness itself: cheap versions of figures that were measured before it had them.

CLINC150 by domain had 72 and 91 (words, 1 and 5 shots) and 77 and 93 (character n-grams), names in Latin letters 49 and
70, on other episodes and, as to n-grams, with document frequencies that a vocabulary cannot give. Which domains are
tested moves the first by ten points.
"""

import os
from pathlib import Path

import pytest

import benchbench
from benchbench.planning.matrix import parse_matrix

DATA = Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent")
needs = {
    name: pytest.mark.skipif(not (DATA / folder).is_dir(), reason=f"needs BENCHBENCH_DATA with {folder}")
    for name, folder in (("clinc", "text"), ("names", "names"))
}


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        pytest.param("clinc", {"split": "domain"}, {"words": (72, 91), "ngrams": (76, 92)}, marks=needs["clinc"]),
        pytest.param("names", {}, {"ngrams": (49, 70)}, marks=needs["names"]),
        pytest.param("intents", {}, {"words": (50, 76)}),
    ],
)
def test_raw_floors(tmp_path: Path, name: str, settings: dict, expected: dict) -> None:
    content = {
        "axes": {"pretext": ["none"], "meta": ["nearest-centroid"], "backbone": ["words"]}
        | {"source": [name], "target": [name], "protocol": ["5way-1shot", "5way-5shot"]},
        "budget": {"samples": 1},
        "settings": {"protocol": {"episodic": {"episodes": 100}}, "dataset": {name: settings} if settings else {}},
    }
    records = benchbench.run(parse_matrix(content, "floors"), tmp_path, executor="inline").records
    found = {}
    for record in records:
        assert record.status == "ok", record.reason
        backbone = record.content["backbone"]["name"].split(":")[1]
        found[backbone, record.content["protocol"]["settings"]["shots"]] = 100 * record.summary["accuracy"].mean
    for backbone, figures in expected.items():
        for shots, figure in zip((1, 5), figures, strict=True):
            assert found[backbone, shots] == pytest.approx(figure, abs=3), (backbone, shots)
