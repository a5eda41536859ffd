from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable, data_root
from benchbench_standard.datasets.annotated import photograph
from benchbench_standard.datasets.images import opened


class PennFudan(Dataset):
    """Penn-Fudan pedestrians (Wang, Shi, Song & Shen 2007): 170 photographs with 345 pedestrians, boxes and masks from
    the published instance masks, brought to `size` pixels a side. A target for detection and segmentation."""

    licence = "none stated"
    citation = "Wang, Shi, Song & Shen 2007, Object Detection Combining Recognition and Segmentation"
    homepage = "https://www.cis.upenn.edu/~jshi/ped_html/"
    expects = "PennFudanPed/PNGImages/*.png and PennFudanPed/PedMasks/*_mask.png"
    object_names = ("pedestrian",)

    def __init__(self, *, size: Annotated[int, Field(ge=32)] = 224):
        self.size = size

    def sources(self, root: Path | None) -> list[Path]:
        """Images and masks."""
        names = self.items(root)
        return [root / p for name in names for p in (_image(name), _mask(name))] if root else []

    def items(self, root: Path | None) -> Sequence[str]:
        """The names of the photographs."""
        folder = root / "PennFudanPed" / "PNGImages" if root else None
        if folder is None or not folder.is_dir():
            raise DataMissing(f"dataset penn-fudan: expected below BENCHBENCH_DATA {self.expects} ({self.homepage})")
        names = sorted(p.stem for p in folder.glob("*.png"))
        assert root is not None
        for name in names:
            if not (root / _mask(name)).is_file():
                raise BenchbenchError(f"dataset penn-fudan: {_image(name)} has no mask, expected {_mask(name)}")
        if not names:
            raise BenchbenchError(f"dataset penn-fudan: no image in {folder}")
        return names

    def decode(self, item: str) -> Iterable[Sample]:
        """One photograph; each value of its mask above 0 is a pedestrian."""
        root = data_root() or Path()
        with opened(root / _mask(item)) as mask:
            instances = np.asarray(mask)
            boxes = []
            for value in np.unique(instances[instances > 0]):
                ys, xs = np.nonzero(instances == value)
                boxes.append([0, xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            anyone = (instances > 0).astype(np.uint8)
            yield photograph(root / _image(item), self.size, _image(item), np.array(boxes, np.float64), anyone)

    def split(self, table: SampleTable) -> ClassSplit:
        """All photographs are for testing; protocols divide them."""
        return ClassSplit(test=(0,))


def _image(name: str) -> str:
    return f"PennFudanPed/PNGImages/{name}.png"


def _mask(name: str) -> str:
    return f"PennFudanPed/PedMasks/{name}_mask.png"
