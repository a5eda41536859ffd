"""Datasets of labelled texts: on small files in the documented layouts, and on the real ones where they are."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchbench import BenchbenchError, DataMissing, SampleTable, tasks_folder
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench_standard.datasets.banking import Banking
from benchbench_standard.datasets.clinc import Clinc
from benchbench_standard.datasets.hwu64 import HWU64
from benchbench_standard.datasets.locale_names import Names

DATA = Path(os.environ.get("BENCHBENCH_DATA") or "/nonexistent")
needs_texts = pytest.mark.skipif(not (DATA / "text").is_dir(), reason="needs BENCHBENCH_DATA with text")
needs_names = pytest.mark.skipif(not (DATA / "names").is_dir(), reason="needs BENCHBENCH_DATA with names")
CLASSES = {"banking": Banking, "clinc": Clinc, "hwu64": HWU64}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A few rows of each, in their authors' layouts."""
    full = {
        "train": [["What's MY balance?", "balance"], ["translate this", "translate"]],
        "val": [["balance please", "balance"]],
        "test": [["say it in french", "translate"]],
        "oos_train": [["what is a dog", "oos"]],
    }
    write(tmp_path / "text/clinc150/data_full.json", json.dumps(full))
    write(tmp_path / "text/clinc150/domains.json", json.dumps({"banking": ["balance"], "travel": ["translate"]}))
    write(tmp_path / "text/banking77/train.csv", 'text,category\n"My card, where is it?",card_arrival\n')
    write(tmp_path / "text/banking77/test.csv", "text,category\nIs 1 age ok,age_limit\n")
    write(tmp_path / "text/hwu64.tsv", "intent\ttext\nalarm/set\twake me at six\nmusic/query\twhat song is this\n")
    lines = ["locale\tscript\tname", "de\tLATIN\tDeutsch", "cs\tLATIN\tČeský", "ru\tCYRILLIC\tрусский"]
    write(tmp_path / "names/cldr-names.tsv", "\n".join(lines) + "\n")
    return tmp_path


def read(dataset, root):
    return [(s.label, " ".join(s.x), s.file) for s in dataset.samples(root)]


def test_clinc_has_all_parts_but_what_is_out_of_scope(root: Path) -> None:
    file = "text/clinc150/data_full.json"
    assert read(Clinc(), root) == [
        ("banking/balance", "what's my balance ?", f"{file}#train/0"),
        ("travel/translate", "translate this", f"{file}#train/1"),
        ("banking/balance", "balance please", f"{file}#val/0"),
        ("travel/translate", "say it in french", f"{file}#test/0"),
    ]
    assert [s.x for s in Clinc(tokens="characters").samples(root)][1] == list("translate this")


def test_banking_and_hwu64(root: Path) -> None:
    assert read(Banking(), root) == [
        ("card_arrival", "my card , where is it ?", "text/banking77/train.csv#1"),
        ("age_limit", "is 1 age ok", "text/banking77/test.csv#1"),
    ]
    assert read(HWU64(), root) == [
        ("alarm/set", "wake me at six", "text/hwu64.tsv#2"),
        ("music/query", "what song is this", "text/hwu64.tsv#3"),
    ]


def test_names(root: Path) -> None:
    latin = read(Names(), root)
    assert latin[1] == ("LATIN/cs", "Č e s k ý", "names/cldr-names.tsv#3")
    assert [label for label, *_ in latin] == ["LATIN/de", "LATIN/cs"]
    assert read(Names(scripts="all"), root)[2][0] == "CYRILLIC/ru"


def test_lengths() -> None:
    assert [Clinc().length, Clinc(tokens="characters").length, Clinc(length=32).length] == [24, 96, 32]
    assert [Names().length, Names(length=10).length] == [24, 10]


@pytest.mark.parametrize(
    ("dataset", "file", "content", "message"),
    [
        (Clinc(), "text/clinc150/data_full.json", "{", r"data_full.json: no JSON"),
        (Clinc(), "text/clinc150/data_full.json", '{"train": []}', r"the lists train, val and test .*KeyError: 'val'"),
        (Clinc(), "text/clinc150/domains.json", '{"banking": []}', r"intents as in .*KeyError: 'balance'"),
        (Banking(), "text/banking77/test.csv", "text,label\na,b\n", "has no column 'category'"),
        (HWU64(), "text/hwu64.tsv", "text\tintent\n", "expected a first line intent, tab, text, got"),
        (
            HWU64(),
            "text/hwu64.tsv",
            "intent\ttext\nalarm/set wake me\n",
            "line 2: expected intent, tab, text, got",
        ),
        (Names(), "names/cldr-names.tsv", "a\tb\n", "first line locale, tab, script, tab, name"),
        (
            Names(),
            "names/cldr-names.tsv",
            "locale\tscript\tname\nde\tLATIN\n",
            "line 2: expected locale, tab, script",
        ),
    ],
)
def test_files_that_are_not_as_published(root: Path, dataset, file: str, content: str, message: str) -> None:
    (root / file).write_text(content, "utf-8")
    with pytest.raises(BenchbenchError, match=message):
        list(dataset.samples(root))


