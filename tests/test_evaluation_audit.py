"""The audit: what it finds in a lift that length, truncation, one cluster or the scorer made, or none did."""

import json
import random

import numpy as np
import pytest

from tests.evaluation_files import write_arm
from workflow_scripts import compare, evaluation_audit, gate
from workflow_scripts.core.evaluation import length

CLAIM = {
    "claim_mid_p": {"below": 0.01},
    "claim_lift": {"bound": "low", "above": 0.0},
    "length_artifact": {"below": 0.5},
    "length_matched_lift": {"above": 0.0},
    "untruncated_lift": {"above": 0.0},
    "leave_one_cluster_out_lift": {"above": 0.0},
    "prompts_differ": {"at_most": 0},
    "same_response_scored_differently": {"at_most": 0},
}


def text(number: random.Random, characters: int) -> str:
    """A text of exactly so many characters."""
    return "".join(number.choice("abcdefghij ") for _ in range(characters - 1)) + "."


def run(tmp_path, arms: dict, *, templates=None, scores=None, primary=("base", "sft")):
    """Writes the arms, compares and audits them, judges the claim; the audit and the gate file."""
    files = {
        name: write_arm(
            tmp_path,
            name,
            answers,
            template=(templates or {}).get(name, "completion"),
            score=(scores or {}).get(name),
        )
        for name, answers in arms.items()
    }
    score_files, response_files = [list(paths) for paths in zip(*files.values(), strict=True)]
    comparisons, audit = tmp_path / "comparisons.json", tmp_path / "audit.json"
    settings = {"statistics": {"comparisons": [primary], "bootstrap_samples": 100}}
    compare.main(
        ["--scores", *score_files, "--comparisons", str(comparisons), "--settings", json.dumps(settings)]
    )
    words = ["--scores", *score_files, "--responses", *response_files, "--comparisons", str(comparisons)]
    evaluation_audit.main([*words, "--audit", str(audit), "--settings", json.dumps({"primary": primary})])
    claim = {"gate": {"name": "claim", "criteria": CLAIM, "override": None}}
    decision = tmp_path / "claim.json"
    words = [
        "--settings",
        json.dumps(claim),
        "--metrics",
        str(audit),
        "--decision",
        str(decision),
        "--record-only",
    ]
    gate.main(words)
    return json.loads(audit.read_text()), json.loads(decision.read_text())


def failed(decision) -> set[str]:
    return {entry["metric"] for entry in decision["criteria"] if entry["decision"] != "pass"}


def published_run():
    """300 items: the base writes 57 right answers of over 500 characters; the tuned model fails 2 items."""
    number = random.Random(1)
    base = [
        {
            "response": text(number, number.randint(520, 1400) if place < 57 else number.randint(20, 480)),
            "success": True,
        }
        for place in range(300)
    ]
    tuned = [{"response": text(number, number.randint(20, 480)), "success": True} for _ in range(300)]
    for place in (100, 200):
        base[place]["response"] = base[place]["response"][:90]
        tuned[place]["success"] = False
    return {"base": base, "sft": tuned}


def test_the_published_failure_is_stopped_for_length(tmp_path):
    """With the scorer that fails long answers: a perfect p-value, and a claim that is stopped for length."""
    arms = published_run()
    for place in (100, 200):
        arms["sft"][place]["response"] += "x" * 600
    short = {"base": lambda response: len(response) <= 500, "sft": lambda response: len(response) <= 500}
    audit, decision = run(tmp_path, arms, scores=short)
    entry = json.loads((tmp_path / "comparisons.json").read_text())["comparisons"][0]
    assert entry["baseline_rate"]["estimate"] == 0.81
    assert entry["candidate_rate"]["estimate"] == pytest.approx(0.9933, abs=1e-4)
    assert entry["mcnemar"]["chi2_cc"] == pytest.approx(49.42, abs=0.01)
    assert entry["mcnemar"]["cc_p"] == pytest.approx(2.06e-12, rel=0.01)
    metrics = audit["metrics"]
    assert metrics["length_auc_baseline"]["value"] == 0
    assert metrics["length_separation"]["value"] == 1
    assert metrics["lift_explained_by_length"]["value"] == pytest.approx(1, abs=0.02)
    assert metrics["length_artifact"]["value"] > 0.95
    assert audit["length"]["rule"]["passes"] == "short"
    assert 400 < audit["length"]["rule"]["at_most"] <= 500
    assert audit["arms"]["base"]["length"]["flagged"]
    assert decision["decision"] == "stop"
    assert "length_artifact" in failed(decision)
    assert "claim_mid_p" not in failed(decision)


