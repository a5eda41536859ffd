"""Episodes as files, as Meta-Dataset's dump_episodes writes them, so that two tools can be scored on the same tasks.

Episode n is ``episode-{n:04d}-train.tfrecords`` (support) and ``-test.tfrecords`` (query), with labels below its ways;
``images_per_class.json`` counts the labels in each file.
"""

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchbench.data.meta_dataset.example import Example, decode_example, encode_example
from benchbench.data.meta_dataset.pictures import decode_picture, encode_png
from benchbench.data.meta_dataset.tfrecord import read_tfrecord, write_tfrecord
from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.episodes.variable import VariableShape
from benchbench.errors import BenchbenchError
from benchbench.evaluation.target import Target

NAME = "episode-{:04d}-{}.tfrecords"
COUNTS = "images_per_class.json"


def dump_episodes(target: Target, shape: EpisodeShape | VariableShape, count: int, folder: Path | str) -> None:
    """Write the first `count` fixed episodes of a target into a new folder, images as the table holds them (PNG).
    Deprecated: ``benchbench data export`` writes the whole dataset as Meta-Dataset's tools read it."""
    _warn("dump_episodes")
    folder = Path(folder)
    if folder.exists():
        raise BenchbenchError(f"{folder} exists: episodes are written to a new folder")
    drawn = target.drawn(shape, count)
    folder.mkdir(parents=True)
    counts = {}
    for number, episode in enumerate(drawn):
        sets = {"train": (episode.support, episode.support_y), "test": (episode.query, episode.query_y)}
        for part, (rows, labels) in sets.items():
            images = (encode_png(np.asarray(target.data.table.x[r])) for r in rows)
            examples = (encode_example(Example(x, int(y))) for x, y in zip(images, labels, strict=True))
            name = NAME.format(number, part)
            write_tfrecord(folder / name, examples)
            counts[name] = {str(y): n for y, n in sorted(Counter(labels.tolist()).items())}
    (folder / COUNTS).write_text(json.dumps(counts, indent=2), "utf-8")


def dumped_episodes(folder: Path | str, size: int, *, grey: bool = False) -> Iterator[Episodes]:
    """Every episode in a folder, in order of number, each a batch of one: float samples (1, S, C, size, size) in
    [0, 1]. Queries keep the file's order, which may be by class: see `benchbench.Trained.accuracies`. Deprecated: score
    on the datasets themselves.

    Raises BenchbenchError for a folder without episodes, a missing or corrupt file, or labels that are not 0 to
    ways - 1.
    """
    _warn("dumped_episodes")
    return _episodes(Path(folder), size, grey)


def _episodes(folder: Path, size: int, grey: bool) -> Iterator[Episodes]:
    names = sorted(folder.glob("episode-*-train.tfrecords"))
    if not names:
        raise BenchbenchError(f"{folder}: expected dumped episodes, such as {NAME.format(0, 'train')}")
    for train in names:
        support_x, support_y = _read(train, size, grey)
        query_x, query_y = _read(train.with_name(train.name.replace("-train.", "-test.")), size, grey)
        ways = len(set(support_y.tolist()))
        if set(support_y.tolist()) != set(range(ways)) or not set(query_y.tolist()) <= set(range(ways)):
            raise BenchbenchError(f"{train}: expected labels 0 to ways - 1, each in the support set")
        yield Episodes(support_x[None], support_y[None], query_x[None], query_y[None], ways)


def _warn(name: str) -> None:
    advice = "export the dataset (`benchbench data export`) and score on that"
    warnings.warn(f"benchbench.{name} is deprecated: {advice}", DeprecationWarning, stacklevel=3)


def _read(path: Path, size: int, grey: bool) -> tuple[torch.Tensor, torch.Tensor]:
    examples = [_example(path, i, record) for i, record in enumerate(read_tfrecord(path))]
    if not examples:
        raise BenchbenchError(f"{path}: expected images, found none")
    return _images(path, examples, size, grey), torch.tensor([e.label for e in examples])


def _example(path: Path, i: int, record: bytes) -> Example:
    try:
        return decode_example(record)
    except ValueError as error:
        raise BenchbenchError(f"{path}: record {i} is no example with image and label: {error}") from None


def _images(path: Path, examples: Sequence[Example], size: int, grey: bool) -> torch.Tensor:
    x = np.stack([decode_picture(e.image, size, grey, f"{path}: record {i}") for i, e in enumerate(examples)])
    return torch.from_numpy(x).to(torch.get_default_dtype()).div_(255)
