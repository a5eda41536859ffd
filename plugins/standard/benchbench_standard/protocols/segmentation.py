from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench import Amount, Rng, Scores, Target, Trained, seeded_globals
from benchbench_standard.protocols.scenes import Maps, OnScenes, influence, maps_of

#: Pixels of a mask that do not count.
IGNORED = 255
#: Channels that a norm averages over.
GROUP = 8


class Segmentation(OnScenes):
    """Fine-tuning a fully convolutional network (Long, Shelhamer & Darrell 2015, arXiv 1411.4038): the encoder's maps,
    each brought to one width by a 1x1 convolution, are summed at the finest stride (Kirillov et al. 2019, arXiv
    1901.02446, with its group norms and without its stages). Scored by the mean over classes, with the background, of
    intersection over union.

    Classes weigh in the loss by median-frequency balancing over the fit part (Eigen & Fergus 2015, arXiv 1411.4734):
    where objects are small, a network that calls everything background is soon content.
    """

    #: 2: classes are balanced, the decoder has norms.
    revision = 2
    modalities = frozenset({"image"})
    metrics = {"miou": "higher"}
    annotation = "masks"

    def __init__(
        self,
        *,
        # The best of .003 to .02 on the select part of glyph-scenes, with an encoder that was never trained.
        lr: PositiveFloat = 3e-3,
        encoder_lr: PositiveFloat = 1.0,
        width: Annotated[int, Field(ge=GROUP, multiple_of=GROUP)] = 64,
        **rest: Any,
    ):
        super().__init__(lr=lr, encoder_lr=encoder_lr, width=width, **rest)

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Each test image's influence on the mean intersection over union."""
        division = target.division(Amount(shots=self.shots))
        classes = 1 + len(target.data.dataset.object_names)
        balance = torch.from_numpy(balanced(target.masks(division.fit.rows), classes)).to(torch.get_default_dtype())
        with seeded_globals(rng.child("decoder"), trained.device):
            maps = maps_of(trained, target, division.fit.rows, (2, 4, 8, 16, 32))
            model = _Decoder(maps, self.width, balance).to(trained.device)
        self.learn(model, maps.encoder, target, division.fit.rows, rng)
        with torch.no_grad():
            chunks = torch.from_numpy(division.test).split(16)
            found = np.concatenate([model(target.scenes(rows.numpy())).argmax(1).cpu().numpy() for rows in chunks])
        scores = target.score_annotated(
            division.test, lambda truth: {"miou": overlaps(found, np.stack(truth), classes)}, "masks"
        )
        return {name: Scores(values, unit="image") for name, values in scores.items()}

    def loss(self, model: nn.Module, target: Target, rows: np.ndarray) -> Tensor:
        """Balanced cross-entropy of the pixels that count."""
        assert isinstance(model, _Decoder)
        truth = torch.from_numpy(target.masks(rows).astype(np.int64)).to(target.device)
        return F.cross_entropy(model(target.scenes(rows)), truth, model.balance, ignore_index=IGNORED)


class _Decoder(nn.Module):
    balance: Tensor

    def __init__(self, maps: Maps, width: int, balance: Tensor):
        super().__init__()
        self.maps = maps
        self.register_buffer("balance", balance)
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False) for c in maps.channels)
        self.mix = nn.Sequential(
            nn.GroupNorm(width // GROUP, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(width // GROUP, width),
            nn.ReLU(),
        )
        self.classify = nn.Conv2d(width, len(balance), 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) -> logits (N, classes, H, W)."""
        parts = [layer(m) for layer, m in zip(self.lateral, self.maps(x).values(), strict=True)]
        finest = parts[0].shape[2:]
        total = sum(F.interpolate(p, size=finest, mode="bilinear") for p in parts)
        return F.interpolate(self.classify(self.mix(total)), size=x.shape[2:], mode="bilinear")


def balanced(masks: np.ndarray, classes: int) -> np.ndarray:
    """The weight of each class in masks (N, H, W): the median of all classes' frequencies over its own, a frequency
    being the share of its pixels in the images that have it. 0 for a class that none has."""
    images = masks.reshape(len(masks), -1)
    pixels = np.stack([(images == c).sum(1) for c in range(classes)])
    seen = ((pixels > 0) * (images != IGNORED).sum(1)).sum(1)
    frequency = pixels.sum(1) / np.maximum(seen, 1)
    there = frequency > 0
    weights = np.zeros(classes)
    weights[there] = np.median(frequency[there]) / frequency[there]
    return weights


def overlaps(found: np.ndarray, truth: np.ndarray, classes: int) -> list[float]:
    """Each image's influence on the mean IoU; found and truth (N, H, W). Classes that neither has are left out."""
    confusion = np.zeros((len(truth), classes, classes), np.int64)
    for one, f, t in zip(confusion, found, truth, strict=True):
        counts = t != IGNORED
        np.add.at(one, (t[counts], f[counts]), 1)
    whole = confusion.sum(0)
    return influence(_mean_iou(whole), [_mean_iou(whole - one) for one in confusion])


def _mean_iou(confusion: np.ndarray) -> float:
    """confusion (classes, classes): true class x predicted class -> the mean IoU of the classes that are there."""
    shared = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - shared
    there = union > 0
    return float((shared[there] / union[there]).mean()) if there.any() else 0.0
