"""Detection and segmentation: the metrics on boxes and masks made by hand, and learning on scenes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchbench import BenchbenchError, Rng, SampleSpec, Target, Trained
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import Prepared, prepare
from benchbench.encoding.task_norm import convert_norm
from benchbench_standard.backbones.conv4 import Conv4
from benchbench_standard.backbones.pixels import Pixels
from benchbench_standard.metas.nearest_centroid import NearestCentroid
from benchbench_standard.protocols.detection import Detection, precisions
from benchbench_standard.protocols.scenes import influence
from benchbench_standard.protocols.segmentation import Segmentation, balanced, overlaps

pytest.importorskip("torchmetrics")
pytest.importorskip("pycocotools")


def boxes(*found: tuple[float, ...]) -> np.ndarray:
    return np.array(found, np.float32).reshape(-1, 5)


def detections(*found: tuple[float, ...]) -> dict[str, torch.Tensor]:
    """Each (label, score, left, top, right, bottom)."""
    held = torch.tensor(found).reshape(-1, 6)
    return {"boxes": held[:, 2:], "labels": held[:, 0].long(), "scores": held[:, 1]}


def test_mean_average_precision_by_hand() -> None:
    truth = [boxes((0, 0, 0, 10, 10)), boxes((0, 20, 20, 40, 40)), boxes((1, 0, 0, 8, 8))]
    # Class 0: one exact; one that overlaps by 0.825, so it counts at IoU 0.5, 0.55 ... 0.8: 7 of 10 thresholds.
    # Class 1: found by half (IoU 0.5125), which counts at 0.5 alone.
    found = [
        detections((0, 0.9, 0, 0, 10, 10)),
        detections((0, 0.8, 20, 20, 40, 36.5)),
        detections((1, 0.7, 0, 0, 8, 4.1)),
    ]
    scores = precisions(found, truth)
    # Where only the exact one counts, recall stops at 1/2: 51 of COCO's 101 recall points have precision 1.
    first = (7 * 1 + 3 * 51 / 101) / 10
    assert np.mean(scores["map"]) == pytest.approx((first + 0.1) / 2, abs=1e-6)
    assert np.mean(scores["map_50"]) == pytest.approx(1)
    # A false alarm before all others halves precision.
    worse = [detections((0, 0.95, 50, 50, 60, 60), (0, 0.9, 0, 0, 10, 10)), *found[1:]]
    assert np.mean(precisions(worse, truth)["map_50"]) == pytest.approx((2 / 3 + 1) / 2, abs=1e-6)
    nothing = [detections() for _ in truth]
    assert precisions(nothing, truth) == {"map": [0, 0, 0], "map_50": [0, 0, 0]}


def test_influence_is_what_leaving_an_image_out_takes() -> None:
    state = np.random.RandomState(0)
    truth, found = [], []
    for _ in range(6):
        corners = state.randint(0, 30, (3, 2))
        held = boxes(*[(k % 2, x, y, x + 12, y + 9) for k, (x, y) in enumerate(corners)])
        truth.append(held)
        moved = held[:, 1:] + state.randint(-3, 4, (3, 4))
        found.append(detections(*[(k % 2, state.rand(), *box) for k, box in enumerate(moved)]))
    scores = precisions(found, truth)["map"]
    # Each by torchmetrics on the other images.
    without = [
        float(np.mean(precisions(found[:i] + found[i + 1 :], truth[:i] + truth[i + 1 :])["map"])) for i in range(6)
    ]
    whole = float(np.mean(scores))
    expected = [whole + 5 * (np.mean(without) - w) for w in without]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert influence(0.4, [0.1]) == [0.4]
    # Of a plain mean, an image's influence is its own value.
    x = [1.0, 2.0, 6.0]
    assert influence(3.0, [4.0, 3.5, 1.5]) == pytest.approx(x)


def test_mean_iou_by_hand() -> None:
    truth = np.array([[[0, 0, 1, 1], [0, 0, 255, 255]], [[2, 2, 0, 0], [0, 0, 0, 0]]])
    found = np.array([[[0, 1, 1, 1], [0, 0, 2, 2]], [[2, 0, 0, 0], [0, 0, 0, 0]]])
    # Background: shared 3 + 6, union 4 + 7; class 1: 2 of 3; class 2: 1 of 2, what is ignored left out; 3 is nowhere.
    assert np.mean(overlaps(found, truth, 4)) == pytest.approx((9 / 11 + 2 / 3 + 1 / 2) / 3)
    assert overlaps(truth.clip(0, 2), truth, 4) == [1, 1]


@pytest.fixture(scope="module")
def scenes() -> Prepared:
    return prepare(resolve_component("dataset", "glyph-scenes", {"scenes": 60}))


@pytest.fixture
def encoder() -> Trained:
    sample = SampleSpec("image", (1, 28, 28))
    torch.manual_seed(0)
    made = convert_norm(Conv4(sample, width=16))
    assert isinstance(made, Conv4)
    return Trained(made, NearestCentroid(made), sample)


def test_annotations_of_test_images_stay_with_the_scorer(scenes, encoder) -> None:
    target = Target(scenes, encoder.sample)
    part = target.division()
    assert len(target.boxes(part.fit.rows)) == len(part.fit) == 24
    for read in (target.boxes, target.masks):
        with pytest.raises(ValueError, match="annotations stay with the scorer"):
            read(part.test)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("kind", [Detection, Segmentation])
def test_a_frozen_encoder_stays_as_it_is(scenes, encoder, kind, frozen, monkeypatch) -> None:
    """Its norms' running averages too."""
    copies = []
    learn = kind.learn

    def watched(self, model, own, *rest):
        copies.append(own)
        learn(self, model, own, *rest)

    monkeypatch.setattr(kind, "learn", watched)
    protocol = kind(steps=3, width=32, frozen=frozen)
    protocol.evaluate(encoder, Target(scenes, encoder.sample), Rng(0))
    before, after = encoder.encoder.state_dict(), copies[0].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before) == frozen


