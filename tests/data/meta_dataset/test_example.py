"""tf.Example on the wire, against messages assembled by hand by the rules of protocol buffers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.data.meta_dataset.example import Example, decode_example, encode_example

#: image = b"ab", label = 300, as protobuf itself serialises it: lengths 34, 15, 15; 300 is the varint ac 02.
BY_HAND = bytes.fromhex("0a220a0f0a05696d61676512060a040a0261620a0f0a056c6162656c12061a040a02ac02")


def test_by_hand() -> None:
    assert decode_example(BY_HAND) == Example(b"ab", 300)
    assert encode_example(Example(b"ab", 300)) == BY_HAND


def test_numbers_that_are_not_packed_and_other_features() -> None:
    label = bytes.fromhex("0a0e0a056c6162656c12051a0308ac02")
    image = bytes.fromhex("0a0f0a05696d61676512060a040a026162")
    # A list of one float, 1.5, that is called "w".
    other = bytes.fromhex("0a0d0a0177120812060a040000c03f")
    features = label + other + image
    assert decode_example(b"\x0a" + bytes([len(features)]) + features) == Example(b"ab", 300)


@settings(max_examples=50, deadline=None, database=None)
@given(image=st.binary(max_size=400), label=st.integers(-(2**63), 2**63 - 1))
def test_what_is_encoded_is_decoded(image: bytes, label: int) -> None:
    assert decode_example(encode_example(Example(image, label))) == Example(image, label)


@settings(max_examples=50, deadline=None, database=None)
@given(cut=st.integers(0, len(BY_HAND) - 1))
def test_a_cut_message_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match=r"it |missing"):
        decode_example(BY_HAND[:cut])


def test_a_feature_that_is_missing() -> None:
    image = bytes.fromhex("0a0f0a05696d61676512060a040a026162")
    with pytest.raises(ValueError, match="no feature 'label'"):
        decode_example(b"\x0a" + bytes([len(image)]) + image)