def test_the_published_run_scored_rightly_claims_nothing(tmp_path):
    audit, decision = run(tmp_path, published_run())
    assert audit["metrics"]["claim_lift"]["value"] == pytest.approx(-0.00667, abs=1e-5)
    assert audit["metrics"]["claim_mid_p"]["value"] == 0.25
    assert audit["metrics"]["lift_explained_by_length"]["value"] == 0
    assert {"claim_mid_p", "claim_lift"} <= failed(decision)


def honest_run(seed: int = 3, n: int = 400):
    """Short answers of any length, right more often after training."""
    number = random.Random(seed)
    return {
        name: [
            {
                "response": text(number, number.randint(5, 40)),
                "success": number.random() < rate,
                "reason": number.choice(["wrong words", "too many words"]),
            }
            for _ in range(n)
        ]
        for name, rate in (("base_raw", 0.05), ("base", 0.5), ("sft", 0.7))
    }


def test_an_honest_lift_passes(tmp_path):
    audit, decision = run(tmp_path, honest_run(), templates={"base_raw": "raw"})
    assert decision["decision"] == "pass", failed(decision)
    assert audit["metrics"]["length_artifact"]["value"] < 0.2
    assert audit["format_control"]["effect"]["value"] > 0.35
    assert audit["metrics"]["format_effect"] == audit["format_control"]["effect"]
    assert not audit["arms"]["sft"]["length"]["flagged"]
    assert audit["arms"].keys() == {"base_raw", "base", "sft"}


