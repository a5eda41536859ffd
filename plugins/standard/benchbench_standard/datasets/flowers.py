from collections.abc import Iterator
from pathlib import Path

import scipy.io

from benchbench import Archive
from benchbench_standard.datasets.listed import Listed, ListedImages, by_number

_URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"


class Flowers(ListedImages):
    """VGG Flowers 102 (Nilsback & Zisserman 2008): 102 flowers, 40 to 258 images each, of all its sets. A class is
    ``090.canna lily``, numbered as in ``imagelabels.mat``. Meta-Dataset's split, 71/15/16."""

    name = "flowers"
    folders = ("flowers-102",)
    annotations = ("imagelabels.mat",)
    split_name = "flowers-meta-dataset"
    licence = "none stated"
    citation = "Nilsback & Zisserman 2008, Automated Flower Classification over a Large Number of Classes, ICVGIP"
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    expects = "flowers-102/jpg/image_*.jpg and flowers-102/imagelabels.mat, from 102flowers.tgz and imagelabels.mat"
    archives = (
        Archive(f"{_URL}102flowers.tgz", "md5:52808999861908f626f3c1f4e79d11fa", into="flowers-102"),
        Archive(f"{_URL}imagelabels.mat", "md5:e0620be6f572b9609742df49c70aed4d", into="flowers-102"),
    )

    def listed(self, folder: Path) -> Iterator[Listed]:
        """Image n has label n of the file."""
        names = by_number("flowers-meta-dataset")
        for number, label in enumerate(scipy.io.loadmat(folder / "imagelabels.mat")["labels"][0], 1):
            yield Listed(folder / "jpg" / f"image_{number:05d}.jpg", names[int(label)])
