"""The embedded datasets that are drawn: glyphs and symbols."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench.data.splits import class_index
from benchbench_standard.datasets.fonts import _restroked, coverage, distinct, draw, font_files


@pytest.fixture(scope="module")
def glyphs() -> Prepared:
    """The full table, from the shared cache."""
    return prepare(resolve_component("dataset", "glyphs"))


def pixel_accuracy(data: Prepared, part: str, ways: int, episodes: int) -> float:
    """1-NN on raw pixels, 1-shot with 15 queries a class, in percent."""
    rows = class_index(data.table.labels, data.split.part(part))
    state, hits = np.random.RandomState(0), []
    for _ in range(episodes):
        drawn = [state.permutation(rows[c])[:16] for c in state.permutation(len(rows))[:ways]]
        x = data.table.x[np.array(drawn)].reshape(ways, 16, -1).astype(np.float32)
        support, query = x[:, 0], x[:, 1:].reshape(ways * 15, -1)
        distance = (support**2).sum(1) - 2 * query @ support.T
        hits.append((distance.argmin(1) == np.repeat(np.arange(ways), 15)).mean())
    return 100 * float(np.mean(hits))


def test_counts(glyphs: Prepared) -> None:
    names = glyphs.table.class_names
    assert glyphs.table.shape == (1, 28, 28)
    assert len(names) >= 1000
    assert len({name.split("/")[0] for name in names}) >= 8
    assert (np.bincount(glyphs.table.labels) == 20).all()
    assert len(glyphs.split.valid) >= 60
    assert len(glyphs.split.test) >= 150


def test_parts_share_no_script(glyphs: Prepared) -> None:
    names = glyphs.table.class_names
    scripts = [{names[c].split("/")[0] for c in glyphs.split.part(p)} for p in ("train", "valid", "test")]
    assert sum(map(len, scripts)) == len(set.union(*scripts))
    assert len(scripts[2]) >= 4
    assert sum(len(glyphs.split.part(p)) for p in ("train", "valid", "test")) == len(names)


def test_no_sample_is_empty_or_cut_to_nothing(glyphs: Prepared) -> None:
    brightest = np.asarray(glyphs.table.x).reshape(len(glyphs.table), -1).max(1)
    assert brightest.min() >= 64


def test_pixels_are_neither_hopeless_nor_enough(glyphs: Prepared) -> None:
    assert 35 <= pixel_accuracy(glyphs, "test", 5, 100) <= 45


def test_two_renders_are_equal() -> None:
    covered = coverage(font_files())
    classes = {"Latn/U+0041": 0x41, "Geor/U+10D0": 0x10D0}
    first, second = (list(draw(classes, covered, 28, 5)) for _ in range(2))
    assert len(first) == 10
    assert all((a.x == b.x).all() and a.label == b.label for a, b in zip(first, second, strict=True))
    assert len({a.x.tobytes() for a in first}) == 10


def test_a_sample_does_not_depend_on_what_else_is_drawn() -> None:
    covered = coverage(font_files())
    alone = list(draw({"Latn/U+0042": 0x42}, covered, 28, 2))
    after = list(draw({"Latn/U+0041": 0x41, "Latn/U+0042": 0x42}, covered, 28, 3))
    assert (alone[1].x == after[4].x).all()


def test_lookalikes_and_accents_are_one_class() -> None:
    covered = coverage(font_files())
    assert list(distinct([ord(c) for c in "AÄΑАBc"], covered)) == [ord(c) for c in "ABc"]


@pytest.mark.parametrize(("kind", "rank"), [(2, ImageFilter.MaxFilter(3)), (3, ImageFilter.MaxFilter(5))])
def test_strokes_thicken_as_pillows_filters_have_it(kind: int, rank: ImageFilter.Filter) -> None:
    noise = Image.fromarray(np.random.RandomState(kind).randint(0, 256, (30, 20), dtype=np.uint8))
    assert (np.asarray(_restroked(noise, kind)) == np.asarray(noise.filter(rank))).all()


def test_strokes_thin_by_half_of_pillows_filter() -> None:
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (30, 20), dtype=np.uint8))
    expected = Image.blend(noise, noise.filter(ImageFilter.MinFilter(3)), 0.5)
    assert (np.asarray(_restroked(noise, 0)) == np.asarray(expected)).all()


def test_size_sets_the_shape() -> None:
    assert next(draw({"Latn/U+0041": 0x41}, coverage(font_files()), 16, 1)).x.shape == (1, 16, 16)


def test_symbols(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    data = prepare(resolve_component("dataset", "symbols", {"per_class": 2}))
    names = data.table.class_names
    blocks = [{names[c].split("/")[0] for c in data.split.part(p)} for p in ("train", "valid", "test")]
    assert sum(map(len, blocks)) == len(set.union(*blocks))
    assert min(len(data.split.part(p)) for p in ("train", "valid", "test")) >= 100
    assert any(n.startswith("Braille Patterns/U+28") for n in names)
