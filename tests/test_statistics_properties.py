"""Properties that hold for every table, and size and coverage by simulation."""

from functools import cache
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.core.statistics import intervals, mcnemar, multiplicity, power, resampling
from workflow_scripts.core.statistics.tables import PairedTable

steady = settings(deadline=None, derandomize=True, max_examples=100)
counts = st.integers(0, 300)
tables = st.tuples(counts, counts, counts, counts).filter(any).map(lambda cells: PairedTable(*cells))
alphas = st.sampled_from([0.01, 0.05, 0.1, 0.32])
METHODS = (intervals.newcombe, intervals.tango)
P_VALUES = ("mid_p", "exact_p", "chi2_p", "cc_p")


@given(tables)
@steady
def test_p_values_are_probabilities_and_ignore_the_arms_order(table):
    found, swapped = mcnemar.tests(table), mcnemar.tests(table.swapped())
    for name in P_VALUES:
        assert 0 <= found[name] <= 1
        assert found[name] == pytest.approx(swapped[name], rel=1e-9)
    assert found["mid_p"] <= found["exact_p"]
    assert found["chi2_p"] <= found["cc_p"]


@given(st.integers(0, 150), st.integers(0, 150))
@steady
def test_p_values_fall_as_the_split_grows_uneven(smaller, more):
    even = PairedTable(1, smaller + 1, smaller + 1 + more, 1)
    uneven = PairedTable(1, smaller, smaller + 2 + more, 1)
    for name in P_VALUES:
        assert mcnemar.tests(uneven)[name] <= mcnemar.tests(even)[name] + 1e-12


@given(tables, alphas)
@steady
def test_intervals_hold_the_estimate_and_stay_in_range(table, alpha):
    for method in METHODS:
        low, high = method(table, alpha)
        assert -1 <= low <= table.difference <= high <= 1
        mirrored = method(table.swapped(), alpha)
        assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high), abs=1e-9)
        wider = method(table, alpha / 2)
        assert wider[0] <= low + 1e-12
        assert wider[1] >= high - 1e-12


@given(tables, alphas)
@steady
def test_wilson_holds_the_rate_and_stays_in_range(table, alpha):
    low, high = intervals.wilson(table.both, table.n, alpha)
    assert 0 <= low <= table.both / table.n <= high <= 1
    mirrored = intervals.wilson(table.n - table.both, table.n, alpha)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


@given(tables, alphas)
@steady
def test_tango_agrees_with_the_uncorrected_test(table, alpha):
    low, high = intervals.tango(table, alpha)
    p_value = mcnemar.tests(table)["chi2_p"]
    if abs(p_value - alpha) > 1e-6:
        assert (low > 0 or high < 0) == (p_value < alpha)


@given(tables)
@steady
def test_more_of_the_same_narrows_intervals(table):
    more = PairedTable(4 * table.both, 4 * table.only_baseline, 4 * table.only_candidate, 4 * table.neither)
    for method in METHODS:
        narrow, wide = method(more), method(table)
        assert narrow[1] - narrow[0] <= wide[1] - wide[0] + 1e-12


@given(st.integers(20, 20000), st.floats(0.02, 1.0), st.sampled_from([0.01, 0.05]))
@steady
def test_power_grows_and_the_detectable_lift_shrinks_with_n(n, discordance, alpha):
    smallest, smaller = (power.minimum_detectable_effect(k, discordance, alpha) for k in (n, 2 * n))
    if smallest is None:
        assert power.power(n, discordance, discordance * (1 - 1e-9), alpha) < 0.8 + 1e-6
        return
    assert 0 < smaller < smallest <= discordance
    assert power.power(n, discordance, smallest, alpha) == pytest.approx(0.8, abs=1e-6)
    assert power.power(2 * n, discordance, smallest, alpha) > 0.8


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@steady
def test_adjusting_never_lowers_a_p_value_and_keeps_the_order(p_values):
    for method in (multiplicity.holm, multiplicity.benjamini_hochberg):
        adjusted = np.array(method(p_values))
        assert np.all(adjusted >= np.array(p_values) - 1e-15)
        assert np.all(adjusted <= 1)
        assert np.all(np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= -1e-15)
    assert np.all(
        np.array(multiplicity.holm(p_values)) >= np.array(multiplicity.benjamini_hochberg(p_values)) - 1e-12
    )


