"""What the page on trust promises is tested: each promise names its test, and every named test is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "concepts" / "trust.md"
NAMED = re.compile(r"`(tests/[^`\s]+)`")


def functions(path: Path) -> set[str]:
    """The test functions of a file, those of its classes as ``Class::test_name``."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {before + f.name for f in inner if isinstance(f, ast.FunctionDef) and f.name.startswith("test_")}
    return found


def fault(named: str) -> str | None:
    """Why a name is no test's, or None."""
    file, _, function = named.partition("::")
    if not (ROOT / file).is_file():
        return f"there is no {file}"
    if function not in functions(ROOT / file):
        return f"{file} has no {function or 'test named'}"
    return None


def test_every_promise_names_tests_that_exist() -> None:
    named = NAMED.findall(PAGE.read_text("utf-8"))
    assert len(named) > 10
    assert [why for name in named if (why := fault(name))] == []


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("tests/docs/test_trust.py::test_nothing", "tests/docs/test_trust.py has no test_nothing"),
        ("tests/docs/test_trust.py::fault", "tests/docs/test_trust.py has no fault"),
        ("tests/docs/test_trust.py", "tests/docs/test_trust.py has no test named"),
        ("tests/docs/test_faith.py::test_it", "there is no tests/docs/test_faith.py"),
    ],
)
def test_what_is_no_test_is_found_out(named: str, why: str) -> None:
    assert fault(named) == why
    assert fault("tests/docs/test_trust.py::test_what_is_no_test_is_found_out") is None, "parametrised, by its name"


@pytest.mark.parametrize("subject", ["results add", "An audit", "plugins check", "external row", "harness"])
def test_each_promise_has_one(subject: str) -> None:
    """The first paragraph that speaks of it names a test, or the one that follows."""
    paragraphs = PAGE.read_text("utf-8").split("\n\n")
    (first, *_) = (i for i, text in enumerate(paragraphs) if subject in text.replace("`", ""))
    assert any(NAMED.search(text) for text in paragraphs[first : first + 2]), paragraphs[first]
