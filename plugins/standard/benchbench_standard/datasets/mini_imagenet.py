from collections.abc import Iterator
from pathlib import Path

from benchbench import read_table
from benchbench_standard.datasets.listed import Listed, ListedImages

#: As Ravi & Larochelle call the columns, and as easyfsl does.
COLUMNS = (("filename", "image_name"), ("label", "class_name"))


class MiniImageNet(ListedImages):
    """miniImageNet (Vinyals et al. 2016): 100 classes of ImageNet, 600 images each, with the images and the 64/16/20
    split of Ravi & Larochelle (2017)."""

    name = "mini-imagenet"
    folders = ("mini-imagenet", "miniImagenet")
    annotations = ("train.csv", "val.csv", "test.csv")
    split_name = "mini-imagenet"
    licence = "ImageNet's terms of access: non-commercial research and education"
    citation = "Vinyals et al. 2016, arXiv 1606.04080; split of Ravi & Larochelle 2017, ICLR"
    homepage = "https://github.com/twitter-research/meta-learning-lstm"
    expects = (
        "mini-imagenet/images/*.jpg and mini-imagenet/{train,val,test}.csv of Ravi & Larochelle; the lists are in "
        "https://github.com/twitter-research/meta-learning-lstm, the images in ImageNet's training set, which "
        "https://image-net.org gives to researchers who register"
    )

    def listed(self, folder: Path) -> Iterator[Listed]:
        """As the three lists have them."""
        for name in self.annotations:
            for row in read_table(folder / name, COLUMNS):
                yield Listed(folder / "images" / row["filename"], row["label"])
