"""compare: scored files of any origin in, one schema out; bad input named in one line and nothing written."""

import json
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from statsmodels.stats.multitest import multipletests

from tests.evaluation_files import scored_rows, write_arm, write_jsonl
from workflow_scripts import compare
from workflow_scripts.core.statistics.analysis import Analysis
from workflow_scripts.core.statistics.comparisons import compare_pair

ENTRY = {
    "baseline", "candidate", "scope", "n", "both", "only_baseline", "only_candidate", "neither",
    "baseline_rate", "candidate_rate", "difference", "mcnemar", "adjusted_p", "significant", "cohens_h",
    "minimum_detectable_effect", "clusters", "role", "level",
}  # fmt: skip


def outcomes(n, rate, seed):
    return np.random.default_rng(seed).random(n) < rate


def run(tmp_path, files, settings=None):
    """Runs the command; its exit status and the result, None when nothing was written."""
    target = tmp_path / "out" / "comparisons.json"
    words = ["--scores", *map(str, files), "--comparisons", str(target)]
    status = 0
    try:
        compare.main(words if settings is None else [*words, "--settings", json.dumps(settings)])
    except SystemExit as end:
        status = end.code
    assert status == 0 or not target.exists()
    assert not target.parent.exists() or [path.name for path in target.parent.iterdir()] in (
        [],
        [target.name],
    )
    return status, json.loads(target.read_text()) if target.exists() else None


@pytest.fixture
def two_files(tmp_path):
    base = scored_rows(outcomes(200, 0.5, 1), clusters=9)
    tuned = scored_rows(outcomes(200, 0.7, 2), clusters=9)
    return [write_jsonl(tmp_path / "base.jsonl", base), write_jsonl(tmp_path / "tuned.jsonl", tuned)]


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


def changed(rows, place, **values):
    rows = [dict(row) for row in rows]
    rows[place].update(values)
    return rows


