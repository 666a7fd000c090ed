"""What is shared: nothing private, the same bytes each time, cards and a crate that their libraries read."""

import json
import zipfile

import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.manifests import Places
from workflow_scripts.core.sharing import archive, cards, crate, privacy, upload

INNER = Places("results", "reports")
SESSION = {
    "session": "s",
    "command": ["/home/ann/.venv/bin/snakemake", "--profile", "profiles/local"],
    "config": {"seed": 1, "pathvars": {"results": "/data/ann/run", "reports": "/data/ann/pages"}},
    "config_sha256": "old",
    "machine": {"host": "anns-laptop", "python": "3.11"},
    "planned": ["/data/ann/run/a.json", "/data/ann/pages/summary.html"],
    "made": {"/data/ann/run/a.json": {"bytes": 1, "sha256": "1"}},
    "git_commit": "c" * 40,
    "end": "2026-01-01T00:00:00+00:00",
}


def test_a_shared_session_names_no_machine_and_no_folder():
    shared = privacy.shared_session(SESSION, "host-1", INNER)
    text = json.dumps(shared)
    assert "anns" not in text and "/data" not in text and "/home" not in text
    assert shared["command"] == ["snakemake", "--profile", "profiles/local"]
    assert shared["made"] == {"results/a.json": {"bytes": 1, "sha256": "1"}}
    assert shared["planned"] == ["reports/summary.html", "results/a.json"]
    assert shared["machine"] == {"host": "host-1", "python": "3.11"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x " + "hf_" + "a" * 34, "hf_a"),
        ("rpa_" + "B" * 30, "rpa_"),
        ("token=longsecretvalue", "the value of SOME_API_KEY"),
        ("run on anns-laptop yesterday", "a machine's name"),
        ("/home/ann/data/x.jsonl", "this user's home folder"),
    ],
)
def test_what_is_private_is_refused_by_file_and_never_printed(tmp_path, monkeypatch, text, named):
    monkeypatch.setenv("SOME_API_KEY", "longsecretvalue")
    monkeypatch.setenv("HOME", "/home/ann")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/gate.json").write_text(json.dumps({"evidence": text}))
    with pytest.raises(InputError) as refused:
        privacy.refuse_private(tmp_path, privacy.private_words([SESSION]))
    message = str(refused.value)
    assert "results/gate.json" in message and named in message
    assert "longsecretvalue" not in message and "a" * 34 not in message


def test_texts_of_records_are_looked_at_too(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": [1, 2], "provenance": ["fine", "at anns-laptop"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="a machine's name"):
        privacy.refuse_private(tmp_path, privacy.private_words([SESSION]))


def test_an_archive_depends_on_names_and_bytes_alone(tmp_path):
    import os

    for number, name in enumerate(("one", "two")):
        folder = tmp_path / name
        (folder / "results").mkdir(parents=True)
        files = ["results/b.json", "a.txt"][:: 1 - 2 * number]
        for file in files:
            (folder / file).write_text(file)
            os.utime(folder / file, (number * 10**9, number * 10**9))
            (folder / file).chmod(0o600 if number else 0o644)
        archive.write_zip(tmp_path / f"{name}.zip", folder, "run")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert packed.namelist() == ["run/a.txt", "run/results/b.json"]


def run_facts() -> dict:
    """What the cards say of a run."""
    rate = {"estimate": 0.5, "low": 0.4, "high": 0.6}
    entry = {
        "baseline": "base",
        "candidate": "sft",
        "n": 100,
        "only_baseline": 3,
        "only_candidate": 9,
        "baseline_rate": rate,
        "candidate_rate": {**rate, "estimate": 0.56},
        "difference": {"estimate": 0.06, "newcombe": [-0.01, 0.13]},
        "mcnemar": {"mid_p": 0.09},
        "adjusted_p": 0.09,
    }
    return {
        "base": "Qwen/Qwen2.5-32B",
        "base_identity": {"weights_sha256": "w" * 64},
        "claim": {"decision": "stop"},
        "comparisons": [entry],
        "confidence": 0.95,
        "config": {},
        "manifest_seal": "m" * 64,
        "primary": entry,
        "records": {"sft": 593, "test": 1000, "dev": 600, "responses": 5000, "scores": 5000},
    }


def test_cards_are_read_back_by_the_hub_s_own_classes():
    from huggingface_hub import DatasetCard, ModelCard

    text = cards.dataset_card(run_facts(), "a run", "cc-by-4.0", "en")
    data = DatasetCard(text).data.to_dict()
    assert data["license"] == "cc-by-4.0" and data["size_categories"] == "n<1K"
    assert {config["config_name"] for config in data["configs"]} == set(cards.PARTS)
    assert "+6.0 points" in text and "The claim gate says: stop" in text and "stand under `cc-by-4.0`" in text
    text = cards.model_card(run_facts(), "sft", "a run", "apache-2.0", "en")
    card = ModelCard(text)
    assert card.data.base_model == "Qwen/Qwen2.5-32B" and card.data.eval_results[0].metric_value == 0.56
    assert "SFT adapter merged" not in text and "SFT adapter merged" in cards.model_card(
        run_facts(), "dpo-main", "a run", "apache-2.0", "en"
    )


def test_a_card_that_the_hub_would_refuse_is_refused():
    with pytest.raises(InputError, match="license"):
        cards.dataset_card(run_facts(), "a run", "", "en")


def write_folder(folder) -> list[str]:
    """An archive's folder with one adapter."""
    names = ["README.md", "cards/sft.md", "results/models/sft/adapter_config.json"]
    names += ["results/models/sft/adapter_model.safetensors"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return names


def test_a_crate_describes_every_file_and_the_run(tmp_path):
    from rocrate.rocrate import ROCrate

    names = write_folder(tmp_path)
    document = crate.description(tmp_path, names, "a run", "apache-2.0", [SESSION])
    assert document == crate.description(tmp_path, names, "a run", "apache-2.0", [SESSION])
    (tmp_path / crate.METADATA).write_text(json.dumps(document))
    read = ROCrate(str(tmp_path))
    assert {entity.id for entity in read.data_entities} == set(names)
    entity = read.dereference("README.md")
    assert len(entity["sha256"]) == 64 and entity["contentSize"] == "9"
    action = next(entity for entity in document["@graph"] if entity["@type"] == "CreateAction")
    assert len(action["result"]) == 2 and SESSION["git_commit"] in json.dumps(document)
    assert read.root_dataset["license"].id == "https://spdx.org/licenses/Apache-2.0"


def test_the_plan_of_an_upload_names_every_file_and_only_sending_sends(tmp_path, monkeypatch):
    import huggingface_hub

    names = write_folder(tmp_path)
    uploads = upload.plan(tmp_path, "ann/run")
    assert [(each.repo, each.kind) for each in uploads] == [("ann/run", "dataset"), ("ann/run-sft", "model")]
    assert sorted(uploads[0].files) == sorted(names)
    assert uploads[1].files["README.md"].read_text() == "cards/sft.md"
    sent = []

    class Hub:
        """The client, with what it is asked for written down."""

        def create_repo(self, repo, **options):
            sent.append(("create", repo, options["private"]))

        def create_commit(self, repo, operations, **options):
            sent.append(("commit", repo, sorted(operation.path_in_repo for operation in operations)))

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    upload.send(uploads)
    model_files = ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    assert sent == [
        ("create", "ann/run", True),
        ("commit", "ann/run", sorted(names)),
        ("create", "ann/run-sft", True),
        ("commit", "ann/run-sft", model_files),
    ]
