"""The public API changes on purpose only."""

import runpy
from pathlib import Path

import benchbench

HERE = Path(__file__).parent


def test_the_public_api_is_the_committed_one():
    described = runpy.run_path(str(HERE / "snapshot.py"))["described"]
    assert described() == (HERE / "public.txt").read_text("utf-8"), (
        "the public API has changed: where that is meant, follow the deprecation policy of CONTRIBUTING.md, then run "
        "python tests/api/snapshot.py"
    )


def test_every_public_name_is_in_the_snapshot_with_what_plugins_override():
    text = (HERE / "public.txt").read_text("utf-8")
    for name in benchbench.__all__:
        assert f"class {name}(" in text or f"def {name}(" in text or f"\n{name} = " in text
    assert "    logits(self, episodes: benchbench.episodes.batch.Episodes, rng: benchbench.rng.Rng)" in text
