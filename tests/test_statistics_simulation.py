"""Size, coverage and power: worked out by enumeration, and simulated to within Monte-Carlo error.

Every simulation has a fixed seed, so nothing here can flake; a tolerance is four Monte-Carlo standard errors.
"""

from functools import cache
from math import lgamma, sqrt

import numpy as np
import pytest
from scipy.special import gammaln, xlogy
from scipy.stats import binom

from workflow_scripts.core.statistics import intervals, mcnemar, multiplicity, power, resampling
from workflow_scripts.core.statistics.tables import PairedTable

SIMULATED = 20000
P_VALUES = ("mid_p", "exact_p", "chi2_p", "cc_p")
DESIGNS = [(100, 0.2), (300, 0.1), (1000, 0.1)]
CELLS = [(0.5, 0.05, 0.15, 0.3), (0.75, 0.02, 0.2, 0.03), (0.3, 0.15, 0.15, 0.4)]


def monte_carlo_error(rate: float, runs: int) -> float:
    """Four standard errors of a simulated rate."""
    return 4 * sqrt(rate * (1 - rate) / runs)


@cache
def p_values(smaller: int, larger: int) -> dict:
    return mcnemar.tests(PairedTable(0, smaller, larger, 0))


def rejections(only_baseline, only_candidate, name: str, alpha: float) -> np.ndarray:
    """Whether a test rejects each pair of discordant counts, boolean, the shape of the counts."""
    pairs = np.sort(np.stack([only_baseline, only_candidate], axis=-1), axis=-1)
    distinct, place = np.unique(pairs.reshape(-1, 2), axis=0, return_inverse=True)
    rejected = np.array([p_values(*map(int, pair))[name] < alpha for pair in distinct])
    return rejected[place].reshape(np.shape(only_baseline))


def exact_rejection_rate(n: int, shares: tuple[float, float], name: str, alpha: float) -> float:
    """Probability that a test rejects, summed over all discordant counts of some probability."""
    discordance = sum(shares)
    totals = np.arange(binom.ppf(1e-9, n, discordance), binom.isf(1e-9, n, discordance) + 1, dtype=int)
    rate = 0.0
    for total in totals:
        split = np.arange(total + 1)
        chances = binom.pmf(split, total, shares[0] / discordance)
        rate += (
            binom.pmf(total, n, discordance) * chances[rejections(split, total - split, name, alpha)].sum()
        )
    return float(rate)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize(("n", "discordance"), DESIGNS)
def test_size_at_the_null(n, discordance, alpha):
    """Mid-p comes near the level and passes it by less than a tenth; exact and corrected tests stay below."""
    half = discordance / 2
    drawn = np.random.default_rng(n).multinomial(n, [half, half, 1 - discordance], size=SIMULATED)
    size = {}
    for name in P_VALUES:
        size[name] = exact_rejection_rate(n, (half, half), name, alpha)
        simulated = rejections(drawn[:, 0], drawn[:, 1], name, alpha).mean()
        assert simulated == pytest.approx(size[name], abs=monte_carlo_error(size[name], SIMULATED)), name
    assert 0.7 * alpha < size["mid_p"] < 1.1 * alpha
    assert size["exact_p"] < alpha and size["cc_p"] < alpha
    assert size["exact_p"] < size["mid_p"]


@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.81])
def test_coverage_of_wilson(n, rate):
    bounds = np.array([intervals.wilson(successes, n) for successes in range(n + 1)])
    covers = (bounds[:, 0] <= rate) & (rate <= bounds[:, 1])
    coverage = binom.pmf(np.arange(n + 1), n, rate)[covers].sum()
    assert 0.93 < coverage < 0.975
    drawn = np.random.default_rng(n).binomial(n, rate, size=SIMULATED)
    assert covers[drawn].mean() == pytest.approx(coverage, abs=monte_carlo_error(coverage, SIMULATED))


def test_wilson_covers_as_stated_on_average_over_all_rates():
    n, rates = 50, np.linspace(0.001, 0.999, 999)
    bounds = np.array([intervals.wilson(successes, n) for successes in range(n + 1)])
    covers = (bounds[:, :1] <= rates) & (rates <= bounds[:, 1:])
    mean = (binom.pmf(np.arange(n + 1)[:, None], n, rates) * covers).sum(axis=0).mean()
    assert mean == pytest.approx(0.95, abs=0.005)


