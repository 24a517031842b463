"""The figures as one SVG: a bar to the median and a line to the 95th percentile.

Drawn here and not by a library: two panels that follow the reader's light or dark page take a
style sheet inside the file, and the libraries that are light enough bring their own colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from .contenders import Job
from .figures import Line

WIDTH, NAME_WIDTH, VALUE_WIDTH = 800, 200, 170
ROW, BAR, TITLE, MARGIN = 24, 14, 44, 16
SCALE = WIDTH - NAME_WIDTH - VALUE_WIDTH - 2 * MARGIN

STYLE = """
svg { font: 13px system-ui, sans-serif; background: #ffffff; }
text { fill: #1f2328; } .title { font-weight: 600; font-size: 15px; } .note { fill: #59636e; }
rect { fill: #8c959f; } rect.ours { fill: #0969da; } line { stroke: #59636e; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; } text { fill: #e6edf3; } .note { fill: #9198a1; }
  rect { fill: #6e7681; } rect.ours { fill: #58a6ff; } line { stroke: #9198a1; }
}
"""


def chart_of(lines: Sequence[Line], caption: str) -> str:
    """An SVG document with one panel for each job that was measured."""
    jobs = [job for job in Job if any(line.job == job for line in lines)]
    height = MARGIN + 3 * ROW + sum(TITLE + ROW * _count(lines, job) for job in jobs)
    svg = ET.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
    )
    ET.SubElement(svg, "title").text = "Time of one request, in milliseconds"
    ET.SubElement(svg, "desc").text = " ".join(_in_words(lines, job) for job in jobs)
    ET.SubElement(svg, "style").text = STYLE
    top = MARGIN
    for job in jobs:
        top = _panel(svg, [line for line in lines if line.job == job], top)
    _text(svg, MARGIN, top + ROW, "Bar: median. Line: up to the 95th percentile.", "note")
    _text(svg, MARGIN, top + 2 * ROW, caption, "note")
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


def _in_words(lines: Sequence[Line], job: Job) -> str:
    """One panel, for those who listen."""
    of_job = sorted((line for line in lines if line.job == job), key=lambda line: line.median_ms)
    listed = ", ".join(f"{line.name} {line.median_ms:.2f} ms" for line in of_job)
    return f"{job.title}: {listed}."


def _count(lines: Sequence[Line], job: Job) -> int:
    return sum(line.job == job for line in lines)


def _panel(svg: ET.Element, lines: Sequence[Line], top: int) -> int:
    """One job, the fastest first; where the next panel begins."""
    _text(svg, MARGIN, top + 26, lines[0].job.title, "title")
    top += TITLE
    longest = max(line.p95_ms for line in lines)
    for line in sorted(lines, key=lambda line: line.median_ms):
        _bar(svg, line, top, SCALE / longest)
        top += ROW
    return top


def _bar(svg: ET.Element, line: Line, top: int, scale: float) -> None:
    left, middle = MARGIN + NAME_WIDTH, top + ROW / 2
    median, p95 = left + line.median_ms * scale, left + line.p95_ms * scale
    _text(svg, MARGIN, middle + 4, line.name)
    bar = {"x": left, "y": middle - BAR / 2, "width": median - left, "height": BAR, "rx": 2}
    ours = {"class": "ours"} if line.name.startswith("token_lifecycle") else {}
    ET.SubElement(svg, "rect", {name: f"{value:g}" for name, value in bar.items()} | ours)
    whisker = {"x1": median, "x2": p95, "y1": middle, "y2": middle}
    ET.SubElement(svg, "line", {name: f"{value:g}" for name, value in whisker.items()})
    _text(svg, p95 + 6, middle + 4, f"{line.median_ms:.2f} ms, {_statements(line)}", "note")


def _statements(line: Line) -> str:
    return f"{line.statements} statement{'' if line.statements == 1 else 's'}"


def _text(svg: ET.Element, x: float, y: float, text: str, kind: str = "") -> None:
    place = {"x": f"{x:g}", "y": f"{y:g}"} | ({"class": kind} if kind else {})
    ET.SubElement(svg, "text", place).text = text
