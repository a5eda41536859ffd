"""The only message in Meta-Dataset's records: a tf.Example with an encoded `image` and an int64 `label`.

On the wire, protocol buffers are pairs of a tag (field number, wire type) and a value:
https://protobuf.dev/programming-guides/encoding. The messages are nested as Example.features = 1, Features.feature = 1
(a map: key = 1, value = 2), Feature.bytes_list = 1 or int64_list = 3, and the lists' value = 1
(tensorflow/core/example/{example,feature}.proto).
"""

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Example:
    """One image file's bytes (JPEG or PNG) and its class."""

    image: bytes
    label: int


def encode_example(example: Example) -> bytes:
    """The serialised message, with its features in order of name."""
    image = _field(1, _field(1, example.image))
    # Lists of numbers are packed: a single bytes value holds them all.
    label = _field(3, _field(1, _varint(example.label)))
    entries = (
        _field(1, _field(1, name) + _field(2, feature)) for name, feature in ((b"image", image), (b"label", label))
    )
    return _field(1, b"".join(entries))


def decode_example(message: bytes) -> Example:
    """The message's image and label; other features are skipped. Raises ValueError if either is missing or the bytes
    are not such a message."""
    features: dict[bytes, bytes] = {}
    for feature_map in _values(message, 1):
        for entry in _values(feature_map, 1):
            features[_only(entry, 1)] = _only(entry, 2)
    if missing := {b"image", b"label"} - set(features):
        raise ValueError(f"it has no feature {min(missing).decode()!r}")
    return Example(_only(_only(features[b"image"], 1), 1), _number(_only(features[b"label"], 3)))


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    # Negative int64 values are written in two's complement.
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("it ends within a number")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a message: int for a varint, bytes for everything else."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire == BYTES:
            length, at = _read_varint(data, at)
        elif wire in (FIXED64, FIXED32):
            length = 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"it has a field of the unknown wire type {wire}")
        if at + length > len(data):
            raise ValueError("it ends within a field")
        yield number, data[at : at + length]
        at += length


def _values(data: bytes, number: int) -> Iterator[bytes]:
    return (v for n, v in _fields(data) if n == number and isinstance(v, bytes))


def _only(data: bytes, number: int) -> bytes:
    """The value of a field; the last if it is repeated, as protocol buffers specify."""
    found = list(_values(data, number))
    if not found:
        raise ValueError(f"a field {number} is missing in it")
    return found[-1]


def _number(numbers: bytes) -> int:
    """The first value of an Int64List, packed or not."""
    for number, value in _fields(numbers):
        if number == 1:
            unsigned = value if isinstance(value, int) else _read_varint(value, 0)[0]
            return unsigned - (1 << 64) if unsigned >> 63 else unsigned
    raise ValueError("its label has no value")
