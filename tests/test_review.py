"""The review page: changes, causes, costs, drawings, history, and a page where nothing foreign is markup."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from workflow_scripts.core import report_page
from workflow_scripts.core.review import costs, diagrams, drawing, history, page
from workflow_scripts.core.review.changes import changes
from workflow_scripts.core.review.gates_ahead import gates_ahead
from workflow_scripts.core.review.graph import Change, Graph, Job, Reason
from workflow_scripts.core.review.profiles import without_missing_executor
from workflow_scripts.core.review.reasons import _counterpart

TEMPLATES = "reports/templates"
HOSTILE = '</script><script>alert(1)</script> & "quoted" <b>\u202e'
CONFIG = {"statistics": {"primary": {"candidate": "dpo-main"}}, "overrides": {"pilot": HOSTILE}}


def job(number, rule, stage, run, *, parents=(), wildcards=None, reasons=None, parameters=None, output=None):
    name = output or f"results/{stage}/{rule}-{number}.json"
    given = (Reason("missing", (name,)),) if run and reasons is None else tuple(reasons or ())
    return Job(
        number=number,
        rule=rule,
        stage=stage,
        wildcards=wildcards or {},
        inputs=tuple(f"results/in-{parent}" for parent in parents),
        outputs=(name,),
        patterns=(re.sub(r"-\d+", "-{shard,\\\\d{3}}", name) if wildcards else name,),
        parameters=parameters or {},
        script=None,
        needs_run=run,
        recorded=True,
        reasons=given,
        parents=frozenset(parents),
    )


def graph(config=CONFIG):
    """Two stages that feed each other; a setting with hostile text changed; two of three shards run."""
    change = Change("generation.stop", json.dumps("\n"), json.dumps(HOSTILE))
    settings = {"settings": json.dumps({"generation": {"stop": HOSTILE}})}
    gate = {"gate": {"name": "pilot", "criteria": {"rate": {"below": 0.5}}, "override": HOSTILE}}
    reason = Reason("setting", changes=(change,))
    jobs = [
        job(0, "pilot", "generation", True, reasons=[reason], parameters=settings),
        job(1, "gate_pilot", "generation", True, parents=[0], parameters={"settings": json.dumps(gate)}),
        *(
            job(
                number,
                "generate_shard",
                "generation",
                number > 2,
                parents=[0, 1],
                wildcards={"shard": f"00{number}"},
            )
            for number in (2, 3, 4)
        ),
        job(5, "train_sft", "sft", True, parents=[1, 2, 3, 4], output=f"results/sft/{HOSTILE}.json"),
        job(6, "test_set", "test_set", False),
    ]
    dot = 'digraph snakemake_dag {\n    graph[bgcolor=white];\n0[label="a"];\n1[label="b"];\n2[label="c"];\n'
    dot += "\t0 -> 1\n\t1 -> 2\n\t0 -> 2\n}"
    return Graph(tuple(jobs), config, "results", {"dag": dot})


def plan(**lines):
    entries = [
        {"stage": name, "hours": {"low": low, "high": high}, "dollars": {"low": 2 * low, "high": 2 * high}}
        for name, (low, high) in lines.items()
    ]
    return {"stages": entries, "gpu": {"name": "H100"}, "cap": None}


def content(found, **others):
    given = {"command": f"snakemake {HOSTILE}", "since": None, "plan": None, "plan_source": "no plan"}
    return page.content(found, gates=gates_ahead(found), **(given | others))


# What changed.


def test_changes_are_told_field_by_field_with_old_and_new_values():
    old = {"a": {"b": 1, "c": [1, 2]}, "d": "x", "same": 1.0}
    new = {"a": {"b": 2, "c": [1, 3]}, "e": None, "same": 1.0}
    assert changes(old, new) == [
        Change("a.b", "1", "2"),
        Change("a.c[1]", "2", "3"),
        Change("d", '"x"', None),
        Change("e", None, "null"),
    ]
    assert changes({"a": [1]}, {"a": [1, 2]}) == [Change("a", "[1]", "[1,2]")]
    assert changes(old, dict(reversed(old.items()))) == []


@pytest.mark.parametrize(
    ("value", "recorded", "expected"),
    [
        (
            '{"dpo": 1, "seed": 2}',
            ['{"seed": 1}', '{"dpo": 2, "seed": 2}', "f" * 64],
            '{"dpo": 2, "seed": 2}',
        ),
        (3, ["a", 4], 4),
        (3, [4, 5], None),
        ("--record-only", ["f" * 64, ""], ""),
    ],
)
def test_an_old_value_without_a_name_is_the_one_most_like_the_new(value, recorded, expected):
    assert _counterpart(value, set(map(repr, recorded))) == expected


def test_causes_name_what_they_touch_and_what_follows():
    missing, setting = sorted(page.causes(graph(), None), key=lambda cause: cause.kind)
    assert setting.subject == "generation.stop" and page.tally(setting.direct) == "pilot"
    assert page.tally(setting.behind) == "gate_pilot, generate_shard (2), train_sft"
    assert page.tally(missing.direct) == "gate_pilot, generate_shard (2), train_sft"


def test_values_are_shown_short_and_plain():
    assert page.shown('"text"') == "text" and page.shown("0.5") == "0.5" and page.shown(None) == "–"
    assert page.shown(json.dumps("a" * 64)) == "aaaaaaaaaaaa…"
    assert page.shown(json.dumps("x" * 1000)).endswith("… (1000 characters)")


# What it costs.


def test_a_line_s_cost_is_shared_among_its_jobs():
    found = costs.rule_costs(graph(), plan(sft_data=(4.0, 8.0), sft=(1.0, 3.0)))
    # Pilot and three shards share a line; pilot and two shards run.
    assert found["pilot"].hours == (1.0, 2.0) and found["generate_shard"].hours == (2.0, 4.0)
    assert found["train_sft"].dollars == (2.0, 6.0)
    assert "gate_pilot" not in found and "test_set" not in found
    assert costs.total(found.values()).hours == (4.0, 9.0)
    assert costs.whole(plan(sft_data=(4.0, 8.0), sft=(1.0, 3.0))).hours == (5.0, 11.0)


@pytest.mark.parametrize(
    ("rule", "wildcards", "line"),
    [
        ("respond", {"arm": "base_raw", "evaluation": "evaluation"}, "baseline_evaluation"),
        ("respond", {"arm": "dpo-main", "evaluation": "evaluation"}, "evaluation"),
        ("respond", {"arm": "dpo-beta", "evaluation": "evaluation"}, "dpo-beta"),
        ("train_dpo", {"variant": "main"}, "dpo"),
        ("merge_dpo", {"variant": "beta"}, "dpo-beta"),
        ("gate_sft", {}, "analysis"),
    ],
)
def test_each_job_belongs_to_a_line_of_the_plan(rule, wildcards, line):
    assert costs.line_of(job(0, rule, "x", True, wildcards=wildcards), "main") == line


def planning_job(run, command):
    return Graph(
        (
            Job(
                0,
                costs.PLANNING,
                "budget",
                {},
                (),
                ("results/budget/plan.json",),
                ("",),
                {},
                None,
                run,
                True,
                (),
                frozenset(),
                command,
            ),
        ),
        CONFIG,
        "results",
    )


def test_a_plan_that_is_out_of_date_is_made_beside_the_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = """echo '{"stages": []}' > results/budget/plan.json 2>&1 | tee logs/plan.log"""
    found, source = costs.read_plan(planning_job(True, command))
    assert found == {"stages": []} and source.startswith("planned for this page")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_cannot_be_made_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, source = costs.read_plan(planning_job(True, "echo first >&2; echo 'no such GPU' >&2; exit 1"))
    assert found is None and source == "no such GPU"
    assert costs.read_plan(graph()) == (None, "this workflow plans no budget")


# Drawings.


def test_drawings_leave_out_what_follows_and_group_by_stage():
    found = graph()
    assert ("pilot", "generate_shard") not in diagrams.rule_edges(found)
    assert {
        ("pilot", "gate_pilot"),
        ("gate_pilot", "generate_shard"),
        ("generate_shard", "train_sft"),
    } <= set(diagrams.rule_edges(found))
    dot = diagrams.rules_dot(found)
    assert dot.count("subgraph") == 3 and "▶ 2 of 3 run" in dot and "✓ up to date" in dot
    drawn = drawing.inline(dot, "Rules")
    assert drawn.count('class="node run"') == 4 and drawn.count('class="node same"') == 1
    assert "fill=" not in drawn and " id=" not in drawn and 'href="#rule-pilot"' in drawn


def test_a_drawing_of_files_grows_with_patterns_not_with_jobs():
    dot = diagrams.stage_files_dot(graph(), "generation")
    assert "generate_shard-{shard}.json" in dot and "3 files" in dot


def test_of_a_long_path_a_drawing_shows_the_end():
    """Its box is as wide as its text is taken to be; the longer, the further from the browser's width."""
    path = f"{'a' * 80}/one.json"
    long = replace(job(0, "made", "making", True), outputs=(path,), patterns=(path,))
    dot = diagrams.stage_files_dot(Graph((long,), CONFIG, "results"), "making")
    assert f'label="\N{HORIZONTAL ELLIPSIS}{"a" * 46}/one.json"' in dot


