import json
from collections.abc import Iterator
from pathlib import Path

from benchbench import read_text
from benchbench_standard.datasets.listed import Listed, ListedImages, class_name


class Fungi(ListedImages):
    """FGVCx Fungi 2018: 1,394 species, 6 to 442 images each, of its training and validation sets together. Some
    species share a name, so a class is ``0226.Cortinarius malicorius``. Meta-Dataset's split, 994/200/200."""

    name = "fungi"
    folders = ("fungi",)
    annotations = ("train.json", "val.json")
    split_name = "fungi-meta-dataset"
    licence = "none stated"
    citation = "Schroeder & Cui 2018, FGVCx Fungi Classification Challenge"
    homepage = "https://github.com/visipedia/fgvcx_fungi_comp"
    expects = (
        "fungi/train.json, fungi/val.json and fungi/images/, from train_val_annotations.tgz and fungi_train_val.tgz"
    )

    def listed(self, folder: Path) -> Iterator[Listed]:
        """As the two annotation files list them."""
        for name in self.annotations:
            content = json.loads(read_text(folder / name))
            classes = {c["id"]: class_name(f"{c['id']:04d}.{c['name']}") for c in content["categories"]}
            labels = {a["image_id"]: classes[a["category_id"]] for a in content["annotations"]}
            for image in content["images"]:
                yield Listed(folder / image["file_name"], labels[image["id"]])
