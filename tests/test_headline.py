"""The lines that a run ends with."""

from workflow_scripts import headline
from workflow_scripts.core.outputs import write_json


def comparison(**change):
    entry = {
        "baseline": "base",
        "candidate": "dpo-main",
        "scope": "overall",
        "n": 1000,
        "baseline_rate": {"estimate": 0.5},
        "candidate_rate": {"estimate": 0.62},
        "difference": {"estimate": 0.12, "newcombe": [0.08, 0.16]},
        "mcnemar": {"mid_p": 1.5e-9},
    }
    return entry | change


def criterion(decision):
    return {"decision": decision, "measured": 0.7, "rule": "length_artifact < 0.5, otherwise stop"}


def test_the_headline_has_rates_difference_interval_and_p():
    expected = "base 50.0% -> dpo-main 62.0% of 1000 items: +12.0 points [+8.0, +16.0], McNemar mid-p 1.5e-09"
    assert headline.headline(comparison()) == expected


def test_the_verdict_is_the_claim_gate_s_and_names_what_was_missed():
    passed = {"decision": "pass", "criteria": [criterion("pass")]}
    assert headline.verdict(passed) == "claim gate: pass"
    stopped = {"decision": "stop", "criteria": [criterion("pass"), criterion("stop")]}
    assert headline.verdict(stopped) == (
        "claim gate: stop (measured 0.7, asked length_artifact < 0.5, otherwise stop)"
    )


def test_the_registration_names_what_left_the_plan():
    kept = {"sha256": "ab" * 32, "deviations": []}
    assert headline.registration(kept) == "registered plan abababababab: no deviation"
    left = [{"field": "alpha", "primary": True}, {"field": "fdr", "primary": False}]
    assert headline.registration(kept | {"deviations": left}).endswith("deviations in alpha (primary), fdr")


def test_overall_comparisons_are_printed_primary_first(tmp_path, capsys):
    comparisons = [comparison(), comparison(scope="factual"), comparison(candidate="sft")]
    plan = {"sha256": "ab" * 32, "deviations": []}
    write_json(tmp_path / "c.json", {"alpha": 0.01, "comparisons": comparisons, "registration": plan})
    write_json(tmp_path / "claim.json", {"decision": "pass", "criteria": []})
    files = ["--comparisons", str(tmp_path / "c.json"), "--claim", str(tmp_path / "claim.json")]
    headline.main([*files, "--pages", "reports/summary.html"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("primary: base 50.0% -> dpo-main") and "base 50.0% -> sft" in lines[1]
    assert lines[2].startswith("registered plan")
    assert lines[3:] == ["claim gate: pass", "Open reports/summary.html"]
