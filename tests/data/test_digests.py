"""What a dataset's source files are called in its fingerprint."""

from pathlib import Path

from benchbench.data.digests import content_hash, digests


def written(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return [folder / name for name in names]


def test_names_are_below_the_folder_that_all_share(tmp_path):
    files = written(tmp_path / "set", "a/1.png", "b/2.png")
    assert list(digests(files, tmp_path)) == ["a/1.png", "b/2.png"]
    assert digests(files, None) == digests(files, tmp_path)
    assert list(digests(files[:1], tmp_path)) == ["1.png"]
    assert digests([], tmp_path) == {}


def test_data_and_installed_files_share_no_folder_that_says_anything(tmp_path):
    """The same files under other roots are the same sources."""
    found = []
    for data, installed in (("data", "packages/fonts"), ("deep/down/data", "fonts")):
        root = tmp_path / data.split("/")[0] / "x" / data
        files = [*written(root / "set", "a/1.png", "b/2.png"), *written(tmp_path / installed, "f.ttf")]
        found.append(digests(files, root))
    assert list(found[0]) == ["data/a/1.png", "data/b/2.png", "elsewhere/f.ttf"]
    assert content_hash(found[0]) == content_hash(found[1])
