"""Pre-registration: what a plan holds, when it may still change, and what compare says of departures."""

import json
import shutil

import pytest

from tests.evaluation_files import write_arm, write_jsonl
from workflow_scripts import compare, preregister
from workflow_scripts.core import preregistration
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, sha256_text
from workflow_scripts.core.schemas import ITEMS, write_records

CLAIM = {"claim_mid_p": {"bound": "value", "below": 0.01, "otherwise": "stop"}}
STATISTICS = {
    "alpha": 0.01,
    "fdr": 0.05,
    "confidence": 0.95,
    "power": 0.8,
    "bootstrap_samples": 200,
    "seed": 7,
    "adjustment": {"arms": "holm", "types": "bh"},
    "planned_discordance": {"primary": 0.2},
    "primary": ["base", "sft"],
    "comparisons": [["base", "sft"], ["base", "dpo"]],
}
ARMS = {"base": 2, "sft": 3, "dpo": 5}
N = 60


class Project:
    """A folder with test items, the responses and scores of arms, a registration and its comparisons."""

    def __init__(self, folder):
        self.folder = folder
        self.items = folder / "test.parquet"
        self.evaluation = folder / "evaluation"
        self.registration = folder / "statistics" / "preregistration.json"
        self.comparisons = folder / "statistics" / "comparisons.json"
        self.write_items()

    def write_items(self, prefix="item-", n=N):
        rows = []
        for place in range(n):
            kind = ("list", "factual")[place % 2]
            names = dict.fromkeys(("split", "instruction", "check", "reference", "corruption"), "x")
            rows.append(
                {
                    **names,
                    "record_id": f"{place}",
                    "seed": 0,
                    "prompt_sha256": "",
                    "provenance": "{}",
                    "item_id": f"{prefix}{place:05d}",
                    "type": kind,
                    "family": kind,
                    "cluster": f"{kind}/{place % 7}",
                }
            )
        write_records(self.items, rows, ITEMS)

    def answer(self, *arms, n=N):
        """Writes the arms' responses and scores, as if they had answered the items."""
        for arm in arms:
            answers = [{"response": "a", "success": place % 7 < ARMS[arm]} for place in range(n)]
            write_arm(self.evaluation, arm, answers)

    def register(self, **changes) -> dict:
        claim = changes.pop("claim", CLAIM)
        settings = {"statistics": {**STATISTICS, **changes}, "claim": claim}
        words = ["--settings", json.dumps(settings), "--items", str(self.items)]
        words += ["--responses", str(self.evaluation), "--registration", str(self.registration)]
        preregister.main(words)
        return json.loads(self.registration.read_text())

    def compare(self, scores=None, **changes) -> dict:
        scores = scores or [str(self.evaluation / arm / "scores.parquet") for arm in ARMS]
        words = ["--scores", *scores, "--comparisons", str(self.comparisons)]
        words += ["--settings", json.dumps({"statistics": {**STATISTICS, **changes}})]
        compare.main([*words, "--registration", str(self.registration)])
        return json.loads(self.comparisons.read_text())["registration"]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def deviating(found: dict) -> dict[str, bool]:
    """{field: whether it touches the primary endpoint} of a comparisons file's registration."""
    return {entry["field"]: entry["primary"] for entry in found["deviations"]}


def test_a_plan_holds_what_the_answer_depends_on(project):
    registered = project.register()["registered"]
    plan = registered["plan"]
    for name in ("alpha", "fdr", "confidence", "power", "bootstrap_samples", "seed", "adjustment"):
        assert plan[name] == STATISTICS[name], name
    assert plan["primary"] == ["base", "sft"] and ["base", "dpo"] in plan["comparisons"]
    assert plan["test"] == "McNemar mid-p, two-sided" and "success rate" in plan["endpoint"]
    assert plan["claim"] == CLAIM and plan["planned_discordance"] == 0.2
    assert plan["items"]["n"] == 60 and plan["items"]["types"] == {"factual": 30, "list": 30}
    assert plan["items"]["clusters"] == 14
    assert registered["sha256"] == sha256_text(canonical_json(plan))
    assert registered["responses_before"] == []


def test_power_is_stated_before_there_is_a_result(project):
    """At 1,000 items, a fifth discordant, alpha .05 and power .8, four points are the least that is found."""
    project.write_items(n=1000)
    expected = project.register(alpha=0.05)["registered"]["expected"]
    assert expected["minimum_detectable_effect"] == pytest.approx(0.0396, abs=5e-5)
    assert expected["minimum_detectable_effect_by_type"]["list"] == pytest.approx(0.056, abs=5e-4)
    power = {entry["lift"]: entry["power"] for entry in expected["power_at"]}
    assert power[0.03] < 0.8 < power[0.05] and max(power) == 0.2


def test_a_plan_may_change_until_the_first_response(project):
    project.register()
    document = project.register(alpha=0.05)
    assert document["registered"]["plan"]["alpha"] == 0.05 and document["amendments"] == []


def test_a_registered_plan_stays_once_an_arm_has_answered(project):
    first = project.register()["registered"]
    before = project.registration.read_bytes()
    project.answer("base")
    project.register()
    assert project.registration.read_bytes() == before
    document = project.register(alpha=0.05)
    assert document["registered"] == first
    (amendment,) = document["amendments"]
    assert amendment["plan"]["alpha"] == 0.05 and amendment["responses_before"] == ["base"]
    assert project.register(alpha=0.05) == document
    assert len(project.register()["amendments"]) == 2


