"""Every committed record passes what a stranger's must: its content, keys and numbers, and whatever is recomputed.

What only data that are not here could tell is skipped: ``BENCHBENCH_DATA`` names a folder that holds them.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from benchbench.results.consistency import content_faults, key_faults
from benchbench.results.plausibility import number_faults
from benchbench.results.recompute import Recomputed
from benchbench.results.submissions import examine
from benchbench.revisions import is_earlier
from benchbench.store.files import read_records
from benchbench.store.records import Provenance, Record

RESULTS = Path(__file__).parents[2] / "results"
FOLDERS = sorted(path.name for path in RESULTS.iterdir() if path.is_dir())
PROVENANCE = Provenance(who="benchbench-suite", contact="https://example.org", when="2026-11-28")
#: Records of a folder that are recomputed in part, and those that are added, by default.
SOME, HANDFUL = 4, 2


def held(folder: str) -> list[Record]:
    """The records of a folder, in the order of their keys."""
    records, problems = read_records(RESULTS / folder)
    assert records
    assert problems == []
    return sorted(records, key=lambda r: r.key)


def spread(records: list[Record], count: int) -> list[Record]:
    """So many of them, of as many protocols, targets and learners as may be."""
    first: dict[tuple[str, str, str], Record] = {}
    for r in records:
        first.setdefault((r.protocol, r.target, r.method.meta), r)
    return [*first.values(), *(r for r in records if r not in first.values())][:count]


def named(records: Iterable[Record], recomputed: Recomputed, *, episodes: bool = False) -> list[str]:
    """The faults that the recomputations find; what is not at hand is no fault."""
    return [f"{r.key[:12]}: {fault}" for r in records for fault in recomputed.faults(r, episodes=episodes)[0]]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_record_is_consistent_and_plausible(folder):
    for record in held(folder):
        assert content_faults(record) == [], record.key
        assert key_faults(record)[0] == [], record.key
        assert number_faults(record) == [], record.key


def current(folder: str) -> list[Record]:
    """Those of them that this harness made: what an earlier one did is not to be done again."""
    records = [r for r in held(folder) if not is_earlier(r.content.get("harness", {}))]
    return records or pytest.skip(f"every record of results/{folder} is of an earlier revision of the harness")


@pytest.mark.parametrize("folder", FOLDERS)
def test_labels_metrics_learners_and_plans_come_out_again(folder):
    assert named(spread(current(folder), SOME), Recomputed()) == []


@pytest.mark.full
@pytest.mark.parametrize("folder", FOLDERS)
def test_test_episodes_come_out_again(folder):
    first = {r.protocol: r for r in current(folder)}
    assert named(first.values(), Recomputed(), episodes=True) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_records_are_accepted_into_an_empty_store(folder, tmp_path):
    path = tmp_path / "own.jsonl"
    some = spread(sorted(current(folder), key=lambda r: len(r.scores)), HANDFUL)
    path.write_text("".join(f"{r.model_dump_json()}\n" for r in some), "utf-8")
    found = examine([path], tmp_path / "store", PROVENANCE)
    assert found.refused == []
    assert [r.key for r in found.accepted] == [r.key for r in some]
    assert {r.origin for r in found.accepted} == {"external"}
