"""Users and what they like: MovieLens's published layouts in small, and made-up tastes."""

import random

import numpy as np
import pytest

from benchbench import BenchbenchError, DataMissing, EpisodeShape, Target
from benchbench.components.reference import resolve_component
from benchbench.data.prepare import prepare
from benchbench_standard.datasets.movielens import MovieLens
from benchbench_standard.datasets.movielens_files import GENRES

USERS, ITEMS = 30, 60


@pytest.fixture
def layouts(tmp_path, monkeypatch):
    """Both sets, with the same ratings: of users 1 to 30 each of 60 items, those of 10 and 20 few."""
    state = random.Random(0)
    small, large = tmp_path / "ml-100k", tmp_path / "ml-1m"
    small.mkdir()
    large.mkdir()
    rows = [
        (user, item, state.choice([1, 2, 3, 4, 5]))
        for user in range(1, USERS + 1)
        for item in range(1, (10 if user % 10 == 0 else ITEMS) + 1)
    ]
    (small / "u.data").write_text("".join(f"{u}\t{i}\t{s}\t88{u}{i}\n" for u, i, s in rows))
    (large / "ratings.dat").write_text("".join(f"{u}::{i}::{s}::97{u}{i}\n" for u, i, s in rows))
    item_lines, movie_lines = [], []
    for i in range(1, ITEMS + 1):
        held = {1 + i % 18, 1 + i * 7 % 18}
        title = f"Caf\xe9 \x85 {i} ({1930 + i})" if i != 7 else "unknown"
        flags = "|".join(str(int(g in held)) for g in range(len(GENRES)))
        item_lines.append(f"{i}|{title}|01-Jan-1995||http://example.org|{flags}\n")
        movie_lines.append(f"{i}::{title}::{'|'.join(GENRES[g] for g in sorted(held))}\n")
    (small / "u.item").write_bytes("".join(item_lines).encode("latin-1"))
    (large / "movies.dat").write_bytes("".join(movie_lines).encode("latin-1"))
    (small / "u.user").write_text("".join(f"{u}|{10 + u}|{'FM'[u % 2]}|writer|{u:05d}\n" for u in range(1, USERS + 1)))
    (large / "users.dat").write_text(
        "".join(f"{u}::{'FM'[u % 2]}::{18 if u < 15 else 25}::20::{u:05d}\n" for u in range(1, USERS + 1))
    )
    monkeypatch.setenv("BENCHBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def made(name="movielens", **settings):
    return prepare(resolve_component("dataset", name, settings))


def tokens(data, rows):
    return [[data.table.tokens[t] for t in data.table.x[row] if t] for row in rows]


@pytest.mark.parametrize("version", ["100k", "1m"])
def test_users_are_sources_of_two_ordered_classes(layouts, version):
    data = made(version=version)
    sizes = [len(data.split.part(part)) for part in ("train", "valid", "test")]
    assert sizes == [2 * n for n in (19, 3, 5)]  # 27 users have enough
    assert {name.split("/")[1] for name in data.table.class_names}.isdisjoint({"user10", "user20", "user30"})
    for source in data.split.sources:
        assert source.ordered
        (part,) = [p for p in ("train", "valid", "test") if source.part(p)]
        first, second = (data.table.class_names[c] for c in source.part(part))
        assert first.startswith(part)
        assert (first.rpartition("/")[0], first.rpartition("/")[2]) == (second.rpartition("/")[0], "disliked")
        assert second.endswith("/liked")


@pytest.mark.parametrize("version", ["100k", "1m"])
def test_both_layouts_hold_the_same(layouts, version):
    data = made(version=version)
    named = {t[0]: t for t in tokens(data, range(len(data.table)))}
    assert named["item:5"] == ["item:5", "year:1935", "genre:Crime", "genre:Western"]
    assert named["item:7"][:2] == ["item:7", "genre:Drama"]  # its title has no year
    lines = (layouts / "ml-100k" / "u.data").read_text().splitlines()
    stars = {(u, i): int(s) for u, i, s, _ in (line.split("\t") for line in lines)}
    for row, label in enumerate(data.table.labels):
        _, user, taste = data.table.class_names[label].split("/")
        item = tokens(data, [row])[0][0].removeprefix("item:")
        assert (stars[user.removeprefix("user"), item] >= 4) == (taste == "liked")


def test_fields_of_users(layouts):
    small, large = (made(version=v, user_fields=True) for v in ("100k", "1m"))
    found = {tuple(t[-3:]) for t in tokens(small, range(len(small.table)))}
    assert ("age:18", "gender:M", "occupation:writer") in found
    assert ("age:25", "gender:F", "occupation:writer") in found  # 28 years
    assert ("age:1", "gender:F", "occupation:writer") in found  # 12 years
    assert {tuple(t[-3:]) for t in tokens(large, range(len(large.table)))} == {
        (f"age:{age}", f"gender:{g}", "occupation:20") for age in (18, 25) for g in "FM"
    }


def test_cold_items_are_rated_by_test_users_alone(layouts):
    data = made(cold_items=0.5, least=8)
    of = {
        part: {t[0] for t in tokens(data, np.flatnonzero(np.isin(data.table.labels, data.split.part(part))))}
        for part in ("train", "valid", "test")
    }
    assert len(of["test"]) == 30
    assert of["test"].isdisjoint(of["train"] | of["valid"])
    known = data.sample.vocabulary.texts
    assert not set(known) & of["test"]
    rows = np.flatnonzero(np.isin(data.table.labels, data.split.test))
    x = Target(data, data.sample).samples(rows)
    assert (x[:, 0] == 1).all()  # the item is hidden, its genres are not
    assert (x > 1).any()


def test_what_is_wrong_is_named(layouts):
    with pytest.raises(BenchbenchError, match="no user of part 'train' has 50 liked and 50 disliked"):
        made(least=50)
    for file, line, expected in (
        ("u.data", "1\t2\t9\t3", r"u.data: line 1651: expected a rating from 1 to 5, got '9'"),
        ("u.data", "1,2,3,4", r"u.data: line 1651: expected 4 columns"),
        ("u.data", "1\t999\t3\t4", r"u.data: rates '999', which u.item lacks"),
        ("u.user", "99|M|30|writer|1", None),
        ("u.user", "98|M|X|writer|1", r"u.user: line \d+: expected an age and a gender, F or M, got M and X"),
        ("u.item", "99|x (1990)|||" + "|2" * 19, "expected 19 flags"),
    ):
        path = layouts / "ml-100k" / file
        before = path.read_bytes()
        path.write_bytes(before + line.encode() + b"\n")
        if expected is None:
            made()
        else:
            with pytest.raises(BenchbenchError, match=expected):
                made()
        path.write_bytes(before)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataMissing, match="BENCHBENCH_DATA to a folder that holds ml-100k"):
        MovieLens().sources(None)
    (tmp_path / "ml-1m").mkdir()
    (tmp_path / "ml-1m" / "users.dat").touch()
    with pytest.raises(DataMissing, match=r"no ratings.dat, movies.dat in .*ml-1m: unpack ml-1m.zip"):
        MovieLens(version="1m").sources(tmp_path)


@pytest.fixture
def tastes(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path))
    return made("tastes", users=60)


def test_tastes_are_halves_of_what_a_user_rated(tastes):
    counts = np.bincount(tastes.table.labels)
    assert len(counts) == 120
    assert (counts == 30).all()
    rows = np.flatnonzero(tastes.table.labels < 2)
    assert len({t[0] for t in tokens(tastes, rows)}) == 60  # no item twice


def test_episodes_of_tastes_keep_what_labels_mean(tastes):
    target = Target(tastes, tastes.sample)
    for episode in target.drawn(EpisodeShape(2, 5, 10), 20):
        names = [tastes.table.class_names[tastes.table.labels[row]] for row in episode.query]
        assert [int(name.endswith("/liked")) for name in names] == episode.query_y.tolist()
        assert len({name.split("/")[1] for name in names}) == 1
        assert names[0].startswith("test/")


def test_a_user_cannot_rate_more_than_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path))
    with pytest.raises(BenchbenchError, match="rated 60 of 50 items"):
        made("tastes", items=50)
