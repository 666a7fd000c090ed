"""From an Altair chart to an SVG that stands alone, is read aloud, and can share a page with others."""

import re
from xml.etree import ElementTree

import altair
import vl_convert

SVG = "http://www.w3.org/2000/svg"
# The colours that charts may use. The page gives each another value where the reader prefers a dark one.
INK, MUTED, GRID, PAPER = "#1f2933", "#5f6b7a", "#dfe3e8", "#ffffff"
SERIES = ("#b45309", "#0f7b5f", "#7a4fbf", "#0b6bcb", "#b8326f", "#4d7c0f")
PALETTE = {"ink": INK, "muted": MUTED, "grid": GRID, "paper": PAPER} | {
    f"series-{place}": colour for place, colour in enumerate(SERIES, 1)
}
# Metrically the same where one of them is missing, so that a chart's layout does not depend on the machine.
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
CONFIG = {
    "aria": False,
    "background": PAPER,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "labelLimit": 170,
        "titlePadding": 8,
    },
    "axisY": {"grid": False, "ticks": False, "domain": False, "labelPadding": 6},
    "axisX": {"tickCount": 5, "labelFlush": False},
    "legend": {
        "orient": "top",
        "title": None,
        "labelColor": INK,
        "labelFontSize": 12,
        "columns": 3,
        "symbolSize": 70,
        "labelLimit": 150,
    },
    "text": {"color": INK, "fontSize": 12},
}


def render(chart: altair.Chart, name: str, title: str, description: str) -> str:
    """The chart as SVG text with title and description; ids begin with `name`. Equal charts, equal text."""
    specification = chart.properties(autosize={"type": "fit", "contains": "padding"}).to_dict()
    specification["config"] = CONFIG
    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(specification))
    _remove_decoration(root)
    _own_ids(root, name)
    _name(root, name, title, description)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _remove_decoration(root: ElementTree.Element) -> None:
    """Drops what is not drawn, and classes and roles that mean nothing outside Vega."""
    for parent in list(root.iter()):
        for child in list(parent):
            is_empty_path = child.tag == f"{{{SVG}}}path" and (
                child.get("display") == "none" or child.get("d") in ("", "M0,0h0v0h0Z")
            )
            if is_empty_path:
                parent.remove(child)
        for attribute in ("class", "role", "aria-roledescription", "aria-hidden", "pointer-events"):
            parent.attrib.pop(attribute, None)


def _own_ids(root: ElementTree.Element, name: str) -> None:
    for element in root.iter():
        if "id" in element.attrib:
            element.set("id", f"{name}-{element.get('id')}")
        for key, value in element.attrib.items():
            if "url(#" in value:
                element.set(key, re.sub(r"url\(#", f"url(#{name}-", value))


def _name(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    """Title and description as the first children, and the reference to them that screen readers follow."""
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(
            f"{{{SVG}}}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'description'}"}
        )
        element.text = text
        root.insert(place, element)
