"""Features of a pretrained encoder on disk, for all trainings that leave it as it came: a target is encoded once."""

import logging
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from benchbench.components.code import component_hash
from benchbench.encoding.sample import SampleSpec
from benchbench.errors import StorageError
from benchbench.keys import content_key
from benchbench.revisions import harness
from benchbench.store.files import Store
from benchbench.training.chain import Training
from benchbench.training.checkpoints import Damaged, read_checkpoint, save_checkpoint

log = logging.getLogger("benchbench.evaluation")


class FeatureFiles:
    """A folder of features. `encoder` says by which encoder, and by what else the bits of a feature are determined."""

    def __init__(self, folder: Path, encoder: str):
        self.folder, self.encoder = folder, encoder

    @classmethod
    def of(cls, store: Store, training: Training, sample: SampleSpec, weights: str, device: str) -> "FeatureFiles":
        """Those of a training's encoder with `weights`, by their digest."""
        machine = [platform.node(), torch.__version__, device, training.recipe["threads"]]
        backbone = [training.content["backbone"], component_hash(training.backbone), weights, repr(sample)]
        return cls(store.features, content_key([backbone, harness(), machine]))

    def features(self, samples: str, make: Callable[[], Tensor]) -> Tensor:
        """The features of some `samples`, by a name that tells them apart; what is not there yet, or is damaged, is
        made, and kept where the disk has room."""
        key = content_key([self.encoder, samples])
        path = self.folder / f"{key[:32]}.safetensors"
        try:
            return read_checkpoint(path, key)[1]["held/features"]
        except (Damaged, KeyError, OSError):
            made = make()
        held = nn.Module()
        held.register_buffer("features", made)
        try:
            save_checkpoint(path, {"held": held}, None, {}, key)
        except StorageError as error:
            log.warning("features are not kept: %s", error)
        return made
