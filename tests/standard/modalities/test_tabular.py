"""Tables as samples: what fits, and a user's own rows."""

import pytest
import torch

from benchbench import BenchbenchError, SampleSpec
from benchbench.data.modality import modality_named
from benchbench_standard.backbones.mlp import MLP
from benchbench_standard.backbones.values import Values

TABULAR, SAMPLE = modality_named("tabular"), SampleSpec("tabular", (3,))


def test_only_equal_columns_fit():
    assert TABULAR.misfit(SAMPLE, SAMPLE) == ""
    assert TABULAR.misfit(SampleSpec("tabular", (4,)), SAMPLE) == "it has 4 columns, the encoder reads 3"
    with pytest.raises(BenchbenchError, match="a table does not fit: it has 4 columns, the encoder reads 3"):
        TABULAR.fit(torch.randn(2, 4), SampleSpec("tabular", (4,)), SAMPLE)
    x = torch.randn(2, 3)
    assert TABULAR.fit(x, SAMPLE, SAMPLE) is x
    assert torch.equal(Values(SAMPLE)(x), x)
    assert MLP(SAMPLE, width=5)(x).shape == (2, 5)


@pytest.mark.parametrize("raw", [[[1, 2]], [[1, 2, float("nan")]], [["a", "b", "c"]], [1, 2, 3], [[1], [2, 3, 4]]])
def test_rows_that_are_none_are_refused(raw):
    with pytest.raises(BenchbenchError, match="expected rows of 3 finite numbers"):
        TABULAR.parse(raw, SAMPLE)


def test_a_users_own_rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n1,2,3\n\n4,5,-6.5\n")
    names, (batch,) = TABULAR.found(path, SAMPLE)
    assert names == ["2", "4"]
    assert batch.tolist() == [[1, 2, 3], [4, 5, -6.5]]
    path.write_text("a,b,c\n1,2,3\n1,2\n")
    with pytest.raises(BenchbenchError, match=r"rows.csv: line 3: expected rows of 3 finite numbers"):
        TABULAR.found(path, SAMPLE)
    path.write_text("a,b,c\n")
    with pytest.raises(BenchbenchError, match="expected a header, then one a line"):
        TABULAR.found(path, SAMPLE)
