"""An encoder leaves the benchmark: exported, loaded, run elsewhere, and used on a user's images."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import benchbench
from benchbench import BenchbenchError
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from benchbench.export.encoder import load_encoder
from benchbench.export.hub import headed
from benchbench.export.onnx import write_onnx
from benchbench.planning.matrix import parse_matrix
from benchbench.store.files import Store
from benchbench.store.records import Record


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a rotation encoder, a MAML one (whose running statistics were never moved) and a floor."""
    store = tmp_path_factory.mktemp("exported") / "runs"
    content = {
        "axes": {
            "pretext": ["none", "rotation"], "meta": ["nearest-centroid", "maml"], "backbone": ["conv4"],
            "source": ["symbols"], "target": ["digits"], "protocol": ["nearest-centroid"],
        },
        "budget": {"samples": 400},
        "episodes": {"meta_batch": 2},
        "floors": False,
        "settings": {"backbone": {"conv4": {"width": 8}}},
    }  # fmt: skip
    benchbench.run(parse_matrix(content, "export"), store, executor="inline")
    return store


def record(store: Path, pretext: str, meta: str) -> Record:
    (found,) = [r for r in benchbench.load_records(store) if (r.method.pretext, r.method.meta) == (pretext, meta)]
    return found


def digits() -> torch.Tensor:
    data = prepare(resolve_component("dataset", "digits"))
    return torch.from_numpy(np.asarray(data.table.x[:40])).float() / 255


def test_export_and_load(command, trained: Path, tmp_path: Path) -> None:
    held = record(trained, "rotation", "nearest-centroid")
    code, out, _ = command("export", held.key[:16], "--results", trained, "--output", tmp_path / "mine")
    assert code == 0
    assert out.count("wrote") == 2
    encoder = benchbench.load_encoder(tmp_path / "mine")
    # The same weights score the same.
    data = prepare(resolve_component("dataset", "digits"))
    target = benchbench.Target(data, encoder.sample)
    learner = resolve_component("meta", "nearest-centroid").build(encoder.backbone)
    again = benchbench.Trained(encoder.backbone, learner, encoder.sample)
    protocol = resolve_component("protocol", "nearest-centroid").build()
    assert protocol.evaluate(again, target, benchbench.Rng(0))["accuracy"].values == held.scores["accuracy"].values
    # Images of another size and colour are taken as they come.
    assert encoder.embed(torch.rand(3, 3, 50, 40)).shape == (3, encoder.dim)
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "# rotation × nearest-centroid, conv4, trained on symbols" in card
    assert f"| digits | nearest-centroid | accuracy | {held.summary['accuracy'].mean:.4f} |" in card
    for part in ("benchbench.load_encoder", "the fonts are DejaVu", "Latency on one thread", "width = 8", "400"):
        assert part in card
    # What describes features as a whole has no interval, and pairs of images have no mean.
    assert f"| digits | nearest-centroid | uniformity | {held.summary['uniformity'].mean:.4f} | | |" in card
    assert "relations" not in card


