"""A setting that was added later, with a neutral value, changes neither keys nor what records hold."""

import pytest

from benchbench.components.reference import key_content, recorded_settings, resolve_component
from benchbench.components.registry import offers
from benchbench.testing.subjects import CONTRACTS

NEUTRAL = [
    offer
    for kind in CONTRACTS
    for offer in offers(kind)
    if offer.distribution == "benchbench-suite" and getattr(offer.load(), "neutral", {})
]


@pytest.mark.parametrize("offer", [pytest.param(o, id=f"{o.kind}-{o.name}") for o in NEUTRAL])
def test_neutral_values_are_in_no_key_and_no_record(offer):
    ref, neutral = resolve_component(offer.kind, offer.name), offer.load().neutral
    assert all(ref.settings[name] == value for name, value in neutral.items()), "neutral values are defaults"
    for told in (key_content(ref)["settings"], recorded_settings(ref)):
        assert told.keys() == ref.settings.keys() - neutral.keys()


def test_other_values_are_in_both():
    ref = resolve_component("dataset", "glyphs", {"hierarchy": True})
    assert key_content(ref)["settings"]["hierarchy"] is True
    assert recorded_settings(ref)["hierarchy"] is True
