"""Where the packaged tasks are: matrices, splits and protocols, as data."""

from pathlib import Path


def tasks_folder() -> Path:
    """The packaged ``tasks`` folder: inside an installed package, else beside it in a checkout."""
    package = Path(__file__).parent
    packaged = package / "_tasks"
    return packaged if packaged.is_dir() else package.parent / "tasks"
