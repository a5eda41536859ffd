"""One reader of images: what each kind of file shows, against pixels worked out by hand."""

import io
import warnings
import zlib
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from PIL import Image

from benchbench import BenchbenchError, decode_picture, read_picture

WHITE, BLACK, RED, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)
GREYS = np.array([[0, 1, 128], [200, 254, 255]], np.uint8)


def stored(image: Image.Image, name: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **how)
    return out.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], **chunks: bytes) -> bytes:
    """A PNG written chunk by chunk, as the standard has it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    extra = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + chunk(b"IEND", b"")


def seen(source: object, grey: bool = False) -> np.ndarray:
    return np.asarray(read_picture(source, grey=grey))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_over_their_whole_range(name: str) -> None:
    data = stored(Image.fromarray(GREYS.astype(np.uint16) * 257), name)
    assert np.array_equal(seen(data, grey=True), GREYS)
    assert np.array_equal(seen(data), np.stack([GREYS] * 3, 2))


def test_sixteen_bits_in_the_other_byte_order_and_in_a_pgm() -> None:
    wide = GREYS.astype(np.uint16) * 257
    motorola = b"MM" + pack(">HIH", 42, 8, 9)
    fields = [(256, 4, 3), (257, 4, 2), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 122), (277, 3, 1),
              (278, 4, 2), (279, 4, 12)]  # fmt: skip
    for tag, kind, value in fields:
        motorola += pack(">HHI", tag, kind, 1) + (pack(">HH", value, 0) if kind == 3 else pack(">I", value))
    motorola += pack(">I", 0) + wide.astype(">u2").tobytes()
    assert np.array_equal(seen(motorola, grey=True), GREYS)
    assert np.array_equal(seen(b"P5 3 2 65535\n" + wide.astype(">u2").tobytes(), grey=True), GREYS)


def test_sixteen_bits_with_a_transparent_grey() -> None:
    rows = [np.array([0, 40000, 65535], ">u2").tobytes()]
    # Visible are 156 and 255, whose mean is light: the ground is black.
    assert seen(png(3, 1, 16, 0, rows, tRNS=pack(">H", 65535)), grey=True).tolist() == [[0, 156, 255]]


def test_floats_of_the_unit_range() -> None:
    data = stored(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF")
    assert seen(data, grey=True).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (Image.fromarray(np.array([[0, 255]], np.float32)), r"floats from 0 to 255: expected \[0, 1\]"),
        (Image.fromarray(np.array([[-0.1, 1]], np.float32)), "floats from -0.1 to 1"),
        (Image.fromarray(np.array([[np.nan, 1]], np.float32)), "floats from nan"),
        (Image.fromarray(np.array([[7, 70000]], np.int32)), "integers of 32 bits"),
        (Image.new("RGBA", (2, 2), (9, 9, 9, 0)), "transparent throughout"),
    ],
    ids=["bytes as floats", "negative", "not a number", "32 bits", "invisible"],
)
def test_what_has_no_one_meaning_is_refused_by_name(tmp_path: Path, image: Image.Image, why: str) -> None:
    path = tmp_path / "odd.tif"
    image.save(path)
    with pytest.raises(BenchbenchError, match=rf"^image file .*odd\.tif cannot be read: .*{why}"):
        read_picture(path)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_as_its_camera_says(name: str, orientation: int) -> None:
    """Four colours, one a corner, where EXIF's standard puts row 0 and column 0 of each orientation (6: on the right
    and at the top)."""
    corners = {1: "abcd", 2: "badc", 3: "dcba", 4: "cdab", 5: "acbd", 6: "cadb", 7: "dbca", 8: "bdac"}[orientation]
    shades = dict(zip("abcd", (20, 90, 160, 230), strict=True))
    x = np.kron(np.array([[20, 90], [160, 230]], np.uint8), np.ones((16, 24), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = stored(Image.fromarray(x), name, exif=exif)
    found = seen(data, grey=True)
    assert found.shape == ((32, 48) if orientation < 5 else (48, 32))
    height, width = found.shape
    at = [found[i, j] for i in (height // 4, 3 * height // 4) for j in (width // 4, 3 * width // 4)]
    assert np.abs(np.array(at, int) - [shades[c] for c in corners]).max() <= 6
    if name != "TIFF":  # Pillow itself turns these
        as_stored = np.asarray(read_picture(data, grey=True, upright=False))
        assert as_stored.shape == x.shape


def test_a_damaged_exif_block_does_not_refuse_a_picture() -> None:
    data = stored(Image.new("RGB", (8, 8), RED), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    with warnings.catch_warnings(record=True) as said:
        assert seen(data).shape == (8, 8, 3)
    assert not said


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB", "1"])
def test_a_black_icon_stands_on_white_and_a_white_one_on_black(mode: str) -> None:
    """The left pixel is the icon, the right one is clear, whatever is stored beneath it."""
    for ink, ground in ((0, 255), (255, 0)):
        if mode == "P":
            image = Image.new("P", (2, 1))
            image.putpalette([ink] * 3 + [ink] * 3)
            image.putpixel((1, 0), 1)
            data = stored(image, "PNG", transparency=1)
        elif mode == "PA":
            image = Image.new("PA", (2, 1))
            image.putpalette([ink] * 3)
            image.putdata([(0, 255), (0, 0)])
            assert seen(image).tolist() == [[[ink] * 3, [ground] * 3]]
            continue
        elif mode in ("L", "RGB", "1"):
            image = Image.new("L", (2, 1), ink)
            image.putpixel((1, 0), 255 - ink)
            data = stored(image.convert(mode), "PNG", transparency=(255 - ink,) * 3 if mode == "RGB" else 255 - ink)
        else:
            image = Image.new(mode, (2, 1))
            inks = (ink,) * (len(mode) - 1)
            image.putdata([(*inks, 255), (*inks, 0)])
            data = stored(image, "PNG")
        assert seen(data).tolist() == [[[ink] * 3, [ground] * 3]], (mode, ink)
        assert seen(data, grey=True).tolist() == [[ink, ground]]


def test_half_transparency_is_mixed_with_the_ground() -> None:
    image = Image.new("RGBA", (1, 1), (255, 0, 0, 51))
    assert seen(image).tolist() == [[[255, 204, 204]]]


def test_premultiplied_alpha() -> None:
    assert seen(Image.new("RGBa", (1, 1), (51, 0, 0, 51))).tolist() == [[[255, 204, 204]]]
    assert seen(Image.new("La", (1, 1), (0, 51))).tolist() == [[[204] * 3]]


def test_other_colour_models() -> None:
    assert seen(Image.new("CMYK", (1, 1), (0, 255, 255, 0))).tolist() == [[list(RED)]]
    assert seen(stored(Image.new("CMYK", (1, 1), (255, 255, 0, 0)), "TIFF")).tolist() == [[list(BLUE)]]
    assert np.abs(seen(stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")).astype(int) - RED).max() <= 2
    # L* = 50.2 is a linear 0.186, which sRGB codes as 120.
    lab = stored(Image.new("LAB", (1, 1), (128, 128, 128)), "TIFF")
    assert abs(int(seen(lab, grey=True)[0, 0]) - 120) <= 2
    for mode in ("CMYK", "YCbCr", "HSV"):
        assert abs(int(seen(Image.new("RGB", (1, 1), (10, 200, 90)).convert(mode), grey=True)[0, 0]) - 131) <= 2
    assert seen(Image.new("1", (1, 1), 1), grey=True).tolist() == [[255]]
    assert seen(png(2, 1, 16, 2, [np.array([65535, 0, 0, 0, 0, 65535], ">u2").tobytes()])).tolist() == [
        [list(RED), list(BLUE)]
    ]


@pytest.mark.parametrize("name", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_of_several_frames_is_read(name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    how = {"lossless": True} if name == "WEBP" else {}
    data = stored(frames[0], name, save_all=True, append_images=frames[1:], **how)
    assert seen(data)[0, 0].tolist() == list(RED)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "RGBA"])
@pytest.mark.parametrize("grey", [False, True])
def test_plain_images_have_the_pixels_that_pillow_gives_them(mode: str, grey: bool) -> None:
    """What most files are was read right before there was a reader of our own, and keeps its pixels."""
    x = np.random.RandomState(0).randint(0, 256, (9, 7, 3)).astype(np.uint8)
    data = stored(Image.fromarray(x).convert(mode), "PNG")
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(seen(data, grey), np.asarray(image.convert("L" if grey else "RGB")))


def test_sources_and_their_names(tmp_path: Path) -> None:
    Image.fromarray(GREYS).save(tmp_path / "a.png")
    for source in (tmp_path / "a.png", (tmp_path / "a.png").read_bytes(), Image.fromarray(GREYS)):
        assert np.array_equal(seen(source, grey=True), GREYS)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    for source, where, named in (
        (tmp_path / "b.png", "", r"image file .*b\.png"),
        (tmp_path / "none.png", "", r"image file .*none\.png"),
        (b"no image", "", "image"),
        (b"no image", "row 3", "row 3"),
    ):
        with pytest.raises(BenchbenchError, match=f"^{named} cannot be read: [^\n]+$"):
            read_picture(source, where=where)


def test_records_are_read_as_files_are() -> None:
    wide = stored(Image.fromarray(np.full((8, 8), 257 * 77, np.uint16)), "PNG")
    assert decode_picture(wide, 8, True, "record").tolist() == np.full((1, 8, 8), 77).tolist()
