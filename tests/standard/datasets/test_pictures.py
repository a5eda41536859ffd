"""Every kind of dataset sees what `embed` sees, and ordinary files keep their fingerprints."""

import base64
import io
import json
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, Dataset, Sample
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from benchbench_standard.datasets.folders import EuroSAT
from benchbench_standard.datasets.imagefolder import ImageFolder
from benchbench_standard.datasets.meta_album import MetaAlbum
from benchbench_standard.datasets.mini_imagenet import MiniImageNet
from benchbench_standard.datasets.mnist import MNIST
from benchbench_standard.datasets.omniglot import Omniglot
from benchbench_standard.datasets.penn_fudan import PennFudan
from benchbench_standard.datasets.tiered_imagenet import TieredImageNet

SIZE = 32
#: Light above, dark below, as every odd file shows it.
SEEN = np.repeat(np.array([200, 40], np.uint8), SIZE // 2)[:, None].repeat(SIZE, 1)


def _bytes(image: Image.Image, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **how)
    return out.getvalue()


def _sixteen() -> bytes:
    return _bytes(Image.fromarray(SEEN.astype(np.uint16) * 257))


def _on_its_side() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _bytes(Image.fromarray(np.rot90(SEEN).copy()), exif=exif)


def _in_alpha() -> bytes:
    """Black ink, denser below: what the paper's white leaves is what is seen."""
    x = np.zeros((SIZE, SIZE, 4), np.uint8)
    x[..., 3] = 255 - SEEN
    return _bytes(Image.fromarray(x))


ODD: dict[str, Callable[[], bytes]] = {"16 bits": _sixteen, "on its side": _on_its_side, "in alpha": _in_alpha}


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _folder(root: Path, data: bytes) -> Dataset:
    _put(root / "zoo/ant/x.png", data)
    return ImageFolder(path="zoo", size=SIZE)


def _album(root: Path, data: bytes) -> Dataset:
    _put(root / "album/images/x.png", data)
    (root / "album/labels.csv").write_text("FILE_NAME,CATEGORY\nx.png,ant\n")
    (root / "album/info.json").write_text(json.dumps({"has_super_categories": False}))
    return MetaAlbum(path="album", size=SIZE)


def _drawing(root: Path, data: bytes) -> Dataset:
    for part in ("images_background", "images_evaluation"):
        _put(root / f"omniglot-py/{part}/Latin/character01/x.png", data)
    return Omniglot(size=SIZE, split="meta-dataset", ink="zero")


def _csv(root: Path, data: bytes) -> Dataset:
    _put(root / "mini-imagenet/images/x.jpg", data)
    for part in ("train", "val", "test"):
        (root / f"mini-imagenet/{part}.csv").write_text("filename,label\n" + "x.jpg,n01\n" * (part == "train"))
    return MiniImageNet(size=SIZE)


def _land(root: Path, data: bytes) -> Dataset:
    _put(root / "eurosat/2750/River/x.jpg", data)
    return EuroSAT(size=SIZE)


def _mnist(root: Path, data: bytes) -> Dataset:
    _put(root / MNIST.folder / "7/x.png", data)
    return MNIST(size=SIZE)


def _pickled(root: Path, data: bytes) -> Dataset:
    for part in ("train", "val", "test"):
        labels = {
            "label_specific": [0],
            "label_general": [0],
            "label_specific_str": ["ant"],
            "label_general_str": ["a"],
        }
        _put(root / f"tiered-imagenet/{part}_labels.pkl", pickle.dumps(labels))
        _put(root / f"tiered-imagenet/{part}_images_png.pkl", pickle.dumps([np.frombuffer(data, np.uint8)]))
    return TieredImageNet(size=SIZE)


KINDS = [_folder, _album, _drawing, _csv, _land, _mnist, _pickled]


def _samples(dataset: Dataset, root: Path) -> Iterable[Sample]:
    return [sample for item in list(dataset.items(root))[:1] for sample in dataset.decode(item)]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__.strip("_"))
def test_odd_files_are_read_as_they_are_seen(kind: Callable[[Path, bytes], Dataset], odd: str, tmp_path: Path) -> None:
    (sample,) = _samples(kind(tmp_path, ODD[odd]()), tmp_path)
    assert all(np.array_equal(channel, SEEN) for channel in sample.x)


@pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__.strip("_"))
def test_what_cannot_be_read_is_named(kind: Callable[[Path, bytes], Dataset], tmp_path: Path) -> None:
    data = _bytes(Image.new("RGBA", (SIZE, SIZE), (9, 9, 9, 0)))
    with pytest.raises(BenchbenchError, match=r"(x\.(png|jpg)|pkl#0) cannot be read: it is transparent throughout$"):
        _samples(kind(tmp_path, data), tmp_path)


def test_annotated_photographs_stay_as_their_boxes_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:, : SIZE // 2] = 1
    _put(tmp_path / "PennFudanPed/PNGImages/a.png", _on_its_side())
    _put(tmp_path / "PennFudanPed/PedMasks/a_mask.png", _bytes(Image.fromarray(mask)))
    (sample,) = PennFudan(size=SIZE).decode("a")
    assert np.array_equal(sample.x[0], np.rot90(SEEN))


#: Ordinary images, byte for byte.
FILES = {
    "ant/0.png": (
        "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAP0lEQVR4nAE0AMv/AGqY+YO4yAAV/ZPKawH5qYqczhxLHQZ9E+IB"
        "+BpR4nzxKCn6f/QeBE1OHRwHGZY81G/9UYnUF1YRVl3rAAAAAElFTkSuQmCC"
    ),
    "ant/1.jpg": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx"
        "NDQ0Hyc5PTgyPC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIy"
        "MjIyMjIyMjL/wAARCAAMAAwDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
        "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
        "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
        "4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC"
        "AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm"
        "Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq"
        "8vP09fb3+Pn6/9oADAMBAAIRAxEAPwC9qUdhq+ntarIfsLHLP3Bq5Y3UthZx21qu6GMYUnuKy/ByLNdCCQboz1U10ssKJM6quADw"
        "BXPVr18TUeEqtNR97Xz0+88LOs1w+FmpUqbUHt3v/kf/2Q=="
    ),
    "bee/0.png": (
        "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAAAAACMmsGiAAAAHUlEQVR4nGOYukpzPePeExoPmZbJnOZh+v0kgBcAWMYIgDG5YYcA"
        "AAAASUVORK5CYII="
    ),
    "bee/1.jpeg": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx"
        "NDQ0Hyc5PTgyPC4zNDL/wAALCAAMAAwBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
        "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
        "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
        "4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AL2pxWGr2DWqyE2LHLOOoNXLG6lsLOO2tV3QxjCk9xWX4NRZroQSDdGeqmujuYkj"
        "uHRFAUHgV//Z"
    ),
    "cow/0.gif": (
        "R0lGODdhBAAEAIMAAP8zMwDMM5n/MzNmZmaZZpmZZsyZZpnMZplmmWaZmcyZmf+ZmQD/mZnMzAAA/2aZ/ywAAAAABAAEAAAIFQAf"
        "NHBwYAECBQkAGAhQYAABAQwCAgA7"
    ),
}


@pytest.mark.parametrize(
    ("settings", "fingerprint"),
    [
        ({}, "7475c06c3afcdeede48640c6f52fadc9c2d2d2da37fd2759ad622602a6e3b9ed"),
        ({"grey": True}, "e9b60d90606be11aeb497f0e1f207efea44b4eeba82119a60a60736530651263"),
    ],
    ids=["colour", "grey"],
)
def test_ordinary_files_keep_pixels_and_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, bool], fingerprint: str
) -> None:
    """As they were when datasets called Pillow's own conversion; pixels are held against that."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    expected = []
    for name, text in FILES.items():
        _put(tmp_path / "t" / name, base64.b64decode(text))
        with Image.open(tmp_path / "t" / name) as image:
            plain = image.convert("L" if settings else "RGB")
        expected.append(np.atleast_3d(plain.resize((8, 8), Image.Resampling.BICUBIC)).transpose(2, 0, 1))
    given = {"path": str(tmp_path / "t"), "size": 8, **settings}
    data = prepare(resolve_component("dataset", "imagefolder", given))
    assert np.array_equal(data.table.x, np.stack(expected))
    assert data.fingerprint == fingerprint


def test_a_table_of_an_older_reader_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchbench.data import images

    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    _put(tmp_path / "t/ant/x.png", _sixteen())
    ref = resolve_component("dataset", "imagefolder", {"path": str(tmp_path / "t"), "size": SIZE})
    with monkeypatch.context() as older:
        older.setattr(images, "REVISION", images.REVISION - 1)
        built = (prepare(ref).table.folder or tmp_path) / "table.json"
    before = built.read_text()
    assert (prepare(ref).table.folder or tmp_path) / "table.json" == built
    assert built.read_text() != before
