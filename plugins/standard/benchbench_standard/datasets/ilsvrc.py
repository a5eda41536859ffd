import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchbench import ClassHierarchy, ClassSplit, SampleTable, read_text, tasks_folder
from benchbench_standard.datasets.listed import Listed, ListedImages, class_folders

DUPLICATES = tuple(f"ImageNet_{other}_duplicates.txt" for other in ("Caltech101", "Caltech256", "CUBirds"))


class ILSVRC2012(ListedImages):
    """ImageNet's ILSVRC-2012 training images (Russakovsky et al. 2015): 1,000 classes named by WordNet id, without the
    images that Caltech-101, Caltech-256 and CUB hold too. Meta-Dataset's split, 712/158/130."""

    name = "ilsvrc-2012"
    folders = ("imagenet",)
    annotations = DUPLICATES
    licence = "ImageNet's terms of access: non-commercial research and education"
    citation = "Russakovsky et al. 2015, ImageNet Large Scale Visual Recognition Challenge, IJCV 115(3)"
    homepage = "https://image-net.org/challenges/LSVRC/2012/"
    expects = (
        "imagenet/train/WNID/*.JPEG, unpacked from ILSVRC2012_img_train.tar and the archives in it, and beside train "
        f"the lists {', '.join(DUPLICATES)} of github.com/google-research/meta-dataset, meta_dataset/dataset_conversion"
    )

    def listed(self, folder: Path) -> Iterator[Listed]:
        """Class folders, without the duplicates."""
        skipped = {name for file in DUPLICATES for name in _names(folder / file)}
        return (entry for entry in class_folders(folder / "train") if entry.path.name not in skipped)

    def split(self, table: SampleTable) -> ClassSplit:
        """The leaves of each part's class graph, with the graph itself for Meta-Dataset's sampler."""
        content = json.loads((tasks_folder() / "splits" / "ilsvrc-2012-graph.json").read_text("utf-8"))
        graph = content["graph"]
        leaves = {part: {c for below in nodes.values() for c in below} - set(nodes) for part, nodes in graph.items()}
        split = ClassSplit.by_name(table.class_names, leaves, "split file ilsvrc-2012-graph.json")
        ids = {name: i for i, name in enumerate(table.class_names)}
        return replace(split, hierarchy=ClassHierarchy.of_graph(graph, ids))


def _names(path: Path) -> Iterator[str]:
    """File names of lines like ``n01531178/n01531178_12730.JPEG  # American_Goldfinch_0062_31921.jpg``."""
    for line in read_text(path).splitlines():
        if name := line.split("#")[0].strip():
            yield name.split("/")[-1]
