"""ClassSplit: its errors, and what the packaged lists say."""

import json

import pytest

from benchbench import BenchbenchError, ClassSplit, tasks_folder


def test_a_class_stands_in_one_part() -> None:
    with pytest.raises(BenchbenchError, match="class 1 stands in split part 'train' and again in 'test'"):
        ClassSplit(train=(0, 1), test=(1, 2))


def test_unknown_part() -> None:
    with pytest.raises(BenchbenchError, match="unknown split part 'tests'; did you mean 'test'"):
        ClassSplit().part("tests")


def test_unknown_class_name() -> None:
    with pytest.raises(BenchbenchError, match="here: part 'test' names class 'appel'; did you mean 'apple'"):
        ClassSplit.by_name(["apple", "pear"], {"test": ["appel"]}, "here")


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("cifar-fs", (64, 16, 20)),
        ("fc100", (60, 20, 20)),
        ("omniglot-vinyals", (1028, 172, 423)),
        ("omniglot-meta-dataset", (25, 5, 20)),
    ],
)
def test_packaged_lists(name: str, sizes: tuple[int, ...]) -> None:
    content = json.loads((tasks_folder() / "splits" / f"{name}.json").read_text("utf-8"))
    listed = [content[part] for part in ("train", "valid", "test")]
    assert tuple(map(len, listed)) == sizes
    assert len({c for part in listed for c in part}) == sum(sizes)
    assert content["source"]
