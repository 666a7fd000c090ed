"""Checks of how a free text is laid out: one sentence, quotation marks, a title, highlighted parts."""

from collections.abc import Sequence

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong

QUOTATION_MARKS = ('""', "“”", "„“", "«»")

# ---- sentence


def check_sentence(
    response: str, contains: Sequence[str], ends_with: str, excluded: Sequence[str] = ()
) -> Verdict:
    """One sentence with every word of `contains`, none of `excluded`, and `ends_with` as its last word."""
    text = reading.tidy(response).rstrip("?" + reading.EDGES).rstrip(".!?")
    said = [word.casefold() for word in reading.WORD.findall(text)]
    wanted, last = {word.casefold() for word in contains}, ends_with.casefold()
    if not said:
        return EMPTY
    used = set(said)
    if not wanted <= used:
        return wrong("a word is missing")
    if said[-1] != last:
        return wrong("wrong ending")
    if reading.SENTENCE_END.search(text):
        return wrong("more than one sentence")
    if not used.isdisjoint(word.casefold() for word in excluded):
        return wrong("an excluded word")
    if not used - wanted - {last} - reading.ARTICLES - {"and"}:
        return wrong("not a sentence")
    return RIGHT


def _sentence_forms(
    reference: str, contains: Sequence[str], ends_with: str, excluded: Sequence[str] = ()
) -> Texts:
    plain = reference.rstrip(".")
    return mutations.dressed(reference) | {
        "question": f"{plain}?",
        "exclamation": f"{plain}!",
        "lines": reference.replace(" ", "\n"),
        "short": " ".join([*contains, "beside", ends_with]),
        "long": mutations.lengthened("as everybody here knows by now,") + f" {plain}.",
    }


def _sentence_corruptions(
    reference: str, contains: Sequence[str], ends_with: str, excluded: Sequence[str] = ()
) -> Texts:
    other = mutations.stranger([*contains, ends_with, *excluded])
    found = {
        "empty": "",
        "remark": f"{reference.rstrip('.')}. {mutations.REMARK}",
        "another ending": f"{reference.rstrip('.')} {other}.",
        "two sentences": f"It is late. {reference}",
        "words alone": ", ".join([*contains, ends_with]),
        "longer ending": f"{reference.rstrip('.')}{other}",
        "one word missing": " ".join([*contains[:-1], other, "beside", ends_with]),
    }
    return found | ({"an excluded word": f"{excluded[0]} {reference}"} if excluded else {})


# ---- quoted


def check_quoted(response: str, at_least: int) -> Verdict:
    """A text of `at_least` words inside one pair of double quotation marks, with nothing outside."""
    text = reading.normal(response)
    if not text.strip('"“”„«»'):
        return EMPTY
    if len(text) < 2 or text[0] + text[-1] not in QUOTATION_MARKS:
        return wrong("not inside quotation marks")
    inside = text[1:-1]
    if any(mark in inside for pair in QUOTATION_MARKS for mark in pair):
        return wrong("quotation marks inside")
    return RIGHT if len(reading.spaced_words(inside)) >= at_least else wrong("too few words")


def _quoted_forms(reference: str, at_least: int) -> Texts:
    plain = reference.strip().strip('"“”„«»')
    marks = {f"marks {pair}": f"{pair[0]}{plain}{pair[1]}" for pair in QUOTATION_MARKS}
    return (
        mutations.framed(reference)
        | marks
        | {
            "spaces inside": f'" {plain} "',
            "capitals": f'"{plain.upper()}"',
            "lines": '"' + plain.replace(" ", "\n") + '"',
            "long": f'"{mutations.lengthened(plain)}"',
        }
    )


def _quoted_corruptions(reference: str, at_least: int) -> Texts:
    plain = reference.strip().strip('"“”„«»')
    said = reading.spaced_words(plain)
    return mutations.spoiled(reference) | {
        "no marks": plain,
        "marks alone": '""',
        "first mark missing": f'{plain}"',
        "last mark missing": f'"{plain}',
        "single marks": f"'{plain}'",
        "only the first word in marks": f'"{said[0]}" {plain}',
        "two quotations": f'"{plain}" "{plain}"',
        "one word missing": '"' + " ".join((said * at_least)[: at_least - 1]) + '"',
    }


# ---- titled


