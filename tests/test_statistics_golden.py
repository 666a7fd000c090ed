"""Every value of the golden file, and agreement with statsmodels and scipy."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import nct
from scipy.stats import t as student
from statsmodels.api import GEE, OLS
from statsmodels.genmod.cov_struct import Independence
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import normal_power_het, normal_sample_size_one_tail
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from workflow_scripts.core.statistics import intervals, mcnemar, multiplicity, power, resampling
from workflow_scripts.core.statistics.tables import PairedTable, paired_table

GOLDEN = json.loads((Path(__file__).parent / "golden" / "statistics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["mcnemar"], ids=lambda case: str(case["discordant"]))
def test_mcnemar_golden(case):
    found = mcnemar.tests(PairedTable(3, *case["discordant"], 4))
    for name in case.keys() - {"discordant"}:
        assert found[name] == pytest.approx(case[name], rel=1e-5), name


@pytest.mark.parametrize("case", GOLDEN["paired_difference"], ids=lambda case: str(case["difference"]))
def test_paired_difference_golden(case):
    table = PairedTable(case["both"], case["b"], case["c"], case["neither"])
    assert table.difference == pytest.approx(case["difference"], abs=1e-6)
    assert intervals.newcombe(table) == pytest.approx(case["newcombe"], abs=6e-5)
    assert intervals.tango(table) == pytest.approx(case["tango"], abs=6e-5)
    found = mcnemar.tests(table)
    found["cohens_h"] = intervals.cohens_h(
        table.baseline_successes / table.n, table.candidate_successes / table.n
    )
    for name in ("chi2_cc", "cc_p", "exact_p", "mid_p", "cohens_h"):
        if name in case:
            assert found[name] == pytest.approx(case[name], rel=1e-5), name
    if "wilson_baseline" in case:
        assert intervals.wilson(table.baseline_successes, table.n) == pytest.approx(
            case["wilson_baseline"], abs=6e-5
        )
        assert intervals.wilson(table.candidate_successes, table.n) == pytest.approx(
            case["wilson_candidate"], abs=6e-5
        )


@pytest.mark.parametrize("case", GOLDEN["wilson"], ids=lambda case: f"{case['successes']}/{case['n']}")
def test_wilson_golden(case):
    found = intervals.wilson(case["successes"], case["n"])
    if "interval" in case:
        assert found == pytest.approx(case["interval"], abs=6e-4)
    if "upper" in case:
        assert found[1] == case["upper"]


@pytest.mark.parametrize(
    "case", GOLDEN["minimum_detectable_effect_pp_alpha05_power80"], ids=lambda case: str(case["n"])
)
def test_minimum_detectable_effect_golden(case):
    effect = power.minimum_detectable_effect(case["n"], case["discordant"])
    assert 100 * effect == pytest.approx(case["mde"], abs=0.006)
    assert power.power(case["n"], case["discordant"], effect) == pytest.approx(0.8, abs=1e-9)
    spreads = {
        "std_null": case["discordant"] ** 0.5,
        "std_alternative": (case["discordant"] - effect**2) ** 0.5,
    }
    wanted = normal_sample_size_one_tail(effect, 0.8, 0.025, **spreads)
    assert wanted == pytest.approx(case["n"], rel=1e-9)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
@pytest.mark.parametrize(
    ("n", "discordance", "lift"), [(300, 0.2, 0.05), (1000, 0.2, 0.04), (600, 0.1, 0.03)]
)
def test_power_agrees_with_statsmodels(n, discordance, lift, alpha):
    """Connor's formula is a z-test whose spread differs between the null and the alternative."""
    spreads = {"std_null": discordance**0.5, "std_alternative": (discordance - lift**2) ** 0.5}
    theirs = normal_power_het(lift, n, alpha / 2, **spreads, alternative="larger")
    assert power.power(n, discordance, lift, alpha) == pytest.approx(theirs, rel=1e-9)
    wanted = normal_sample_size_one_tail(lift, 0.8, alpha / 2, **spreads)
    assert power.minimum_detectable_effect(wanted, discordance, alpha, 0.8) == pytest.approx(lift, rel=1e-9)


def test_clustered_effect_is_found_with_the_wanted_power():
    """The t-test's power at its smallest detectable effect, from the noncentral distribution."""
    effect = power.clustered_minimum_detectable_effect(0.02, 30, alpha=0.05, wanted_power=0.8)
    critical = student.isf(0.025, 29)
    assert nct.sf(critical, 29, effect / 0.02) == pytest.approx(0.8, abs=0.01)


def test_newcombe_shrinks_a_positive_correlation():
    """Published: Cavo et al. 2012, as worked in Fagerland, Lydersen & Laake 2017, chapter 8."""
    assert intervals.newcombe(PairedTable(59, 6, 16, 80)) == pytest.approx((0.0046, 0.1186), abs=6e-5)


def test_mid_p_of_an_even_split():
    """One less half the point probability (Fagerland, Lydersen & Laake 2013)."""
    assert mcnemar.mid_p(1, 1) == pytest.approx(0.75)
    assert mcnemar.mid_p(2, 2) == pytest.approx(1 - 0.5 * 6 / 16)


def test_two_regressions_give_a_quarter():
    table = PairedTable(298, 2, 0, 0)
    assert table.difference == pytest.approx(-0.00667, abs=1e-5)
    assert mcnemar.mid_p(2, 0) == 0.25


