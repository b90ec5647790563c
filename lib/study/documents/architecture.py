"""The rooms of lib and who imports whom, read from the code, for docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from lib.study.documents.marks import rewritten

BEGIN = "<!-- imports: written by make docs -->"
END = "<!-- end of imports -->"
Graph = Mapping[str, set[str]]


def import_graph(lib: Path) -> dict[str, set[str]]:
    """Each room (a package of lib, or a module that stands alone) and the rooms that it imports."""
    graph: dict[str, set[str]] = {}
    for path in sorted(lib.rglob("*.py")):
        room = path.relative_to(lib).parts[0].removesuffix(".py")
        if room != "__init__":
            graph.setdefault(room, set()).update(_imported(path) - {room})
    return graph


def _imported(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lib":
            parts = (node.module or "").split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("lib.")}
    return rooms


def reduced(graph: Graph) -> dict[str, set[str]]:
    """Only those imports that no chain of others implies (the transitive reduction)."""

    def reachable(room: str) -> set[str]:
        found: set[str] = set()
        waiting = list(graph[room])
        while waiting:
            if (next_room := waiting.pop()) not in found:
                found.add(next_room)
                waiting += graph[next_room]
        return found

    return {
        room: {other for other in others if not any(other in reachable(via) for via in others - {other})}
        for room, others in graph.items()
    }


def in_order(graph: Graph) -> list[str]:
    """Rooms so that each imports only those before it, alphabetically where the imports leave a choice.

    Raises:
        ValueError: the imports go in a circle.
    """
    order: list[str] = []
    while len(order) < len(graph):
        free = sorted(room for room in graph if room not in order and graph[room] <= set(order))
        if not free:
            raise ValueError(f"imports in a circle: {', '.join(sorted(set(graph) - set(order)))}")
        order.append(free[0])
    return order


def imports_markdown(lib: Path) -> str:
    """The diagram and the table of all imports."""
    graph = import_graph(lib)
    order = in_order(graph)
    edges = reduced(graph)
    lines = ["```mermaid", "graph BT"]
    lines += [f"    {room} --> {other}" for room in order for other in order if other in edges[room]]
    lines += ["```", "", "| room | imports |", "|---|---|"]
    for room in order:
        lines.append(f"| `{room}` | {', '.join(o for o in order if o in graph[room]) or 'nothing'} |")
    return "\n".join(lines)


def with_imports(text: str, lib: Path) -> str:
    """A page with the text between its marks rewritten.

    Raises:
        ValueError: the page has no such marks.
    """
    return rewritten(text, BEGIN, END, imports_markdown(lib))
