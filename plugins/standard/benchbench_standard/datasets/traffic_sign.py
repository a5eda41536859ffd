from collections.abc import Iterator
from pathlib import Path

from benchbench_standard.datasets.listed import Listed, ListedImages, by_number, class_folders


class TrafficSign(ListedImages):
    """German Traffic Signs (GTSRB, Houben et al. 2013): 43 signs, the 39,209 images of the final training set. A
    target of Meta-Dataset: all classes are for testing. Neighbouring files show one sign; episodes draw at random."""

    name = "traffic-sign"
    folders = ("GTSRB/Final_Training/Images",)
    split_name = "traffic-sign-meta-dataset"
    licence = "none stated"
    citation = "Houben et al. 2013, Detection of Traffic Signs in Real-World Images, IJCNN"
    homepage = "https://benchmark.ini.rub.de/"
    expects = "GTSRB/Final_Training/Images/NNNNN/*.ppm, unpacked from GTSRB_Final_Training_Images.zip"

    def listed(self, folder: Path) -> Iterator[Listed]:
        """Folder NNNNN holds class NN."""
        names = by_number("traffic-sign-meta-dataset")
        for path, number, _ in class_folders(folder):
            yield Listed(path, names[int(number)])
