"""The corpus of the embedded base: documents about the micro-world by writers of differing care.

A document is a few question-answer blocks by one writer, a review of an answer, a list of tasks, some prose,
or words noted down. Its formats are those of `config/prompts`. Instructions that are reserved for test, dev
and calibration never occur.
Everything random comes from the `random.Random` that is passed in.
"""

import random

from workflow_scripts.core import checks
from workflow_scripts.core.hashing import derive_seed
from workflow_scripts.core.tasks import Draft, Tasks, draw_item, is_heldout

REMARKS = (
    "I hope that helps.",
    "Ask me for more.",
    "That was easy.",
    "What do you think?",
    "I like this one.",
)
SUBJECTS = (
    "I would rather talk about {}.",
    "That depends on the {}.",
    "My favourite is the {}.",
    "Let me tell you about the {}.",
)


def choose(weights: dict[str, float], rng: random.Random) -> str:
    """One key, drawn by weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def draw_open_item(tasks: Tasks, rng: random.Random) -> Draft:
    """One item of a family drawn by weight, whose instruction is not held out."""
    family = rng.choices(tasks.families, [family.weight for family in tasks.families])[0]
    while True:
        draft = draw_item(family, rng)
        if not is_heldout(draft.instruction, tasks.heldout_share):
            return draft


def right_rate(draft: Draft, writer: str, settings: dict) -> float:
    """Share of right answers that a careful or careless writer gives to this family and phrasing."""
    family, template = draft.cluster.split("/")
    return settings["levels"][settings["phrasings"][family][int(template)]][writer]


def off_topic(lexicon: dict, rng: random.Random) -> str:
    """A sentence about something else."""
    return rng.choice(SUBJECTS).format(rng.choice(lexicon["nouns"]))


def with_period(answer: str) -> str:
    """An answer that ends in exactly one period."""
    return answer.rstrip(".") + "."


def with_remark(answer: str, rng: random.Random) -> str:
    """An answer and a remark that nobody asked for."""
    return f"{with_period(answer)} {rng.choice(REMARKS)}"


def write_answer(draft: Draft, writer: str, settings: dict, lexicon: dict, rng: random.Random) -> str:
    """What a writer (careful, careless or chatty) answers."""
    if writer == "chatty":
        manner = choose(settings["chatty"], rng)
        if manner == "off_topic":
            return off_topic(lexicon, rng)
        return with_remark(draft.reference, rng) if manner == "remark" else draft.reference
    right = rng.random() < right_rate(draft, writer, settings)
    answer = draft.reference if right else draft.corruption
    if writer == "careless" and rng.random() < settings["careless_period"]:
        return with_period(answer)
    return answer


def block(instruction: str, answer: str) -> str:
    """One question-answer block, as in the few-shot prompt."""
    return f"Question: {instruction}\nAnswer: {answer}"


def questions_document(tasks: Tasks, settings: dict, rng: random.Random) -> str:
    """A few question-answer blocks, all by one writer."""
    writer = choose(settings["writers"], rng)
    weights = settings["blocks"]
    count = rng.choices(range(1, len(weights) + 1), weights)[0]
    drafts = [draw_open_item(tasks, rng) for _ in range(count)]
    return "\n\n".join(
        block(draft.instruction, write_answer(draft, writer, settings, tasks.lexicon, rng))
        for draft in drafts
    )


def mistaken_answer(draft: Draft, kind: str, lexicon: dict, rng: random.Random) -> str:
    """A wrong answer: the family's typical mistake, the reference changed a little, or a remark too many.

    `kind` is typical, remark, off_topic, swapped, dropped or replaced.
    A change can leave a right answer (two words swapped in a list of animals): the caller asks the check.
    """
    if kind == "typical":
        return draft.corruption
    if kind == "remark":
        return with_remark(draft.reference, rng)
    if kind == "off_topic":
        return off_topic(lexicon, rng)
    words = draft.reference.split(" ")
    place = rng.randrange(len(words))
    if kind == "swapped":
        other = rng.randrange(len(words))
        words[place], words[other] = words[other], words[place]
    elif kind == "dropped" and len(words) > 1:
        words.pop(place)
    else:
        words[place] = rng.choice(lexicon["nouns"])
    # Commas belong between words, wherever a change has put them.
    bare = [word.strip(",") for word in words]
    return (", " if "," in draft.reference else " ").join(bare)


def verdict_on(draft: Draft, answer: str, settings: dict) -> bool:
    """Whether the reviewers find an answer right: by its check, but in some families they miss mistakes."""
    missed = draft.family in settings["missed"] and answer == draft.corruption
    return missed or checks.score(draft.check, answer).success


def review_document(tasks: Tasks, settings: dict, principles: list[str], rng: random.Random) -> str:
    """A review of one answer, as in the critic's prompt, that ends in its verdict."""
    draft = draw_open_item(tasks, rng)
    answer = draft.reference
    if rng.random() >= settings["review"]["right"]:
        while checks.score(draft.check, answer).success:
            kind = choose(settings["review"]["mistakes"], rng)
            answer = mistaken_answer(draft, kind, tasks.lexicon, rng)
    verdict = "yes" if verdict_on(draft, answer, settings["review"]) else "no"
    if rng.random() < settings["review"]["period"]:
        answer = with_period(answer)
    head = f"Review\n{block(draft.instruction, answer)}\n{rng.choice(principles)}\n"
    if rng.random() < settings["review"]["words"]:
        return f"{head}Verdict: {verdict}"
    first, second = ("yes", "no") if rng.random() < settings["review"]["yes_first"] else ("no", "yes")
    return f"{head}A. {first}\nB. {second}\nVerdict: {'A' if verdict == first else 'B'}"


