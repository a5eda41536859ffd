import pytest

from benchbench.keys import content_key
from benchbench.store.files import Store


@pytest.fixture
def logged(results):
    """The store with what the training of the failed cell printed."""
    log = Store(results).log(content_key(["jigsaw"]))
    log.parent.mkdir()
    log.write_text("a crash\n")
    return results


@pytest.mark.parametrize("key", [content_key(["jigsaw"])[:8], content_key("jigsaw")[:8], "jigsaw × proto"])
def test_a_training_by_its_key_that_of_a_cell_or_its_label(command, logged, key):
    code, out, err = command("logs", key, "--results", logged)
    assert (code, out) == (0, "a crash\n")
    assert "failed: out of memory" in err


def test_a_training_that_never_ran(command, logged):
    code, out, err = command("logs", "rotation", "--results", logged)
    assert (code, out) == (0, "")
    assert "does not exist: it never ran here" in err


def test_none_or_several(command, logged):
    code, _, err = command("logs", "rotatoin × protonet", "--results", logged)
    assert (code, "did you mean 'rotation × protonet'?" in err) == (2, True)
    code, _, err = command("logs", "protonet", "--results", logged)
    assert code == 2
    assert "'protonet' fits 3 trainings" in err
    assert f"{content_key(['jigsaw'])[:12]}  jigsaw × protonet" in err
