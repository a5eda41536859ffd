"""Tables of tokens: numbering, vocabularies of training classes alone, duplicates by text."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchbench.data.dataset import Dataset
from benchbench.data.duplicates import duplicates, overlap
from benchbench.data.modality import modality_named
from benchbench.data.pool import Pool
from benchbench.data.prepare import Prepared
from benchbench.data.splits import ClassSplit
from benchbench.data.table import Sample, SampleTable, read
from benchbench.data.table_writing import write
from benchbench.data.verify import _pixel_hash
from benchbench.encoding.sample import HIDDEN, PADDING, SampleSpec, Vocabulary
from benchbench.errors import BenchbenchError
from benchbench.evaluation.target import Target

TEXTS = [
    ("a/greet", "hello there my friend"),
    ("a/greet", "hello again"),
    ("b/part", "farewell my friend"),
    ("b/part", "farewell farewell"),
    ("c/new", "hello unheard words"),
    ("c/new", "farewell my friend"),
]


class Texts(Dataset):
    modality = "text"

    def __init__(self, train: tuple[int, ...] = (0,)):
        self.train = train

    def sources(self, root):
        return []

    def split(self, table):
        rest = [c for c in range(len(table.class_names)) if c not in self.train]
        return ClassSplit(train=self.train, test=tuple(rest))


def table_of(folder: Path, texts=TEXTS, *, modality="text", length=None, fingerprint="f") -> SampleTable:
    folder.mkdir(parents=True, exist_ok=True)
    samples = [Sample(x.split() if isinstance(x, str) else x, label) for label, x in texts]
    about = write(folder, samples, "texts", modality_named(modality), length)
    (folder / "table.json").write_text(json.dumps({**about, "sources": ""}))
    return SampleTable(**{**vars(read(folder)), "fingerprint": fingerprint})


def prepared(folder: Path, texts=TEXTS, train=(0,), **rest) -> Prepared:
    held, dataset = table_of(folder, texts, **rest), Texts(train)
    return Prepared("texts", dataset, held, dataset.split(held))


def test_tokens_are_numbered_and_padded(tmp_path):
    held = table_of(tmp_path)
    assert held.x.dtype == np.uint16
    assert held.shape == (4,)
    assert held.tokens[: HIDDEN + 1] == ("", "")
    texts = [" ".join(held.tokens[i] for i in row if i != PADDING) for row in held.x]
    assert texts == [text for _, text in TEXTS]
    assert (held.x[1] == PADDING).tolist() == [False, False, True, True]
    assert table_of(tmp_path / "cut", length=2).shape == (2,)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("a text", "expected a list of tokens"),
        (["a", ""], "expected a list of tokens"),
        (["a", 3], "expected a list of tokens"),
        (np.zeros(3, np.uint16), "expected a list of tokens"),
    ],
)
def test_what_is_no_list_of_tokens_is_refused(tmp_path, x, message):
    with pytest.raises(BenchbenchError, match=message):
        write(tmp_path, [Sample(x, "a")], "texts", modality_named("text"))


def test_too_many_tokens_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("benchbench.data.table_writing.MOST_TOKENS", 5)
    with pytest.raises(BenchbenchError, match="dataset texts: more than 3 different tokens"):
        write(tmp_path, [Sample(["a", "b", "c", "d"], "a")], "texts", modality_named("text"))


def test_an_array_of_another_dtype_is_no_image(tmp_path):
    for x in (["a"], np.zeros((1, 4, 4), np.float32), np.zeros(4, np.uint8)):
        with pytest.raises(BenchbenchError, match=r"expected uint8 \(C, H, W\)"):
            write(tmp_path, [Sample(x, "a")], "pictures", modality_named("image"))


def test_an_encoder_gets_the_tokens_of_training_classes_alone(tmp_path):
    data = prepared(tmp_path)
    assert data.raw.vocabulary.texts == data.table.tokens
    assert data.sample.vocabulary.texts == ("", "", "hello", "there", "my", "friend", "again")
    assert dict(zip(data.sample.vocabulary.texts[2:], data.sample.vocabulary.shares[2:], strict=True)) == {
        "hello": 1.0, "there": 0.5, "my": 0.5, "friend": 0.5, "again": 0.5,
    }  # fmt: skip
    # What test classes hold changes nothing.
    changed = [(label, text if label == "a/greet" else "other other hello") for label, text in TEXTS]
    assert prepared(tmp_path / "other", changed).sample.vocabulary == data.sample.vocabulary
    # A word twice in one text counts once.
    of_b = prepared(tmp_path / "b", train=(1,)).sample.vocabulary
    assert of_b.shares[of_b.ids["farewell"]] == 1.0


def test_a_dataset_without_training_classes_has_shares_of_none(tmp_path):
    data = prepared(tmp_path, train=())
    assert set(data.raw.vocabulary.shares) == {0.0}
    assert len(data.sample.vocabulary) == HIDDEN + 1


def test_a_pool_hides_what_its_encoder_does_not_know(tmp_path):
    data = prepared(tmp_path)
    split = ClassSplit(train=(0,), valid=(1, 2))
    pool = Pool.of(data.table, split, "valid", name="texts", labelled=True, sample=data.sample)
    x = pool.samples(torch.arange(len(pool)))
    assert x.dtype == torch.int64
    ids = data.sample.vocabulary.ids
    assert x[0].tolist() == [HIDDEN, ids["my"], ids["friend"], PADDING]
    assert x[2].tolist() == [ids["hello"], HIDDEN, HIDDEN, PADDING]


def test_another_dataset_is_looked_up_by_its_texts(tmp_path):
    """Transfer equals tokenising the target with the source's vocabulary, exactly."""
    source = prepared(tmp_path / "source")
    target = prepared(tmp_path / "target", [("x", "my hello zebra"), ("y", "friend friend friend friend my hello")])
    held = Target(target, source.sample)
    x = held.samples(np.arange(len(target.table)))
    ids = source.sample.vocabulary.ids
    expected = [[ids.get(t, HIDDEN) for t in ["my", "hello", "zebra"]] + [PADDING], [ids["friend"]] * 4]
    assert x.tolist() == expected
    # As a user's own texts are.
    texts = ["my hello zebra", "friend friend friend friend my hello"]
    assert torch.equal(modality_named("text").parse(texts, source.sample), x)


