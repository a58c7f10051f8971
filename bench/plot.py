"""Plot: a table's plot, or a histogram of samples, as an SVG inside a page, with the colours of the page.

Drawn by matplotlib (extra `bench`), which is imported only here and only when something is drawn. Text stays text, and
colours become `currentColor` and the page's own --s0 to --s5, so that one figure is right in light and in dark.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from bench import install
from bench.result import Cell, Plot, Table
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

INK, SERIES = "#010203", tuple(f"#0a0b0{number}" for number in range(6))  # represent the page's colours
SIZE_IN = (4.9, 3.0)  # at 72 per inch, the width of a phone, so that the text has the same size there
BAR_IN = 0.28  # height of one bar
BINS = 60
SAMPLES = "latency (ms)"
BARS = 0.8  # share of the width of a category

Draw = Callable[["Axes"], None]


def require() -> None:
    """ConfigError if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise ConfigError("a page is drawn with matplotlib, which is not installed", hint=install.command("matplotlib"))


def of_table(table: Table, plot: Plot) -> str:
    """The SVG element of `plot`."""
    if plot.kind == "bar":
        height = max(SIZE_IN[1] / 2, 0.8 + BAR_IN * len(table.rows) * len(plot.ys))
        return _svg(lambda axes: _bars(axes, table, plot), height)
    return _svg(lambda axes: _lines(axes, table, plot), SIZE_IN[1])


def of_samples(samples: Mapping[str, Sequence[float]]) -> str:
    """How often each latency occurred, in logarithmic classes; milliseconds."""
    return _svg(lambda axes: _histogram(axes, samples), SIZE_IN[1])


def _lines(axes: Axes, table: Table, plot: Plot) -> None:
    xs = _numbers(table.column(plot.x))
    for name, colour in zip(plot.ys, SERIES, strict=False):
        style = "steps-post" if plot.kind == "steps" else "default"
        axes.plot(xs, _numbers(table.column(name)), color=colour, label=name, marker="o", markersize=3, drawstyle=style)
    axes.set_xscale("log" if plot.log_x else "linear")
    axes.set_yscale("log" if plot.log_y else "linear")
    if not plot.log_y:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(plot.x)
    _thousands(axes.xaxis, axes.yaxis)
    _name_series(axes, plot.ys)


def _bars(axes: Axes, table: Table, plot: Plot) -> None:
    """Horizontal bars: their names are often long."""
    thick = BARS / len(plot.ys)
    for number, (name, colour) in enumerate(zip(plot.ys, SERIES, strict=False)):
        places = [row + number * thick for row in range(len(table.rows))]
        axes.barh(places, _numbers(table.column(name)), height=thick, color=colour, label=name)
    middle = (len(plot.ys) - 1) * thick / 2
    axes.set_yticks([row + middle for row in range(len(table.rows))], [str(cell) for cell in table.column(plot.x)])
    axes.invert_yaxis()
    axes.set_xscale("log" if plot.log_y else "linear")
    axes.grid(visible=False, axis="y")
    _thousands(axes.xaxis)
    _name_series(axes, plot.ys, upright=False)


def _histogram(axes: Axes, samples: Mapping[str, Sequence[float]]) -> None:
    known = [value for values in samples.values() for value in values if value > 0]
    low, high = math.log10(min(known)), math.log10(max(known))
    edges = [10 ** (low + (high - low or 1) * place / BINS) for place in range(BINS + 1)]
    for (name, values), colour in zip(samples.items(), SERIES, strict=False):
        axes.hist(values, bins=edges, histtype="step", color=colour, label=name, density=False)
    axes.set_xscale("log")
    axes.set_xlabel(SAMPLES)
    axes.set_ylabel("datagrams of each 1,000")
    _thousands(axes.xaxis, axes.yaxis)
    axes.legend()


def _name_series(axes: Axes, names: Sequence[str], *, upright: bool = True) -> None:
    """A single name is the label of the axis; several need a legend, and the axis has their unit."""
    label = axes.set_ylabel if upright else axes.set_xlabel
    if len(names) > 1:
        axes.legend()
        label(unit(names))
    else:
        label(names[0])


def unit(names: Sequence[str]) -> str:
    """The one unit of these columns; ValueError if they have several, or none."""
    (found,) = {name.rpartition("(")[2].rstrip(")") for name in names}
    return found


def _thousands(*scales: Axis) -> None:
    for scale in scales:
        scale.set_major_formatter(lambda value, _: tick(value))


def tick(value: float) -> str:
    """16k for 16,000; 0.2 stays, since units have prefixes of their own."""
    for name, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:g}{name}"
    return f"{value:g}"


def _numbers(cells: Sequence[Cell]) -> list[float]:
    return [float(cell) if isinstance(cell, int | float) else math.nan for cell in cells]


def _svg(draw: Draw, height_in: float) -> str:
    import matplotlib as mpl  # noqa: PLC0415 - an extra; it also takes half a second
    from matplotlib.figure import Figure  # noqa: PLC0415

    look: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "zegel",
        "font.size": 9,
        "legend.frameon": False,
        "lines.linewidth": 1.6,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), INK
        ),
    }
    with mpl.rc_context(look):
        figure = Figure(figsize=(SIZE_IN[0], height_in), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(out.getvalue())


def _for_page(svg: str) -> str:
    """The element alone, in the page's colours, with only the ids that it refers to."""
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg ") :], flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", element))
    element = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", element)
    element = re.sub(r' (?:width|height)="[\d.]+pt"', "", element, count=2)
    element = re.sub(r"font-family: [^;\"]*", "font-family: inherit", element)
    element = element.replace(INK, "currentColor")
    for number, colour in enumerate(SERIES):
        element = element.replace(colour, f"var(--s{number})")
    return element.strip()
