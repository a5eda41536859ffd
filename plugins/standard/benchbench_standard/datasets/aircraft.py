from collections.abc import Iterator
from pathlib import Path

from benchbench import read_text
from benchbench_standard.datasets.listed import Listed, ListedImages, class_name


class Aircraft(ListedImages):
    """FGVC-Aircraft (Maji et al. 2013): 100 variants of aircraft, 100 images each, cut to the bounding box, which also
    removes the copyright border. Meta-Dataset's split, 70/15/15."""

    name = "aircraft"
    folders = ("fgvc-aircraft-2013b/data",)
    annotations = ("images_box.txt", "images_variant_trainval.txt", "images_variant_test.txt")
    split_name = "aircraft-meta-dataset"
    licence = "non-commercial research only"
    citation = "Maji et al. 2013, Fine-Grained Visual Classification of Aircraft, arXiv 1306.5151"
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/"
    expects = "fgvc-aircraft-2013b/, unpacked from fgvc-aircraft-2013b.tar.gz"

    def listed(self, folder: Path) -> Iterator[Listed]:
        """All of its trainval and test images, sorted by variant and name."""
        boxes = {}
        for line in read_text(folder / "images_box.txt").splitlines():
            name, *edges = line.split()
            left, upper, right, lower = map(int, edges)
            boxes[name] = (left, upper, right, lower)
        variants = []
        for part in ("trainval", "test"):
            for line in read_text(folder / f"images_variant_{part}.txt").splitlines():
                name, variant = line.split(" ", 1)
                variants.append((class_name(variant), name))
        for variant, name in sorted(variants):
            yield Listed(folder / "images" / f"{name}.jpg", variant, boxes[name])
