"""The targets of DNA, on small files in their layout, and on the real ones where they are."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from benchbench import BenchbenchError, DataMissing
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from benchbench_standard.datasets.dna import Promoters, Splice

BASES = "CCAGCTGCATCACAGGAGGCCAGCGAGCAGGTCTGTTCCAAGGGCCTTCGAGCCAGTCTG"
REAL = Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent") / "dna"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="needs BENCHBENCH_DATA with dna")


@pytest.fixture
def put(tmp_path):
    """Write a file below a data folder; gives the folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return tmp_path

    return write


def test_rows_become_letters(put):
    root = put(
        "dna/splice/splice.csv", f"label,instance_name,sequence\nEI,  A-1,  {BASES}\n\nN, B-2, {'N' + BASES[1:]}\n"
    )
    first, second = Splice().samples(root)
    assert first.x == list(BASES)
    assert (first.label, first.file) == ("exon-intron", "dna/splice/splice.csv#2")
    assert (second.x[0], second.label) == ("N", "neither")


def test_the_repository_s_own_file_has_no_header(put):
    root = put("dna/splice/splice.data", f"IE,     A-1,   {BASES}\n")
    assert [s.label for s in Splice().samples(root)] == ["intron-exon"]


def test_small_letters_are_capitals(put):
    root = put("dna/promoters/promoters.data", f"+,S10,\t\t{BASES[:57].lower()}\n-,794,\t\t{BASES[3:].lower()}\n")
    found = list(Promoters().samples(root))
    assert [s.label for s in found] == ["promoter", "other"]
    assert found[1].x == list(BASES[3:])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"XX,A,{BASES}", r"line 1: expected a class \(EI, IE, N\), a name and bases, got 'XX, A"),
        (f"EI,{BASES}", "line 1: expected a class"),
        (f"EI,A,{BASES[1:]}", "line 1: expected 60 letters of DNA"),
        (f"EI,A,{'E' + BASES[1:]}", "line 1: expected 60 letters of DNA"),
    ],
)
def test_what_is_no_row_is_refused(put, row, message):
    with pytest.raises(BenchbenchError, match=f"dataset splice: .*splice.csv: {message}"):
        list(Splice().samples(put("dna/splice/splice.csv", row)))


@pytest.mark.parametrize("dataset", [Splice, Promoters])
def test_missing_files_are_named(dataset, tmp_path):
    for root in (None, tmp_path):
        with pytest.raises(DataMissing, match=f"dataset {dataset.name}: expected below BENCHBENCH_DATA dna/"):
            dataset().sources(root)


@needs_data
def test_splice_as_published():
    data = prepare(resolve_component("dataset", "splice"))
    assert data.table.class_names == ("exon-intron", "intron-exon", "neither")
    assert np.bincount(data.table.labels).tolist() == [767, 768, 1655]
    assert data.table.shape == (60,)
    assert set(data.raw.vocabulary.texts) == {"", *"ACGTDNRS"}
    letters = np.array(data.raw.vocabulary.texts)[data.table.x]
    assert np.isin(letters, list("DNRS")).sum() == 60
    rows = {row.tobytes() for row in data.table.x}
    assert len(data.table) - len(rows) == 185


@needs_data
def test_promoters_as_published():
    data = prepare(resolve_component("dataset", "promoters"))
    assert data.table.class_names == ("other", "promoter")
    assert np.bincount(data.table.labels).tolist() == [53, 53]
    assert data.table.shape == (57,)
    assert set(data.raw.vocabulary.texts) == {"", *"ACGT"}


def nearest_mean(backbone: str, shots: int, episodes: int = 300) -> float:
    """Cosine nearest mean of a raw input of splice, 3-way, in percent."""
    data = prepare(resolve_component("dataset", "splice"))
    features = resolve_component("backbone", backbone).load()(data.raw)(torch.from_numpy(data.table.x.astype(np.int64)))
    state, hits = np.random.RandomState(0), []
    of = [np.flatnonzero(data.table.labels == c) for c in range(3)]
    for _ in range(episodes):
        x = features[np.array([state.permutation(rows)[: shots + 15] for rows in of])]
        means = torch.nn.functional.normalize(x[:, :shots].mean(1), dim=-1)
        hits.append(((x[:, shots:] @ means.T).argmax(-1) == torch.arange(3).unsqueeze(1)).float().mean())
    return 100 * float(np.mean(hits))


@needs_data
@pytest.mark.parametrize(
    ("backbone", "shots", "expected"),
    [("onehot", 1, 49), ("onehot", 5, 65), ("onehot", 20, 82), ("kmers", 1, 40), ("kmers", 5, 46), ("kmers", 20, 54)],
)
def test_places_tell_splice_sites_better_than_counts(backbone, shots, expected):
    assert nearest_mean(backbone, shots) == pytest.approx(expected, abs=2)
