"""The data command, from listing to drawing."""

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench import Archive
from benchbench_standard.datasets.folders import EuroSAT


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty BENCHBENCH_DATA, a cache beside it and a working folder."""
    for name in ("data", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "data"


@pytest.fixture
def zoo(root: Path) -> tuple[str, ...]:
    """Six classes of three colour images each, one image twice, as arguments of the command."""
    for c in range(6):
        folder = root / "zoo" / f"class {c}"
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (20, 20), (40 * c, 80 * i, 0)).save(folder / f"{i}.png")
    Image.new("RGB", (20, 20), (0, 0, 0)).save(root / "zoo" / "class 5" / "2.png")
    (root / "split.json").write_text(json.dumps({"train": ["class 0"], "test": [f"class {c}" for c in range(1, 6)]}))
    return ("imagefolder", "--set", "path=zoo", "--set", "split=split.json", "--set", "size=20")


def row(listing: str, name: str) -> str:
    return next(line for line in listing.splitlines() if line.split()[:1] == [name])


def test_list(command, root: Path) -> None:
    for c in "ab":
        (root / "cifar10" / c).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(root / "cifar10" / c / "1.png")
    code, out, _ = command("data", "list")
    assert code == 0
    assert "not prepared" in row(out, "cifar10")
    assert "missing" in row(out, "aircraft")
    assert "fgvc-aircraft-2013b" in row(out, "aircraft")
    assert "needs settings" in row(out, "imagefolder")
    assert "not prepared" in row(out, "digits")
    assert str(root) in out
    command("data", "prepare", "cifar10", "--jobs", "1")
    assert "not prepared" not in row(command("data", "list")[1], "cifar10")


def test_verify(command, root: Path, zoo: tuple[str, ...]) -> None:
    code, out, _ = command("data", "verify", *zoo)
    assert code == 0
    assert "18 samples; files and samples are as they were prepared" in out
    assert "1 samples come more than once (1 repeats): 1 in several classes, 1 across train and test classes" in out
    assert "class 0/0.png (class 0) = class 5/2.png (class 5)" in out


def test_verify_finds_damage(command, root: Path, zoo: tuple[str, ...], tmp_path: Path) -> None:
    command("data", "prepare", *zoo, "--jobs", "1")
    (table,) = (tmp_path / "cache" / "tables").glob("imagefolder-*/x.bin")
    raw = bytearray(table.read_bytes())
    raw[5] ^= 255
    table.write_bytes(bytes(raw))
    code, out, _ = command("data", "verify", *zoo)
    assert code == 1
    assert "its samples are not as they were written" in out


def test_show_classes(command, root: Path, zoo: tuple[str, ...]) -> None:
    code, out, _ = command("data", "show", *zoo)
    assert (code, out) == (0, "wrote imagefolder-classes.png\n")
    sheet = np.asarray(Image.open("imagefolder-classes.png"))
    # Class 3's second image, three times as large: 60 x 60 pixels of its colour and nothing else has it.
    assert (sheet == (120, 80, 0)).all(-1).sum() == 3600


def test_show_an_episode(command, root: Path, zoo: tuple[str, ...]) -> None:
    code, _, _ = command("data", "show", *zoo, "--episode", "1", "--queries", "2", "--output", "one.png")
    assert code == 0
    sheet = np.asarray(Image.open("one.png"))
    colours = {c: int((sheet == c).all(-1).sum()) for c in [(40 * c, 80 * i, 0) for c in range(6) for i in range(3)]}
    # All images of the five test classes, class 5's third being black, and none of the training class.
    assert {c for c, pixels in colours.items() if pixels == 3600} == {
        (0, 0, 0),
        *((40 * c, 80 * i, 0) for c in range(1, 6) for i in range(3) if (c, i) != (5, 2)),
    }
    # Support is framed in blue: five frames of three pixels around 60 x 60.
    assert (sheet == (31, 119, 180)).all(-1).sum() == 5 * (66 * 66 - 60 * 60)


def test_an_episode_that_cannot_be_drawn(command, root: Path, zoo: tuple[str, ...]) -> None:
    code, _, err = command("data", "show", *zoo, "--episode", "0", "--shots", "9")
    assert code == 2
    assert "its smallest class has 3" in err
    code, _, err = command("data", "show", *zoo, "--output", "nowhere/x.png")
    assert code == 2
    assert "--output nowhere/x.png cannot be written" in err


def test_export(command, root: Path, zoo: tuple[str, ...]) -> None:
    code, out, _ = command("data", "export", zoo[0], "records", *zoo[1:])
    assert (code, out) == (0, "wrote 18 images to records; classes: train 1, valid 0, test 5\n")
    assert {p.name for p in Path("records").iterdir()} == {"dataset_spec.json", *(f"{c}.tfrecords" for c in range(6))}
    code, _, err = command("data", "export", zoo[0], "records", *zoo[1:])
    assert (code, err.count("records exists")) == (2, 1)
    Path("file").touch()
    code, _, err = command("data", "export", zoo[0], "file/records", *zoo[1:])
    assert (code, err.count("file/records cannot be written")) == (2, 1)


def test_download_from_a_mirror(command, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole way: fetched, checked, unpacked, prepared; then nothing is fetched again."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (1, 2, 3)).save(picture, "png")
    (tmp_path / "mirror").mkdir()
    with zipfile.ZipFile(tmp_path / "mirror" / "EuroSAT.zip", "w") as out:
        out.writestr("2750/Forest/Forest_1.png", picture.getvalue())
    checksum = "md5:" + hashlib.md5((tmp_path / "mirror" / "EuroSAT.zip").read_bytes()).hexdigest()
    monkeypatch.setattr(EuroSAT, "archives", (Archive("http://127.0.0.1:9/EuroSAT.zip", checksum, into="eurosat"),))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "mirror"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        mirror = f"http://127.0.0.1:{server.server_port}"
        code, out, err = command("data", "prepare", "eurosat", "--download", "--mirror", mirror, "--jobs", "1")
        server.shutdown()
    assert (code, err) == (0, "")
    assert "eurosat: 1 samples of shape (3, 84, 84), classes: train 0, valid 0, test 1" in out
    assert command("data", "prepare", "eurosat", "--download", "--jobs", "1")[0] == 0


def test_a_download_that_cannot_be(command, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = command("data", "prepare", "fungi", "--download")
    assert code == 2
    assert "dataset fungi cannot be downloaded: dataset fungi: expected below BENCHBENCH_DATA fungi/train.json" in err
    monkeypatch.delenv("BENCHBENCH_DATA")
    code, _, err = command("data", "prepare", "eurosat", "--download")
    assert code == 2
    assert "set BENCHBENCH_DATA" in err


def test_what_was_passed_over_is_said_wherever_data_are_read(
    command, zoo: tuple[str, ...], root: Path, shared_cache: Callable[[], None]
) -> None:
    """On preparing, on verifying, in a union, in a run (whose output is not its leaderboard's) and by embed."""
    (root / "zoo" / "class 1" / "3.heic").write_bytes(b"")
    said = "passed over: 1 files that end in none of .bmp, .gif, .jpeg, .jpg, .png, .ppm, .tif, .tiff, .webp: .heic 1"
    for what in ("prepare", "verify"):
        assert f"  {said}" in command("data", what, *zoo)[1].splitlines()
    union = ("union", "--set", 'parts=[{name = "imagefolder", path = "zoo", size = 20}]', "--set", "size=20")
    assert f"  imagefolder: {said}" in command("data", "prepare", *union, "--jobs", "1")[1].splitlines()
    shared_cache()
    (root / "m.toml").write_text(
        """floors = false
axes = { pretext = ["none"], meta = ["nearest-centroid"], backbone = ["pixels"], source = ["glyphs"], \
target = ["imagefolder"], protocol = ["episodic"] }
budget.samples = 100
settings.dataset.imagefolder = { path = "zoo", size = 28, grey = true }
settings.protocol.episodic = { ways = 2, shots = 1, queries = 1, episodes = 2 }
""".replace("\\\n", "")
    )
    code, out, err = command("run", "--matrix", root / "m.toml", "--quiet", "--executor", "inline")
    assert code == 0, err
    assert f"dataset imagefolder: {said}" in err.splitlines()
    assert said not in out
    (key,) = [json.loads(f.read_text())["training_key"] for f in Path("runs/records").glob("*.jsonl")]
    code, out, err = command("embed", key, root / "zoo")
    assert code == 0, err
    assert f"  {said}" in out.splitlines()
