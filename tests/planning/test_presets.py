"""Protocols by name."""

import pytest

from benchbench import BenchbenchError
from benchbench.planning.presets import load_protocol
from benchbench_standard.protocols.episodic import Episodic


def test_a_protocol_whose_best_is_its_lowest_is_refused(monkeypatch):
    monkeypatch.setattr(Episodic, "metrics", {"error": "lower", "speed": "higher"})
    with pytest.raises(BenchbenchError, match="episodic: tables rank by its metric 'error', of which lower is better"):
        load_protocol("episodic", {})
    # What stands beside accuracy is free.
    monkeypatch.setattr(Episodic, "metrics", {"accuracy": "higher", "a-loss": "lower"})
    load_protocol("episodic", {})
