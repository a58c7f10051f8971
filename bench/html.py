"""HTML: a Record as one HTML file without external parts: tables, plots, the machine.

What must not live here: measuring, and the drawing of plots (bench.plot).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from bench import plot
from bench.record import Record, verdict_of
from bench.result import Cell, Result, Table
from bench.show import spoken, text
from bench.verdict import QUICK

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #fff; --line: #d1d9e0; --raised: #f6f8fa;
  --s0: #0969da; --s1: #bc4c00; --s2: #1a7f37; --s3: #8250df; --s4: #bf3989; --s5: #6e7781; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --dim: #9198a1; --paper: #0d1117; --line: #3d444d; --raised: #151b23;
    --s0: #58a6ff; --s1: #f0883e; --s2: #3fb950; --s3: #bc8cff; --s4: #f778ba; --s5: #8b949e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .25rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
a { color: var(--s0); } nav a { display: inline-block; margin-right: 1rem; padding: .25rem 0; }
code { font: .9em ui-monospace, monospace; }
.dim, li { color: var(--dim); } ul { padding-left: 1.2rem; margin: .5rem 0; font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0; padding: .75rem 1rem;
  background: var(--raised); border: 1px solid var(--line); border-radius: 6px; font-size: .9rem; }
dt { color: var(--dim); } dd { margin: 0; min-width: 0; }
.verdict { font-weight: 600; } .quick { color: var(--s1); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: bottom; }
td { white-space: nowrap; } th { font-weight: 600; }
th:first-child, td:first-child { padding-left: 0; } .word { text-align: left; }
svg { display: block; width: 100%; max-width: 34rem; height: auto; margin: .75rem 0; }
@media print { body { max-width: none; } h2 { break-after: avoid; } svg, table { break-inside: avoid; } }
"""


CODE, SHOWN_CODE = r"`([^`]+)`", r"<code>\1</code>"
WORD = ' class="word"'  # a column of words is aligned left


def html(record: Record, command: str, sentences: Mapping[str, str]) -> str:
    """The whole page; `command` is what made it. `sentences`: what is measured, by the command of a result."""
    title = f"Zegel on {record.machine.get('board') or record.machine.get('processor', 'this machine')}"
    sections = (part for result in record.results for part in _section(result, sentences.get(result.command, "")))
    last = f'<p class="quick">{escape(spoken(QUICK))}</p>' if record.quick else ""
    body = "\n".join((*_head(record, title, command), *sections, last))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _head(record: Record, title: str, command: str) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    if record.quick:
        yield f'<p class="quick">{escape(spoken(QUICK))}</p>'
    yield _verdict(verdict_of(record))
    yield f'<p class="dim">Measured on {escape(record.day)} by <code>{escape(command)}</code>.</p>'
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in record.machine.items())
    yield f"<dl>{facts}</dl>"
    links = "".join(f'<a href="#{escape(result.command)}">{escape(result.command)}</a>' for result in record.results)
    yield f"<nav>{links}</nav>"


def _verdict(told: str) -> str:
    return f'<p class="verdict">{escape(spoken(told))}</p>' if told else ""


def _section(result: Result, sentence: str) -> Iterator[str]:
    yield f'<h2 id="{escape(result.command)}">{escape(result.command)}</h2>'
    yield _verdict(result.verdict)
    yield f"<p>{re.sub(CODE, SHOWN_CODE, escape(sentence))}</p>"
    yield _notes(result.notes)
    for table in result.tables:
        yield f"<h3>{escape(table.title)}</h3>"
        if table.plot and table.rows:
            yield plot.of_table(table, table.plot)
        yield _table(table)
        yield _notes(table.notes)
    if result.samples:
        yield "<h3>Histogram</h3>"
        yield plot.of_samples(result.samples)


def _table(table: Table) -> str:
    columns = zip(table.columns, zip(*table.rows, strict=True), strict=True) if table.rows else ()
    words = [any(isinstance(cell, str) for cell in cells) for _, cells in columns] or [False] * len(table.columns)
    head = _row("th", table.columns, words)
    rows = "\n".join(_row("td", (text(cell) for cell in row), words) for row in table.rows)
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody></table></div>'


def _row(kind: str, cells: Iterable[Cell], words: Iterable[bool]) -> str:
    parts = (f"<{kind}{WORD if word else ''}>{escape(str(cell))}</{kind}>" for cell, word in zip(cells, words, strict=True))
    return f"<tr>{''.join(parts)}</tr>"


def _notes(notes: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<ul>{lines}</ul>" if lines else ""
