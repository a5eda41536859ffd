"""Interactions: fields, a user's own items, and the encoders of them."""

import pytest
import torch

from benchbench import HIDDEN, PADDING, BenchbenchError, SampleSpec, Vocabulary
from benchbench.data.modality import modality_named
from benchbench_standard.backbones.fields import Fields
from benchbench_standard.backbones.item_score import ItemScore
from benchbench_standard.backbones.multi_hot import MultiHot

INTERACTION = modality_named("interaction")
TEXTS = ("item:1", "item:2", "genre:War", "genre:Drama", "genre:Crime")
SHARES = (0.5, 0.5, 0.25, 0.75, 0.0)


def spec(length=4, texts=TEXTS, shares=SHARES):
    return SampleSpec("interaction", (length,), "int64", Vocabulary(["", "", *texts], [0.0, 0.0, *shares]))


def test_a_users_own_items_are_looked_up():
    x = INTERACTION.parse(["item:2|genre:War", "item:77| genre:Drama |genre:Crime"], spec())
    assert x.tolist() == [[3, 4, 0, 0], [HIDDEN, 5, 6, 0]]
    with pytest.raises(BenchbenchError, match="'gente:War' is of no field of the encoder; did you mean 'genre'"):
        INTERACTION.parse(["gente:War"], spec())


def test_a_table_of_items(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item,genre\n1,War|Drama\n2,\n9,Crime\n")
    names, (batch,) = INTERACTION.found(path, spec())
    assert names == ["2", "3", "4"]
    assert batch.tolist() == [[2, 4, 5, 0], [3, 0, 0, 0], [HIDDEN, 6, 0, 0]]
    path.write_text("item,genre\n1,War,Drama\n")
    with pytest.raises(BenchbenchError, match="line 2: expected 2 cells, got more"):
        INTERACTION.found(path, spec())


def test_other_fields_do_not_fit():
    users = spec(4, ("item:1", "age:25"), (0.5, 0.5))
    assert "has the fields age, item, the encoder reads genre, item" in INTERACTION.misfit(users, spec())
    assert "up to 5 values, the encoder reads 4" in INTERACTION.misfit(spec(5), spec())
    assert INTERACTION.misfit(spec(3), spec(4)) == ""


def test_the_order_of_fields_and_unknown_values_mean_nothing():
    encoder = Fields(spec())
    x = torch.tensor([[2, 4, 5, 0], [5, 2, 4, 0], [2, 4, 5, HIDDEN]])
    features = encoder(x)
    torch.testing.assert_close(features[0], features[1])
    torch.testing.assert_close(features[0], features[2])
    assert not torch.allclose(features[:1], encoder(torch.tensor([[3, 4, 5, 0]])))
    assert encoder(torch.full((1, 4), PADDING)).isfinite().all()


def test_several_values_of_a_field_are_their_mean():
    encoder = Fields(spec(), embedding=3)
    encoder.layers = torch.nn.Identity()
    (found,) = encoder(torch.tensor([[2, 4, 5, 0]]))
    vectors = encoder.embedded.weight
    torch.testing.assert_close(found, torch.cat([(vectors[4] + vectors[5]) / 2, vectors[2]]))  # genre, item


def test_multi_hot_weighs_by_rarity():
    encoder = MultiHot(spec())
    (found,) = encoder(torch.tensor([[2, 4, 6, HIDDEN]]))
    expected = torch.tensor([0, 0, 1 - torch.tensor(0.5).log(), 0, *[1 - torch.tensor(0.25).log()] * 1, 0, 0])
    expected[6] = expected[4]  # no training sample holds it
    torch.testing.assert_close(found, expected / expected.norm())


def test_item_scores_add_up():
    encoder = ItemScore(spec())
    w = encoder.scores.weight[:, 0]
    torch.testing.assert_close(encoder(torch.tensor([[2, 5, HIDDEN, PADDING]]))[0, 0], w[2] + w[5])


def test_tokens_have_fields():
    with pytest.raises(BenchbenchError, match="expected tokens 'field:value', got 'War'"):
        Fields(spec(2, ("War",), (0.5,)))