@pytest.mark.parametrize("pair", [(1, 0), (7, 1), (3, 9), (57, 2), (40, 41), (200, 260)])
def test_mcnemar_agrees_with_statsmodels(pair):
    table = [[11, pair[0]], [pair[1], 5]]
    assert mcnemar.exact_p(*pair) == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, rel=1e-9)
    for corrected in (False, True):
        theirs = statsmodels_mcnemar(table, exact=False, correction=corrected)
        assert mcnemar.chi_squared(*pair, corrected=corrected) == pytest.approx(
            (theirs.statistic, theirs.pvalue)
        )


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize(("successes", "n"), [(0, 9), (1, 9), (9, 9), (243, 300), (5000, 10000)])
def test_wilson_agrees_with_statsmodels(successes, n, alpha):
    theirs = proportion_confint(successes, n, alpha=alpha, method="wilson")
    assert intervals.wilson(successes, n, alpha) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("rates", [(0.0, 1.0), (0.3, 0.3), (0.81, 0.9933), (0.9, 0.2)])
def test_cohens_h_agrees_with_statsmodels(rates):
    assert intervals.cohens_h(*rates) == pytest.approx(proportion_effectsize(rates[1], rates[0]))


@pytest.mark.parametrize("p_values", [[0.01], [0.04, 0.01, 0.03, 0.9], [0.2, 0.2, 0.001, 1.0, 0.05]])
def test_adjusted_p_values_agree_with_statsmodels(p_values):
    assert multiplicity.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert multiplicity.benjamini_hochberg(p_values) == pytest.approx(
        multipletests(p_values, method="fdr_bh")[1]
    )


def test_no_p_values_are_adjusted_to_none():
    assert multiplicity.holm([]) == multiplicity.benjamini_hochberg([]) == []


def clustered_differences(seed: int, n: int = 400):
    generator = np.random.default_rng(seed)
    clusters = generator.integers(0, 23, n)
    lean = generator.normal(size=23)[clusters]
    return np.sign(np.round(lean + generator.normal(size=n))).astype(int), clusters


def test_cluster_robust_standard_error_agrees_with_statsmodels():
    differences, clusters = clustered_differences(1)
    fit = OLS(differences, np.ones(len(differences))).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert resampling.standard_error(differences, clusters) == pytest.approx(fit.bse[0])
    count = len(np.unique(clusters))
    model = GEE(differences, np.ones(len(differences)), groups=clusters, cov_struct=Independence())
    theirs = model.fit().bse[0] * np.sqrt(count / (count - 1))
    assert resampling.standard_error(differences, clusters) == pytest.approx(theirs)
    summary = resampling.cluster_summary(differences, clusters, draws=500, seed=1, alpha=0.05)
    robust = fit.get_robustcov_results("cluster", groups=clusters, use_t=True, df_correction=True)
    assert summary["p_value"] == pytest.approx(robust.pvalues[0])
    assert summary["interval"] == pytest.approx(robust.conf_int()[0])
    usual = differences.std(ddof=1) / np.sqrt(len(differences))
    assert resampling.standard_error(differences, None) == pytest.approx(usual)


def test_bootstrap_agrees_with_plain_resampling():
    differences, clusters = clustered_differences(2)
    ours = resampling.bootstrap_interval(differences, None, draws=20000, seed=3, alpha=0.05)
    theirs = scipy_bootstrap(
        (differences,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    assert ours == pytest.approx(theirs, abs=0.005)

    generator = np.random.default_rng(5)
    labels = np.unique(clusters)
    drawn = generator.choice(labels, size=(20000, len(labels)))
    sums = np.array([differences[clusters == label].sum() for label in labels])[drawn].sum(axis=1)
    sizes = np.array([(clusters == label).sum() for label in labels])[drawn].sum(axis=1)
    ours = resampling.bootstrap_interval(differences, clusters, draws=20000, seed=3, alpha=0.05)
    assert ours == pytest.approx(np.quantile(sums / sizes, [0.025, 0.975]), abs=0.01)


def test_clusters_of_one_item_are_items():
    differences, _ = clustered_differences(6)
    alone = np.arange(len(differences))
    assert resampling.standard_error(differences, alone) == pytest.approx(
        resampling.standard_error(differences, None)
    )
    summary = resampling.cluster_summary(differences, alone, draws=500, seed=1, alpha=0.05)
    assert summary["design_effect"] == pytest.approx(1)
    assert summary["bootstrap"] == list(
        resampling.bootstrap_interval(differences, None, draws=500, seed=1, alpha=0.05)
    )


def test_one_cluster_says_nothing():
    summary = resampling.cluster_summary(
        np.array([1, 0, 1]), np.array(["a"] * 3), draws=500, seed=1, alpha=0.05
    )
    assert summary == {
        "count": 1,
        "standard_error": None,
        "interval": None,
        "p_value": None,
        "bootstrap": None,
        "design_effect": None,
    }


def test_a_table_counts_pairs():
    baseline, candidate = np.array([1, 1, 0, 0, 0], bool), np.array([1, 0, 1, 1, 0], bool)
    table = paired_table(baseline, candidate)
    assert table == PairedTable(both=1, only_baseline=1, only_candidate=2, neither=1)
    assert (table.n, table.discordant, table.baseline_successes, table.candidate_successes) == (5, 3, 2, 3)