def test_files_of_many_other_rules_are_drawn_by_stage():
    rules = [job(number, f"rule_{number}", "early", True) for number in range(12)]
    late = replace(job(12, "late", "late", True), inputs=tuple(made.outputs[0] for made in rules))
    assert "early: rule_3\\nearly/rule_3-3.json" in diagrams.stage_files_dot(
        Graph((*rules[:4], replace(late, inputs=late.inputs[:4])), CONFIG, "results"), "late"
    )
    many = diagrams.stage_files_dot(Graph((*rules, late), CONFIG, "results"), "late")
    assert "early\\n12 files" in many and '"#stage-early"' in many and "rule_3" not in many


def test_the_graph_of_jobs_is_drawn_without_edges_that_follow():
    reduced = drawing.reduced(graph().drawings["dag"])
    assert "0 -> 1" in reduced and "1 -> 2" in reduced and "0 -> 2" not in reduced
    assert drawing.render(reduced).count('class="edge"') == 2


def test_mermaid_text_has_the_stages_and_what_runs():
    text = diagrams.mermaid(graph())
    assert text.startswith("flowchart TB\n") and text.count("subgraph") == text.count("  end\n") == 3
    assert 'generate_shard["generate_shard<br/>▶ 2 of 3 run"]:::run' in text
    assert "gate_pilot --> generate_shard" in text