def check_titled(response: str, title: str, at_least: int) -> Verdict:
    """A text that begins with this title in <<double angle brackets>> and has `at_least` words after it."""
    text = reading.normal(response).lstrip("#*_ ")  # a Markdown heading, or bold
    if not text:
        return EMPTY
    head, closed, body = text.partition(">>")
    if not closed or not head.startswith("<<"):
        return wrong("no title in double angle brackets at the beginning")
    if " ".join(head[2:].split()).casefold() != title.casefold():
        return wrong("another title")
    if "<<" in body or ">>" in body:
        return wrong("more than one title")
    return RIGHT if len(reading.spaced_words(body)) >= at_least else wrong("too few words")


def _body(reference: str) -> str:
    return reference.partition(">>")[2].strip()


def _titled_forms(reference: str, title: str, at_least: int) -> Texts:
    body = _body(reference)
    return mutations.framed(reference) | {
        "on its line": f"<<{title}>>\n\n{body}",
        "on one line": f"<<{title}>> {body}",
        "bold": f"**<<{title}>>**\n{body}",
        "heading": f"# <<{title}>>\n\n{body}",
        "spaces inside": f"<< {title} >>\n{body}",
        "capitals": f"<<{title}>>\n{body}".upper(),
        "long": f"<<{title}>>\n{mutations.lengthened(body)}",
        "shortest": f"<<{title}>> " + " ".join((reading.spaced_words(body) * at_least)[:at_least]),
    }


def _titled_corruptions(reference: str, title: str, at_least: int) -> Texts:
    body = _body(reference)
    return {
        "empty": "",
        "no title": body,
        "no brackets": f"{title}\n{body}",
        "single brackets": f"<{title}>\n{body}",
        "square brackets": f"[[{title}]]\n{body}",
        "not closed": f"<<{title}\n{body}",
        "another title": f"<<{title} {mutations.stranger([title])}>>\n{body}",
        "title at the end": f"{body}\n<<{title}>>",
        "two titles": f"<<{title}>>\n<<{title}>>\n{body}",
        "nothing but the title": f"<<{title}>>",
        "preamble": f"{mutations.PREAMBLE}\n{reference}",
    }


# ---- highlights


def check_highlights(response: str, count: int, at_least: int) -> Verdict:
    """A text of `at_least` words with exactly `count` parts between single asterisks, *like this*."""
    text = reading.normal(response)
    if not text.strip("*"):
        return EMPTY
    parts = text.split("*")
    if len(parts) % 2 == 0 or any(part != part.strip() or not part for part in parts[1::2]):
        return wrong("asterisks that are not in pairs around a part")
    found = len(parts) // 2
    if found != count:
        return wrong("too few highlights" if found < count else "too many highlights")
    return RIGHT if len(reading.spaced_words(text)) >= at_least else wrong("too few words")


def _highlights_forms(reference: str, count: int, at_least: int) -> Texts:
    plain = reference.replace("*", "")
    first = " ".join(f"*{word}*" for word in ["this"] * count)
    return mutations.framed(reference) | {
        "capitals": reference.upper(),
        "at the beginning": f"{first} {plain}",
        "at the end": f"{plain} {first}",
        "several words": f"{plain} " + ", ".join(["*this and that*"] * count),
        "long": f"{mutations.lengthened(plain)} {first}",
        "lines": reference.replace(" ", "\n"),
    }


def _highlights_corruptions(reference: str, count: int, at_least: int) -> Texts:
    plain = reference.replace("*", "")
    return {
        "empty": "",
        "none": plain,
        "one missing": plain + " *this*" * (count - 1),
        "one too many": f"{reference} *this*",
        "double asterisks": reference.replace("*", "**"),
        "underscores": reference.replace("*", "_"),
        "one asterisk open": f"{reference} *this",
        "nothing between": plain + " **" * count,
        "too few words": " ".join(["*this*"] * count) if at_least > count else "",
    }


KINDS = {
    "sentence": Kind(check_sentence, _sentence_forms, _sentence_corruptions),
    "quoted": Kind(check_quoted, _quoted_forms, _quoted_corruptions),
    "titled": Kind(check_titled, _titled_forms, _titled_corruptions),
    "highlights": Kind(check_highlights, _highlights_forms, _highlights_corruptions),
}
