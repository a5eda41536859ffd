from typing import Any

import torch
from torch import Tensor

from benchbench import Division, Rng, Target, Trained
from benchbench_standard.protocols.parts import OnParts
from benchbench_standard.protocols.tuning import Tuning


class Finetune(Tuning, OnParts):
    """The encoder learns on with a fresh head, on all of the fit part or on few images of it (Kornblith et al. 2019,
    arXiv 1805.08974; few: Zhai et al. 2019, arXiv 1910.04867; 1% and 10%: Chen et al. 2020, arXiv 2002.05709).

    Nothing is chosen on the select part: the recipe is the protocol's.
    """

    def __init__(self, *, steps: int | None = None, epochs: int | None = None, **rest: Any):
        super().__init__(steps=200 if steps is None and epochs is None else steps, epochs=epochs, **rest)

    def predict(self, trained: Trained, target: Target, division: Division, rng: Rng) -> Tensor:
        """The most likely class of each test image."""
        fit = division.fit
        y = torch.from_numpy(fit.y).to(trained.device)
        classify = self.tuned(
            trained.encoder_for(target), lambda at: target.samples(fit.rows[at.numpy()]), y, division.classes, rng
        )
        chunks = torch.from_numpy(division.test).split(256)
        return torch.cat([classify(target.samples(rows.numpy())).argmax(1) for rows in chunks])
