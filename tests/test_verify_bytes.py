"""One byte is changed in every file of a real run: each is named."""

import json

import pytest

from tests.conftest import REPOSITORY
from tests.verification_files import copy_run, flip_byte, run_files, run_module
from workflow_scripts import verify
from workflow_scripts.core import manifests
from workflow_scripts.core.hashing import sha256_file
from workflow_scripts.core.verification import listed

pytestmark = pytest.mark.slow
LISTS = ("manifest.json", "-merged.json")  # they name other files: changed one at a time


def findings_of(run) -> dict[str, object]:
    """{file: finding} of the look at every byte."""
    places = manifests.find_places(run / "results")
    found, _, _ = verify.check_bytes(places, manifests.read_manifest(run / "results"))
    return {finding.file: finding for finding in found}


@pytest.fixture
def copy(finished_run, tmp_path):
    return copy_run(finished_run, tmp_path / "run")


def test_a_finished_run_is_as_listed(finished_run):
    assert findings_of(finished_run) == {}


def test_every_file_of_a_run_is_on_a_list_but_the_records_of_use(finished_run):
    places = manifests.find_places(finished_run / "results")
    uncovered = listed.unlisted(manifests.read_manifest(finished_run / "results"), places)
    assert {line.partition(":")[0] for line in uncovered} == {"results/usage/", "results/budget/"}
    measured = {path.name for path in (finished_run / "results/budget").glob("judged-*.json")}
    assert f"results/budget/: {len(measured)} files" in uncovered


def test_one_byte_changed_in_every_file_is_found_in_each(copy):
    files = [path for path in run_files(copy) if path.stat().st_size and "usage" not in path.parts]
    files = [path for path in files if not path.name.startswith("judged-")]  # named as covered by no list
    changed = {path for path in files if not path.name.endswith(LISTS)}
    for path in changed:
        flip_byte(path)
    names = {path.relative_to(copy).as_posix() for path in changed}
    assert len(names) > 100 and {name.rpartition(".")[2] for name in names} >= {
        "parquet",
        "json",
        "csv",
        "svg",
        "html",
        "safetensors",
    }
    found = findings_of(copy)
    assert names == set(found)
    for name, finding in found.items():
        assert name in str(finding) and "expected" in str(finding) and "found" in str(finding)


@pytest.mark.parametrize("name", ["models/sft-merged.json", "models/sft-longer-merged.json"])
def test_a_changed_list_of_a_merged_model_is_found(copy, name):
    flip_byte(copy / "results" / name)
    assert f"results/{name}" in findings_of(copy)


def test_a_changed_manifest_is_found_and_ends_the_check(copy):
    path = copy / "results/manifest.json"
    flip_byte(path)
    result = run_module(copy, "verify", "results")
    assert result.returncode == 1
    assert "results/manifest.json" in result.stderr and "DIFFER" in result.stderr
    flip_byte(path)
    text = path.read_text()
    path.write_text(text.replace('\n "given"', '\n  "given"'))
    result = run_module(copy, "verify", "results")
    assert result.returncode == 1 and "results/manifest.json: line" in result.stderr


def test_a_file_that_is_gone_is_named(copy):
    (copy / "results/statistics/comparisons.json").unlink()
    finding = findings_of(copy)["results/statistics/comparisons.json"]
    assert finding.found == "absent"


def test_a_session_that_tells_of_other_bytes_than_the_manifest_is_heard(copy):
    from workflow_scripts.core import seals
    from workflow_scripts.core.outputs import write_json

    path = next((copy / "results/sessions").glob("*.json"))
    session = json.loads(path.read_text())
    session["made"]["results/gates/claim.json"]["sha256"] = "0" * 64
    write_json(path, seals.sealed(session))
    finding = findings_of(copy)["results/gates/claim.json"]
    assert path.name in finding.check and finding.expected == "0" * 64


def test_snakemake_s_report_is_checked_by_the_digest_beside_it(copy):
    page = copy / "reports/report.html"
    page.write_text("<html>1</html>")
    places = manifests.find_places(copy / "results")
    manifest = manifests.read_manifest(copy / "results")
    found, unchecked, _ = verify.check_bytes(places, manifest)
    assert not found and "report.html" in str(unchecked[0])
    (copy / "reports/report.html.sha256").write_text(f"{sha256_file(page)}  report.html\n")
    assert verify.check_bytes(places, manifest)[:2] == ([], [])
    flip_byte(page)
    assert "reports/report.html" in findings_of(copy)


def test_results_without_a_manifest_are_refused_in_one_line(tmp_path):
    result = run_module(REPOSITORY, "verify", tmp_path)
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(errors) == 1 and "manifest.json: no manifest is there" in errors[0]
