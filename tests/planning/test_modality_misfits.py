"""Sources, targets, pretexts, backbones and protocols of one modality, or a reason why not."""

import pytest

from benchbench.errors import BenchbenchError
from benchbench.planning.matrix import parse_matrix
from benchbench.planning.plan import plan


def planned(**axes):
    whole = {
        "pretext": ["labels"],
        "meta": ["protonet"],
        "backbone": ["bag"],
        "source": ["intents"],
        "target": ["intents"],
        "protocol": ["5way-1shot"],
        **axes,
    }
    return plan(parse_matrix({"axes": whole, "budget": {"samples": 640}}, "tests"))


def reasons(found):
    return {reason for _, reason in found.dropped}


def backbones(found):
    return [t.backbone.bare for t in found.trainings if t.floor]


def test_each_modality_has_its_raw_inputs():
    assert sorted(backbones(planned())) == ["bag", "ngrams", "words"]
    assert backbones(planned(backbone=["conv4"], source=["glyphs"], target=["digits"])) == ["conv4", "pixels"]
    of_letters = planned(backbone=["conv1d"], source=["motifs"], target=["motifs"])
    assert set(backbones(of_letters)) == {"conv1d", "kmers", "onehot"}
    assert not any("pixels" in label for label, _ in planned().dropped)


def test_a_target_of_another_modality_is_left_out():
    found = planned(target=["intents", "digits"])
    assert "intents is of modality text, target digits of image" in reasons(found)
    assert {c.target.bare for t in found.trainings for c in t.cells} == {"intents"}


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"pretext": ["rotation", "labels"]}, "pretext rotation is not for modality text of intents"),
        ({"backbone": ["conv4", "bag"]}, "backbone conv4 is not for modality text of intents"),
        ({"protocol": ["robustness", "5way-1shot"]}, "protocol robustness is not for modality text of intents"),
        ({"pretext": ["mixture", "labels"], "meta": ["protonet"]}, "pretext rotation is not for modality text"),
    ],
)
def test_what_is_for_images_is_left_out_of_texts(axes, reason):
    assert reason in reasons(planned(**axes))


def test_floors_too_are_of_the_modality():
    """An untrained encoder is as little for texts as a trained one."""
    found = planned(pretext=["none", "labels"], meta=["nearest-centroid"], backbone=["pixels", "bag"])
    assert "backbone pixels is not for modality text of intents" in reasons(found)
    assert "pixels" not in backbones(found)


def test_raw_inputs_alone_are_no_matrix():
    with pytest.raises(BenchbenchError, match=r"is empty: .* conv4 is not for modality text of intents"):
        planned(backbone=["conv4"])


def test_the_key_of_a_floor_tells_vocabularies_apart():
    one, other = planned(), planned(source=["intents"], target=["intents"])
    held = {t.backbone.bare: t for t in one.trainings if t.floor}
    assert held["words"].content["sample"] == {"of": "target"}
    sample = held["bag"].content["sample"]
    assert sample["modality"] == "text"
    assert sample["vocabulary"]["tokens"] > 100
    assert {t.key for t in one.trainings} == {t.key for t in other.trainings}
