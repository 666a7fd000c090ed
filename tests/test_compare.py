"""compare: scored files of any origin in, one schema out."""

import json
import resource
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from statsmodels.stats.multitest import multipletests

from tests.compare_runs import outcomes, run, write_two_arms
from tests.evaluation_files import scored_rows, write_arm, write_jsonl
from workflow_scripts.core.statistics.analysis import Analysis
from workflow_scripts.core.statistics.comparisons import compare_pair

ENTRY = {
    "baseline", "candidate", "scope", "n", "both", "only_baseline", "only_candidate", "neither",
    "baseline_rate", "candidate_rate", "difference", "mcnemar", "adjusted_p", "significant", "cohens_h",
    "minimum_detectable_effect", "clusters", "role", "level",
}  # fmt: skip


@pytest.fixture
def two_files(tmp_path):
    return write_two_arms(tmp_path)


def test_the_schema(tmp_path, two_files):
    settings = {
        "statistics": {"alpha": 0.01, "fdr": 0.05, "confidence": 0.95, "bootstrap_samples": 500, "seed": 3}
    }
    _, result = run(tmp_path, two_files, settings)
    assert result["alpha"] == 0.01
    assert result["fdr"] == 0.05
    assert result["bootstrap_samples"] == 500
    assert result["seed"] == 3
    assert result["clusters"] == 9
    assert result["adjustment"] == {"arms": "holm", "types": "bh"}
    assert result.keys() >= {"families", "test", "power"} and "registration" not in result
    entries = result["comparisons"]
    assert [entry["scope"] for entry in entries] == ["overall", "factual", "list"]
    for entry in entries:
        assert entry.keys() == ENTRY
        assert entry["n"] == sum(
            entry[name] for name in ("both", "only_baseline", "only_candidate", "neither")
        )
        assert entry["difference"].keys() == {"estimate", "newcombe", "tango", "bootstrap"}
        assert entry["mcnemar"].keys() >= {"mid_p", "exact_p", "chi2_cc", "cc_p"}
        for name in ("newcombe", "tango", "bootstrap"):
            low, high = entry["difference"][name]
            assert low <= entry["difference"]["estimate"] <= high
    assert entries[0]["n"] == entries[1]["n"] + entries[2]["n"] == 200
    assert entries[0]["adjusted_p"] == entries[0]["mcnemar"]["mid_p"]
    assert all(entry["adjusted_p"] >= entry["mcnemar"]["mid_p"] for entry in entries[1:])
    assert entries[0]["significant"] == (entries[0]["adjusted_p"] < 0.01)
    assert entries[0]["clusters"]["count"] == 9


def test_the_published_table_from_items():
    baseline = np.array([1] * 241 + [1] * 2 + [0] * 57, dtype=bool)
    candidate = np.array([1] * 241 + [0] * 2 + [1] * 57, dtype=bool)
    types = np.array(["factual"] * 300, dtype=object)
    entry = compare_pair(("base", "sft"), baseline, candidate, types, None, Analysis(bootstrap_samples=2000))[
        0
    ]
    assert entry["difference"]["estimate"] == pytest.approx(0.18333, abs=1e-5)
    assert entry["difference"]["bootstrap"] == pytest.approx([0.1388, 0.2320], abs=0.01)
    assert entry["mcnemar"]["chi2_cc"] == pytest.approx(49.4237, abs=1e-4)
    assert entry["mcnemar"]["cc_p"] == pytest.approx(2.06236e-12, rel=1e-5)
    assert entry["clusters"] is None


def test_the_result_depends_on_the_items_alone(tmp_path, two_files):
    """Another row order, another format, another folder: the same bytes."""
    target = tmp_path / "out" / "comparisons.json"
    run(tmp_path, two_files)
    first = target.read_bytes()
    run(tmp_path, two_files)
    assert target.read_bytes() == first
    (tmp_path / "other").mkdir()
    files = []
    for name, text in zip(("base", "tuned"), two_files, strict=True):
        rows = [json.loads(line) for line in open(text, encoding="utf-8")]
        files.append(tmp_path / "other" / f"{name}.parquet")
        pq.write_table(pa.Table.from_pylist(rows[::-1]), files[-1])
    run(tmp_path, files)
    assert target.read_bytes() == first


ADJUSTED = ("adjusted_p", "significant")


def unadjusted(entries):
    return [{key: entry[key] for key in entry if key not in ADJUSTED} for entry in entries]


def test_a_comparison_does_not_depend_on_the_others_but_for_its_adjusted_p(tmp_path, two_files):
    files = [*two_files, write_jsonl(tmp_path / "more.jsonl", scored_rows(outcomes(200, 0.6, 3), clusters=9))]
    _, alone = run(tmp_path, two_files)
    _, beside = run(tmp_path, files)
    assert unadjusted(beside["comparisons"][:3]) == unadjusted(alone["comparisons"])
    assert beside["comparisons"][1:3] == alone["comparisons"][1:]
    assert [entry["candidate"] for entry in beside["comparisons"]] == ["tuned"] * 3 + ["more"] * 3
    _, chosen = run(tmp_path, files, {"statistics": {"comparisons": [["tuned", "more"], ["base", "tuned"]]}})
    assert [entry["baseline"] for entry in chosen["comparisons"]] == ["tuned"] * 3 + ["base"] * 3
    assert unadjusted(chosen["comparisons"][3:]) == unadjusted(alone["comparisons"])


