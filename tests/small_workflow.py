"""A workflow of six small jobs with rules of the real one's shape, to see what Snakemake does."""

import subprocess
import sys
from pathlib import Path

SNAKEFILE = """
configfile: "config.yaml"

pathvars:
    results="results",

include: "making.smk"

rule all:
    input:
        "results/report.txt",
"""
MAKING = """
import json
from pathlib import Path

def settings(*keys):
    return json.dumps({key: config[key] for key in keys}, sort_keys=True)

rule plan:
    output: "results/plan.txt",
    params: settings=settings("level"), code=Path("code.txt").read_text(),
    shell: "echo {params.settings:q} > {output:q}"

rule shard:
    input: source="source.txt",
    output: "results/shard-{shard}.txt",
    params: settings=settings("size"), environment="e1",
    shell: "cat {input:q} > {output:q}"

rule answer:
    input: plan=ancient("results/plan.txt"), source="source.txt",
    output: "results/answer.txt",
    params: settings=settings("decoding"), code=Path("code.txt").read_text(),
    shell: "cat {input:q} > {output:q}"

rule gate:
    input: script="code.txt", metrics="metrics.json",
    output: "results/gates/small.json",
    params:
        code=Path("code.txt").read_text(),
        settings=json.dumps(
            {"gate": {"name": "small", "criteria": config["criteria"], "override": None}}
        ),
    shell: "cp {input.metrics:q} {output:q}"

rule report:
    input:
        expand("results/shard-{shard}.txt", shard=range(config["shards"])),
        "results/answer.txt",
        gate="results/gates/small.json",
    output: "results/report.txt",
    params: settings=settings("level", "decoding"),
    shell: "cat {input:q} > {output:q}"
"""
CONFIG = "level: 1\nsize: 2\ndecoding: {tokens: 3}\nshards: 2\ncriteria: {rate: {at_most: 0.5}}\n"
METRICS = '{"decision": "pass", "metrics": {"rate": {"value": 0.25}}}\n'
PROFILE = (
    "rerun-triggers: [mtime, params, input, code]\nrerun-incomplete: true\nscheduler: greedy\ncores: 2\n"
)
ARGUMENTS = ["--profile", "profile", "--quiet", "all"]


def write(folder: Path) -> Path:
    """Writes the workflow and its inputs."""
    (folder / "profile").mkdir(parents=True)
    for name, text in (
        ("Snakefile", SNAKEFILE),
        ("making.smk", MAKING),
        ("config.yaml", CONFIG),
        ("metrics.json", METRICS),
        ("source.txt", "one\n"),
        ("code.txt", "a" * 64),
        ("profile/config.yaml", PROFILE),
    ):
        (folder / name).write_text(text)
    return folder


def run(folder: Path, *arguments: str) -> None:
    """Runs it for real."""
    command = [sys.executable, "-m", "snakemake", *ARGUMENTS, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]


def times(folder: Path) -> dict[str, int]:
    """{file below results: when it was written, in nanoseconds}"""
    files = [
        path for path in (folder / "results").rglob("*") if path.is_file() and "sessions" not in path.parts
    ]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a text that is there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
