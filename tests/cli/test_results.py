import json
from collections import Counter


def test_lists_and_shows(command, make, save, tmp_path):
    ok, failed = make(origin="external"), make(None, pretext="jigsaw")
    results = save(tmp_path / "results", ok, failed)
    out = command("results", "list", results)[1]
    rows = [line.split() for line in out.splitlines()[2:]]
    # 1.96 * 25 / sqrt(2) = 34.65
    expected = f"{ok.key[:12]} rotation protonet conv4 pseudo glyphs digits 5way-1shot 0 75.00 ± 34.65 external"
    assert expected.split() in rows
    assert [failed.key[:12], "jigsaw", "protonet", "conv4", "pseudo", "glyphs", "digits"] in [r[:7] for r in rows]
    shown = json.loads(command("results", "show", ok.key[:8], "--results", results)[1])
    assert shown == ok.model_dump(mode="json")


def test_bad_input(command, make, save, tmp_path):
    # More records than digits: some keys begin alike.
    records = [make(pretext=f"pretext-{number}") for number in range(17)]
    results = save(tmp_path / "results", *records)
    assert command("results", "list", tmp_path / "nowhere")[0] == 2
    assert "no record 'x' in" in command("results", "show", "x", "--results", results)[2]
    ((digit, times),) = Counter(r.key[0] for r in records).most_common(1)
    code, _, err = command("results", "show", digit, "--results", results)
    assert code == 2
    assert err.startswith(f"error: {digit!r} begins {times} keys: ")
    assert "argument '': expected a value" in command("results", "show", "", "--results", results)[2]
    assert command("results", "lst")[0] == 2