def all_tables(n: int) -> np.ndarray:
    """Every table of n pairs as rows (both, only_baseline, only_candidate, neither)."""
    grid = np.stack(np.meshgrid(*[np.arange(n + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[grid.sum(axis=1) <= n]
    return np.column_stack([grid, n - grid.sum(axis=1)])


def multinomial(tables: np.ndarray, cells) -> np.ndarray:
    n = int(tables[0].sum())
    return np.exp(lgamma(n + 1) + (xlogy(tables, cells) - gammaln(tables + 1)).sum(axis=1))


def paired_bounds(method: str, tables: np.ndarray) -> np.ndarray:
    """Bounds of a method at 95 % for each row of tables, shape [k, 2]."""
    if method == "tango":
        return np.array(intervals.tango_bounds(int(tables[0].sum()), tables[:, 1], tables[:, 2])).T
    return np.array([intervals.newcombe(PairedTable(*map(int, table))) for table in tables])


@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize("method", ["newcombe", "tango"])
def test_coverage_of_paired_intervals(method, cells):
    """Enumerated for 30 pairs, and what is simulated agrees with it; simulated for 300."""
    truth = cells[2] - cells[1]
    tables = all_tables(30)
    bounds = paired_bounds(method, tables)
    covers = (bounds[:, 0] <= truth) & (truth <= bounds[:, 1])
    coverage = multinomial(tables, cells)[covers].sum()
    assert 0.93 < coverage < 0.985
    generator = np.random.default_rng(30)
    for n, runs, expected in ((30, 4000, coverage), (300, 4000, 0.95)):
        distinct, counts = np.unique(generator.multinomial(n, cells, size=runs), axis=0, return_counts=True)
        found = paired_bounds(method, distinct)
        covered = counts[(found[:, 0] <= truth) & (truth <= found[:, 1])].sum() / runs
        # At 300 pairs the exact coverage is not known; it may depart from 0.95 by some tenths of a point.
        slack = 0.0 if n == 30 else 0.006
        assert covered == pytest.approx(expected, abs=monte_carlo_error(expected, runs) + slack)


def test_coverage_of_the_bootstrap_over_items():
    runs, cells = 1000, (0.5, 0.08, 0.14, 0.28)
    generator, covered = np.random.default_rng(5), 0
    for run in range(runs):
        differences = generator.choice([0, -1, 1, 0], p=cells, size=400)
        low, high = resampling.bootstrap_interval(differences, None, draws=1000, seed=run, alpha=0.05)
        covered += low <= 0.06 <= high
    assert covered / runs == pytest.approx(0.95, abs=monte_carlo_error(0.95, runs))


def clustered(generator, lift: float, clusters: int = 40, size: int = 15, spread: float = 0.25):
    """Differences of items, each cluster with a lift of its own around the true one, and the labels."""
    lean = np.clip(generator.normal(lift, spread, size=clusters), -1, 1)
    labels = np.repeat(np.arange(clusters), size)
    won = generator.random(clusters * size) < np.abs(lean[labels])
    return won * np.sign(lean[labels]).astype(int), labels


def test_clustered_intervals_cover_where_the_plain_one_does_not():
    """Items of one template go together: ignoring that makes an interval too narrow."""
    runs = 1000
    generator, covered = np.random.default_rng(9), {"items": 0, "interval": 0, "bootstrap": 0}
    for run in range(runs):
        differences, labels = clustered(generator, 0.1)
        low, high = resampling.bootstrap_interval(differences, None, draws=300, seed=run, alpha=0.05)
        covered["items"] += low <= 0.1 <= high
        summary = resampling.cluster_summary(differences, labels, draws=300, seed=run, alpha=0.05)
        for name in ("interval", "bootstrap"):
            low, high = summary[name]
            covered[name] += low <= 0.1 <= high
    noise = monte_carlo_error(0.95, runs)
    assert covered["interval"] / runs == pytest.approx(0.95, abs=noise)
    # The percentile bootstrap of 40 clusters has no small-sample correction: about a point too narrow.
    assert covered["bootstrap"] / runs == pytest.approx(0.94, abs=noise)
    assert covered["items"] / runs < 0.8


def test_the_clustered_test_holds_its_size_where_mid_p_does_not():
    runs = 1000
    generator, rejected = np.random.default_rng(10), {"clustered": 0, "mid_p": 0}
    for _ in range(runs):
        differences, labels = clustered(generator, 0.0)
        error = resampling.standard_error(differences, labels)
        summary = resampling.cluster_summary(differences, labels, draws=1, seed=0, alpha=0.05)
        assert summary["standard_error"] == error
        rejected["clustered"] += summary["p_value"] < 0.05
        lost, won = int((differences < 0).sum()), int((differences > 0).sum())
        rejected["mid_p"] += mcnemar.mid_p(lost, won) < 0.05
    assert rejected["clustered"] / runs == pytest.approx(0.05, abs=monte_carlo_error(0.05, runs))
    assert rejected["mid_p"] / runs > 0.15


@pytest.mark.parametrize(("n", "discordance"), DESIGNS)
def test_power_formula_agrees_with_the_exact_power(n, discordance):
    """The smallest detectable lift is found with the power wanted, by mid-p as by the test it is made for."""
    effect = power.minimum_detectable_effect(n, discordance)
    shares = (discordance - effect) / 2, (discordance + effect) / 2
    assert exact_rejection_rate(n, shares, "chi2_p", 0.05) == pytest.approx(0.8, abs=0.04)
    assert exact_rejection_rate(n, shares, "mid_p", 0.05) == pytest.approx(0.8, abs=0.03)


def test_holm_holds_the_family_wise_error_and_benjamini_hochberg_the_discovery_rate():
    """Six nulls and four effects: Holm errs anywhere in at most 5 %; of BH's finds at most 3 % are false."""
    runs, generator = 4000, np.random.default_rng(11)
    draws = generator.random((runs, 10))
    draws[:, 6:] **= 6
    families, discoveries = 0, 0.0
    for p in draws:
        families += min(multiplicity.holm(p.tolist())[:6]) < 0.05
        found = np.array(multiplicity.benjamini_hochberg(p.tolist())) < 0.05
        discoveries += found[:6].sum() / max(1, found.sum())
    assert 0.01 < families / runs < 0.05 + monte_carlo_error(0.05, runs)
    assert 0.01 < discoveries / runs < 0.03 + monte_carlo_error(0.03, runs)
