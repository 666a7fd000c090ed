"""The failure that this project exists for, replayed: a scorer that fails long answers.

The same responses go twice through the real commands: with that scorer, and with the items' checks.
"""

import json
from types import SimpleNamespace

import pytest

from tests.claim_run import ROOT, WAYS, failed, judge_claim
from tests.legacy_scorer import LONGEST, rescore
from tests.published_run import LONG, REGRESSIONS, N, write_published_run
from workflow_scripts import score
from workflow_scripts.core import gate_messages
from workflow_scripts.core.schemas import SCORES, read_records

ARMS = ("base", "sft")
GOLDEN = json.loads((ROOT / "tests/golden/statistics.json").read_text())
PUBLISHED = next(entry for entry in GOLDEN["paired_difference"] if entry.get("both") == 241)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Responses, their scores by the items' checks, and the claim judged with either scorer."""
    folder = tmp_path_factory.mktemp("published")
    paths = write_published_run(folder)
    scores = {arm: str(folder / arm / "scores.parquet") for arm in ARMS}
    for arm in ARMS:
        score.main(["--items", paths["items"], "--responses", paths[arm], "--scores", scores[arm]])
    legacy = {arm: rescore(scores[arm], folder / "legacy" / arm / "scores.parquet") for arm in ARMS}
    judged = {}
    for name, files in (("checks", scores), ("legacy", legacy)):
        (folder / name).mkdir(exist_ok=True)
        judged[name] = judge_claim(
            folder / name,
            files.values(),
            [paths[arm] for arm in ARMS],
            paths["items"],
            {way: [paths[arm] for arm in ARMS] for way in WAYS},
            primary=ARMS,
        )
    return SimpleNamespace(folder=folder, scores=scores, legacy=legacy, judged=judged)


def rows(path):
    return read_records(path, SCORES)


def comparison(run, name):
    return json.loads((run.folder / name / "comparisons.json").read_text())["comparisons"][0]


def test_the_responses_are_those_of_the_published_run(run):
    """57 base answers are long and right, all others short; the tuned model is wrong twice."""
    base, tuned = rows(run.scores["base"]), rows(run.scores["sft"])
    assert all(row["success"] for row in base) and len(base) == len(tuned) == N
    assert sum(row["response_characters"] > LONGEST for row in base) == LONG
    assert sum(not row["success"] for row in tuned) == REGRESSIONS
    assert not any(row["response_characters"] > LONGEST for row in tuned)


def test_the_published_numbers_come_back(run):
    entry = comparison(run, "legacy")
    counts = {name: PUBLISHED[key] for name, key in (("both", "both"), ("neither", "neither"))}
    counts |= {"only_baseline": PUBLISHED["b"], "only_candidate": PUBLISHED["c"]}
    assert {name: entry[name] for name in counts} == counts
    assert entry["baseline_rate"]["estimate"] == 0.81
    assert round(100 * entry["candidate_rate"]["estimate"], 1) == 99.3
    assert entry["difference"]["estimate"] == pytest.approx(PUBLISHED["difference"], abs=1e-6)
    assert entry["mcnemar"]["chi2_cc"] == pytest.approx(PUBLISHED["chi2_cc"], abs=1e-4)
    assert round(entry["mcnemar"]["chi2_cc"], 2) == 49.42
    assert entry["mcnemar"]["cc_p"] == pytest.approx(PUBLISHED["cc_p"], rel=1e-5)
    assert f"{entry['mcnemar']['cc_p']:.2e}" == "2.06e-12"
    assert entry["mcnemar"]["mid_p"] == pytest.approx(PUBLISHED["mid_p"], rel=1e-5)


def test_the_claim_is_stopped_for_length_alone(run):
    audit, decision = run.judged["legacy"]
    assert decision["decision"] == "stop"
    assert decision["metric"] == "length_artifact"
    assert failed(decision) == {"length_artifact"}, "every other criterion was met, the p-value among them"
    assert audit["metrics"]["length_artifact"]["value"] == audit["metrics"]["length_artifact"]["high"] == 1
    assert audit["metrics"]["length_auc_baseline"]["value"] == 0
    assert audit["length"]["rule"]["passes"] == "short"
    assert audit["length"]["rule"]["at_most"] <= LONGEST
    assert audit["length"]["shares_short"] == {"base": 1 - LONG / N, "sft": 1.0}
    told = gate_messages.message(decision)
    assert "length_artifact < 0.5" in told and "gate claim: STOP" in told
    reasons = audit["arms"]["base"]["failure_reasons"]
    assert [(entry["reason"], entry["count"]) for entry in reasons] == [("too long", LONG)]
    assert all(example["characters"] > LONGEST for example in reasons[0]["examples"])


def test_with_the_checks_nothing_is_left_to_claim(run):
    entry, (audit, decision) = comparison(run, "checks"), run.judged["checks"]
    assert entry["baseline_rate"]["estimate"] == 1
    assert round(100 * entry["difference"]["estimate"], 2) == -0.67
    assert entry["mcnemar"]["mid_p"] == 0.25
    assert decision["decision"] == "stop"
    assert {"claim_mid_p", "claim_lift"} <= failed(decision)
    assert "length_artifact" not in failed(decision)
    assert audit["metrics"]["length_artifact"]["value"] == 0
    shown = {pair["candidate"]["item_id"] for pair in audit["discordant_examples"]["only_baseline"]}
    assert shown == {row["item_id"] for row in rows(run.scores["sft"]) if not row["success"]}
