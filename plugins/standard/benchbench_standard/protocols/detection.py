import copy
import io
from contextlib import redirect_stdout
from importlib.util import find_spec
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

from benchbench import Amount, BenchbenchError, Rng, Scores, Target, Trained, seeded_globals
from benchbench_standard.protocols.scenes import Maps, OnScenes, influence, maps_of

Found = dict[str, Tensor]


class Detection(OnScenes):
    """Fine-tuning a detector: torchvision's FCOS (Tian et al. 2019, arXiv 1904.01355) with a feature pyramid (Lin et
    al. 2017, arXiv 1612.03144) of `width` channels on the encoder's maps, scored by COCO's mean average precision over
    IoU 0.5 to 0.95, as torchmetrics computes it with pycocotools."""

    modalities = frozenset({"image"})
    metrics = {"map": "higher", "map_50": "higher"}
    annotation = "boxes"

    def __init__(self, *, width: Annotated[int, Field(ge=32, multiple_of=32)] = 64, **rest: Any):
        # FCOS normalises its channels in 32 groups.
        super().__init__(width=width, **rest)

    def check(self, target: Target) -> None:
        """The target needs boxes, and this environment the metric."""
        if missing := [name for name in ("torchmetrics", "pycocotools") if find_spec(name) is None]:
            raise BenchbenchError(
                f"protocol detection needs {' and '.join(missing)}: pip install 'benchbench-suite[detection]'"
            )
        super().check(target)

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Each test image's influence on the mean average precision."""
        division = target.division(Amount(shots=self.shots))
        with seeded_globals(rng.child("detector"), trained.device):
            maps = maps_of(trained, target, division.fit.rows, (4, 8, 16, 32))
            model = self._detector(maps, target).to(trained.device)
        self.learn(model, maps.encoder, target, division.fit.rows, rng)
        found: list[Found] = []
        with torch.no_grad():
            for rows in torch.from_numpy(division.test).split(16):
                found += model(list(target.scenes(rows.numpy())))
        scores = target.score_annotated(division.test, lambda truth: precisions(found, truth), "boxes")
        return {name: Scores(values, unit="image") for name, values in scores.items()}

    def loss(self, model: nn.Module, target: Target, rows: np.ndarray) -> Tensor:
        """FCOS's own: classification, boxes and centreness."""
        wanted = [_truth(boxes, target.device) for boxes in target.boxes(rows)]
        return sum(model(list(target.scenes(rows)), wanted).values())  # type: ignore[return-value]

    def _detector(self, maps: Maps, target: Target) -> nn.Module:
        channels, size = target.sample.shape[0], target.data.table.shape[1:]
        return FCOS(
            _Pyramid(maps, self.width),
            len(target.data.dataset.object_names),
            min_size=min(size),
            max_size=max(size),
            # Encoders normalise their own input.
            image_mean=[0.0] * channels,
            image_std=[1.0] * channels,
            anchor_generator=AnchorGenerator(tuple((s,) for s in maps.strides), ((1.0,),) * len(maps.strides)),
            detections_per_img=50,
            score_thresh=0.02,
        )


class _Pyramid(nn.Module):
    """What torchvision's detectors take: maps of one width, and `out_channels` to say which."""

    def __init__(self, maps: Maps, width: int):
        super().__init__()
        self.maps, self.out_channels = maps, width
        self.pyramid = FeaturePyramidNetwork(maps.channels, width)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.pyramid(self.maps(x))


def _truth(boxes: np.ndarray, device: torch.device | str = "cpu") -> Found:
    """Boxes (n, 5) as torchvision and torchmetrics take them."""
    held = torch.from_numpy(np.asarray(boxes)).to(device)
    return {"boxes": held[:, 1:].float(), "labels": held[:, 0].long()}


def precisions(found: list[Found], truth: list[np.ndarray]) -> dict[str, list[float]]:
    """Each image's influence on the mean average precision over all IoU and at 0.5. `found`: boxes (n, 4), scores and
    labels (n,) of each image; `truth`: boxes (n, 5)."""
    from torchmetrics.detection import MeanAveragePrecision

    with redirect_stdout(io.StringIO()):
        metric = MeanAveragePrecision(backend="pycocotools")
        metric.warn_on_many_detections = False
        metric.update([{k: v.cpu() for k, v in one.items()} for one in found], [_truth(boxes) for boxes in truth])
        whole = metric.compute()
        without = _without_each(found, truth, metric)
    # Without any object there is no precision: COCO's evaluation says -1.
    return {name: influence(max(0.0, float(whole[name])), without[name]) for name in ("map", "map_50")}


def _without_each(found: list[Found], truth: list[np.ndarray], metric: Any) -> dict[str, list[float]]:
    """The metrics of all images but one, for each image: matched once, and summed up without it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = list(range(len(truth)))
    held, given = COCO(), COCO()
    kinds = sorted({int(b[0]) for boxes in truth for b in boxes} | {int(y) for one in found for y in one["labels"]})
    for coco, boxes in ((held, _annotations(truth)), (given, _detections(found))):
        coco.dataset = {"images": [{"id": i} for i in images], "categories": [{"id": k} for k in kinds]}
        coco.dataset["annotations"] = [{**box, "id": i, "iscrowd": 0} for i, box in enumerate(boxes, 1)]
        coco.createIndex()
    evaluation = COCOeval(held, given, "bbox")
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.params.maxDets = [100]
    # torchmetrics rounds them to single precision, which decides where an overlap lies on a threshold.
    evaluation.params.iouThrs = np.array(metric.iou_thresholds)
    evaluation.params.recThrs = np.array(metric.rec_thresholds)
    evaluation.evaluate()
    result: dict[str, list[float]] = {"map": [], "map_50": []}
    for left_out in images:
        some = copy.deepcopy(evaluation.params)
        some.imgIds = [-1 if i == left_out else i for i in evaluation.params.imgIds]
        evaluation.accumulate(some)
        precision = evaluation.eval["precision"]
        for name, part in (("map", precision), ("map_50", precision[:1])):
            there = part[part > -1]
            result[name].append(float(there.mean()) if there.size else 0.0)
    return result


def _annotations(truth: list[np.ndarray]) -> list[dict[str, Any]]:
    return [_box(image, kind, corners) for image, boxes in enumerate(truth) for kind, *corners in boxes.tolist()]


def _detections(found: list[Found]) -> list[dict[str, Any]]:
    return [
        {**_box(image, kind, corners), "score": score}
        for image, one in enumerate(found)
        for corners, kind, score in zip(
            one["boxes"].tolist(), one["labels"].tolist(), one["scores"].tolist(), strict=True
        )
    ]


def _box(image: int, kind: float, corners: list[float]) -> dict[str, Any]:
    left, top, right, bottom = corners
    sides = [right - left, bottom - top]
    return {"image_id": image, "category_id": int(kind), "bbox": [left, top, *sides], "area": sides[0] * sides[1]}
