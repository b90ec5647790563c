"""docs/architecture.md shows the imports as they are: it is compared with the code, not with its writer."""

import re
from pathlib import Path

import pytest
from test_house import LIB, ORDER, ROOT, imported_rooms

from lib.study.documents.architecture import import_graph, imports_markdown, in_order, reduced, with_imports

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {room: set() for room in ORDER}
    for path in LIB.rglob("*.py"):
        room = path.relative_to(LIB).parts[0].removesuffix(".py")
        if room != "__init__":
            found[room] |= imported_rooms(path) - {room}
    return found


def reachable(graph: dict[str, set[str]], room: str) -> set[str]:
    found = set(graph[room])
    for other in graph[room]:
        found |= reachable(graph, other)
    return found


def test_the_table_of_imports_is_that_of_the_code(graph):
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|$", PAGE, re.MULTILINE)
    table = {room: set() if names == "nothing" else set(names.split(", ")) for room, names in rows}
    assert table == graph, "run make docs"


def test_the_diagram_implies_exactly_the_imports_of_the_code(graph):
    [diagram] = re.findall(r"```mermaid\ngraph BT\n(.*?)```", PAGE, re.DOTALL)
    drawn: dict[str, set[str]] = {room: set() for room in graph}
    for room, other in re.findall(r"(\w+) --> (\w+)", diagram):
        drawn[room].add(other)
    for room, others in graph.items():
        assert drawn[room] <= others, f"{room}: an arrow that is no import; run make docs"
        assert reachable(drawn, room) == reachable(graph, room), f"{room}: run make docs"


def test_the_order_that_is_written_is_the_order_that_is_checked():
    assert " → ".join(ORDER) in PAGE


def test_every_room_has_its_line():
    for room in ORDER[1:]:
        assert f"| `{room}` |" in PAGE.split("## Who imports whom")[0]


def test_an_arrow_that_others_imply_is_left_out_and_a_circle_is_refused():
    graph = {"a": set(), "b": {"a"}, "c": {"a", "b"}}
    assert reduced(graph) == {"a": set(), "b": {"a"}, "c": {"b"}}
    assert in_order(graph) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="circle: a, b"):
        in_order({"a": {"b"}, "b": {"a"}})


def test_the_page_is_rewritten_between_its_marks_and_nowhere_else(tmp_path):
    (tmp_path / "lib" / "one").mkdir(parents=True)
    (tmp_path / "lib" / "one" / "a.py").write_text("import lib.errors\n")
    (tmp_path / "lib" / "errors.py").write_text("")
    assert import_graph(tmp_path / "lib") == {"one": {"errors"}, "errors": set()}
    assert "one --> errors" in imports_markdown(tmp_path / "lib")
    before, after = PAGE.split("<!-- imports")[0], PAGE.split("end of imports -->")[1]
    page = with_imports(PAGE, tmp_path / "lib")
    assert page.startswith(before)
    assert page.endswith(after)
    assert "| `one` | errors |" in page
    with pytest.raises(ValueError, match="no place"):
        with_imports("nothing", Path("lib"))
