import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from benchbench import image_files, read_text
from benchbench_standard.datasets.listed import Box, Listed, ListedImages

#: A box is enlarged by this, as in Meta-Dataset.
SCALE = 1.2


class MSCOCO(ListedImages):
    """MSCOCO 2017 (Lin et al. 2014): each annotated object of the training images, cut out with a margin of a tenth on
    every side. Meta-Dataset's split of its 80 classes, 0/40/40: a target, with classes to validate on."""

    name = "mscoco"
    folders = ("coco",)
    annotations = ("annotations/instances_train2017.json",)
    split_name = "mscoco-meta-dataset"
    licence = "annotations CC BY 4.0, images under Flickr's terms"
    citation = "Lin et al. 2014, Microsoft COCO: Common Objects in Context, arXiv 1405.0312"
    homepage = "https://cocodataset.org"
    expects = (
        "coco/train2017/*.jpg and coco/annotations/instances_train2017.json, from train2017.zip and its annotations"
    )

    def sources(self, root: Path | None) -> list[Path]:
        """The annotations and every image of the folder: parsing half a gigabyte of JSON here would be slow."""
        folder = self.folder(root)
        images = image_files(folder / "train2017")
        if not images:
            raise self.missing()
        return [folder / self.annotations[0], *images]

    def listed(self, folder: Path) -> Iterator[Listed]:
        """Every annotation, crowds too, those of an image together."""
        content = json.loads(read_text(folder / self.annotations[0]))
        names = {c["id"]: c["name"] for c in content["categories"]}
        for found in sorted(content["annotations"], key=lambda a: (a["image_id"], a["id"])):
            path = folder / "train2017" / f"{found['image_id']:012d}.jpg"
            yield Listed(path, names[found["category_id"]], tuple(found["bbox"]))

    def crop(self, image: Image.Image, box: Box) -> Image.Image | None:
        """The box (left, upper, width, height), enlarged about its centre and kept within the image. COCO counts a
        pixel's middle as a half, Pillow its corner as a whole."""
        left, upper, width, height = box
        left, upper = left - width * (SCALE - 1) / 2, upper - height * (SCALE - 1) / 2
        edges = (
            max(round(left - 0.5), 0),
            max(round(upper - 0.5), 0),
            min(round(left + SCALE * width - 0.5) + 1, image.width),
            min(round(upper + SCALE * height - 0.5) + 1, image.height),
        )
        return image.crop(edges) if edges[0] < edges[2] and edges[1] < edges[3] else None
