"""Guidance of instruction writing: what each record's prompt asks, and that it is that record's own."""

import json
from collections import Counter

import pytest
import yaml

from tests.conftest import TINY, copy_sources
from tests.taught_models import taught_model
from tests.test_generation import ENGINE, EXEMPLARS, INSTRUCTION
from tests.test_generation_cli import Workspace
from tests.test_rerun_contract import dry_run
from workflow_scripts.core import generation, prompts
from workflow_scripts.core.config_validation import check_config
from workflow_scripts.core.engines.loading import load_engine
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.exemplars import draw_exemplars, draw_varied_exemplars, load_exemplars
from workflow_scripts.core.guidance import Guidance, earlier_instructions, load_guidance

LISTS = "config/guidance.yaml"
TEMPLATE = "config/prompts/instructions-guided.j2"
EARLIER = tuple(f"Repeat word {number}." for number in range(30))


def guided(avoid: int = 3, earlier: tuple = EARLIER) -> Guidance:
    return load_guidance(LISTS, earlier, avoid)


def test_every_topic_and_verb_is_asked_for_and_nothing_else():
    guidance = guided()
    drawn = [guidance.draw(seed) for seed in range(2000)]
    assert {each["topic"] for each in drawn} == set(guidance.topics)
    assert {each["verb"] for each in drawn} == set(guidance.verbs)
    assert len({(each["topic"], each["verb"]) for each in drawn}) > 1000
    assert all(len(set(each["avoid"])) == 3 and set(each["avoid"]) <= set(EARLIER) for each in drawn)
    assert guidance.draw(5) == guidance.draw(5)
    assert guided(4, EARLIER[:2]).draw(1)["avoid"] in (list(EARLIER[:2]), list(EARLIER[1::-1]))


def test_the_lists_hold_nothing_twice():
    guidance = guided()
    assert len(set(guidance.topics)) == len(guidance.topics) >= 50
    assert len(set(guidance.verbs)) == len(guidance.verbs) >= 30


def test_the_prompt_names_what_was_drawn():
    template = prompts.load_template(TEMPLATE)
    stream = generation.Stream(1, "generation", 0)
    shown = generation.instruction_prompt(template, EXEMPLARS, 3, guided(), stream, 7)
    drawn = guided().draw(stream.seed(7, "guidance"))
    assert f'about {drawn["topic"]}. It begins with "{drawn["verb"]}"' in shown
    assert [line for line in shown.splitlines() if line.startswith("- ")] == [
        f"- {text}" for text in drawn["avoid"]
    ]
    assert shown.endswith("\n4.") and "\n3. Repeat" in shown
    pilot = generation.instruction_prompt(template, EXEMPLARS, 3, guided(earlier=()), stream, 7)
    assert pilot.startswith("New tasks") and "- " not in pilot


def test_a_guided_record_depends_on_its_place_alone():
    engine, template = load_engine(ENGINE, taught_model()), prompts.load_template(TEMPLATE)

    def write(size: int, shard: int = 0) -> list[dict]:
        stream = generation.Stream(1, "generation", shard)
        return generation.write_instructions(engine, template, EXEMPLARS, INSTRUCTION, stream, size, guided())

    records = write(6)
    assert write(3) == records[:3]
    assert len({record["prompt_sha256"] for record in records + write(6, shard=1)}) == 12


def test_earlier_instructions_are_distinct_and_well_formed():
    rows = [("Name a cat.", None), ("name a cat", "critic"), ("1", "malformed_instruction")]
    rows += [("Name a dog and", "truncated_instruction"), ("Name a dog.", "empty_response")]
    records = [{"instruction": text, "rejected_reason": reason} for text, reason in rows]
    assert earlier_instructions(records) == ["Name a cat.", "Name a dog."]


@pytest.mark.parametrize(
    "text, field", [("topics: [a]", "verbs"), ("topics: []\nverbs: [a]", "topics"), ("- a", "topics")]
)
def test_wrong_lists_are_refused(tmp_path, text, field):
    path = tmp_path / "guidance.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"guidance.yaml: {field}"):
        load_guidance(path)


