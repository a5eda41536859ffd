"""What the guide says of half precision is what the records of both precisions give."""

import re
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from benchbench import load_records

ROOT = Path(__file__).parents[2]


def test_bfloat16_is_as_good() -> None:
    scores: dict[str, dict[str, list[float]]] = {}
    for r in load_records(ROOT / "results" / "precision"):
        if not r.flags.floor:
            precision = r.content["recipe"].get("precision", "float32")
            scores.setdefault(r.method.label, {}).setdefault(precision, []).append(100 * r.summary["accuracy"].mean)
    gaps = np.array([np.mean(of["bfloat16"]) - np.mean(of["float32"]) for of in scores.values()])
    assert {len(values) for of in scores.values() for values in of.values()} == {2}
    half = student.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / len(gaps) ** 0.5
    mean = gaps.mean()
    text = re.sub(r"\s+", " ", (ROOT / "docs" / "guides" / "running.md").read_text("utf-8"))
    said = f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}] points on the same test episodes, over {len(gaps)}"
    assert said in text
