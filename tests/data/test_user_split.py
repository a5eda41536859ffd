"""Splits of people's own classes, in every form that people write and find."""

from pathlib import Path

import numpy as np
import pytest

from benchbench import BenchbenchError, ClassSplit, DataMissing, SampleTable, UserSplit

NAMES = ("birds/owl", "birds/wren", "cats/lion", "newt", "toad")


def table(names: tuple[str, ...] = NAMES) -> SampleTable:
    return SampleTable(np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0, np.int64), names, "", "")


def parts(split: ClassSplit) -> tuple[tuple[int, ...], ...]:
    return split.train, split.valid, split.test


def written(folder: Path, **files: str | bytes) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder)


IMAGES = "filename,label\n"
EASY = "class_name,image_name\n"
CLASSES = '{"class_names": ["toad"], "class_roots": ["./toad"]}'
FORMS = {
    "torchmeta": {"train_json": '["birds/owl", "newt"]', "val_json": '["cats/lion"]', "test_json": '["toad"]'},
    # Pairs of group and class, where the tree has the groups and where it has none.
    "torchmeta's pairs": {
        "train_json": '[["birds", "owl"], ["amphibians", "newt"]]',
        "val_json": '[["cats", "lion"]]',
        "test_json": '["toad"]',
    },
    "Ravi & Larochelle": {
        "train_csv": f"{IMAGES}1.jpg,birds/owl\n2.jpg,birds/owl\n3.jpg,newt\n",
        "val_csv": f"{IMAGES}4.jpg,cats/lion\n",
        "test_csv": f"{IMAGES}5.jpg,toad\n",
    },
    "easyfsl": {
        "train_csv": f"{EASY}newt,3.jpg\nbirds/owl,1.jpg\n",
        "valid_csv": f"{EASY}cats/lion,4.jpg\n",
        "test_json": CLASSES,
    },
    "text": {
        "train_txt": "newt\r\n\r\nbirds/owl\r\n",
        "validation_txt": b"\xef\xbb\xbfcats/lion\n",
        "test_txt": "toad\n",
    },
}


@pytest.mark.parametrize("files", FORMS.values(), ids=FORMS)
def test_a_folder_of_lists(tmp_path: Path, files: dict[str, str]) -> None:
    split = UserSplit(written(tmp_path / "s", **files), "here")
    assert parts(split.split(table())) == ((0, 3), (2,), (4,))
    assert {p.stem for p in split.sources(None)} == {name.partition("_")[0] for name in files}


def test_a_file_of_all_parts_with_a_byte_order_mark(tmp_path: Path) -> None:
    written(tmp_path / "s", all_json=b'\xef\xbb\xbf{"train": ["newt"], "test": ["toad"]}')
    assert parts(UserSplit(str(tmp_path / "s" / "all.json"), "here").split(table())) == ((3,), (), (4,))


def test_a_table_of_all_parts(tmp_path: Path) -> None:
    folder = Path(written(tmp_path / "s", a_csv="label,split\nnewt,Train\nbirds/owl,train\ncats/lion,val\ntoad,test\n"))
    assert parts(UserSplit(str(folder / "a.csv"), "here").split(table())) == ((0, 3), (2,), (4,))
    written(folder, b_csv="file,class_name,part\n1,newt,train\n2,newt,train\n3,toad,test\n")
    assert parts(UserSplit(str(folder / "b.csv"), "here").split(table())) == ((3,), (), (4,))
    for text, message in (
        ("label,split\nnewt,tarin\n", r"c\.csv: unknown part 'tarin'; did you mean 'train'"),
        ("label,split\nnewt,train\nnewt,test\n", r"c\.csv: part 'test' names class 'newt' and part 'train' too"),
        ("filename,label\n1.jpg,newt\n", r"c\.csv: has no column 'split' or 'part'"),
    ):
        written(folder, c_csv=text)
        with pytest.raises(BenchbenchError, match=message):
            UserSplit(str(folder / "c.csv"), "here").split(table())


def test_names_are_compared_composed(tmp_path: Path) -> None:
    """The table's names are a Mac's, the file's are composed."""
    written(tmp_path / "s", all_json='{"train": ["b\u00e4r"], "test": ["cafe\u0301"]}')
    split = UserSplit(str(tmp_path / "s" / "all.json"), "here").split(table(("ba\u0308r", "caf\u00e9")))
    assert parts(split) == ((0,), (), (1,))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train_json": '["newt"]', "test_json": '["newt"]'}, "names class 'newt' and part 'test' too"),
        ({"train_json": '["newt", "newt"]'}, r"part 'train' names class 'newt' twice"),
        ({"train_json": '["nwet"]'}, r"names class 'nwet'; did you mean 'newt'"),
        ({"train_json": '["newt"]', "train_txt": "toad"}, "two lists of one part"),
        ({"train_json": '{"classes": []}'}, r"train\.json: expected a list of class names"),
        ({"train_json": "[1]"}, r"train\.json: expected a list of class names"),
        ({"train_csv": "file,kind\na,b\n"}, r"train\.csv: has no column 'label' or 'class_name'"),
        ({"train_csv": "filename,label\na,newt\nb\n"}, r"train\.csv: line 3 has no value for 'label'"),
        ({"train_txt": b"b\xe4r\n"}, r"train\.txt: line 1: expected UTF-8 text, got another encoding \(byte 0xe4\)"),
    ],
)  # fmt: skip
def test_lists_that_are_wrong(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(BenchbenchError, match=message):
        UserSplit(written(tmp_path / "s", **files), "here").split(table())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train": ["newt"], "test": ["toad", "newt"]}', r"all\.json: .* 'newt' and part 'train' too"),
        ('{"train": ["newt"], "train": ["toad"]}', "it has 'train' twice"),
        ("{", r"split file .*all\.json: cannot be read"),
        ("[" * 100000, r"split file .*all\.json: cannot be read"),
        ('{"train": ["newt"]}'.encode("utf-16"), "got UTF-16: save it as UTF-8"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = written(tmp_path / "s", all_json=text)
    with pytest.raises(BenchbenchError, match=message):
        UserSplit(f"{path}/all.json", "here").split(table())


def test_an_empty_folder_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="here: no split file"):
        UserSplit(str(tmp_path), "here").sources(None)


def test_classes_at_random() -> None:
    names = tuple(f"c{i:02d}" for i in range(50))
    first = UserSplit("auto", "here").split(table(names))
    assert [len(part) for part in parts(first)] == [32, 8, 10]
    assert sorted(c for part in parts(first) for c in part) == list(range(50))
    assert first == UserSplit("auto:0:64/16/20", "here").split(table(names))
    other = UserSplit("auto:1", "here").split(table(names))
    assert other != first
    assert other.as_json() != first.as_json(), "what enters the fingerprint"
    assert [len(p) for p in parts(UserSplit("auto:3:50/0/50", "here").split(table(names)))] == [25, 0, 25]
    assert UserSplit("auto", "here").sources(None) == []


@pytest.mark.parametrize("split", ["auto:", "auto:x", "auto:1:50/50", "auto:1:50/50/50", "auto:-1"])
def test_what_auto_does_not_mean(split: str) -> None:
    with pytest.raises(BenchbenchError, match=f"here: split '{split}': expected auto, auto:SEED or"):
        UserSplit(split, "here")


def test_too_few_classes_for_a_part() -> None:
    with pytest.raises(BenchbenchError, match="split auto leaves no class for test: 2 classes are too few"):
        UserSplit("auto", "here").split(table(("a", "b")))
