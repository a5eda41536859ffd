"""Images: pixels of any size and colour."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench import IMAGE_SUFFIXES, BenchbenchError, Modality, SampleSpec, image_files, pixels, read_picture


class Image(Modality):
    """Bytes (C, H, W) with one or three channels, in [0, 1] as an encoder takes them. Source: own."""

    floors = ({"backbone": "pixels", "meta": "nearest-neighbour"},)
    #: Odd sizes on purpose: one channel, three channels, not square.
    shapes: ClassVar[tuple[tuple[int, ...], ...]] = ((1, 16, 16), (3, 16, 16), (3, 17, 22))

    def misshapen(self, shape: tuple[int, ...]) -> str:
        """Anything but three axes is."""
        return "" if len(shape) == 3 else "(C, H, W)"

    def fit(self, x: Tensor, held: SampleSpec, wanted: SampleSpec) -> Tensor:
        """Images (N, C, H, W) resized bilinearly with antialiasing; grey ones are repeated over the channels, colour
        ones averaged to one."""
        channels, *size = wanted.shape
        if x.shape[1] != channels:
            x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
        if list(x.shape[2:]) != size:
            x = F.interpolate(x, size=size, mode="bilinear", antialias=True).clamp(0, 1)
        return x

    def shown(self, x: np.ndarray, sample: SampleSpec) -> np.ndarray:
        """The picture itself."""
        return x

    def examples(self, sample: SampleSpec, count: int, generator: torch.Generator) -> Tensor:
        """Noise in [0, 1]."""
        return torch.rand(count, *sample.shape, generator=generator)

    def specimens(self) -> tuple[SampleSpec, ...]:
        """Small images of odd sizes."""
        return tuple(SampleSpec("image", shape) for shape in self.shapes)

    def found(self, path: Path, sample: SampleSpec) -> tuple[list[str], list[Tensor]]:
        """Every image below a folder, as datasets read it, at its own size."""
        if not path.is_dir():
            raise BenchbenchError(f"no folder {path}: expected one that holds images")
        files = image_files(path)
        if not files:
            raise BenchbenchError(f"{path} holds no image: expected files that end in {', '.join(IMAGE_SUFFIXES)}")
        grey = sample.shape[0] == 1
        held = (pixels(read_picture(file, grey=grey))[None].astype(np.float32) / 255 for file in files)
        fitted = [self.fit(torch.from_numpy(x), sample, sample) for x in held]
        return [file.relative_to(path).as_posix() for file in files], fitted