@pytest.mark.parametrize("protocol", [Detection(steps=3, width=32), Segmentation(steps=3, width=8)])
def test_test_annotations_change_scores_and_nothing_before(scenes, encoder, protocol, monkeypatch) -> None:
    asked = []
    score = Target.score_annotated

    def watched(self, rows, measure, what):
        asked.append(measure)
        return score(self, rows, measure, what)

    monkeypatch.setattr(Target, "score_annotated", watched)
    first = protocol.evaluate(encoder, Target(scenes, encoder.sample), Rng(0))
    poisoned = list(scenes.table.boxes), scenes.table.masks.copy()
    for row in Target(scenes, encoder.sample).division().test:
        poisoned[0][row], poisoned[1][row] = boxes((0, 0, 0, 64, 64)), 1
    other = replace(scenes, table=replace(scenes.table, boxes=poisoned[0], masks=poisoned[1]))
    protocol.evaluate(encoder, Target(other, encoder.sample), Rng(0))
    # Measured on the same truth, the predictions of both are the same.
    truth = [getattr(scenes.table, protocol.annotation)[r] for r in Target(scenes, encoder.sample).division().test]
    assert asked[0](truth) == asked[1](truth)
    assert len(next(iter(first.values())).values) == 30


@pytest.fixture
def shapes(scenes) -> Prepared:
    """Sixty images of noise with a bright square (1) or a striped one (2) in some place: what is not background fills
    one pixel in sixteen."""
    state = np.random.RandomState(0)
    x, masks = state.randint(0, 60, (60, 1, 32, 32)).astype(np.uint8), np.zeros((60, 32, 32), np.uint8)
    found = []
    for i in range(60):
        kind, (top, left) = i % 2, state.randint(0, 24, 2)
        x[i, 0, top : top + 8, left : left + 8] = 230
        x[i, 0, top : top + 8, left : left + 8 : 1 + 3 * kind] = 230 - 200 * kind
        masks[i, top : top + 8, left : left + 8] = 1 + kind
        found.append(boxes((kind, left, top, left + 8, top + 8)))
    return replace(scenes, table=replace(scenes.table, x=x, masks=masks, boxes=found))


