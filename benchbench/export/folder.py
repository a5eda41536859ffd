"""Features of a user's images."""

import csv
import io
from pathlib import Path

import numpy as np
import torch

from benchbench.data.found import IMAGE_SUFFIXES, image_files
from benchbench.data.images import pixels, read_picture
from benchbench.errors import BenchbenchError
from benchbench.export.encoder import Encoder
from benchbench.store.files import atomic_write
from benchbench.userfiles import check_file_name


def embed_folder(encoder: Encoder, folder: Path, output: Path) -> int:
    """Write features (N, dim) and the names (N,) of the images below `folder` to an ``.npz`` (arrays ``features`` and
    ``files``) or a ``.csv`` file; returns how many. Raises BenchbenchError if there is no image, or one cannot be
    read."""
    if not folder.is_dir():
        raise BenchbenchError(f"no folder {folder}: expected one that holds images")
    files = image_files(folder)
    if not files:
        raise BenchbenchError(f"{folder} holds no image: expected files that end in {', '.join(IMAGE_SUFFIXES)}")
    for path in files:
        check_file_name(path, "embed")
    features = np.concatenate([encoder.embed(_read(path, encoder)).numpy() for path in files])
    names = [path.relative_to(folder).as_posix() for path in files]
    if output.suffix == ".npz":
        held = io.BytesIO()
        np.savez(held, features=features, files=np.array(names))
        atomic_write(output, held.getvalue())
    else:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["file", *(f"feature {i}" for i in range(features.shape[1]))])
        rows.writerows([name, *map(float, row)] for name, row in zip(names, features, strict=True))
        atomic_write(output, text.getvalue().encode())
    return len(files)


def _read(path: Path, encoder: Encoder) -> torch.Tensor:
    """One image (1, C, H, W) in [0, 1], as datasets read it, at its own size, grey or colour as the encoder expects."""
    x = pixels(read_picture(path, grey=encoder.sample.shape[0] == 1))
    return torch.from_numpy(x[None].astype(np.float32) / 255)
