"""Cards in Hugging Face form: one of the data with everything, one for each adapter."""

from pathlib import Path

import pyarrow.parquet as pq

from workflow_scripts.core.code_digest import PROJECT_ROOT
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json

TEMPLATES = PROJECT_ROOT / "resources/cards"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
PARTS = {
    "sft": "sft_data/train.parquet",
    "test": "test_set/test.parquet",
    "dev": "test_set/dev.parquet",
    "responses": "evaluation/*/responses.parquet",
    "scores": "evaluation/*/scores.parquet",
}


def size_category(count: int) -> str:
    """The hub's name for a number of rows."""
    return next((name for most, name in SIZES if count < most), "n>1M")


def facts(results: Path, manifest: dict) -> dict:
    """What the cards say of a run, from its files."""
    document = read_json(results / "statistics/comparisons.json")
    claim = read_json(results / "gates/claim.json")
    identity = read_json(results / "base/model.json")
    overall = [entry for entry in document["comparisons"] if entry["scope"] == "overall"]
    return {
        "base": identity.get("repo") or identity["label"],
        "base_identity": identity,
        "claim": claim,
        "comparisons": overall,
        "confidence": document["confidence"],
        "config": manifest["config"],
        "manifest_seal": manifest["seal"],
        "primary": next(entry for entry in overall if entry["role"] == "primary"),
        "records": {
            name: sum(pq.read_metadata(path).num_rows for path in sorted(results.glob(pattern)))
            for name, pattern in PARTS.items()
        },
    }


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _checked(card, name: str, needed: tuple[str, ...]) -> str:
    """The card's text, read back by the hub's own class. InputError when a field is lost on the way."""
    read = type(card)(card.content)
    written, again = card.data.to_dict(), read.data.to_dict()
    for field in needed:
        if not again.get(field) or again[field] != written.get(field):
            remedy = "the hub needs this field: give it on the command line"
            raise InputError(file=name, field=field, value=again.get(field, "absent"), remedy=remedy)
    return card.content


def dataset_card(run: dict, title: str, licence: str, language: str) -> str:
    """The text of the archive's README.md."""
    from huggingface_hub import DatasetCard, DatasetCardData

    data = DatasetCardData(
        pretty_name=title,
        license=licence,
        language=language,
        annotations_creators="machine-generated",
        language_creators="machine-generated",
        size_categories=size_category(run["records"]["sft"]),
        task_categories="text-generation",
        tags=["constitutional-ai", "self-instruct", "preference-pairs", "synthetic"],
        configs=[
            {"config_name": name, "data_files": f"results/{pattern}"} for name, pattern in PARTS.items()
        ],
    )
    template = _template("dataset.md.j2")
    card = DatasetCard.from_template(data, template_str=template, title=title, run=run, licence=licence)
    return _checked(card, "README.md", ("license", "pretty_name", "configs", "size_categories"))


def _measured(entry: dict):
    """An arm's success, as the hub lists results."""
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type="text-generation",
        dataset_type="held-out-items",
        dataset_name="held-out items with programmatic checks",
        metric_type="accuracy",
        metric_name="success",
        metric_value=round(entry["candidate_rate"]["estimate"], 4),
    )


def model_card(run: dict, arm: str, title: str, licence: str, language: str) -> str:
    """The text of one adapter's card, with its success on the test items if it was compared."""
    from huggingface_hub import ModelCard, ModelCardData

    entry = next((entry for entry in run["comparisons"] if entry["candidate"] == arm), None)
    data = ModelCardData(
        model_name=f"{title} {arm}",
        base_model=run["base"],
        library_name="peft",
        license=licence,
        language=language,
        pipeline_tag="text-generation",
        tags=["lora", "constitutional-ai"],
        eval_results=[_measured(entry)] if entry else None,
    )
    template = _template("model.md.j2")
    card = ModelCard.from_template(data, template_str=template, title=title, arm=arm, run=run, entry=entry)
    return _checked(card, "MODEL_CARD.md", ("license", "base_model", "library_name"))