# What happened before.


def session(status, start, **others):
    return {"session": start, "status": status, "start": start, "config": {"a": 1}, "packages": {}} | others


def test_the_last_session_that_ended_well_counts(tmp_path):
    for entry in (session("completed", "1"), session("completed", "2"), session("failed", "3")):
        (tmp_path / f"{entry['start']}.json").write_text(json.dumps(entry))
    assert history.last_completed(tmp_path)["start"] == "2"
    assert history.last_completed(tmp_path / "none") is None


def test_files_are_compared_with_the_session_s_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for name in ("kept.py", "changed.py", "removed.py"):
        (tmp_path / name).write_text("1")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    (tmp_path / "changed.py").write_text("2")
    (tmp_path / "removed.py").unlink()
    (tmp_path / "new file.py").write_text("3")
    expected = {"changed.py": "changed", "removed.py": "removed", "new file.py": "added"}
    assert history.changed_files(commit) == expected
    found = history.since(session("completed", "1", git_commit=commit, git_dirty=True), graph({"a": 2}))
    assert [entry.path for entry in found.files] == sorted(expected) and "not committed" in found.doubt
    assert found.config == (Change("a", "1", "2"),)


def test_without_that_commit_git_is_not_asked_to_guess(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = history.since(session("completed", "1", git_commit="0" * 40), graph({"a": 1, "pathvars": {}}))
    assert found.files is None and "does not know" in found.doubt and found.config == ()


# Profiles.


def test_a_profile_of_a_missing_executor_is_read_without_it(tmp_path):
    profile = {"executor": "nowhere", "nowhere-status-command": "x", "jobs": 3, "rerun-triggers": ["mtime"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(profile))
    with without_missing_executor(["--profile", str(tmp_path), "--cores", "2"]) as arguments:
        kept = yaml.safe_load((Path(arguments[1]) / "config.yaml").read_text())
        assert kept == {"jobs": 3, "rerun-triggers": ["mtime"]} and arguments[2:] == ["--cores", "2"]
    for same in (["--profile", "profiles/local"], ["--cores", "1"]):
        with without_missing_executor(same) as arguments:
            assert arguments == same


# The page.


def test_nothing_foreign_becomes_markup_and_nothing_is_fetched():
    found = content(graph(), plan=plan(sft_data=(4.0, 8.0)), plan_source=HOSTILE)
    text = page.render(TEMPLATES, found)
    assert text.count("<script") == 1 and "<b>" not in text and "alert(1)</script>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not re.search(
        r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text.replace("http://www.w3.org/", "")
    )
    assert len(re.findall(r'<svg class="graph" role="group" aria-label="[^"]+"', text)) == 2 + 3
    anchors = re.findall(r'href="#([^"]+)"', text)
    assert anchors and all(f'id="{anchor}"' in text for anchor in anchors)


def test_the_one_script_runs_by_its_digest():
    script = "let a = 1;\n"
    assert report_page.content_policy(script).endswith(
        "script-src 'sha256-3smTKsMnFX9i0OGCm4n/7GAEzudwCR3kiBveN8jVUAk='"
    )


def test_left_out_jobs_overrides_and_ending_gates_are_at_the_top(tmp_path, monkeypatch):
    found = graph()
    stale = job(
        9, "respond", "evaluation", False, reasons=[Reason("setting", changes=(Change("x", "1", "2"),))]
    )
    text = page.render(TEMPLATES, content(Graph((*found.jobs, stale), CONFIG, "results")))
    top = text.partition("<h1>")[0]
    assert "1 changed job would be left out of this run" in top and "<code>respond</code>" in top
    assert "The configuration overrides 1 gate" in top
    held = replace(graph(), is_locked=True)
    assert "A run goes on" in page.render(TEMPLATES, content(held)).partition("<h1>")[0]
    text = page.render(TEMPLATES, content(graph({**CONFIG, "overrides": {}})))
    assert "left out of this run" not in text and 'class="warning"' not in text


def test_a_page_of_nothing_to_do_says_so():
    done = Graph((job(0, "test_set", "test_set", False),), {**CONFIG, "overrides": {}}, "results")
    text = page.render(TEMPLATES, content(done))
    assert "<h1>Nothing would run</h1>" in text and "every result is up to date" in text


def test_the_list_of_jobs_is_data():
    listed = page.job_list(graph(), [])
    assert [entry["rule"] for entry in listed["run"]] == [
        "pilot",
        "gate_pilot",
        *["generate_shard"] * 2,
        "train_sft",
    ]
    assert listed["run"][0]["reasons"][0]["changes"][0]["field"] == "generation.stop"
    assert listed["up_to_date"] == ["generate_shard shard=002", "test_set"] and listed["left_out"] == []


def test_the_templates_are_no_input_of_the_summary_page():
    """A change of this page must not make the report of a finished run again."""
    folder = Path(TEMPLATES)
    mine = {path for path in folder.rglob("*") if "review" in path.parts}
    assert mine and not mine & set(folder.rglob("*.j2"))