def test_a_topic_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "guidance.yaml"
    path.write_text("topics: [12, yes]\nverbs: [Name]")
    with pytest.raises(InputError, match="topics"):
        load_guidance(path)


def test_the_command_line_guides_by_the_pilot(tmp_path):
    workspace = Workspace(tmp_path)
    pilot = workspace.generate(0, size=8, stream="pilot", guidance=(LISTS,))
    rows = workspace.generate(0, size=8, guidance=(LISTS, "--earlier", workspace.path("pilot-000.parquet")))
    source = json.loads(rows[0]["provenance"])
    assert len(source["guidance_sha256"]) == 2 and source["sampling"]["instruction"]["guidance"]["avoid"] == 2
    assert len(json.loads(pilot[0]["provenance"])["guidance_sha256"]) == 1
    plain = workspace.generate(1, size=8)
    assert json.loads(plain[0]["provenance"])["guidance_sha256"] == []


def config(**guidance) -> dict:
    document = yaml.safe_load(open("config/config.yaml", encoding="utf-8"))
    document["generation"]["instruction"]["guidance"] = guidance or None
    return document


def test_guidance_and_its_template_must_fit():
    document = config(lists=LISTS, avoid=4)
    with pytest.raises(InputError, match="the template does not use avoid, topic, verb"):
        check_config(document, ".")
    document["prompts"]["instructions"] = TEMPLATE
    check_config(document, ".")
    with pytest.raises(InputError, match="undefined variable avoid, topic, verb"):
        check_config({**document, "generation": config()["generation"]}, ".")
    document["generation"]["instruction"]["guidance"]["lists"] = "config/none.yaml"
    with pytest.raises(InputError, match="guidance.lists.*does not exist"):
        check_config(document, ".")


@pytest.mark.slow
def test_guided_shards_need_the_pilot_s_records(tmp_path):
    directory = copy_sources(tmp_path / "run")
    overlay = directory / "guided.yaml"
    overlay.write_text(
        yaml.safe_dump(
            {
                "generation": {"instruction": {"guidance": {"lists": LISTS, "avoid": 4}}},
                "prompts": {"instructions": TEMPLATE},
            }
        )
    )
    target = "results/generation/shard-000.parquet"
    extra = {LISTS, "results/pilot/records.parquet"}
    for files, expected in (([TINY], set()), ([TINY, "guided.yaml"], extra)):
        jobs = dry_run(directory, "--configfile", *files, "--", target)
        shard = next(job for job in jobs if job.rule == "generate_shard")
        assert shard.inputs & extra == expected


def test_a_list_shows_as_many_kinds_as_there_are():
    exemplars = load_exemplars("config/exemplars.yaml")
    kinds = Counter(exemplar["kind"] for exemplar in exemplars)
    assert len(kinds) == 11

    def mean_kinds(draw) -> float:
        return sum(len({each["kind"] for each in draw(exemplars, 5, seed)}) for seed in range(300)) / 300

    assert mean_kinds(draw_varied_exemplars) == 5 > mean_kinds(draw_exemplars) + 0.5
    for seed in range(20):
        drawn = draw_varied_exemplars(exemplars, 15, seed)
        assert len({each["instruction"] for each in drawn}) == 15
        times = Counter(each["kind"] for each in drawn)
        assert len(times) == 11 and max(times.values()) == 2
    shown = Counter(
        each["instruction"] for seed in range(2000) for each in draw_varied_exemplars(exemplars, 5, seed)
    )
    assert len(shown) == 33 and max(shown.values()) < 1.3 * min(shown.values())
    places = Counter(draw_varied_exemplars(exemplars, 3, seed)[0]["kind"] for seed in range(2000))
    assert max(places.values()) < 1.5 * min(places.values())


def test_an_exemplar_without_a_kind_is_of_its_own():
    drawn = [draw_varied_exemplars(EXEMPLARS, 3, seed) for seed in range(20)]
    assert drawn[3] == draw_varied_exemplars(EXEMPLARS, 3, 3)
    assert len({tuple(each["instruction"] for each in each_drawn) for each_drawn in drawn}) > 10
    with pytest.raises(InputError, match="shots = 6"):
        draw_varied_exemplars(EXEMPLARS, 6, 0)
