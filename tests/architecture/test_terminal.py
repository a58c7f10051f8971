"""What is printed is escaped: keys and gateway print in one place."""

from __future__ import annotations

import ast

from tests.architecture.test_arrows import modules

PRINTS = {"keys.commands.terminal"}
RICH = {
    "gateway.board.doctor",
    "gateway.board.egress",
    "gateway.recording.export.bar",
    "gateway.report.metrics",
    "gateway.report.watch",
}  # each text by `printable`
DEMO = "gateway.demo"  # an agency, stations and aircraft of its own making


def calls(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            names |= {node.func.id} if isinstance(node.func, ast.Name) else set()
            names |= {ast.unparse(node.func)} if isinstance(node.func, ast.Attribute) else set()
    return names


def test_nothing_is_printed_past_the_one_place():
    for name, path in modules().items():
        if not name.startswith(("keys", "gateway", "firmware_shims")) or name in PRINTS or name.startswith(DEMO):
            continue
        made = calls(ast.parse(path.read_text()))
        assert not made & {"print", "sys.stdout.write", "sys.stderr.write"}, name
        assert "Console" not in made or name in RICH, name
