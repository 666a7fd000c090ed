"""McNemar's test of equal success rates on the same items, in its four usual forms.

All are two-sided and look only at the discordant pairs: `only_baseline` items that the baseline alone
solves and `only_candidate` items that the candidate alone solves. Without discordant pairs every p-value is
1.
"""

from scipy.stats import binom, chi2

from workflow_scripts.core.statistics.tables import PairedTable


def exact_p(only_baseline: int, only_candidate: int) -> float:
    """Exact conditional p-value: a binomial test of the discordant pairs against one half."""
    discordant = only_baseline + only_candidate
    return float(min(1.0, 2.0 * binom.cdf(min(only_baseline, only_candidate), discordant, 0.5)))


def mid_p(only_baseline: int, only_candidate: int) -> float:
    """Mid-p value: what is as extreme as the data counts half.

    Fagerland, Lydersen & Laake 2013, BMC Med Res Methodol 13:91: the exact p-value less the point
    probability, and one less half of it when the discordant pairs are split evenly.
    """
    discordant = only_baseline + only_candidate
    if discordant == 0:
        return 1.0
    point = float(binom.pmf(only_baseline, discordant, 0.5))
    if only_baseline == only_candidate:
        return 1.0 - 0.5 * point
    return exact_p(only_baseline, only_candidate) - point


def chi_squared(only_baseline: int, only_candidate: int, *, corrected: bool) -> tuple[float, float]:
    """Statistic and p-value of the asymptotic test with one degree of freedom.

    `corrected` takes Edwards' continuity correction of one, but never below a statistic of zero.
    """
    discordant = only_baseline + only_candidate
    if discordant == 0:
        return 0.0, 1.0
    distance = max(0, abs(only_baseline - only_candidate) - (1 if corrected else 0))
    statistic = distance**2 / discordant
    return statistic, float(chi2.sf(statistic, 1))


def tests(table: PairedTable) -> dict[str, float]:
    """All four forms: mid_p, exact_p, chi2 and chi2_p, and with the correction chi2_cc and cc_p."""
    pair = table.only_baseline, table.only_candidate
    statistic, p_value = chi_squared(*pair, corrected=False)
    corrected_statistic, corrected_p = chi_squared(*pair, corrected=True)
    return {
        "mid_p": mid_p(*pair),
        "exact_p": exact_p(*pair),
        "chi2": statistic,
        "chi2_p": p_value,
        "chi2_cc": corrected_statistic,
        "cc_p": corrected_p,
    }
