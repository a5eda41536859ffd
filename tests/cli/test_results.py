import json


def test_lists_and_shows(command, make, save, tmp_path):
    ok, failed = make(external=True), make(None, pretext="jigsaw")
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
    results = save(tmp_path / "results", make(), make(pretext="jigsaw"))
    assert command("results", "list", tmp_path / "nowhere")[0] == 2
    assert "no record 'x' in" in command("results", "show", "x", "--results", results)[2]
    code, _, err = command("results", "show", "", "--results", results)
    assert code == 2
    assert err.startswith("error: '' begins 2 keys: ")
    assert command("results", "lst")[0] == 2