GOOD = scored_rows([True, False, True, True])
BAD_JSONL = {
    "success as NaN": (changed(GOOD, 1, success=float("nan")), "line 2, success = nan: write true or false"),
    "success as text": (changed(GOOD, 1, success="yes"), "line 2, success = 'yes'"),
    "success as a float": (changed(GOOD, 1, success=0.5), "line 2, success = 0.5"),
    "success as another integer": (changed(GOOD, 1, success=2), "line 2, success = 2"),
    "success null": (changed(GOOD, 1, success=None), "line 2, success = 'nothing'"),
    "duplicate": (changed(GOOD, 2, item_id="item-00000"), "'item-00000': this item is already in line 1"),
    "id null": (changed(GOOD, 0, item_id=None), "line 1, item_id"),
    "id empty": (changed(GOOD, 0, item_id=" "), "line 1, item_id"),
    "id as a float": (changed(GOOD, 0, item_id=1.5), "line 1, item_id = 1.5"),
    "type empty": (changed(GOOD, 3, type=""), "line 4, type = ''"),
    "type overall": (changed(GOOD, 3, type="overall"), "line 4, type = 'overall'"),
    "cluster in some rows": (changed(GOOD, 3, cluster="a"), "line 1, cluster"),
    "two arms": ([{**row, "arm": "ab"[place // 2]} for place, row in enumerate(GOOD)], "line 3, arm = 'b'"),
    "a row too few": (GOOD[:3], "item_id = 'item-00003': 1 item(s)"),
    "other items": (changed(GOOD, 3, item_id="other"), "item_id = 'item-00003': 1 item(s)"),
    "other type": (changed(GOOD, 3, type="list"), "item item-00003, type = 'list'"),
    "no type": ([{"item_id": "a", "success": True}], "type: this column is missing"),
    "no rows": ([], "holds no items"),
    "a surrogate": (changed(GOOD, 3, type="\ud800"), "line 4, type"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_JSONL)
def test_bad_rows_are_named(tmp_path, case, capsys):
    rows, named = BAD_JSONL[case]
    good, bad = write_jsonl(tmp_path / "good.jsonl", GOOD), write_jsonl(tmp_path / "bad.jsonl", rows)
    status, result = run(tmp_path, [good, bad])
    told = capsys.readouterr().err.strip()
    assert (status, result) == (1, None)
    assert named in told
    assert "bad.jsonl" in told
    assert len(told.splitlines()) == 1


BAD_BYTES = {
    "latin-1": (b'{"item_id": "a", "type": "caf\xe9", "success": true}\n', "line 1, byte 29"),
    "not JSON": (b'{"item_id": "a"\n', "line 1"),
    "a list": (b"[1, 2]\n", "line 1"),
    "broken Parquet": (b"PAR1 and nothing more", "no readable Parquet"),
    "deep JSON": (b"[" * 100000 + b"\n", "line 1"),
    "empty": (b"", "holds no items"),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_bad_files_are_named(tmp_path, case, capsys):
    content, named = BAD_BYTES[case]
    good, bad = write_jsonl(tmp_path / "good.jsonl", GOOD), tmp_path / "bad.jsonl"
    bad.write_bytes(content)
    status, result = run(tmp_path, [good, bad])
    told = capsys.readouterr().err.strip()
    assert (status, result) == (1, None)
    assert named in told
    assert "bad.jsonl" in told
    assert len(told.splitlines()) == 1
    assert len(told) < 1000


def test_nan_in_parquet_is_named(tmp_path, capsys):
    rows = [{**row, "success": float(row["success"])} for row in GOOD]
    rows[2]["success"] = float("nan")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "bad.parquet")
    status, _ = run(tmp_path, [write_jsonl(tmp_path / "good.jsonl", GOOD), tmp_path / "bad.parquet"])
    assert status == 1
    assert "bad.parquet: row 1, success = 1.0: write true or false" in capsys.readouterr().err


def test_missing_files_folders_and_single_files_are_refused(tmp_path, two_files, capsys):
    for files, named in (
        ([two_files[0], tmp_path / "none.jsonl"], "none.jsonl"),
        ([two_files[0], tmp_path], "cannot be read"),
        ([two_files[0]], "two arms or more"),
        ([two_files[0], two_files[0]], "the same arm"),
    ):
        assert run(tmp_path, files) == (1, None)
        assert named in capsys.readouterr().err


def test_clusters_in_one_file_only_are_refused(tmp_path, capsys):
    left = write_jsonl(tmp_path / "left.jsonl", GOOD)
    right = write_jsonl(tmp_path / "right.jsonl", scored_rows([True] * 4, clusters=2))
    assert run(tmp_path, [left, right]) == (1, None)
    assert "left.jsonl: cluster: this column is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"alpha": "0.05"}, "statistics.alpha = '0.05'"),
        ({"alpha": 1.5}, "statistics.alpha = 1.5"),
        ({"bootstrap_samples": 10}, "statistics.bootstrap_samples = 10"),
        ({"seed": True}, "statistics.seed = True"),
        ({"boot": 1}, "statistics.boot: unknown"),
        ({"comparisons": [["base", "nobody"]]}, "['base', 'nobody']"),
        ({"comparisons": [["base", "base"]]}, "two different arms"),
        ({"comparisons": [["base", "tuned"], ["base", "tuned"]]}, "name each pair once"),
        ({"comparisons": "base"}, "statistics.comparisons = 'base'"),
        ({"comparisons": []}, "statistics.comparisons = []"),
        ({"comparisons": [["base", "tuned"]], "primary": ["tuned", "base"]}, "statistics.primary"),
        ({"adjustment": {"arms": "bonferroni"}}, "statistics.adjustment"),
        ({"adjustment": {"arm": "holm"}}, "known here are arms, types"),
        ({"planned_discordance": {"primary": 0}}, "statistics.planned_discordance"),
    ],
)
def test_wrong_settings_are_named(tmp_path, two_files, settings, named, capsys):
    assert run(tmp_path, two_files, {"statistics": settings}) == (1, None)
    assert named in capsys.readouterr().err


def test_an_earlier_result_survives_an_error(tmp_path, two_files):
    run(tmp_path, two_files)
    target = tmp_path / "out" / "comparisons.json"
    before = target.read_bytes()
    with pytest.raises(SystemExit):
        compare.main(["--scores", two_files[0], "--comparisons", str(target)])
    assert target.read_bytes() == before


def test_ten_thousand_items_take_seconds(tmp_path):
    """Ten thousand items, ten thousand draws, uneven clusters: seconds on one core, start included."""
    files = []
    sizes = np.random.default_rng(4).zipf(1.3, 10000) % 997
    for name, rate in (("base", 0.6), ("tuned", 0.7)):
        rows = scored_rows(outcomes(10000, rate, len(name)), types=("a", "b", "c", "d", "e"))
        for row, label in zip(rows, sizes, strict=True):
            row["cluster"] = int(label)
        files.append(write_jsonl(tmp_path / f"{name}.jsonl", rows))
    start = time.perf_counter()
    words = [sys.executable, "-m", "workflow_scripts.compare", "--scores", *files]
    subprocess.run([*words, "--comparisons", str(tmp_path / "out.json")], check=True, capture_output=True)
    assert time.perf_counter() - start < 30
    assert len(json.loads((tmp_path / "out.json").read_text())["comparisons"]) == 6
