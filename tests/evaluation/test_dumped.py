"""Episodes as files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchbench import BenchbenchError, EpisodeShape, SampleSpec, Target, VariableShape, dump_episodes, dumped_episodes
from benchbench.components.reference import resolve_component
from benchbench.data.meta_dataset.example import Example, encode_example
from benchbench.data.meta_dataset.pictures import encode_png
from benchbench.data.meta_dataset.tfrecord import write_tfrecord
from benchbench.data.prepare import prepare

pytestmark = pytest.mark.filterwarnings("ignore:benchbench.dump:DeprecationWarning")


@pytest.fixture
def target(omniglot: Path) -> Target:
    data = prepare(resolve_component("dataset", "omniglot", {"split": "meta-dataset", "size": 8}))
    return Target(data, SampleSpec("image", (1, 8, 8)))


@pytest.mark.parametrize("shape", [VariableShape(), EpisodeShape(5, 1, 1)])
def test_what_is_dumped_is_read(target: Target, shape: VariableShape | EpisodeShape, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="benchbench data export"):
        dump_episodes(target, shape, 3, tmp_path / "episodes")
    names = sorted(p.name for p in (tmp_path / "episodes").iterdir())
    assert names[:2] == ["episode-0000-test.tfrecords", "episode-0000-train.tfrecords"]
    assert names[6:] == ["images_per_class.json"]
    read = list(dumped_episodes(tmp_path / "episodes", 8, grey=True))
    counts = json.loads((tmp_path / "episodes" / "images_per_class.json").read_text())
    for number, (episode, drawn) in enumerate(zip(read, target.drawn(shape, 3), strict=True)):
        assert episode.ways == len(drawn.classes)
        assert torch.equal(episode.support_x[0], target.samples(drawn.support))
        assert torch.equal(episode.query_x[0], target.samples(drawn.query))
        assert episode.support_y[0].tolist() == drawn.support_y.tolist()
        assert episode.labels()[0].tolist() == drawn.query_y.tolist()
        of_support = counts[f"episode-{number:04d}-train.tfrecords"]
        assert [of_support[str(y)] for y in range(episode.ways)] == np.bincount(drawn.support_y).tolist()


def dumped(folder: Path, support: list[int], query: list[int]) -> Path:
    """An episode of grey images with these labels."""
    folder.mkdir()
    image = encode_png(np.zeros((1, 8, 8), np.uint8))
    for part, labels in (("train", support), ("test", query)):
        write_tfrecord(folder / f"episode-0000-{part}.tfrecords", [encode_example(Example(image, y)) for y in labels])
    return folder


@pytest.mark.parametrize(
    ("support", "query", "message"),
    [([0, 2], [0], "labels 0 to ways - 1"), ([0, 1], [2], "labels 0 to ways - 1"), ([0, 1], [], "found none")],
)
def test_faulty_episodes(tmp_path: Path, support: list[int], query: list[int], message: str) -> None:
    with pytest.raises(BenchbenchError, match=message):
        list(dumped_episodes(dumped(tmp_path / "episodes", support, query), 8))


def test_no_episodes(tmp_path: Path) -> None:
    with pytest.raises(BenchbenchError, match=r"expected dumped episodes, such as episode-0000-train.tfrecords"):
        list(dumped_episodes(tmp_path, 8))


def test_a_missing_half(tmp_path: Path) -> None:
    (dumped(tmp_path / "episodes", [0, 1], [0]) / "episode-0000-test.tfrecords").unlink()
    with pytest.raises(BenchbenchError, match=r"episode-0000-test.tfrecords cannot be read"):
        list(dumped_episodes(tmp_path / "episodes", 8))
