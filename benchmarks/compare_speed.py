"""Times `compare` on 10,000 items with 10,000 draws, beside plain resampling of the same items.

    python -m benchmarks.compare_speed

Both work on one core, one after the other in one run, so that their ratio says something where the seconds
depend on the machine. Prints one Markdown table.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from statsmodels.api import OLS
from statsmodels.stats.contingency_tables import mcnemar

from workflow_scripts.core.statistics.analysis import Analysis
from workflow_scripts.core.statistics.comparisons import compare_pair

ITEMS, DRAWS, CLUSTERS = 10_000, 10_000, 200
TYPES = ("factual", "format", "list", "constraint", "transform")
RATES = {"base": 0.6, "tuned": 0.63}
AT_ONCE = 500


def write_arm(path: Path, rate: float, generator: np.random.Generator) -> np.ndarray:
    """Writes one arm's scored items as JSONL; its outcomes, shape [ITEMS]."""
    success = generator.random(ITEMS) < rate
    rows = (
        {
            "item_id": f"item-{place}",
            "type": TYPES[place % len(TYPES)],
            "cluster": f"template-{place % CLUSTERS}",
            "success": bool(outcome),
        }
        for place, outcome in enumerate(success)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return success


def plain_analysis(baseline: np.ndarray, candidate: np.ndarray, clusters: np.ndarray) -> None:
    """One scope as one would write it: test and clustered error from statsmodels, indices drawn by NumPy."""
    table = [
        [np.sum(baseline & candidate), np.sum(baseline & ~candidate)],
        [np.sum(~baseline & candidate), np.sum(~baseline & ~candidate)],
    ]
    mcnemar(table, exact=True)
    differences = candidate.astype(float) - baseline
    OLS(differences, np.ones(len(differences))).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    labels, index = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(index, weights=differences), np.bincount(index)
    generator = np.random.default_rng(0)
    means, cluster_means = [], []
    for _ in range(DRAWS // AT_ONCE):
        drawn = generator.integers(len(differences), size=(AT_ONCE, len(differences)))
        means.append(differences[drawn].mean(axis=1))
        drawn = generator.integers(len(labels), size=(AT_ONCE, len(labels)))
        cluster_means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    np.quantile(np.concatenate(means), [0.025, 0.975])
    np.quantile(np.concatenate(cluster_means), [0.025, 0.975])


def main() -> None:
    """Times both and prints the table."""
    generator = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{arm}.jsonl" for arm in RATES]
        outcomes = [write_arm(file, RATES[file.stem], generator) for file in files]
        settings = json.dumps({"statistics": {"bootstrap_samples": DRAWS}})
        command = [sys.executable, "-m", "workflow_scripts.compare", "--settings", settings]
        command += ["--scores", *map(str, files), "--comparisons", str(Path(folder) / "out.json")]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        command_time = time.perf_counter() - start
    kinds, clusters = np.arange(ITEMS) % len(TYPES), np.arange(ITEMS) % CLUSTERS
    start = time.perf_counter()
    compare_pair(tuple(RATES), *outcomes, kinds, clusters, Analysis(bootstrap_samples=DRAWS))
    analysis = time.perf_counter() - start
    start = time.perf_counter()
    for chosen in (kinds >= 0, *(kinds == kind for kind in range(len(TYPES)))):
        plain_analysis(outcomes[0][chosen], outcomes[1][chosen], clusters[chosen])
    plain = time.perf_counter() - start
    print("| what | seconds | times the analysis |\n|---|---:|---:|")
    print(f"| the analysis inside `compare`: six scopes, items and clusters | {analysis:.2f} | 1 |")
    print(f"| the same from statsmodels and NumPy, drawing indices | {plain:.2f} | {plain / analysis:.0f} |")
    print(f"| the whole command, start and reading included | {command_time:.1f} | |")


if __name__ == "__main__":
    main()
