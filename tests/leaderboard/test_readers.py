"""The same trainings under several readers."""

import pytest

from benchbench.keys import content_key
from benchbench.leaderboard.document import plain_rows
from benchbench.leaderboard.views import view


@pytest.fixture(scope="module")
def read(make):
    """A record of a training under a reader: a learner's name and its settings, or None for the method's own."""

    def record(meta, counts, reader=None, *, target="digits", seed=0):
        r = make("labels", meta, target, counts, seed=seed)
        settings = {"ways": 5, "shots": 1}
        if reader:
            name, own = reader
            settings["adapter"] = {"kind": "meta", "name": f"benchbench-suite:{name}", "revision": 1, "settings": own}
        content = {**r.content, "protocol": {"name": "episodic-frozen" if reader else "episodic", "settings": settings}}
        protocol = "episodic-frozen" if reader else "5way-1shot"
        key = content_key([r.key, reader, seed])
        return r.model_copy(
            update={"key": key, "protocol": protocol, "content": content, "episodes_hash": f"those of {target}"}
        )

    return record


def test_readers_are_told_apart_and_averaged_over_the_targets_that_all_have(read):
    ridge, cosine, nearest = ("readout", {"by": "ridge"}), ("readout", {"by": "cosine"}), ("nearest-centroid", {})
    records = [
        read(meta, counts, reader, target=target, seed=seed)
        for seed in (0, 1)
        for target, more in (("digits", 0), ("mnist", 2))
        for meta, reader, counts in (
            ("maml", None, (4 + more, 6 + more)),
            ("maml", ridge, (3 + more, 3 + more)),
            ("maml", cosine, (2 + more, 3 + more)),
            ("maml", nearest, (2 + more, 2 + more)),
            ("protonet", None, (5 + more, 5 + more)),
            ("protonet", ridge, (6 + more, 6 + more)),
        )
    ]
    # On glyphs there is no other reader, so it does not count.
    records.append(read("maml", (10, 10), target="glyphs"))
    maml, protonet = sorted(plain_rows(view("readers", records)), key=lambda r: r["meta"])
    assert maml["its own"] == pytest.approx(60)
    assert maml["readout (by ridge)"] == pytest.approx(40)
    assert maml["readout (by cosine)"] == pytest.approx(35)
    assert maml["nearest-centroid"] == pytest.approx(30)
    assert (maml["best"], protonet["best"]) == ("its own", "readout (by ridge)")
    assert protonet["nearest-centroid"] is None


def test_one_reader_is_no_comparison(read):
    table = view("readers", [read("maml", (4, 6)), read("maml", (4, 6), target="mnist")])
    assert table.rows.empty


def test_an_interval_over_seeds(read):
    nearest = ("nearest-centroid", {})
    records = [read("maml", (n, n), reader, seed=n) for n in (4, 6) for reader in (None, nearest)]
    (row,) = plain_rows(view("readers", records))
    assert row["its own"] == pytest.approx(50)
    # Student's t with one degree of freedom, on means of 40 and 60.
    assert row["its own ci95"] == pytest.approx(12.706204736 * 10)
