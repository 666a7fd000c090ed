"""Phrases by which an assistant speaks of itself, refuses, or turns to its user; a base has no such voice."""

import re

SELF = (
    r"(?:an? )?(?:(?:ai|artificial intelligence)(?: (?:language )?model| assistant| system)?"
    r"|(?:large )?language model|(?:virtual |digital )?assistant|chatbot)"
)
CANNOT = r"(?:can't|cannot|can not|won't|will not|am unable to|am not able to|'m unable to|'m not able to)"
# What an assistant says that it will not do; "I cannot swim" is none of it.
SERVICE = (
    r"(?:help (?:you )?with|assist (?:you )?with|fulfil|comply|provide|answer (?:that|this)|discuss|engage"
    r"|do that|(?:create|generate|write|produce) (?:that|this|such|(?:[\w-]+ ){0,3}content)"
    r"|access (?:the internet|real-time|external))"
)
OPENING = r"\A(?:sure|certainly|absolutely|of course|great question|sure thing)"
PHRASES = re.compile(
    # The boundary stands before all of them, so that a search fails at once within a word.
    r"\b(?:{})".format(
        "|".join(
            [
                rf"as {SELF}\b,? i\b",
                r"my (?:training data|knowledge cutoff|programming)\b|my knowledge ends\b",
                r"i (?:do not|don't) have access to (?:current|real-time|the internet|external)\b",
                rf"i(?:'m| am) (?:(?:just |only |merely )?{SELF}|(?:very |so |really )?sorry,? but)\b",
                r"i apologi[sz]e,? but\b",
                r"it would(?: not|n't) be appropriate for me\b",
                rf"^(?:sorry|apologies|unfortunately),? (?:but )?i ?{CANNOT}\b",
                rf"i ?{CANNOT} {SERVICE}\b",
                rf"{OPENING}(?:!|\b[!,.]* (?:here|i['\s]|let))",
                r"i hope (?:this|that) helps\b",
                r"feel free to (?:ask|reach out)\b",
                r"is there anything else i can\b",
                r"how (?:can|may) i (?:help|assist) you\b",
                r"i(?:'m| am|'d be) (?:here|happy|glad) to (?:help|assist)\b",
                r"let me know if you (?:have any|need|want)\b",
            ]
        )
    ),
    re.IGNORECASE | re.MULTILINE,
)
QUOTED = re.compile(r"\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|(?<!\w)'[^'\n]+'(?!\w)")


def assistant_phrases(text: str) -> list[str]:
    """The assistant's phrases in a text, in order, as they are written there.

    What stands between quotation marks is somebody else's voice, and is left out.
    """
    return [match[0] for match in PHRASES.finditer(QUOTED.sub(" ", text.replace("\u2019", "'")).strip())]