def test_the_card_is_what_the_hub_reads(command, trained: Path, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs benchbench-suite[hub]")
    held = record(trained, "rotation", "nearest-centroid")
    assert command("export", held.key, "--results", trained, "--output", tmp_path / "mine")[0] == 0
    card = hub.ModelCard.load(tmp_path / "mine" / "README.md")
    about = card.data.to_dict()
    assert (about["library_name"], about["license"], about["datasets"]) == ("benchbench", "other", ["symbols"])
    assert "the fonts are DejaVu" in about["license_name"]
    assert {"benchbench", "image", "rotation", "conv4"} <= set(about["tags"])
    scores = {r.metric_type: r for r in card.data.eval_results}
    accuracy = scores["accuracy"]
    assert (accuracy.dataset_name, accuracy.dataset_config) == ("digits", "nearest-centroid")
    assert accuracy.metric_value == held.summary["accuracy"].mean
    assert accuracy.metric_args == {"ci95": held.summary["accuracy"].ci95, "n": held.summary["accuracy"].n}
    assert scores["uniformity"].metric_args is None
    assert "relations" not in scores
    assert card.text.lstrip().startswith("# rotation × nearest-centroid")


@pytest.mark.parametrize(
    ("licence", "terms"),
    [
        ("CC BY 4.0", ("cc-by-4.0", None)),
        ("Apache-2.0, as this package", ("apache-2.0", None)),
        ("research purposes only", ("other", "research purposes only")),
    ],
)
def test_licences_are_called_as_the_hub_calls_them(trained: Path, licence: str, terms: tuple) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs benchbench-suite[hub]")
    data = hub.ModelCard(headed("# x\n", [record(trained, "rotation", "maml")], licence, "image")).data
    assert (data.license, data.license_name) == terms


class Api:
    """What of the Hub's API is used: repositories are folders."""

    root: Path

    def __init__(self, library_name: str):
        assert library_name == "benchbench"

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        if repo_id == "not/mine":
            raise RuntimeError("403 Forbidden")
        (self.root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return f"https://huggingface.co/{repo_id}{'?private' if private else ''}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, allow_patterns: list[str], commit_message: str) -> None:
        for name in allow_patterns:
            shutil.copy(folder_path / name, self.root / repo_id / name)


def test_an_encoder_is_pushed_and_loaded_from_a_snapshot(command, trained: Path, tmp_path: Path, monkeypatch) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs benchbench-suite[hub]")
    monkeypatch.setattr(hub, "HfApi", Api)
    monkeypatch.setattr(Api, "root", tmp_path / "hub", raising=False)
    base = ("export", record(trained, "rotation", "maml").key, "--results", trained, "--output", tmp_path / "mine")
    code, out, err = command(*base, "--push-to-hub", "me/encoder", "--private")
    assert code == 0, err
    assert out.endswith("pushed to https://huggingface.co/me/encoder?private\n")
    pushed = tmp_path / "hub" / "me" / "encoder"
    assert sorted(p.name for p in pushed.iterdir()) == ["README.md", "encoder.safetensors"]
    # The cache of huggingface_hub, as a download leaves it: links to blobs, by the commit that a branch names.
    cached, commit = tmp_path / "cache" / "models--me--encoder", "0123456789abcdef" * 2 + "01234567"
    for part in ("refs", "blobs", f"snapshots/{commit}"):
        (cached / part).mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    for file in pushed.iterdir():
        shutil.copy(file, cached / "blobs" / f"blob-{file.stem}")
        (cached / "snapshots" / commit / file.name).symlink_to(f"../../blobs/blob-{file.stem}")
    snapshot = hub.snapshot_download("me/encoder", cache_dir=tmp_path / "cache", local_files_only=True)
    mine, theirs = load_encoder(tmp_path / "mine"), load_encoder(snapshot)
    assert torch.equal(mine.embed(digits()), theirs.embed(digits()))
    code, _, err = command(*base, "--push-to-hub", "not/mine")
    assert code == 2
    assert "error: --push-to-hub not/mine: 403 Forbidden" in err


def test_without_huggingface_hub_nothing_is_pushed_and_the_card_has_no_header(
    command, trained: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("benchbench.export.hub.find_spec", lambda name: None)
    base = ("export", record(trained, "rotation", "maml").key, "--results", trained, "--output", tmp_path / "mine")
    code, _, err = command(*base, "--push-to-hub", "me/encoder")
    assert code == 2
    assert "--push-to-hub needs huggingface_hub: pip install 'benchbench-suite[hub]'" in err
    assert not (tmp_path / "mine").exists()
    assert command(*base)[0] == 0
    assert (tmp_path / "mine" / "README.md").read_text().startswith("# rotation × maml")


def test_onnx_agrees(command, trained: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    key = record(trained, "rotation", "nearest-centroid").training_key
    code, _, err = command("export", key, "--results", trained, "--output", tmp_path, "--onnx")
    assert code == 0, err
    session = onnxruntime.InferenceSession(str(tmp_path / "encoder.onnx"), providers=["CPUExecutionProvider"])
    encoder = load_encoder(tmp_path)
    for x in (digits(), digits()[:1]):
        found = session.run(None, {"images": x.numpy()})[0]
        assert np.abs(found - encoder.embed(x).numpy()).max() < 1e-4
    card = (tmp_path / "README.md").read_text()
    assert "the largest difference found was" in card
    assert f"torch {torch.__version__}: " in card
    assert f"ONNX Runtime {onnxruntime.__version__}: " in card
    # The same training may be exported again, and nothing stays that the card does not tell of.
    code, _, err = command("export", key, "--results", trained, "--output", tmp_path)
    assert code == 0, err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "encoder.safetensors"]


@pytest.mark.full
def test_onnx_that_does_not_agree_is_not_kept(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr("benchbench.export.onnx.TOLERANCE", -1.0)
    from benchbench.export.export import encoder_of

    encoder, _ = encoder_of(trained, record(trained, "rotation", "nearest-centroid"))
    with pytest.raises(BenchbenchError, match="the ONNX file's features differ"):
        write_onnx(tmp_path / "x.onnx", encoder)
    assert not list(tmp_path.iterdir())


def test_untracked_statistics_are_those_of_the_source(trained: Path) -> None:
    from benchbench.export.export import encoder_of

    plain, _ = encoder_of(trained, record(trained, "rotation", "nearest-centroid"))
    maml, _ = encoder_of(trained, record(trained, "rotation", "maml"))
    assert all(bool(n.running_mean.any()) for e in (plain, maml) for n in e.backbone.norms)
    source = prepare(resolve_component("dataset", "symbols"))
    rows = np.isin(source.table.labels, source.split.train)
    x = torch.from_numpy(np.asarray(source.table.x[rows])[::7]).float() / 255
    mean = maml.backbone.convs[0](x).mean((0, 2, 3))
    assert torch.allclose(maml.backbone.norms[0].running_mean, mean, atol=0.02)


def test_embed(command, trained: Path, tmp_path: Path) -> None:
    for i, mode in enumerate(("L", "RGB", "RGBA")):
        path = tmp_path / "pictures" / f"sub{i}" / f"{i}.png"
        path.parent.mkdir(parents=True)
        Image.new(mode, (20 + i, 30), 80 * i if mode == "L" else (80, 10 * i, 3, 255)[: len(mode)]).save(path)
    (tmp_path / "pictures" / "notes.txt").write_text("no image")
    key = record(trained, "none", "nearest-centroid").key
    base = ("embed", key, tmp_path / "pictures", "--results", trained)
    code, out, err = command(*base, "--output", tmp_path / "f.npz")
    assert code == 0, err
    assert "3 samples, 8 features each" in out
    with np.load(tmp_path / "f.npz") as held:
        features, files = held["features"], held["files"].tolist()
    assert files == ["sub0/0.png", "sub1/1.png", "sub2/2.png"]
    assert command(*base, "--output", tmp_path / "f.csv")[0] == 0
    rows = list(csv.reader((tmp_path / "f.csv").open()))
    assert [r[0] for r in rows[1:]] == files
    assert np.allclose(np.array([r[1:] for r in rows[1:]], float), features)
    # An exported folder does as well as a key.
    assert command("export", key, "--results", trained, "--output", tmp_path / "out")[0] == 0
    code, _, err = command("embed", tmp_path / "out", tmp_path / "pictures", "--output", tmp_path / "g.npz")
    assert code == 0, err
    with np.load(tmp_path / "g.npz") as held:
        assert np.array_equal(held["features"], features)


def test_bad_input(command, trained: Path, tmp_path: Path) -> None:
    key = record(trained, "rotation", "nearest-centroid").key
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    (tmp_path / "float").mkdir()
    Image.fromarray(np.full((9, 9), 7, np.float32)).save(tmp_path / "float" / "x.tif")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("My own.")
    other = record(trained, "rotation", "maml").key
    assert command("export", other, "--results", trained, "--output", tmp_path / "other")[0] == 0
    for arguments, message in (
        (("export", "zzzz", "--results", trained), "no training 'zzzz' in"),
        (("export", "", "--results", trained), "expected a value, got an empty text"),
        (("embed", key, tmp_path / "none", "--results", trained), "no folder"),
        (("embed", key, tmp_path / "empty", "--results", trained), "holds no image"),
        (("embed", key, tmp_path, "--results", trained, "--output", "x.txt"), "ends in .npz or .csv"),
        (("embed", tmp_path / "no.safetensors", tmp_path), "is no exported encoder"),
        (("embed", key, tmp_path / "float", "--results", trained), "floats from 7 to 7: expected [0, 1]"),
        (("export", key, "--results", trained, "--output", tmp_path / "mine"), "is no export of training"),
        (("export", key, "--results", trained, "--output", tmp_path / "other"), "is no export of training"),
    ):
        code, _, err = command(*arguments)
        assert code == 2
        assert message in err
    assert (tmp_path / "mine" / "README.md").read_text() == "My own."


def test_images_are_read_as_they_are_seen(trained: Path, tmp_path: Path) -> None:
    """Sixteen bits stand for the same greys as eight, and a photograph is turned as its camera says."""
    from benchbench.export.export import encoder_of
    from benchbench.export.folder import embed_found

    encoder, _ = encoder_of(trained, record(trained, "none", "nearest-centroid"))
    grey = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "b.png")
    turned = Image.fromarray(np.rot90(grey).copy())
    turned.getexif()[0x0112] = 6  # to be turned a quarter clockwise
    turned.save(tmp_path / "c.png", exif=turned.getexif())
    embed_found(encoder, tmp_path, tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as held:
        a, b, c = held["features"]
    assert a.any()
    assert np.array_equal(a, b)
    assert np.array_equal(a, c)


def test_a_checkpoint_that_is_gone_is_named(command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / "checkpoints")
    code, _, err = command("export", record(trained, "rotation", "maml").key, "--results", tmp_path / "runs")
    assert code == 2
    assert "the checkpoint" in err
    assert "is not there" in err


@pytest.mark.parametrize("damage", ["swapped", "half", "pipe"])
def test_a_checkpoint_that_is_damaged_is_named(command, trained: Path, tmp_path: Path, damage: str) -> None:
    store = shutil.copytree(trained, tmp_path / "runs")
    held, other = record(store, "rotation", "maml"), record(store, "rotation", "nearest-centroid")
    file, foreign = (Store(store).checkpoint(r.content["stages"][-1], "final") for r in (held, other))
    if damage == "swapped":
        shutil.copy(foreign, file)
    elif damage == "half":
        os.truncate(file, file.stat().st_size // 2)
    else:
        file.unlink()
        os.mkfifo(file)
    code, _, err = command("export", held.key, "--results", store, "--output", tmp_path / "mine")
    assert code == 2
    why = {"swapped": "it belongs to stage", "half": "", "pipe": "it is not a file"}[damage]
    assert f"error: checkpoint {file} is damaged: {why}" in err
    assert "run its matrix again into another folder" in err
    assert not (tmp_path / "mine").exists()
    assert file.exists(), "it is left where it is"


@pytest.mark.parametrize("name", ["export", "embed"])
def test_help_imports_no_torch(name: str, python) -> None:
    program = (
        "import sys\nfrom benchbench.cli import main\n"
        f"try:\n    main(['{name}', '--help'])\nexcept SystemExit:\n    pass\nassert 'torch' not in sys.modules"
    )
    python("-c", program)
