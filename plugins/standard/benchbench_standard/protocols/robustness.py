from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from benchbench import Protocol, Rng, Scores, Target, Trained, class_means, similarity

Corruption = Literal["noise", "blur", "contrast"]
Severity = Annotated[int, Field(ge=1, le=5)]
CORRUPTIONS: list[Corruption] = ["noise", "blur", "contrast"]
SEVERITIES = [1, 3, 5]
#: By severity, as CIFAR-10-C has them: deviation of the noise, sigma of the blur in pixels, contrast that stays.
LEVELS: dict[str, tuple[float, ...]] = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
}


class Robustness(Protocol):
    """Accuracy under shift: class means of clean features classify corrupted test images by cosine (corruptions of
    Hendrycks & Dietterich 2019, arXiv 1903.12261, for small images).

    ``accuracy`` counts for each test image in how many of all corruptions and severities its class is found; beside it
    stands each corruption by itself, and ``clean``. A corruption of an image is the same for every encoder.
    """

    modalities = frozenset({"image"})
    metrics = {"accuracy": "higher", "clean": "higher", **dict.fromkeys(LEVELS, "higher")}

    def __init__(
        self,
        *,
        corruptions: Annotated[list[Corruption], Field(min_length=1)] = CORRUPTIONS,
        severities: Annotated[list[Severity], Field(min_length=1)] = SEVERITIES,
    ):
        self.corruptions, self.severities = corruptions, severities

    def check(self, target: Target) -> None:
        """The target needs enough images a class."""
        target.check_parts()

    def evaluate(self, trained: Trained, target: Target, rng: Rng) -> dict[str, Scores]:
        """Correct corrupted versions of each test image."""
        division = target.division()
        y = torch.from_numpy(division.fit.y).to(trained.device)
        means = class_means(trained.features(target, division.fit.rows)[None], y[None], division.classes)

        def hits(features: Tensor) -> np.ndarray:
            nearest = similarity(features[None], means, "cosine")[0].argmax(1)
            return np.array(target.score_images(division.test, nearest))

        found: dict[str, Any] = {"clean": hits(trained.features(target, division.test))}
        for corruption in self.corruptions:
            found[corruption] = sum(hits(self._features(trained, target, corruption, s)) for s in self.severities)
        scores = {
            name: Scores(counts.tolist(), 1 if name == "clean" else len(self.severities), "image")
            for name, counts in found.items()
        }
        total = sum(found[corruption] for corruption in self.corruptions)
        return {"accuracy": Scores(total.tolist(), len(self.corruptions) * len(self.severities), "image"), **scores}

    @torch.no_grad()
    def _features(self, trained: Trained, target: Target, corruption: str, severity: int) -> Tensor:
        encoder, draws = trained.encoder_for(target), Rng("corruption", target.place, corruption, severity)
        chunks = torch.from_numpy(target.division().test).split(256)
        return torch.cat([encoder(corrupted(target.samples(r.numpy()), corruption, severity, draws)) for r in chunks])


def corrupted(x: Tensor, corruption: str, severity: int, draws: Rng) -> Tensor:
    """Images (N, C, H, W) in [0, 1] under a corruption at a severity of 1 to 5."""
    level = LEVELS[corruption][severity - 1]
    if corruption == "noise":
        return (x + level * torch.randn(x.shape, generator=draws.cpu, dtype=x.dtype).to(x.device)).clamp(0, 1)
    if corruption == "blur":
        padded = F.pad(x, (4, 4, 4, 4), mode="replicate")
        return gaussian_blur(padded, [9, 9], [level, level])[..., 4:-4, 4:-4]
    mean = x.mean((2, 3), keepdim=True)
    return (mean + level * (x - mean)).clamp(0, 1)
