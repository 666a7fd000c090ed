"""How numbers and foreign text are written on the summary page."""

import math
import re
import unicodedata

from markupsafe import Markup, escape

THIN_SPACE = "\u202f"
MINUS = "\u2212"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALLEST_PLAIN = 0.001
# Joiners are part of words in some scripts and of emoji; every other invisible character is named.
HARMLESS_FORMATS = "\u200c\u200d"
# How a metric is shown goes by its name: shares in percent, paired differences in points, p-values as such.
METRIC_KINDS = {
    "rate": re.compile(
        r"(_rate|_success|_share|_probability|precision|recall|accuracy|identical_responses|_changes|_fired"
        r"|explained|explained_by_length|length_artifact|over_lift|_false_(continue|pause|stop))$"
    ),
    "points": re.compile(r"(^|_)(lift|lift_clustered|effect|difference|detectable_effect)$"),
    "p": re.compile(r"(^|_)p$"),
}


def percent(value: float, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage with its sign: 0.5 is `50.0 %`."""
    return f"{percent_number(value, digits)}{THIN_SPACE}%"


def percent_number(value: float, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage without its sign."""
    return _signed(value * 100, f".{digits}f")


def points(value: float) -> str:
    """A difference of shares in percentage points, always signed: 0.1 is `+10.0`."""
    return _signed(value * 100, "+.1f")


def _signed(value: float, form: str) -> str:
    text = format(value, form)
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def p_value(value: float) -> str:
    """A p-value: three decimals, and below 0.001 two digits and a power of ten."""
    if value >= SMALLEST_PLAIN:
        return f"{value:.3f}"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(value))
    if float(f"{value / 10**exponent:.1f}") >= 10:
        exponent += 1
    return f"{value / 10**exponent:.1f}{THIN_SPACE}×{THIN_SPACE}10{str(exponent).translate(SUPERSCRIPTS)}"


def count(value: float) -> str:
    """A whole number, thousands apart."""
    return f"{int(value):,}".replace(",", THIN_SPACE).replace("-", MINUS)


def number(value: float) -> str:
    """Any number: whole ones as such, others to three decimals or four digits, tiny ones with an exponent."""
    if float(value).is_integer() and abs(value) < 1e15:
        return count(value)
    text = f"{value:.3f}" if SMALLEST_PLAIN <= abs(value) < 1 else f"{value:.4g}"
    return text.replace("e-0", "e-").replace("-", MINUS)


def decimal(value: float, digits: int) -> str:
    """A number with a fixed count of decimals."""
    return _signed(value, f".{digits}f")


def metric_kind(metric: str) -> str:
    """How a metric of this name is shown: rate, points, p or number."""
    return next((kind for kind, pattern in METRIC_KINDS.items() if pattern.search(metric)), "number")


def words(name: str) -> str:
    """A field's name as words: `token_limit_rate` is `token limit rate`."""
    return name.replace("_", " ")


def _is_invisible(character: str) -> bool:
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"):
        return character not in "\n\t" + HARMLESS_FORMATS
    return False


def inert(text: str, limit: int = 320) -> Markup:
    """Foreign text as harmless HTML: escaped, cut at `limit` characters, invisible characters named.

    What is cut away is said: "… (100 000 characters)". Isolated from the direction of the text around it.
    """
    shown = text if len(text) <= limit else text[:limit]
    parts = [
        Markup('<span class="control">U+{:04X}</span>').format(ord(character))
        if _is_invisible(character)
        else escape(character)
        for character in shown
    ]
    if len(shown) < len(text):
        parts.append(Markup('<span class="cut">… ({} characters)</span>').format(count(len(text))))
    return Markup('<bdi dir="ltr" class="foreign">{}</bdi>').format(Markup("").join(parts))


def caption(text: str) -> Markup:
    """One reStructuredText caption as HTML paragraphs: comments dropped, ``literal`` and *emphasis* kept."""
    blocks = [block for block in re.split(r"\n\s*\n", text.strip()) if not block.startswith(".. ")]
    paragraphs = [str(escape(" ".join(block.split()))) for block in blocks]
    marked = [re.sub(r"``(.+?)``", r"<code>\1</code>", paragraph) for paragraph in paragraphs]
    marked = [re.sub(r"\*(.+?)\*", r"<em>\1</em>", paragraph) for paragraph in marked]
    return Markup("").join(Markup("<p>{}</p>").format(Markup(paragraph)) for paragraph in marked)
