"""Texts and sequences: fitting, a user's own samples, what is shown."""

import numpy as np
import pytest
import torch

from benchbench import HIDDEN, PADDING, BenchbenchError, SampleSpec, Vocabulary, characters, words
from benchbench.data.modality import modality_named

TEXT, SEQUENCE = modality_named("text"), modality_named("sequence")


def spec(texts, length, modality="text"):
    return SampleSpec(modality, (length,), "int64", Vocabulary(["", "", *texts], [0.0] * (len(texts) + 2)))


def test_words_and_characters():
    assert words("Don't STOP, please – 3 times_!") == ["don't", "stop", ",", "please", "–", "3", "times", "_", "!"]
    assert words("e\u0301tude") == ["étude"]
    assert characters("e\u0301t") == ["é", "t"]
    assert words("") == characters("") == []


def test_ids_are_looked_up_cut_and_padded():
    held, wanted = spec(["a1", "b1", "c1"], 4), spec(["c1", "a1"], 3)
    x = torch.tensor([[2, 3, 4, 0], [4, 1, 0, 0]])
    assert TEXT.fit(x, held, wanted).tolist() == [[3, HIDDEN, 2], [2, HIDDEN, PADDING]]
    assert TEXT.fit(x, held, spec(["a1", "b1", "c1"], 6)).tolist() == [[2, 3, 4, 0, 0, 0], [4, 1, 0, 0, 0, 0]]


def test_words_do_not_fit_characters():
    letters, terms = spec(list("abc"), 4), spec(["abc", "b"], 4)
    assert TEXT.misfit(letters, terms) == "it holds characters, the encoder reads words"
    assert TEXT.misfit(terms, terms) == ""


def test_texts_of_ones_own():
    wanted = spec(["play", "some", "music"], 3)
    assert TEXT.parse(["Play MUSIC now please", ""], wanted).tolist() == [[2, 4, HIDDEN], [0, 0, 0]]
    assert TEXT.parse(["cab"], spec(list("abc"), 4)).tolist() == [[4, 2, 3, 0]]
    assert SEQUENCE.parse(["ac gt n"], spec(list("ACGT"), 6, "sequence")).tolist() == [[2, 3, 4, 5, HIDDEN, 0]]
    with pytest.raises(BenchbenchError, match="expected texts, got 3 of int"):
        TEXT.parse([3], wanted)


def test_files_of_ones_own(tmp_path):
    wanted = spec(["play", "music"], 2)
    (tmp_path / "a.txt").write_text("play\n\nmusic play\n")
    names, batches = TEXT.found(tmp_path / "a.txt", wanted)
    assert names == ["1", "3"]
    assert torch.cat(batches).tolist() == [[2, 0], [3, 2]]
    (tmp_path / "a.csv").write_text('text,label\n"play\nmusic",1\nmusic,2\n')
    names, batches = TEXT.found(tmp_path / "a.csv", wanted)
    assert torch.cat(batches).tolist() == [[2, 3], [3, 0]]
    (tmp_path / "a.fasta").write_text(">one\nAC\nG\n>two\nT\n")
    names, batches = SEQUENCE.found(tmp_path / "a.fasta", spec(list("ACGT"), 4, "sequence"))
    assert names == ["one", "two"]
    assert torch.cat(batches).tolist() == [[2, 3, 4, 0], [5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", "x", "expected a file that ends in .txt, .csv, .tsv"),
        ("missing.txt", None, "expected a file that ends in"),
        ("a.txt", "\n \n", "holds no sample"),
        ("a.csv", "sentence,label\nx,1\n", "expected a column 'text', found sentence, label"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(BenchbenchError, match=message):
        TEXT.found(tmp_path / name, spec(["x"], 2))


@pytest.mark.parametrize(
    ("content", "message"), [("AC\n", "line 1: expected a header"), (">a\nA\n>a\nC\n", "two sequences are named 'a'")]
)
def test_bad_fasta(tmp_path, content, message):
    (tmp_path / "a.fa").write_text(content)
    with pytest.raises(BenchbenchError, match=message):
        SEQUENCE.found(tmp_path / "a.fa", spec(list("ACGT"), 4, "sequence"))


def test_what_people_see():
    assert TEXT.shown(np.array([3, 1, 2, 0]), spec(["a1", "b1"], 4)) == "b1 � a1"
    assert SEQUENCE.shown(np.array([2, 5, 0]), spec(list("ACGT"), 3, "sequence")) == "AT"


def test_examples_are_padded_at_the_end_alone():
    x = TEXT.examples(spec(["a1"] * 1 + [f"w{i}" for i in range(20)], 9), 200, torch.Generator().manual_seed(0))
    padded = x == PADDING
    assert x.max() == 22
    assert not padded[:, 0].any()
    assert (padded[:, 1:] >= padded[:, :-1]).all()
    assert padded.any()
