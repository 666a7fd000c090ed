"""Properties that hold for every table."""

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


@given(st.lists(tables, min_size=1, max_size=5), alphas)
@steady
def test_tango_of_arrays_is_tango_of_each(several, alpha):
    several = [table for table in several if table.n == several[0].n]
    counts = np.array([(table.only_baseline, table.only_candidate) for table in several]).T
    found = np.array(intervals.tango_bounds(several[0].n, *counts, alpha)).T
    assert found.tolist() == [list(intervals.tango(table, alpha)) for table in several]


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
