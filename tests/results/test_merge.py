from benchbench.store.files import read_records
from benchbench.store.records import Flags


def outcome(folder):
    return {(r.method.pretext, r.target): (r.status, r.origin) for r in read_records(folder)[0]}


def test_records_of_all_folders(command, make, save, tmp_path):
    a = save(tmp_path / "a", make(), make(pretext="jigsaw"))
    b = save(tmp_path / "b", make(), make(target="glyphs"))
    code, out, _ = command("results", "merge", a, b, "--into", tmp_path / "c")
    assert (code, out) == (0, f"{tmp_path / 'c'} holds 3 records\n")
    assert set(outcome(tmp_path / "c")) == {
        ("rotation", "digits"),
        ("jigsaw", "digits"),
        ("rotation", "glyphs"),
    }


def test_what_is_there_stays(command, make, save, tmp_path):
    a, c = save(tmp_path / "a", make()), save(tmp_path / "c", make(pretext="jigsaw"))
    assert command("results", "merge", a, "--into", c)[0] == 0
    assert len(outcome(c)) == 2


def test_contradictions_are_reported_and_nothing_is_written(command, make, save, tmp_path):
    a, b = save(tmp_path / "a", make((5, 10))), save(tmp_path / "b", make((5, 9)), make(pretext="jigsaw"))
    code, out, err = command("results", "merge", a, b, "--into", tmp_path / "c")
    assert (code, out) == (1, "")
    line = f"rotation × protonet (conv4, pseudo) on digits 5way-1shot, seed 0: {a} and {b} differ in scores, summary\n"
    assert line in err
    assert not (tmp_path / "c").exists()


def test_where_and_when_it_was_computed_is_no_contradiction(command, make, save, tmp_path):
    other = {"timing": {"train_seconds": 9.0}, "environment": {"torch": "3.0"}, "matrix": "another"}
    a, b = save(tmp_path / "a", make()), save(tmp_path / "b", make(**other))
    assert command("results", "merge", a, b, "--into", tmp_path / "c")[0] == 0
    assert read_records(tmp_path / "c")[0] == [make()], "the first stays"


def test_a_floor_is_the_same_whatever_its_matrix_would_train(command, make, save, tmp_path):
    def floor(selection, **fields):
        flags = Flags(transductive=False, labels="none", selection=selection, floor=True)
        return make(flags=flags, key="1" * 64, training_key="2" * 64, **fields)

    one, other = floor("last"), floor("labelled-valid", lr=0.5, source="symbols")
    a, b = save(tmp_path / "a", one), save(tmp_path / "b", other)
    assert command("results", "merge", a, b, "--into", tmp_path / "c")[0] == 0
    assert read_records(tmp_path / "c") == ([one], [])
    (tmp_path / "both").mkdir()
    for folder in (a, b):
        folder.rename(tmp_path / "both" / folder.name)
    assert not read_records(tmp_path / "both")[1]
    trained = make(key="1" * 64, training_key="2" * 64), make(key="1" * 64, training_key="2" * 64, lr=0.5)
    a, b = (save(tmp_path / name, record) for name, record in zip("ab", trained, strict=True))
    assert command("results", "merge", a, b, "--into", tmp_path / "d")[0] == 1


def test_a_score_counts_before_a_failure_and_ours_before_an_external_one(command, make, save, tmp_path):
    a = save(tmp_path / "a", make(None), make(pretext="jigsaw", origin="external"), make(None, pretext="labels"))
    b = save(tmp_path / "b", make(origin="external"), make(pretext="jigsaw"), make(None, pretext="labels"))
    for folders in ((a, b), (b, a)):
        into = tmp_path / folders[0].name / "merged"
        assert command("results", "merge", *folders, "--into", into)[0] == 0
        assert outcome(into) == {
            ("rotation", "digits"): ("ok", "external"),
            ("jigsaw", "digits"): ("ok", "own"),
            ("labels", "digits"): ("failed", "own"),
        }


def test_an_unreadable_line_would_be_lost_and_stops_it(command, make, save, tmp_path):
    a = save(tmp_path / "a", make())
    (a / "records" / "cut.jsonl").write_text('{"key": ')
    code, _, err = command("results", "merge", a, "--into", tmp_path / "c")
    assert code == 2
    assert f"{a / 'records' / 'cut.jsonl'}:1: not a whole record" in err
    assert not (tmp_path / "c").exists()
