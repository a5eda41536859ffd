"""Plots are looked at by people; tests see to what a file must be: whole, stable, escaped, drawn only with cause."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import matplotlib
import pytest
from PIL import Image

from benchbench.components.registry import offers
from benchbench.keys import content_key
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.grid import grid
from benchbench.leaderboard.plots.drawn import cost, drawn, scores
from benchbench.leaderboard.plots.figures import COLOURS, styled, svg
from benchbench.leaderboard.plots.heatmaps import best_transfer, transfer
from benchbench.leaderboard.plots.signs import Signs
from benchbench.leaderboard.render import write_leaderboard

EVIL = "<script>alert(1)</script> $x_1$ & \\"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def rich(make):
    """Six targets, two numbers of shots, two sources, two pretexts with and without a meta-algorithm."""
    records = []
    for i, pretext in enumerate(("rotation", EVIL)):
        for meta, regime in (("nearest-centroid", "joint"), ("protonet", "pseudo")):
            for source in ("t0", "symbols"):
                for t in range(6):
                    for shots in (1, 5):
                        r = make(pretext, meta, f"t{t}", (i + shots, i + 3), source=source, regime=regime)
                        protocol = {"name": "episodic", "settings": {"ways": 5, "shots": shots}}
                        curve = [{"samples": float(s), "loss": 3.0 / s, "accuracy": s / 4} for s in (1, 2, 3)]
                        update = {"key": content_key([r.key, shots]), "protocol": f"5way-{shots}shot", "curve": curve}
                        steps = {f"accuracy@{k}": r.summary["accuracy"] for k in (0, 5)}
                        update["summary"] = {**r.summary, **steps}
                        content = {**r.content, "protocol": protocol, "training_ways": [5]}
                        content["recipe"] = {"episodes": {"shots": 1}}
                        update |= {"content": content, "timing": {"train_seconds": 1.0 + i}}
                        records.append(r.model_copy(update=update))
    return records


@pytest.fixture(scope="module")
def written(rich, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    write_leaderboard(aggregate(rich), folder)
    return folder


def text_of(svg):
    return " ".join("".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def test_every_plot_is_drawn_where_there_is_something_to_show(written):
    names = {"scores", "effects", "cost", "ranks", "shots", "transfer", "best-transfer", "learning"}
    names |= {"overfitting", "adaptation"}
    assert {p.name for p in (written / "plots").iterdir()} == {f"{n}.{s}" for n in names for s in ("svg", "png", "pdf")}
    readme = (written / "LEADERBOARD.md").read_text()
    assert all(f"](plots/{name}.svg)" in readme for name in names)


def test_plots_without_cause_are_not_drawn_and_old_ones_go(make, rich, tmp_path):
    (tmp_path / "plots").mkdir()
    for name in ("ranks.svg", "mine.svg"):
        (tmp_path / "plots" / name).write_text("old")
    write_leaderboard(aggregate([make(), make("jigsaw", counts=None, reason="killed")]), tmp_path)
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {"scores.svg", "scores.png", "scores.pdf", "mine.svg"}


def test_names_are_text_in_svg(written):
    for path in (written / "plots").glob("*.svg"):
        source = path.read_text()
        assert "<script" not in source, path.name
    shown = text_of((written / "plots" / "scores.svg").read_text())
    # As it stands: no mathematics is read into it.
    assert EVIL in shown
    assert "rotation × protonet" in shown


def test_files_hold_no_date_and_no_version(written):
    for path in (written / "plots").glob("*.svg"):
        source = path.read_text()
        assert matplotlib.__version__ not in source
        assert "dc:date" not in source
    for path in (written / "plots").glob("*.png"):
        with Image.open(path) as image:
            assert set(image.info) <= {"dpi"}

    for path in (written / "plots").glob("*.pdf"):
        held = path.read_bytes()
        assert held.startswith(b"%PDF-")
        # Whole fonts, not the type 3 that publishers refuse.
        assert b"/Type3" not in held
        assert b"CreationDate" not in held
        assert matplotlib.__version__.encode() not in held


def test_the_same_records_give_the_same_bytes(make):
    records = [make(p, seed=s) for p in ("rotation", "jigsaw") for s in (0, 1)]
    first = drawn(grid(records))
    # Whatever the settings of whoever calls.
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "other"}):
        assert drawn(grid(reversed(records))) == first
        assert matplotlib.rcParams["font.size"] == 20


def test_neighbouring_colours_differ_in_lightness():
    def lightness(colour):
        return sum(w * int(colour[i : i + 2], 16) for w, i in ((0.299, 1), (0.587, 3), (0.114, 5)))

    assert all(abs(lightness(a) - lightness(b)) > 15 for a, b in pairwise(COLOURS))


def test_every_standard_meta_algorithm_has_a_mark_of_its_own():
    rows = [{"pretext": "labels", "meta": offer.name, "regime": "pseudo"} for offer in offers("meta")]
    look = Signs(rows)
    marks = {look.of(row)["marker"] for row in rows}
    assert len(rows) > 15
    assert len(marks) == len(rows)


def test_seconds_are_no_minutes(make):
    records = [make(p).model_copy(update={"timing": {"train_seconds": s}}) for p, s in (("a", 0.199), ("b", 2_500.0))]
    with styled():
        figure = cost(grid(records))
        figure.draw_without_rendering()
        axis = figure.axes[0]
        assert axis.get_xlabel().startswith("training seconds")
        assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "0.2", "1", "10", "100", "1,000"]


def test_transfer_is_shaded_on_one_scale_of_points(rich):
    with styled():
        figure = transfer(grid(rich))
    images = [axis.images[0] for axis in figure.axes if axis.images]
    limits = {image.get_clim() for image in images}
    assert len(images) > 1
    assert len(limits) == 1
    ((low, high),) = limits
    assert low == -high
    # A row is shaded from its own mean, by as many points as it differs: it is not stretched.
    for image in images:
        assert abs(image.get_array().mean(axis=1)).max() < 1e-9


def test_a_wide_and_a_long_leaderboard_are_cut_and_say_so(make):
    records = [make(f"p{i:02}", target=f"t{t}", counts=(i % 9, 5)) for i in range(32) for t in range(7)]
    with styled():
        shown = text_of(svg(scores(grid(records))))
    assert "the best 30 of 32 rows, 6 of 7 columns" in shown


def test_a_best_mean_over_fewer_protocols_says_so(make):
    records = [
        make("labels", "protonet", counts=counts, source=source).model_copy(
            update={"protocol": protocol, "key": f"{source} {protocol}"}
        )
        for source, protocols in (("glyphs", "abc"), ("symbols", "ab"))
        for protocol, counts in zip(protocols, ((5, 5), (6, 6), (10, 10)), strict=False)
    ]
    figure = best_transfer(grid(records))
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "labels × protonet\n70.0%, the only one",
        "labels × protonet\n55.0% on 2 of 3 protocols\nthe only one",
    ]
