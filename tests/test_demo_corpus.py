"""The corpus: the same for the same seed, in the formats of the prompts, without anything held out."""

import random
from collections import Counter

import pytest
import yaml

from workflow_scripts.core import checks, demo_corpus, prompts
from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.tasks import draw_item, is_heldout, load_tasks
from workflow_scripts.demo_corpus import main

DOCUMENTS = 800


@pytest.fixture(scope="module")
def settings():
    with open("config/demo_base.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)


@pytest.fixture(scope="module")
def tasks():
    return load_tasks("config/tasks/microworld.yaml")


@pytest.fixture(scope="module")
def questions():
    return [principle.question for principle in load_constitution("config/constitution.yaml")]


def write(tasks, settings, questions, numbers, seed=None):
    seed = settings["seed"] if seed is None else seed
    return [demo_corpus.write_document(tasks, settings["corpus"], questions, seed, n) for n in numbers]


@pytest.fixture(scope="module")
def documents(tasks, settings, questions):
    return write(tasks, settings, questions, range(DOCUMENTS))


def instructions_of(kind, text):
    """Every instruction that a document holds."""
    lines = text.splitlines()
    if kind in ("questions", "review"):
        return [line.removeprefix("Question: ") for line in lines if line.startswith("Question: ")]
    if kind == "tasks":
        return [line.split(". ", 1)[1] if line[0].isdigit() else line for line in lines if line != "Tasks:"]
    return []


def test_a_document_is_a_function_of_seed_and_number(tasks, settings, questions, documents):
    assert write(tasks, settings, questions, [700, 3]) == [documents[700], documents[3]]
    assert write(tasks, settings, questions, range(20), seed=12) != documents[:20]


def test_no_heldout_instruction_occurs(tasks, documents):
    found = [instruction for document in documents for instruction in instructions_of(*document)]
    assert len(found) > 2 * DOCUMENTS
    assert not [text for text in found if is_heldout(text, tasks.heldout_share)]


def test_kinds_come_in_their_shares(settings, documents):
    counts = Counter(kind for kind, _ in documents)
    for kind, share in settings["corpus"]["kinds"].items():
        assert counts[kind] / DOCUMENTS == pytest.approx(share, abs=0.05)


def test_formats_are_those_of_the_prompts(tasks, settings, questions):
    rng = random.Random(3)
    draft = demo_corpus.draw_open_item(tasks, rng)
    block = demo_corpus.block(draft.instruction, draft.reference)
    shown = {"instruction": draft.instruction, "response": draft.reference}
    template = prompts.load_template("config/prompts/answers.j2")
    assert prompts.render(template, exemplars=[shown], instruction=draft.instruction).startswith(
        block + "\n\n"
    )

    reviews = (demo_corpus.review_document(tasks, settings["corpus"], questions, rng) for _ in range(100))
    review = next(text for text in reviews if "\nA. no\nB. yes\n" in text)
    _, question, answer, principle, first, second, _ = review.split("\n")
    prompt = prompts.render(
        prompts.load_template("config/prompts/critic.j2"),
        instruction=question.removeprefix("Question: "),
        response=answer.removeprefix("Answer: "),
        principle=principle,
        first=first.removeprefix("A. "),
        second=second.removeprefix("B. "),
    )
    assert review[: len(prompt)] == prompt and review[len(prompt) :] in (" A", " B")

    lists = (demo_corpus.tasks_document(tasks, settings["corpus"], rng) for _ in range(100))
    text = next(text for text in lists if text.startswith("Tasks:"))
    template = prompts.load_template("config/prompts/instructions.j2")
    written = instructions_of("tasks", text)
    assert text.startswith(prompts.render(template, exemplars=written[:3]))


def test_verdicts_agree_with_the_checks(tasks, settings, questions):
    rng = random.Random(5)
    for _ in range(300):
        draft = demo_corpus.draw_open_item(tasks, rng)
        for kind in settings["corpus"]["review"]["mistakes"]:
            answer = demo_corpus.mistaken_answer(draft, kind, tasks.lexicon, rng)
            assert answer.strip()
            if kind in ("typical", "remark", "off_topic"):
                assert not checks.score(draft.check, answer).success, (draft, kind, answer)


def test_writers_are_right_at_their_rates(tasks, settings):
    corpus, rng = settings["corpus"], random.Random(7)
    family = tasks.families[0]
    right = {"careful": [], "careless": []}
    expected = {"careful": [], "careless": []}
    for _ in range(1500):
        draft = draw_item(family, rng)
        for writer, outcomes in right.items():
            answer = demo_corpus.write_answer(draft, writer, corpus, tasks.lexicon, rng)
            outcomes.append(checks.score(draft.check, answer).success)
            expected[writer].append(demo_corpus.right_rate(draft, writer, corpus))
    for writer, outcomes in right.items():
        rate = sum(expected[writer]) / len(outcomes)
        assert sum(outcomes) / len(outcomes) == pytest.approx(rate, abs=0.04)


def test_every_phrasing_has_a_level(tasks, settings):
    corpus = settings["corpus"]
    assert set(corpus["phrasings"]) == {family.name for family in tasks.families}
    for family in tasks.families:
        assert len(corpus["phrasings"][family.name]) == len(family.templates)
        assert set(corpus["phrasings"][family.name]) <= set(corpus["levels"])


def test_the_command_writes_the_documents_in_order(tmp_path, tasks, settings, questions):
    import json

    from pyarrow import parquet

    small = {"seed": settings["seed"], "corpus": {**settings["corpus"], "documents": 40}}
    main(
        [
            "--settings", json.dumps(small), "--tasks", "config/tasks/microworld.yaml",
            "--constitution", "config/constitution.yaml", "--corpus", str(tmp_path / "corpus.parquet"),
            "--processes", "1",
        ]
    )  # fmt: skip
    rows = parquet.read_table(tmp_path / "corpus.parquet").to_pylist()
    assert [(row["kind"], row["text"]) for row in rows] == write(tasks, settings, questions, range(40))
