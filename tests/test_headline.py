"""The line that a run ends with."""

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


def test_the_headline_has_rates_difference_interval_and_p():
    expected = (
        "base 50.0% -> dpo-main 62.0% of 1000 items: +12.0 points [+8.0, +16.0],"
        " McNemar mid-p 1.5e-09: an improvement at 0.01"
    )
    assert headline.headline(comparison(), 0.01) == expected


def test_no_improvement_is_said_to_be_none():
    assert "no improvement shown" in headline.headline(comparison(mcnemar={"mid_p": 0.2}), 0.01)
    worse = comparison(difference={"estimate": -0.12, "newcombe": [-0.16, -0.08]})
    assert "no improvement shown" in headline.headline(worse, 0.01)


def test_overall_comparisons_are_printed_primary_first(tmp_path, capsys):
    comparisons = [comparison(), comparison(scope="factual"), comparison(candidate="sft")]
    write_json(tmp_path / "c.json", {"alpha": 0.01, "comparisons": comparisons})
    headline.main(["--comparisons", str(tmp_path / "c.json"), "--pages", "reports/summary.html"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("primary: base 50.0% -> dpo-main") and "base 50.0% -> sft" in lines[1]
    assert lines[2] == "Open reports/summary.html" and len(lines) == 3
