"""Features of a user's images."""

import csv
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from benchbench.errors import BenchbenchError
from benchbench.export.encoder import Encoder
from benchbench.store.files import atomic_write

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm"}


def embed_folder(encoder: Encoder, folder: Path, output: Path) -> int:
    """Write features (N, dim) and the names (N,) of the images below `folder` to an ``.npz`` (arrays ``features`` and
    ``files``) or a ``.csv`` file; returns how many. Raises BenchbenchError if there is no image, or one cannot be
    read."""
    if not folder.is_dir():
        raise BenchbenchError(f"no folder {folder}: expected one that holds images")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not _hidden(p, folder))
    if not files:
        raise BenchbenchError(f"{folder} holds no image: expected files that end in {', '.join(sorted(SUFFIXES))}")
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


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _read(path: Path, encoder: Encoder) -> torch.Tensor:
    """One image (1, C, H, W) in [0, 1], upright and at its own size, grey or colour as the encoder expects, without
    transparency."""
    try:
        with Image.open(path) as image:
            upright = _eight_bits(ImageOps.exif_transpose(image))
            x = np.asarray(upright.convert("L" if encoder.sample.shape[0] == 1 else "RGB"), np.float32) / 255
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BenchbenchError(f"image file {path} cannot be read: {error}") from None
    return torch.from_numpy(x[None, None] if x.ndim == 2 else np.ascontiguousarray(x.transpose(2, 0, 1))[None])


def _eight_bits(image: Image.Image) -> Image.Image:
    """A 16-bit grey image scaled to 8 bits, which Pillow's own conversion would clip; 8-bit images are returned as they
    are. Raises ValueError for more bits."""
    if not image.mode.startswith(("I", "F")):
        return image
    if not image.mode.startswith("I;16"):
        raise ValueError(f"its pixels are of Pillow's mode {image.mode}, expected 8 or 16 bits each")
    return Image.fromarray(np.round(np.asarray(image, np.float64) / 257).astype(np.uint8))