def test_other_items_want_a_registration_of_their_own(project):
    project.register()
    project.answer("base")
    project.write_items(prefix="other-")
    document = project.register(alpha=0.05)
    assert document["amendments"] == [] and document["registered"]["plan"]["alpha"] == 0.05


def test_more_items_beside_those_that_were_answered_are_an_amendment(project):
    """Looking, and then adding items until it is significant, is what a registration is to prevent."""
    project.register()
    project.answer("base", "sft", "dpo")
    project.write_items(n=2 * N)
    document = project.register()
    assert document["registered"]["plan"]["items"]["n"] == N and len(document["amendments"]) == 1
    shutil.rmtree(project.evaluation)
    project.answer(*ARMS, n=2 * N)
    assert deviating(project.compare()) == {"items": True}


def test_what_was_registered_and_done_has_no_deviation(project):
    project.register()
    project.answer(*ARMS)
    found = project.compare()
    assert (found["deviations"], found["primary_deviations"], found["amendments"]) == ([], 0, 0)
    assert found["sha256"] == json.loads(project.registration.read_text())["registered"]["sha256"]
    assert found["expected"]["minimum_detectable_effect"] is not None
    again = project.compare(comparisons=STATISTICS["comparisons"][::-1])
    assert again == found


@pytest.mark.parametrize(
    ("change", "touches_primary"),
    [
        ({"alpha": 0.05}, True),
        ({"confidence": 0.9}, True),
        ({"primary": ["base", "dpo"]}, True),
        ({"comparisons": [["base", "sft"]]}, False),
        ({"comparisons": [["base", "sft"], ["base", "dpo"], ["sft", "dpo"]]}, False),
        ({"bootstrap_samples": 300}, False),
        ({"seed": 8}, False),
        ({"fdr": 0.1}, False),
        ({"adjustment": {"arms": "bh", "types": "bh"}}, False),
    ],
)
def test_a_departure_is_listed_with_what_was_registered_and_used(project, capsys, change, touches_primary):
    project.register()
    project.answer(*ARMS)
    found = project.compare(**change)
    (name,) = change
    (deviation,) = found["deviations"]
    assert deviation["field"] == name and deviation["primary"] == touches_primary
    assert deviation["registered"] != deviation["used"]
    assert found["primary_deviations"] == int(touches_primary)
    assert f", {name}: " in capsys.readouterr().err
    # Registering the change after the fact does not make it registered.
    project.register(**change)
    assert project.compare(**change)["deviations"] == found["deviations"]


def test_items_left_out_are_a_deviation_of_the_primary_endpoint(project):
    project.register()
    project.answer(*ARMS)
    rows = [
        {"item_id": f"item-{place:05d}", "type": ("list", "factual")[place % 2], "success": place % 3 == 0}
        for place in range(N - 2)
    ]
    for row in rows:
        row["cluster"] = f"{row['type']}/{int(row['item_id'][-5:]) % 7}"
    scores = [write_jsonl(project.folder / f"{arm}.jsonl", rows) for arm in ARMS]
    found = project.compare(scores)
    assert deviating(found) == {"items": True}
    assert found["deviations"][0]["used"]["n"] == N - 2


def test_a_changed_claim_and_a_late_plan_are_deviations(project):
    project.register()
    project.answer(*ARMS)
    project.register(claim={"claim_mid_p": {"bound": "value", "below": 0.1, "otherwise": "stop"}})
    assert deviating(project.compare()) == {"claim": True}
    project.registration.unlink()
    late = project.register()
    assert late["registered"]["responses_before"] == ["base", "dpo", "sft"]
    found = project.compare()
    assert deviating(found) == {"registered": True} and found["primary_deviations"] == 1


def test_an_edited_registration_is_refused(project, capsys):
    document = project.register()
    project.answer(*ARMS)
    document["registered"]["plan"]["alpha"] = 0.05
    project.registration.write_text(json.dumps(document))
    for command in (project.register, project.compare):
        with pytest.raises(SystemExit):
            command()
        assert "preregistration.json: sha256" in capsys.readouterr().err
    assert not project.comparisons.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"registered": 3, "amendments": []}'])
def test_what_is_no_registration_is_refused(tmp_path, text):
    path = tmp_path / "preregistration.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"preregistration\.json"):
        preregistration.read_registration(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"primary": ["base", "base"]}, "statistics.primary"),
        ({"comparisons": []}, "statistics.comparisons"),
        ({"planned_discordance": {}}, "statistics.planned_discordance.primary"),
        ({"planned_discordance": {"primary": 1.5}}, "statistics.planned_discordance"),
        ({"alpha": 2.0}, "statistics.alpha"),
    ],
)
def test_a_plan_that_lacks_something_is_refused(project, change, named, capsys):
    with pytest.raises(SystemExit):
        project.register(**change)
    assert named in capsys.readouterr().err
    assert not project.registration.exists()


def test_responses_that_cannot_be_read_are_named(project, capsys):
    broken = project.evaluation / "base" / "responses.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(SystemExit):
        project.register()
    assert "base/responses.parquet" in capsys.readouterr().err
