"""The one reader of images: files, encoded bytes and opened images as plain pictures."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchbench.errors import BenchbenchError

#: What Pillow raises for bytes that are no image it can read, and `read_picture` for pixels without one meaning.
UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError, NotImplementedError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
#: Raised when some file's pixels change: tables that an older reader made are then made anew.
REVISION = 2
#: A visible part whose mean grey is lighter than this stands on black.
LIGHT = 191
#: Modes that Pillow does not convert to every other one, and what they are converted to first.
_FIRST = {"LAB": "RGB", "La": "LA"}
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(
    source: Path | bytes | Image.Image, *, grey: bool = False, where: str = "", upright: bool = True
) -> Image.Image:
    """An image as people see it, at its own size, in Pillow's mode RGB, or L if `grey`.

    `source` is a file, its bytes, or an image that is already open; of several frames the first is read. It is turned
    as its EXIF block says, unless `upright` is false: annotated boxes and masks are in pixels as the file has them.
    16 bits are scaled to 8 over their whole range, and floats from [0, 1]. Transparency is laid on white, or on black
    if what is visible is itself light (its mean grey is above 191 of 255), so that no icon vanishes.

    Raises BenchbenchError, which begins with `where` (else names the file), if it cannot be read or its pixels have no
    one meaning: integers of 32 bits, floats beyond [0, 1], a picture that is transparent throughout.
    """
    try:
        if isinstance(source, Image.Image):
            return _plain(source, grey, upright)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return _plain(image, grey, upright)
    except UNREADABLE as error:
        named = where or (f"image file {source}" if isinstance(source, Path) else "image")
        why = " ".join(str(error).split()) or type(error).__name__
        raise BenchbenchError(f"{named} cannot be read: {why}") from None


def pixels(picture: Image.Image, size: int | None = None) -> np.ndarray:
    """A picture as uint8 (C, H, W), in `size` x `size` pixels if given; Pillow's resizing widens its kernel where it
    shrinks, so nothing aliases."""
    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    x = np.asarray(picture)
    return x[None] if x.ndim == 2 else np.ascontiguousarray(x.transpose(2, 0, 1))


def _plain(image: Image.Image, grey: bool, upright: bool) -> Image.Image:
    image.load()
    turn = _turn(image) if upright else None
    bright = _eight_bits(image)
    if bright.mode in _FIRST:
        bright = bright.convert(_FIRST[bright.mode])
    if bright.has_transparency_data:
        bright = _opaque(bright.convert("RGBA"))
    plain = bright.convert("L" if grey else "RGB")
    return plain if turn is None else plain.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How to turn an image upright. A damaged EXIF block says nothing of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
        except UNREADABLE:
            return None


def _eight_bits(image: Image.Image) -> Image.Image:
    """`image` with 8 bits for a value; Pillow's own conversion clips instead of scaling. Raises ValueError for values
    that have no one meaning."""
    if not image.mode.startswith(("I", "F")):
        return image
    x = np.asarray(image)
    if image.mode == "F":
        return Image.fromarray(_unit(x))
    # Pillow keeps 16 bits of these formats in 32, spread over 0 to 65535.
    if not image.mode.startswith("I;16") and image.format not in ("PNG", "PPM"):
        raise ValueError("its pixels are integers of 32 bits, whose range is unknown: expected 8 or 16 bits")
    plain = Image.fromarray(np.round(x / 257).astype(np.uint8))
    if (clear := image.info.get("transparency")) is not None:
        plain.putalpha(Image.fromarray(np.where(x == clear, 0, 255).astype(np.uint8)))
    return plain


def _unit(x: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] -> bytes. Raises ValueError for others: whether 255, 65535 or something else is white is not
    said anywhere."""
    low, high = float(x.min()), float(x.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"its pixels are floats from {low:g} to {high:g}: expected [0, 1]")
    return np.round(x * 255).astype(np.uint8)


def _opaque(image: Image.Image) -> Image.Image:
    """An RGBA image on a background that it can be seen on. Raises ValueError if nothing of it is visible."""
    alpha = np.asarray(image.getchannel("A"), np.float64)
    if not alpha.any():
        raise ValueError("it is transparent throughout")
    shade = np.average(np.asarray(image.convert("L")), weights=alpha)
    ground = Image.new("RGBA", image.size, "black" if shade > LIGHT else "white")
    return Image.alpha_composite(ground, image)
