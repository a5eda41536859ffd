import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from torchvision.datasets import Omniglot as TorchvisionOmniglot
from torchvision.datasets.utils import download_and_extract_archive

from benchbench import ClassSplit, DataMissing, Dataset, Rng, Sample, SampleTable, tasks_folder
from benchbench_standard.datasets.images import image_files, read_image

TURNS = (0, 90, 180, 270)
FOLDERS = ("images_background", "images_evaluation")


class Omniglot(Dataset):
    """Omniglot (Lake, Salakhutdinov & Tenenbaum 2015): 1,623 characters of 50 alphabets, 20 drawers each.

    Four conventions are called *the* Omniglot split, never to be compared with one another:
    ``vinyals``: 1028/172/423 characters, every rotation by a quarter turn a class, at test too (Snell et al. 2017).
    ``finn``: 1100/100/423 characters at random; an episode draws characters and one rotation of each (Finn et al. 2017;
    the official code's shuffle depends on the file system's order, so ours is a fixed one of our own).
    ``reptile``: 1200/423 characters at random, rotations are classes in training only (Nichol et al. 2018).
    ``meta-dataset``: 883/81/659 by alphabet, unrotated (Triantafillou et al. 2020).
    `ink` is the value of a stroke: one as most use it, zero as the files (and Reptile) have it.
    """

    licence = "MIT"
    citation = "Lake, Salakhutdinov & Tenenbaum 2015, Science 350(6266)"
    homepage = "https://github.com/brendenlake/omniglot"

    def __init__(
        self,
        *,
        size: Annotated[int, Field(ge=8)] = 28,
        split: Literal["vinyals", "finn", "reptile", "meta-dataset"] = "vinyals",
        ink: Literal["one", "zero"] = "one",
    ):
        self.size, self.split_name, self.ink = size, split, ink

    def sources(self, root: Path | None) -> list[Path]:
        """The image files of torchvision's folder tree."""
        folders = [root / "omniglot-py" / name for name in FOLDERS] if root else []
        if not folders or not all(f.is_dir() for f in folders):
            raise DataMissing(
                "dataset omniglot: expected torchvision's tree BENCHBENCH_DATA/omniglot-py/images_background and "
                "images_evaluation (ALPHABET/characterNN/*.png); `benchbench data prepare omniglot --download` fetches it"
            )
        return [path for folder in folders for path in image_files(folder)]

    def download(self, root: Path) -> None:
        """Fetch both archives, checked by torchvision's checksums."""
        for name in FOLDERS:
            url = f"{TorchvisionOmniglot.download_url_prefix}/{name}.zip"
            target = str(root / "omniglot-py")
            download_and_extract_archive(url, target, md5=TorchvisionOmniglot.zips_md5[name])

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every drawing, in four rotations unless the split knows none."""
        assert root is not None
        turns = TURNS[:1] if self.split_name == "meta-dataset" else TURNS
        for path in self.sources(root):
            x = read_image(path, self.size, grey=True)
            x = 255 - x if self.ink == "one" else x
            character = f"{path.parent.parent.name}/{path.parent.name}"
            for i, turn in enumerate(turns):
                rotated = np.ascontiguousarray(np.rot90(x, i, (1, 2)))
                yield Sample(rotated, f"{character}/rot{turn:03d}", path.relative_to(root).as_posix())

    def split(self, table: SampleTable) -> ClassSplit:
        """The chosen convention."""
        names = table.class_names
        characters = [name.rsplit("/", 1)[0] for name in names]
        if self.split_name in ("vinyals", "meta-dataset"):
            path = tasks_folder() / "splits" / f"omniglot-{self.split_name}.json"
            content = json.loads(path.read_text("utf-8"))
            level = 2 if self.split_name == "vinyals" else 1
            where = {name: part for part in ("train", "valid", "test") for name in content[part]}
            part_of = [where["/".join(c.split("/")[:level])] for c in characters]
        else:
            unique = sorted(set(characters))
            sizes = (1100, 100, 423) if self.split_name == "finn" else (1200, 0, 423)
            labels = np.repeat(["train", "valid", "test"], sizes)[: len(unique)]
            order = Rng("omniglot", self.split_name).numpy.permutation(len(unique))
            where = {unique[i]: str(labels[place]) for place, i in enumerate(order[: len(labels)])}
            part_of = [where[c] for c in characters]
        chosen: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
        for i, (name, part) in enumerate(zip(names, part_of, strict=True)):
            if self.split_name != "reptile" or part == "train" or name.endswith("rot000"):
                chosen[part].append(i)
        ids = {c: i for i, c in enumerate(sorted(set(characters)))}
        variants = tuple(ids[c] for c in characters) if self.split_name == "finn" else None
        return ClassSplit(**{part: tuple(ids_) for part, ids_ in chosen.items()}, variant_of=variants)
