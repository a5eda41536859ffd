"""Datasets that are published as a tree of class folders."""

from collections.abc import Iterable
from pathlib import Path

from benchbench import Archive
from benchbench_standard.datasets.listed import Listed, ListedImages, class_folders


class ClassFolders(ListedImages):
    """A folder a class."""

    def listed(self, folder: Path) -> Iterable[Listed]:
        """Classes and files in the order of their names."""
        return class_folders(folder)


class DTD(ClassFolders):
    """Describable Textures (Cimpoi et al. 2014): 47 textures, 120 images each. Meta-Dataset's split, 33/7/7."""

    name = "dtd"
    folders = ("dtd/dtd/images", "dtd/images")
    split_name = "dtd-meta-dataset"
    licence = "research purposes only"
    citation = "Cimpoi et al. 2014, Describing Textures in the Wild, CVPR"
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/dtd/"
    expects = "dtd/images/CLASS/*.jpg, unpacked from dtd-r1.0.1.tar.gz"
    archives = (
        Archive(
            "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
            "md5:fff73e5086ae6bdbea199a49dfb8a4c1",
        ),
    )


class CropDisease(ClassFolders):
    """CropDisease of BSCD-FSL (Guo et al. 2020): 38 plants and diseases of PlantVillage, the training folder. A
    target: all classes are for testing."""

    name = "crop-disease"
    folders = ("CropDisease/dataset/train", "plant-disease/dataset/train")
    licence = "see the homepage"
    citation = "Mohanty et al. 2016, Using Deep Learning for Image-Based Plant Disease Detection"
    homepage = "https://www.kaggle.com/saroz014/plant-disease/"
    expects = "CropDisease/dataset/train/CLASS/*.jpg, unpacked from Kaggle's saroz014/plant-disease"


class EuroSAT(ClassFolders):
    """EuroSAT (Helber et al. 2019), RGB: 10 kinds of land use, 27,000 satellite images of 64 pixels. A target of
    BSCD-FSL: all classes are for testing."""

    name = "eurosat"
    folders = ("eurosat/2750", "EuroSAT/2750")
    licence = "MIT"
    citation = "Helber et al. 2019, EuroSAT, IEEE JSTARS 12(7)"
    homepage = "https://github.com/phelber/EuroSAT"
    expects = "eurosat/2750/CLASS/*.jpg, unpacked from EuroSAT.zip"
    archives = (
        Archive(
            "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
            "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
            "md5:c8fa014336c82ac7804f0398fcb19387",
            into="eurosat",
        ),
    )