def test_duplicates_are_found_by_text(tmp_path):
    data = prepared(tmp_path)
    assert duplicates(data).groups == ((2, 5),)
    source = prepared(tmp_path / "b", train=(1,))
    assert overlap(source, source).images == 1
    # Other ids, another length: the same texts.
    target = prepared(tmp_path / "t", [("z", "some other words in front"), ("z", "farewell my friend")], train=())
    assert overlap(source, target).images == 1
    unlike = prepared(tmp_path / "u", [("z", "farewell my zebra")], train=())
    assert overlap(source, unlike).images == 0


def test_the_hash_of_a_table_holds_its_texts(tmp_path):
    held = prepared(tmp_path)
    other = prepared(tmp_path / "other", [(label, text.replace("friend", "enemy")) for label, text in TEXTS])
    assert np.array_equal(held.table.x, other.table.x)
    assert held.table.pixel_hash != other.table.pixel_hash
    assert _pixel_hash(held) == held.table.pixel_hash


def test_values_travel_as_they_are(tmp_path):
    class Values(type(modality_named("image"))):
        storage = "float32"

        def misshapen(self, shape):
            return "" if len(shape) == 1 else "(F,)"

    x = np.array([[1.5, -2.0], [0.25, 1e6]], np.float32)
    about = write(tmp_path, [Sample(row, "a") for row in x], "values", Values())
    (tmp_path / "table.json").write_text(json.dumps({**about, "sources": ""}))
    held = read(tmp_path)
    assert held.x.dtype == np.float32
    pool = Pool.of(held, ClassSplit(train=(0,)), "train", name="values", labelled=True)
    assert pool.samples(torch.arange(2)).tolist() == x.tolist()
    with pytest.raises(BenchbenchError, match="not finite"):
        write(tmp_path, [Sample(np.array([np.nan], np.float32), "a")], "values", Values())


def test_a_specification_survives_as_json():
    vocabulary = Vocabulary(["", "", "a", "b"], [0, 0, 0.5, 0])
    spec = SampleSpec("text", (3,), "int64", vocabulary)
    again = SampleSpec.from_json(json.loads(json.dumps(spec.as_json())))
    assert again == spec
    assert again.vocabulary.known().texts == ("", "", "a")
    assert SampleSpec.from_json(SampleSpec("image", (1, 2, 3)).as_json()) == SampleSpec("image", (1, 2, 3))


@pytest.mark.parametrize(("texts", "shares"), [(["", "a"], [0, 0]), (["", ""], [0]), ([""], [0])])
def test_a_vocabulary_begins_with_padding_and_hidden(texts, shares):
    with pytest.raises(ValueError, match="expected a share for each token"):
        Vocabulary(texts, shares)