def test_reasons_and_examples(tmp_path):
    audit, _ = run(tmp_path, honest_run())
    base = audit["arms"]["base"]
    counts = [entry["count"] for entry in base["failure_reasons"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == round(base["n"] * (1 - base["success"]["value"]))
    for entry in base["failure_reasons"]:
        assert len(entry["examples"]) == 3
        assert all(shown["reason"] == entry["reason"] and not shown["success"] for shown in entry["examples"])
    for pair in audit["discordant_examples"]["only_candidate"]:
        assert pair["baseline"]["item_id"] == pair["candidate"]["item_id"]
        assert (pair["baseline"]["success"], pair["candidate"]["success"]) == (False, True)


def test_two_runs_write_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        run(tmp_path / folder, honest_run())
    for name in ("comparisons.json", "audit.json", "claim.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_lift_from_truncation_is_stopped(tmp_path):
    """The base is cut at the token limit and fails there; where neither is cut, nothing is gained."""
    number = random.Random(5)
    outcomes = [number.random() < 0.7 for _ in range(300)]
    arms = {"base": [], "sft": []}
    for outcome in outcomes:
        cut = number.random() < 0.4
        response = text(number, 30)
        arms["base"].append(
            {
                "response": response,
                "success": outcome and not cut,
                "finish_reason": "length" if cut else "eos",
            }
        )
        arms["sft"].append({"response": response[::-1], "success": outcome})
    audit, decision = run(tmp_path, arms)
    assert audit["metrics"]["truncation_difference"]["value"] == pytest.approx(0.4, abs=0.1)
    assert audit["metrics"]["truncation_difference"]["low"] > 0.2
    assert audit["metrics"]["untruncated_lift"]["value"] == 0
    assert "untruncated_lift" in failed(decision)


def test_a_lift_from_one_cluster_is_stopped(tmp_path):
    arms = honest_run()
    for place in range(400):
        cluster = "list/0" if place < 60 else f"list/{1 + place % 9}"
        solved = place % 2 == 0
        arms["base"][place].update(success=solved and place >= 60, cluster=cluster, type="list")
        arms["sft"][place].update(success=solved or place < 60, cluster=cluster, type="list")
    arms = {name: arms[name] for name in ("base", "sft")}
    audit, decision = run(tmp_path, arms)
    assert audit["metrics"]["claim_mid_p"]["value"] < 1e-6
    assert audit["influence"]["clusters"][0]["group"] == "list/0"
    assert audit["influence"]["clusters"][0]["lift"] == 1
    assert audit["metrics"]["leave_one_cluster_out_lift"]["value"] == 0
    assert audit["influence"]["types"][0]["without"]["value"] is None
    assert failed(decision) == {"leave_one_cluster_out_lift"}


def test_other_prompts_and_a_scorer_that_contradicts_itself_are_stopped(tmp_path):
    arms = honest_run()
    for place in range(5):
        arms["base"][place].update(success=False)
        arms["sft"][place].update(success=True, response=arms["base"][place]["response"])
    audit, decision = run(tmp_path, arms, templates={"base": "raw", "base_raw": "raw"})
    assert audit["metrics"]["prompts_differ"]["value"] == 400
    assert audit["metrics"]["same_response_scored_differently"]["value"] == 5
    assert failed(decision) == {"prompts_differ", "same_response_scored_differently"}


def test_empty_and_endless_responses(tmp_path):
    arms = honest_run()
    arms["base"][0].update(response="", success=False, reason="empty")
    arms["base"][1].update(response="y" * 1_000_000, success=False)
    audit, _ = run(tmp_path, arms)
    assert audit["arms"]["base"]["empty"]["value"] == 1 / 400
    assert audit["arms"]["base"]["length"]["longest_characters"] == 1_000_000
    assert (tmp_path / "audit.json").stat().st_size < 100_000


def test_length_auc_is_the_chance_that_a_success_is_longer():
    generator = np.random.default_rng(2)
    lengths = generator.integers(1, 12, 80)
    success = generator.random(80) < 0.4
    pairs = [np.sign(good - bad) for good in lengths[success] for bad in lengths[~success]]
    found = length.length_auc(lengths, success, 0.95)
    assert found["value"] == pytest.approx((np.mean(pairs) + 1) / 2)
    assert 0 <= found["low"] < found["value"] < found["high"] <= 1
    assert length.length_auc(lengths, np.ones(80, bool), 0.95)["value"] is None


def test_length_auc_interval_covers():
    generator = np.random.default_rng(6)
    covered = 0
    for _ in range(300):
        lengths = np.concatenate([generator.normal(1, 1, 40), generator.normal(0, 1, 60)])
        found = length.length_auc(lengths, np.arange(100) < 40, 0.95)
        covered += found["low"] <= 0.7602 <= found["high"]
    assert 0.9 < covered / 300 < 0.985


@pytest.mark.parametrize("passes", ["short", "long"])
def test_the_best_rule_on_length(passes):
    lengths = np.arange(100)
    short = lengths <= 30
    rule = length.best_length_rule(lengths, short if passes == "short" else ~short)
    assert rule == {"at_most": 30, "passes": passes, "separation": 1.0}
    assert length.best_length_rule(lengths, np.ones(100, bool))["separation"] == 0


def test_files_that_do_not_belong_together_are_refused(tmp_path, capsys):
    arms = honest_run(n=20)
    run(tmp_path / "a", {"base": arms["base"], "sft": arms["sft"]})
    run(tmp_path / "b", {"base": arms["sft"], "sft": arms["base"]})
    capsys.readouterr()
    first, second = tmp_path / "a", tmp_path / "b"

    def refused(base_scores, base_responses, comparisons, settings='{"primary": ["base", "sft"]}'):
        target = tmp_path / "refused.json"
        words = ["--scores", base_scores / "base/scores.parquet", first / "sft/scores.parquet"]
        words += ["--responses", base_responses / "base/responses.parquet", first / "sft/responses.parquet"]
        words += ["--comparisons", comparisons, "--audit", target, "--settings", settings]
        with pytest.raises(SystemExit) as end:
            evaluation_audit.main([str(word) for word in words])
        assert end.value.code == 1
        assert not target.exists()
        return capsys.readouterr().err

    assert "not of these responses" in refused(second, first, first / "comparisons.json")
    assert "not those of the scores given" in refused(second, second, first / "comparisons.json")
    assert "none.json" in refused(first, first, tmp_path / "none.json")
    assert "compare these arms too" in refused(
        first, first, first / "comparisons.json", '{"primary": ["sft", "base"]}'
    )
    assert "no such arm" in refused(first, first, first / "comparisons.json", '{"primary": ["base", "dpo"]}')
    assert "primary" in refused(first, first, first / "comparisons.json", "{}")
