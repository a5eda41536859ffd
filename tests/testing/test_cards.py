"""The report card, the command, and the test that authors write."""

import json

import pytest
from torch import Tensor

from benchbench import Backbone, Batch, BenchbenchError, Pretext, Rng
from benchbench.testing import Card, Result, check_component, conformance
from benchbench.testing.checks import Check
from benchbench.testing.subjects import Fault, NotApplicable, Subject


class Misspelt(Pretext):
    """It tells a sample from nothing. Source: own."""

    objectives = frozenset({"plain"})

    def los(self, batch: Batch, rng: Rng) -> Tensor:
        return self.encoder(batch.x).mean()


class Wrong(Backbone):
    """It forgets what is abstract."""


def outcomes(card: Card) -> dict[str, str]:
    return {r.check: r.outcome for r in card.results}


def test_text_and_json_say_the_same():
    card = Card(
        "meta", "theirs", (Result("one", "pass"), Result("two", "fail", "do this"), Result("three", "skip", "so"))
    )
    assert card.text().splitlines() == [
        "meta theirs does not conform: 1 passed, 1 failed, 1 not applicable",
        "  pass  one",
        "  fail  two: do this",
        "  skip  three: so",
    ]
    plain = card.plain()
    assert (plain["kind"], plain["name"], plain["conforms"]) == ("meta", "theirs", False)
    assert plain["checks"][1] == {"check": "two", "outcome": "fail", "message": "do this"}
    assert Card("meta", "theirs", card.results[::2]).conforms


def test_a_component_that_raises_fails_and_ends_nothing():
    card = check_component(Wrong)
    assert outcomes(card)["constructor"] == "fail"
    assert "it does not define forward" in card.text()
    assert outcomes(card)["batch of one"] == "fail"
    assert "raises TypeError" in card.text()


def test_a_method_that_is_not_there_is_one_failure():
    card = check_component(Misspelt)
    assert [r.message for r in card.results if r.outcome == "fail"] == [
        "pretext Misspelt: it declares the objective 'plain' without it: define loss or task_loss, or leave it out"
    ]


def test_what_is_no_component_is_refused():
    with pytest.raises(BenchbenchError, match="is no component: expected a subclass of one of Pretext"):
        check_component(int)
    with pytest.raises(BenchbenchError, match="unknown component 'rotatoin'; did you mean 'rotation'"):
        check_component("rotatoin")
    with pytest.raises(BenchbenchError, match="is meta benchbench-suite:nearest-centroid and protocol"):
        conformance("nearest-centroid")
    with pytest.raises(BenchbenchError, match="unknown setting 'widht'"):
        conformance("conv4", widht=3)


def test_an_authors_test_is_parametrised_over_the_checks():
    (mark,) = conformance("pixels").pytestmark
    assert mark.name == "parametrize"
    assert "state-round-trip" in mark.kwargs["ids"]
    test, subject = conformance("pixels"), Subject.of("pixels", {}, ())
    assert subject.kind == "backbone"

    def failing(_: Subject) -> None:
        raise Fault("change this")

    def skipping(_: Subject) -> None:
        raise NotApplicable("no reason")

    test(Check("passing", "", lambda _: None))
    with pytest.raises(pytest.fail.Exception, match="backbone pixels: change this"):
        test(Check("failing", "", failing))
    with pytest.raises(pytest.skip.Exception, match="no reason"):
        test(Check("skipping", "", skipping))


def test_command(command):
    code, out, err = command("plugins", "check", "pixels", "benchbench-suite:linear", "--json")
    assert (code, err) == (0, "")
    assert [(c["kind"], c["name"], c["conforms"]) for c in json.loads(out)] == [
        ("backbone", "pixels", True),
        ("backbone", "linear", True),
    ]
    code, out, _ = command("plugins", "check", "linear", "--set", "width=3")
    assert code == 0
    assert out.startswith("backbone linear conforms: ")


def test_command_says_what_does_not_conform(command, monkeypatch):
    monkeypatch.setattr("benchbench.components.registry.Offer.load", lambda offer: Wrong)
    code, out, _ = command("plugins", "check", "pixels")
    assert code == 1
    assert "  fail  constructor: backbone pixels: it does not define forward" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pixls"], "unknown component 'pixls'; did you mean 'pixels'?"),
        (["pixels", "linear", "--set", "width=3"], "--set is for one component, but 2 are asked for"),
        (["linear", "--set", "widht=3"], "backbone linear: unknown setting 'widht'; did you mean 'width'?"),
        (["protonet", "--kind", "backbone"], "component 'protonet' is of kind meta, not backbone"),
        (["zzz"], "unknown component 'zzz'; `benchbench plugins` lists them"),
    ],
)
def test_bad_input(command, arguments, message):
    code, out, err = command("plugins", "check", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")


def test_what_must_be_given_settings_is_left_out(command):
    code, out, _ = command("plugins", "check", "imagefolder")
    assert code == 0
    assert "skip  settings given: dataset imagefolder must be given settings: --set path=..." in out
