from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from benchbench import Archive, ClassSplit, SampleTable, read_text
from benchbench_standard.datasets.listed import Listed, ListedImages, published_split


class CUB(ListedImages):
    """CUB-200-2011 (Wah et al. 2011): 200 species of birds, whole images.

    `split`: ``meta-dataset`` (140/30/30) or ``chen`` (100/50/50; Chen et al. 2019, arXiv 1904.04232).
    """

    name = "cub"
    folders = ("CUB_200_2011",)
    annotations = ("images.txt",)
    split_settings = frozenset({"split"})
    licence = "non-commercial research and education only"
    citation = "Wah et al. 2011, The Caltech-UCSD Birds-200-2011 Dataset, CNS-TR-2011-001"
    homepage = "https://www.vision.caltech.edu/datasets/cub_200_2011/"
    expects = "CUB_200_2011/, unpacked from CUB_200_2011.tgz"
    archives = (
        Archive(
            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            "md5:97eceeb196236b17998738112f37df78",
        ),
    )

    def __init__(
        self, *, size: Annotated[int, Field(ge=8)] = 84, split: Literal["meta-dataset", "chen"] = "meta-dataset"
    ):
        super().__init__(size=size)
        self.convention = split

    def listed(self, folder: Path) -> Iterator[Listed]:
        """As ``images.txt`` lists them; the class is the folder, ``001.Black_footed_Albatross``."""
        for line in read_text(folder / "images.txt").splitlines():
            file = line.split()[1]
            yield Listed(folder / "images" / file, file.split("/")[0])

    def split(self, table: SampleTable) -> ClassSplit:
        """The chosen convention."""
        return published_split(f"cub-{self.convention}", table)