def test_segmentation_learns_more_than_the_background(shapes, encoder) -> None:
    def miou(data: Prepared) -> float:
        scores = Segmentation(steps=60, width=8).evaluate(encoder, Target(data, encoder.sample), Rng(0))
        return float(np.mean(scores["miou"].values))

    # All background: 15/16 of the pixels, and nothing of two classes.
    background = 15 / 16 / 3
    assert miou(shapes) > 1.5 * background
    # What is true of other images teaches nothing.
    fit = Target(shapes, encoder.sample).division().fit.rows
    masks = shapes.table.masks.copy()
    masks[fit] = masks[np.roll(fit, 1)]
    assert miou(replace(shapes, table=replace(shapes.table, masks=masks))) < background + 0.05


def test_classes_are_balanced_by_median_frequency() -> None:
    masks = np.array([[[0, 0, 0, 1]], [[0, 0, 255, 2]], [[0, 0, 2, 2]]], np.uint8)
    # Of the pixels of images that have it: background 7 of 11, class 1 1 of 4, class 2 3 of 7; class 3 is nowhere.
    expected = [3 / 7 / (7 / 11), 3 / 7 / (1 / 4), 1, 0]
    assert balanced(masks, 4).tolist() == pytest.approx(expected)


def test_few_annotated_images(scenes, encoder) -> None:
    used = []
    original = Segmentation.loss

    class Watched(Segmentation):
        def loss(self, model, target, rows):
            used.extend(rows)
            return original(self, model, target, rows)

    Watched(shots=3, steps=4, width=8, batch_size=2).evaluate(encoder, Target(scenes, encoder.sample), Rng(0))
    assert 2 <= len(set(used)) <= 3


def test_what_cannot_be_scored_is_refused(scenes, encoder, prepared_digits) -> None:
    with pytest.raises(BenchbenchError, match=r"dataset digits \(test\) has no boxes"):
        Detection().check(Target(prepared_digits, encoder.sample))
    with pytest.raises(
        BenchbenchError, match="99 shots, but the fit part of its smallest class, 'scene', has 24 images"
    ):
        Segmentation(shots=99).check(Target(scenes, encoder.sample))
    sample = SampleSpec("image", (1, 28, 28))
    pixels = Trained(Pixels(sample), NearestCentroid(Pixels(sample)), sample)
    with pytest.raises(BenchbenchError, match="Pixels has no feature maps"):
        Segmentation().evaluate(pixels, Target(scenes, sample), Rng(0))


def test_detection_learns_and_from_other_images_boxes_nothing(shapes, encoder) -> None:
    def found(data: Prepared) -> float:
        scores = Detection(steps=30, width=32).evaluate(encoder, Target(data, encoder.sample), Rng(0))
        return float(np.mean(scores["map_50"].values))

    assert found(shapes) > 0.3
    fit = Target(shapes, encoder.sample).division().fit.rows
    moved = list(shapes.table.boxes)
    for to, of in zip(fit, np.roll(fit, 1), strict=True):
        moved[to] = shapes.table.boxes[of]
    assert found(replace(shapes, table=replace(shapes.table, boxes=moved))) < 0.1


@pytest.mark.full
def test_scenes_are_learned_from(scenes, encoder) -> None:
    target = Target(prepare(resolve_component("dataset", "glyph-scenes")), encoder.sample)
    scores = Detection(steps=300, width=32).evaluate(encoder, target, Rng(0))
    assert np.mean(scores["map_50"].values) > 0.25
    # Background alone gives 0.136.
    scores = Segmentation(width=32).evaluate(encoder, target, Rng(0))
    assert np.mean(scores["miou"].values) > 0.2
