"""From answers to the claim gate's decision: the real command lines, the criteria of the shipped config."""

import json
import random
from pathlib import Path

import yaml

from tests.evaluation_files import write_arm, write_items, write_repeat
from workflow_scripts import compare, evaluation_audit, gate

ROOT = Path(__file__).resolve().parents[1]
REPEATED = 200
WAYS = ("same", "other_batch")


def claim_criteria(registered: bool = False) -> dict:
    """The claim gate's criteria as shipped; without those on a registration, which compare alone has not."""
    criteria = yaml.safe_load((ROOT / "config/config.yaml").read_text())["gates"]["claim"]
    return {name: asked for name, asked in criteria.items() if registered or name != "primary_deviations"}


def failed(decision: dict) -> set[str]:
    """The metrics whose criteria were not met."""
    return {entry["metric"] for entry in decision["criteria"] if entry["decision"] != "pass"}


def judge_claim(folder, scores, responses, items, repeats, *, primary, labels=None, registration=None):
    """Compares and audits the files of all arms and judges the claim; the audit and the gate's decision.

    `repeats` {way: paths}; `registration` is put into the comparisons as compare does when it has one.
    """
    comparisons, audit, decision = (folder / f"{name}.json" for name in ("comparisons", "audit", "claim"))
    settings = {"statistics": {"comparisons": [primary], "bootstrap_samples": 100}}
    words = ["--comparisons", comparisons, "--settings", json.dumps(settings)]
    compare.main([str(word) for word in ["--scores", *scores, *words]])
    if registration is not None:
        document = json.loads(comparisons.read_text())
        comparisons.write_text(json.dumps({**document, "registration": registration}))
    words = ["--scores", *scores, "--responses", *responses, "--comparisons", comparisons, "--items", items]
    words += ["--same", *repeats["same"], "--other-batch", *repeats["other_batch"]]
    words += ["--labels", labels] if labels else []
    words += ["--audit", audit, "--settings", json.dumps({"primary": primary})]
    evaluation_audit.main([str(word) for word in words])
    criteria = claim_criteria(registered=registration is not None)
    claim = {"gate": {"name": "claim", "criteria": criteria, "override": None}}
    words = ["--settings", json.dumps(claim), "--metrics", audit, "--decision", decision, "--record-only"]
    gate.main([str(word) for word in words])
    return json.loads(audit.read_text()), json.loads(decision.read_text())


def run_claim(
    folder, arms: dict, *, primary=("base", "sft"), templates=None, scores=None, again=None, **options
):
    """The same for arms given as lists of answers (see `write_arm`): {arm: answers}.

    `templates` {arm: name of its prompt}, `scores` {arm: a scorer in place of the outcomes given}, `again`
    {arm: {place: response}} what an arm says otherwise when it is asked again at another batch size.
    """
    files = {
        name: write_arm(
            folder,
            name,
            answers,
            template=(templates or {}).get(name, "completion"),
            score=(scores or {}).get(name),
        )
        for name, answers in arms.items()
    }
    score_files, response_files = [list(paths) for paths in zip(*files.values(), strict=True)]
    repeats = {way: [] for way in WAYS}
    for name in primary:
        for way in WAYS:
            changes = (again or {}).get(name, {}) if way == "other_batch" else {}
            repeats[way].append(
                write_repeat(folder / name / f"{way}.parquet", files[name][1], changes, REPEATED)
            )
    items = write_items(folder / "items.parquet", arms)
    return judge_claim(folder, score_files, response_files, items, repeats, primary=primary, **options)


def text(number: random.Random, characters: int) -> str:
    """A text of exactly so many characters that begins and ends with none that is cleaned away."""
    return "".join(number.choice("bcdefghij ") for _ in range(characters - 2)).join(["k", "."])


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