@pytest.mark.parametrize("dataset", [Banking(), Clinc(), HWU64(), Names()])
def test_missing_files_say_what_to_put_where(tmp_path: Path, dataset) -> None:
    for root in (None, tmp_path):
        with pytest.raises(DataMissing, match=r"expected below BENCHBENCH_DATA (text|names)/"):
            dataset.sources(root)


def table_of(names: list[str]) -> SampleTable:
    return SampleTable(np.zeros((0, 4), np.uint16), np.zeros(0, np.int64), tuple(sorted(names)), "", "")


SIZES = {"banking": [(25, 25, 27)] * 5, "clinc": [(50, 50, 50)] * 5}
SIZES["hwu64"] = [(16, 23, 25), (30, 15, 19), (24, 18, 22), (20, 15, 29), (25, 11, 28)]


@pytest.mark.parametrize("name", SIZES)
def test_folds_are_the_published_ones(name: str) -> None:
    content = json.loads((tasks_folder() / "splits" / f"{name}-protaugment.json").read_text("utf-8"))
    classes = sorted({c for part in content["folds"]["1"].values() for c in part})
    table = table_of([f"domain/{c}" if name == "clinc" else c for c in classes])
    splits = [CLASSES[name](fold=fold).split(table) for fold in range(1, 6)]
    assert [(len(s.train), len(s.valid), len(s.test)) for s in splits] == SIZES[name]
    assert all({*s.train, *s.valid, *s.test} == set(range(len(classes))) for s in splits)
    assert len({s.test for s in splits}) == 5
    for split, fold in zip(splits, content["folds"].values(), strict=True):
        named = {table.class_names[c].removeprefix("domain/") for c in split.test}
        assert named == set(fold["test"])


def test_a_class_that_no_fold_has_is_named() -> None:
    with pytest.raises(BenchbenchError, match=r"banking-protaugment\.json: part 'train' names class"):
        Banking().split(table_of(["card_arrival"]))


def test_domains_are_apart() -> None:
    content = json.loads((tasks_folder() / "splits" / "clinc-domains.json").read_text("utf-8"))
    domains = [d for part in ("train", "valid", "test") for d in content[part]]
    table = table_of([f"{d}/{i}" for d in domains for i in range(3)])
    split = Clinc(split="domain").split(table)
    held = [{table.class_names[c].split("/")[0] for c in split.part(part)} for part in ("train", "valid", "test")]
    assert held == [set(content[part]) for part in ("train", "valid", "test")]
    assert len(set(domains)) == 10
    with pytest.raises(BenchbenchError, match=r"clinc-domains.json has no domain 'zoo'"):
        Clinc(split="domain").split(table_of(["zoo/lion"]))


def test_locales_are_divided_alike_with_other_scripts_or_without() -> None:
    latin = [f"LATIN/l{i}" for i in range(40)]
    alone, among = table_of(latin), table_of([*latin, *(f"GREEK/g{i}" for i in range(8))])
    few, many = Names().split(alone), Names(scripts="all").split(among)
    assert [len(few.part(p)) for p in ("train", "valid", "test")] == [24, 6, 10]
    assert [len(many.part(p)) for p in ("train", "valid", "test")] == [29, 7, 12]
    for part in ("train", "valid", "test"):
        named = {alone.class_names[c] for c in few.part(part)}
        assert named == {among.class_names[c] for c in many.part(part) if among.class_names[c] in latin}


def ready(name: str, **settings: object) -> Prepared:
    return prepare(resolve_component("dataset", name, settings))


@needs_texts
@pytest.mark.parametrize(
    ("name", "rows", "classes"), [("clinc", 22_500, 150), ("banking", 13_083, 77), ("hwu64", 11_036, 64)]
)
def test_real_texts(name: str, rows: int, classes: int) -> None:
    data = ready(name)
    assert (len(data.table), len(data.table.class_names)) == (rows, classes)
    assert data.table.shape == (24,)
    assert data.sample.vocabulary.texts != data.raw.vocabulary.texts
    for fold in range(2, 6):
        assert len(ready(name, fold=fold).split.test) == SIZES[name][fold - 1][2]


@needs_texts
def test_texts_in_several_classes_stay_as_published() -> None:
    """The authors' own: four of CLINC150, none of the others."""
    several = {}
    for name, cls in CLASSES.items():
        labels: dict[str, set[str]] = {}
        for row in cls().rows(DATA):
            labels.setdefault(row.text, set()).add(row.label)
        several[name] = sum(len(held) > 1 for held in labels.values())
    assert several == {"banking": 0, "clinc": 4, "hwu64": 0}


@needs_names
def test_real_names() -> None:
    latin, every = ready("names"), ready("names", scripts="all")
    assert (len(latin.table), len(every.table)) == (44_505, 86_212)
    assert [len(latin.split.part(p)) for p in ("train", "valid", "test")] == [89, 23, 37]
    assert len(every.table.class_names) == 241
    assert latin.sample.vocabulary.single
    names = Counter("".join(s.x) for s in Names(scripts="all").samples(DATA))
    assert max(names.values()) == 1
