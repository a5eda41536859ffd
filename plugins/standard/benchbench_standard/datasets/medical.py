"""The two medical targets of BSCD-FSL (Guo et al. 2020, arXiv 1912.07200): every class is for testing."""

from collections.abc import Iterator
from pathlib import Path

from benchbench import read_table
from benchbench_standard.datasets.listed import Listed, ListedImages

CHEST_CLASSES = {"Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax"}
_ISIC = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"


class ISIC(ListedImages):
    """ISIC 2018, task 3: 10,015 dermoscopic images of 7 skin lesions."""

    name = "isic"
    folders = ("ISIC",)
    annotations = (_ISIC,)
    licence = "CC BY-NC 4.0"
    citation = "Tschandl et al. 2018, The HAM10000 dataset; Codella et al. 2019, arXiv 1902.03368"
    homepage = "https://challenge.isic-archive.com/data/#2018"
    expects = f"ISIC/ISIC2018_Task3_Training_Input/*.jpg and ISIC/{_ISIC}, from the two archives of those names"

    def listed(self, folder: Path) -> Iterator[Listed]:
        """The class is the column that holds the one."""
        for row in read_table(folder / _ISIC, ["image"]):
            path = folder / "ISIC2018_Task3_Training_Input" / f"{row.pop('image')}.jpg"
            yield Listed(path, max(row, key=lambda name: float(row[name])))


class ChestX(ListedImages):
    """ChestX-ray8 (Wang et al. 2017) as BSCD-FSL uses it: images with exactly one finding, of 7 kinds."""

    name = "chestx"
    folders = ("chestX", "ChestX")
    annotations = ("Data_Entry_2017.csv",)
    grey = True
    licence = "no restrictions, the NIH Clinical Center to be named"
    citation = "Wang et al. 2017, ChestX-ray8, CVPR"
    homepage = "https://nihcc.app.box.com/v/ChestXray-NIHCC"
    expects = "chestX/images/*.png and chestX/Data_Entry_2017.csv"

    def listed(self, folder: Path) -> Iterator[Listed]:
        """As the table has them."""
        for row in read_table(folder / self.annotations[0], ["Image Index", "Finding Labels"]):
            if row["Finding Labels"] in CHEST_CLASSES:
                yield Listed(folder / "images" / row["Image Index"], row["Finding Labels"])