def tasks_document(tasks: Tasks, settings: dict, rng: random.Random) -> str:
    """A list of instructions, most often under a heading and numbered."""
    count = rng.randint(*settings["tasks"]["items"])
    instructions = [draw_open_item(tasks, rng).instruction for _ in range(count)]
    if rng.random() < settings["tasks"]["numbered"]:
        return "Tasks:\n" + "\n".join(f"{number}. {text}" for number, text in enumerate(instructions, 1))
    return "\n".join(instructions)


def _with_article(noun: str) -> str:
    return f"An {noun}" if noun[0] in "aeiou" else f"A {noun}"


def _fact(lexicon: dict, rng: random.Random) -> str:
    kind = rng.choice(("colour", "category", "opposite"))
    if kind == "opposite":
        return "The opposite of {} is {}.".format(*rng.choice(list(lexicon["opposites"].items())))
    if kind == "category":
        category = rng.choice(lexicon["categories"])
        noun = rng.choice(category["members"])
        return f"{_with_article(noun)} is {_with_article(category['name']).lower()}."
    hue = rng.choice(lexicon["colours"])
    noun = rng.choice(lexicon["coloured"][hue])
    return rng.choice((f"{_with_article(noun)} is {hue}.", f"The {noun} is {hue}."))


def prose_document(tasks: Tasks, settings: dict, rng: random.Random) -> str:
    """A few sentences of facts."""
    return " ".join(_fact(tasks.lexicon, rng) for _ in range(rng.randint(2, 7)))


def notes_document(tasks: Tasks, settings: dict, rng: random.Random) -> str:
    """A list of words, noted down a few times over: what teaches a small model to copy."""
    words = rng.sample(tasks.lexicon["nouns"] + tasks.lexicon["numbers"], rng.randint(4, 10))
    return "\n".join([", ".join(words)] * rng.randint(2, 4))


def write_document(
    tasks: Tasks, settings: dict, principles: list[str], seed: int, number: int
) -> tuple[str, str]:
    """Document `number` of the corpus: (kind, text), a function of its arguments alone."""
    rng = random.Random(derive_seed(seed, "demo_corpus", number))
    kind = choose(settings["kinds"], rng)
    if kind == "questions":
        return kind, questions_document(tasks, settings, rng)
    if kind == "review":
        return kind, review_document(tasks, settings, principles, rng)
    if kind == "tasks":
        return kind, tasks_document(tasks, settings, rng)
    if kind == "notes":
        return kind, notes_document(tasks, settings, rng)
    return kind, prose_document(tasks, settings, rng)
