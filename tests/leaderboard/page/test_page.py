"""The page's text, without a browser."""

import base64
import hashlib
import json
import random
import re
from html.parser import HTMLParser
from importlib.resources import files

import benchbench.leaderboard.page as board
from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.page import page
from benchbench.leaderboard.page.embedded import POINTS, payload

EVIL = "</script><!--<script>alert(1)</script>\u2028"


class Parsed(HTMLParser):
    """The page's policy, its scripts and styles by element, and every address that it names."""

    def __init__(self, text):
        super().__init__()
        self.policy, self.addresses, self.open = "", [], None
        self.held = {"script": [], "data": [], "style": []}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        self.addresses += [found[name] for name in ("src", "href", "action") if name in found]
        assert not any(name.startswith("on") or name == "style" for name in found), "the policy refuses those"
        if tag in ("script", "style"):
            self.open = "data" if "type" in found else tag
            self.held[self.open].append("")

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.open = None

    def handle_data(self, text):
        if self.open:
            self.held[self.open][-1] += text


def data_of(records, **options):
    return json.loads(Parsed(page(aggregate(records), **options)).held["data"][0])


def test_the_policy_names_exactly_the_page_s_scripts_and_style(records):
    found = Parsed(page(aggregate(records)))

    def digest(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    policy = dict(part.strip().split(" ", 1) for part in found.policy.split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].split() == [digest(text) for text in found.held["script"]]
    assert policy["style-src"].split() == [digest(text) for text in found.held["style"]]
    assert policy["img-src"] == "data:"
    assert found.addresses == ["data:,"]
    assert not any("sourceMappingURL" in text for text in found.held["script"] + found.held["style"])


def test_data_come_back_whole_whatever_the_names(make):
    record = make(EVIL, EVIL, EVIL).model_copy(update={"environment": {EVIL: EVIL}})
    data = data_of([record], plots={EVIL: EVIL})
    assert data["rows"][0]["axes"][:2] == [EVIL, EVIL]
    assert data["plots"] == {EVIL: EVIL}
    assert {EVIL: EVIL} in data["parts"]


def test_notes_are_escaped(make):
    assert "&lt;script&gt;alert(1)" in page(aggregate([make("labels", counts=None, reason=EVIL)]))


def test_the_same_records_give_the_same_bytes_in_any_order(records):
    shuffled = random.Random(0).sample(records, len(records))
    assert page(aggregate(records)) == page(aggregate([*shuffled, shuffled[0]]))


def test_a_page_without_data_is_light(make):
    assert len(page(aggregate([make()])).encode()) < 700_000


def test_no_per_episode_scores_and_nothing_twice(make):
    records = [make(counts=(3, 7) * 300, seed=seed) for seed in range(3)]
    data = data_of(records)
    assert "[3,7" not in json.dumps(data, separators=(",", ":"))
    texts = [json.dumps(part, sort_keys=True) for part in data["parts"]]
    assert len(texts) == len(set(texts))
    (row,) = data["rows"]
    assert [r["scores"]["accuracy"][0] for r in row["records"]] == [0.5] * 3
    assert len({r["environment"] for r in row["records"]}) == 1


def test_a_row_s_name_outlives_other_rows(make, records):
    def ids(some):
        return {tuple(row["axes"][:2]): row["id"] for row in payload(aggregate(some), {})["rows"]}

    alone, all_of_them = ids([r for r in records if r.method.pretext == "labels"]), ids(records)
    assert alone.items() <= all_of_them.items()
    assert len(set(all_of_them.values())) == len(all_of_them)


def test_curves_are_thinned_and_stages_follow_one_another(make):
    stage = [{"step": float(i), "samples": 10.0 * i, "loss": 1 / 3} for i in range(1, 101)]
    record = make().model_copy(update={"curve": [*stage, {"step": 1.0, "samples": 10.0, "loss": float("inf")}, *stage]})
    data = payload(aggregate([record]), {})
    points = data["parts"][data["rows"][0]["records"][0]["curve"]]["loss"]
    assert len(points) <= POINTS + 1
    assert points[0] == [10, 0.3333]
    # The second and third stage begin where the one before ended: 1000, then 1010 samples.
    assert points[-1] == [2010, 0.3333]
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_what_is_no_json_becomes_text(make):
    record = make().model_copy(update={"environment": {"load": float("nan"), "list": [1, float("-inf")]}})
    assert {"load": "nan", "list": [1, "-inf"]} in data_of([record])["parts"]


def test_what_an_interval_is_over_is_told(make):
    one = make("labels", counts=(4, 6))
    several = [make(counts=c, seed=s) for s, c in enumerate([(4, 4), (6, 6)])]
    failed = make(seed=2, counts=None, reason="?")
    alike = [make("mixture", counts=(4, 6), seed=s) for s in (0, 1)]
    rows = payload(aggregate([one, *several, failed, make("jigsaw", counts=None), *alike]), {})["rows"]
    over = {row["axes"][0]: next(s for s in row["scores"] if s)["over"] for row in rows}
    assert over["labels"] == ["95% interval over 2 test episodes of one training (seed 0)"]
    # The means 40 and 60 differ by 20: standard error 14.14 / sqrt(2) = 10; within a seed the episodes agree.
    assert over["rotation"] == [
        "95% interval over 2 training seeds (0, 1) of 2 test episodes each",
        "standard error: 10.00 from seeds, 0.00 from episodes of one seed",
        "1 of 3 seeds failed",
    ]
    assert over["jigsaw"] == ["1 of 1 seeds failed"]
    assert over["mixture"] == ["95% interval over 2 test episodes; training seeds 0, 1 score exactly the same"]


def test_an_empty_table_is_a_page_all_the_same():
    assert data_of([])["rows"] == []


def test_the_library_s_version_is_named_and_its_licence_is_in_the_page(make):
    assets = files("benchbench.leaderboard.page") / "assets"
    version = re.search(r"Tabulator v([\d.]+)", (assets / "tabulator.min.js").read_text("utf-8"))
    assert f"Tabulator {version[1]} (MIT" in board.__doc__
    licence = (assets / "tabulator.LICENSE").read_text("utf-8")
    assert "Permission is hereby granted" in licence
    assert licence in page(aggregate([make()]))