def test_families_are_adjusted_by_the_method_named_and_judged_at_its_level(tmp_path, two_files):
    """The primary alone; the secondary ones over all items; the types of each comparison."""
    files = [
        *two_files,
        write_jsonl(tmp_path / "more.jsonl", scored_rows(outcomes(200, 0.6, 3), clusters=9)),
        write_jsonl(tmp_path / "less.jsonl", scored_rows(outcomes(200, 0.4, 4), clusters=9)),
    ]
    pairs = [["base", "more"], ["base", "tuned"], ["base", "less"]]
    chosen = {"alpha": 0.01, "fdr": 0.05, "comparisons": pairs, "primary": ["base", "tuned"]}
    theirs = {"holm": "holm", "bh": "fdr_bh"}
    for methods in ({"arms": "holm", "types": "bh"}, {"arms": "bh", "types": "holm"}):
        _, result = run(tmp_path, files, {"statistics": {**chosen, "adjustment": methods}})
        entries = result["comparisons"]
        members = {
            "primary": [[entry for entry in entries if entry["role"] == "primary"]],
            "secondary": [[entry for entry in entries if entry["role"] == "secondary"]],
            "type": [
                [entry for entry in entries if entry["role"] == "type" and entry["candidate"] == candidate]
                for _, candidate in pairs
            ],
        }
        assert [len(family) for families in members.values() for family in families] == [1, 2, 2, 2, 2]
        (primary,) = members["primary"][0]
        assert (primary["candidate"], primary["scope"]) == ("tuned", "overall")
        assert primary["adjusted_p"] == primary["mcnemar"]["mid_p"] and primary["level"] == 0.01
        for role, method in (("secondary", methods["arms"]), ("type", methods["types"])):
            for family in members[role]:
                p_values = [entry["mcnemar"]["mid_p"] for entry in family]
                expected = multipletests(p_values, method=theirs[method])[1]
                assert [entry["adjusted_p"] for entry in family] == pytest.approx(list(expected))
                assert {entry["level"] for entry in family} == {0.01 if method == "holm" else 0.05}
        assert all(entry["significant"] == (entry["adjusted_p"] < entry["level"]) for entry in entries)


def test_every_entry_says_what_its_clusters_say(tmp_path, two_files):
    _, result = run(tmp_path, two_files, {"bootstrap_samples": 500})
    for entry in result["comparisons"]:
        found = entry["clusters"]
        assert found["count"] > 1 and found["standard_error"] > 0 and 0 <= found["p_value"] <= 1
        low, high = found["interval"]
        assert (low > 0 or high < 0) == (found["p_value"] < 0.05)
        assert found["minimum_detectable_effect"] > found["standard_error"]
        assert found["bootstrap"][0] <= entry["difference"]["estimate"] <= found["bootstrap"][1]


def test_arms_are_named_by_column_file_or_folder(tmp_path):
    answers = [{"response": "a", "success": place % 3 == 0} for place in range(12)]
    named, _ = write_arm(tmp_path, "sft", answers)
    (tmp_path / "mine").mkdir()
    rows = scored_rows([True] * 12)
    for row in rows:
        row["cluster"] = None
    rows = [{**row, "cluster": f"{row['type']}/{place % 7}"} for place, row in enumerate(rows)]
    in_folder = write_jsonl(tmp_path / "mine" / "scores.jsonl", rows)
    by_file = write_jsonl(tmp_path / "yours.jsonl", rows)
    _, result = run(tmp_path, [named, in_folder, by_file])
    assert list(result["arms"]) == ["mine", "sft", "yours"]


def test_integers_and_a_byte_order_mark_are_understood(tmp_path, two_files):
    rows = [json.loads(line) for line in open(two_files[0], encoding="utf-8")]
    plain = [{**row, "item_id": place, "success": int(row["success"])} for place, row in enumerate(rows)]
    left = write_jsonl(tmp_path / "left.jsonl", plain)
    right = tmp_path / "right.jsonl"
    right.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(row).encode() for row in plain) + b"\r\n\r\n")
    status, result = run(tmp_path, [left, right])
    assert status == 0
    assert result["comparisons"][0]["difference"]["estimate"] == 0
    assert result["comparisons"][0]["minimum_detectable_effect"] is None


def test_ten_thousand_items_take_seconds_of_one_core(tmp_path):
    """Ten thousand items, ten thousand draws, uneven clusters, start included; waiting for a core is not."""
    files = []
    sizes = np.random.default_rng(4).zipf(1.3, 10000) % 997
    for name, rate in (("base", 0.6), ("tuned", 0.7)):
        rows = scored_rows(outcomes(10000, rate, len(name)), types=("a", "b", "c", "d", "e"))
        for row, label in zip(rows, sizes, strict=True):
            row["cluster"] = int(label)
        files.append(write_jsonl(tmp_path / f"{name}.jsonl", rows))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "workflow_scripts.compare", "--scores", *files]
    subprocess.run([*words, "--comparisons", str(tmp_path / "out.json")], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
    assert len(json.loads((tmp_path / "out.json").read_text())["comparisons"]) == 6
