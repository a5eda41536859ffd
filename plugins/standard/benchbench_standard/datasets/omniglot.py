import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from torchvision.datasets import Omniglot as TorchvisionOmniglot

from benchbench import (
    Archive,
    BenchbenchError,
    ClassHierarchy,
    ClassSplit,
    ComponentRef,
    DataMissing,
    Dataset,
    Rng,
    Sample,
    SampleTable,
    image_files,
    tasks_folder,
)
from benchbench_standard.datasets.images import read_image

FOLDERS = ("images_background", "images_evaluation")
#: Characters of each part in the conventions that are a shuffle.
SHUFFLED = {"finn": {"train": 1100, "valid": 100, "test": 423}, "reptile": {"train": 1200, "test": 423}}
CHARACTERS = 1623


class Omniglot(Dataset):
    """Omniglot (Lake, Salakhutdinov & Tenenbaum 2015): 1,623 characters of 50 alphabets, 20 drawers each.

    Four conventions are called *the* Omniglot split, never to be compared with one another:
    ``vinyals``: 1028/172/423 characters, every rotation by a quarter turn a class, at test too (Snell et al. 2017).
    ``finn``: 1100/100/423 characters at random; an episode draws characters and one rotation of each (Finn et al. 2017;
    the official code's shuffle depends on the file system's order, so ours is a fixed one of our own).
    ``reptile``: 1200/423 characters at random, rotations are classes in training only (Nichol et al. 2018).
    ``meta-dataset``: 883/81/659 by alphabet, unrotated (Triantafillou et al. 2020).
    `ink` is the value of a stroke: one as most use it, zero as the files (and Reptile) have it;
    drawings are resized to `size` pixels a side.
    """

    split_settings = frozenset({"split"})
    licence = "MIT"
    citation = "Lake, Salakhutdinov & Tenenbaum 2015, Science 350(6266)"
    homepage = "https://github.com/brendenlake/omniglot"
    expects = "omniglot-py/images_background and omniglot-py/images_evaluation, torchvision's tree"
    archives = tuple(
        Archive(f"{TorchvisionOmniglot.download_url_prefix}/{name}.zip", f"md5:{md5}", into="omniglot-py")
        for name, md5 in TorchvisionOmniglot.zips_md5.items()
    )

    def __init__(
        self,
        *,
        size: Annotated[int, Field(ge=8)] = 28,
        split: Literal["vinyals", "finn", "reptile", "meta-dataset"] = "vinyals",
        ink: Literal["one", "zero"] = "one",
    ):
        self.size, self.convention, self.ink = size, split, ink

    def sources(self, root: Path | None) -> list[Path]:
        """The image files of torchvision's folder tree."""
        found = [image_files(root / "omniglot-py" / name) for name in FOLDERS] if root else []
        if not found or not all(found):
            raise DataMissing(
                "dataset omniglot: expected torchvision's tree BENCHBENCH_DATA/omniglot-py/images_background and "
                "images_evaluation (ALPHABET/characterNN/*.png); `benchbench data prepare omniglot --download` fetches "
                "it"
            )
        return [path for files in found for path in files]

    def items(self, root: Path | None) -> Sequence[tuple[Path, str]]:
        """Every drawing, and its name below the data folder."""
        files = self.sources(root)
        assert root is not None
        return [(path, path.relative_to(root).as_posix()) for path in files]

    def decode(self, item: tuple[Path, str]) -> Iterator[Sample]:
        """The drawing: as it is in ``meta-dataset``, else in four rotations, each a class of its own."""
        path, file = item
        x = read_image(path, self.size, grey=True)
        x = 255 - x if self.ink == "one" else x
        character = f"{path.parent.parent.name}/{path.parent.name}"
        if self.convention == "meta-dataset":
            yield Sample(x, character, file)
            return
        for turns in range(4):
            yield Sample(np.rot90(x, turns, (1, 2)), f"{character}/rot{90 * turns:03d}", file)

    def table_of(self, ref: ComponentRef) -> ComponentRef:
        """The other conventions share one, ``meta-dataset`` has its own, unrotated."""
        return ref if self.convention == "meta-dataset" else super().table_of(ref)

    def split(self, table: SampleTable) -> ClassSplit:
        """The chosen convention."""
        names = table.class_names
        if self.convention == "meta-dataset":
            parts = self._by_alphabet(names)
            split = ClassSplit.by_name(names, parts, "split omniglot-meta-dataset")
            return replace(split, hierarchy=ClassHierarchy.of_levels(parts, names))
        characters = sorted({name.rsplit("/", 1)[0] for name in names})
        if len(characters) != CHARACTERS:
            raise BenchbenchError(
                f"dataset omniglot: expected {CHARACTERS} characters below omniglot-py, found {len(characters)}"
            )
        parts = _published("vinyals") if self.convention == "vinyals" else self._shuffled(characters)
        rotated = {
            part: [f"{c}/rot{turn:03d}" for c in chosen for turn in self._turns(part)] for part, chosen in parts.items()
        }
        split = ClassSplit.by_name(names, rotated, f"split omniglot-{self.convention}")
        if self.convention != "finn":
            return split
        ids = {c: i for i, c in enumerate(characters)}
        variant_of = tuple(ids[name.rsplit("/", 1)[0]] for name in names)
        return ClassSplit(split.train, split.valid, split.test, variant_of)

    def _turns(self, part: str) -> range:
        return range(0, 90 if self.convention == "reptile" and part == "test" else 360, 90)

    def _shuffled(self, characters: list[str]) -> Mapping[str, list[str]]:
        order = iter(Rng("omniglot", self.convention).numpy.permutation(len(characters)))
        return {part: [characters[next(order)] for _ in range(n)] for part, n in SHUFFLED[self.convention].items()}

    def _by_alphabet(self, names: tuple[str, ...]) -> Mapping[str, list[str]]:
        of_alphabet: dict[str, list[str]] = {}
        for name in names:
            of_alphabet.setdefault(name.split("/")[0], []).append(name)
        alphabets = _published("meta-dataset")
        missing = {a for listed in alphabets.values() for a in listed}.symmetric_difference(of_alphabet)
        if missing:
            raise BenchbenchError(
                f"dataset omniglot: expected its 50 alphabets, different are: {', '.join(sorted(missing))}"
            )
        return {part: [n for a in listed for n in of_alphabet[a]] for part, listed in alphabets.items()}


def _published(convention: str) -> Mapping[str, list[str]]:
    """The lists of a convention in ``tasks/splits``: characters (vinyals) or alphabets (meta-dataset)."""
    content = json.loads((tasks_folder() / "splits" / f"omniglot-{convention}.json").read_text("utf-8"))
    return {part: content[part] for part in ("train", "valid", "test")}