@given(
    st.lists(st.sampled_from([-1, 0, 1]), min_size=2, max_size=60), st.integers(0, 2**63 - 1), st.booleans()
)
@settings(steady, max_examples=50)
def test_bootstrap_is_a_function_of_its_seed_and_stays_in_range(values, seed, by_cluster):
    differences = np.array(values)
    clusters = np.arange(len(values)) // 3 if by_cluster else None
    options = {"draws": 200, "seed": seed, "alpha": 0.05}
    low, high = resampling.bootstrap_interval(differences, clusters, **options)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert (low, high) == resampling.bootstrap_interval(differences, clusters, **options)


SIMULATED = 4000


@cache
def p_values(only_baseline: int, only_candidate: int) -> dict:
    return mcnemar.tests(PairedTable(0, only_baseline, only_candidate, 0))


def simulated_tables(n: int, probabilities, seed: int, runs: int = SIMULATED) -> list[PairedTable]:
    """Tables of n pairs drawn with these cell probabilities; the seed is fixed, so nothing can flake."""
    drawn = np.random.default_rng(seed).multinomial(n, probabilities, size=runs)
    return [PairedTable(*map(int, cells)) for cells in drawn]


@pytest.mark.parametrize(("n", "discordance"), [(100, 0.2), (300, 0.1), (1000, 0.3)])
def test_size_at_the_null(n, discordance):
    """Mid-p holds the nominal size within Monte-Carlo error; exact and corrected tests stay below it."""
    drawn = simulated_tables(n, [0.4, discordance / 2, discordance / 2, 0.6 - discordance], seed=n)
    found = [p_values(table.only_baseline, table.only_candidate) for table in drawn]
    noise = 3 * sqrt(0.05 * 0.95 / SIMULATED)
    rejected = {name: np.mean([p[name] < 0.05 for p in found]) for name in P_VALUES}
    assert 0.03 < rejected["mid_p"] < 0.05 + noise
    assert rejected["exact_p"] <= rejected["mid_p"]
    assert rejected["exact_p"] < 0.05 + noise
    assert rejected["cc_p"] < 0.05 + noise


@pytest.mark.parametrize(
    "probabilities", [(0.5, 0.05, 0.15, 0.3), (0.75, 0.02, 0.2, 0.03), (0.3, 0.15, 0.15, 0.4)]
)
@pytest.mark.parametrize("n", [60, 300])
def test_coverage_of_intervals(probabilities, n):
    truth = probabilities[2] - probabilities[1]
    drawn = simulated_tables(n, probabilities, seed=n, runs=2000)
    for method in METHODS:
        known = cache(method)
        covered = np.mean([low <= truth <= high for low, high in map(known, drawn)])
        assert 0.95 - 0.016 < covered < 0.985, method.__name__


def test_power_formula_agrees_with_simulation():
    n, discordance = 400, 0.2
    effect = power.minimum_detectable_effect(n, discordance)
    half = discordance / 2
    drawn = simulated_tables(n, [0.4, half - effect / 2, half + effect / 2, 0.4], seed=8)
    rejected = np.mean([p_values(t.only_baseline, t.only_candidate)["chi2_p"] < 0.05 for t in drawn])
    assert rejected == pytest.approx(0.8, abs=0.03)


def test_clustered_interval_covers_where_the_plain_one_does_not():
    """Items of one template go together: ignoring that makes an interval too narrow."""
    generator = np.random.default_rng(9)
    covered = {"items": 0, "t": 0, "bootstrap": 0}
    runs = 200
    for run in range(runs):
        lean = np.clip(generator.normal(0.1, 0.25, size=40), -1, 1)
        clusters = np.repeat(np.arange(40), 15)
        differences = (generator.random(600) < np.abs(lean[clusters])) * np.sign(lean[clusters]).astype(int)
        low, high = resampling.bootstrap_interval(differences, None, draws=200, seed=run, alpha=0.05)
        summary = resampling.cluster_summary(differences, clusters, draws=200, seed=run, alpha=0.05)
        covered["items"] += low <= 0.1 <= high
        covered["t"] += summary["interval"][0] <= 0.1 <= summary["interval"][1]
        covered["bootstrap"] += summary["bootstrap"][0] <= 0.1 <= summary["bootstrap"][1]
    assert covered["items"] / runs < 0.8
    assert covered["t"] / runs > 0.92
    assert covered["bootstrap"] / runs > 0.9
