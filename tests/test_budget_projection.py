"""Hours and dollars: worked examples, sums, sessions, the front, and that more work is never cheaper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.core.budget.benchmarks import Measurement, measured_rate
from workflow_scripts.core.budget.frontier import detectable_lift, half_widths
from workflow_scripts.core.budget.pareto import Option, dominated_by, dominates
from workflow_scripts.core.budget.projection import Overheads, check_sum, project, sessions, totals
from workflow_scripts.core.budget.ranges import NOTHING, Range, exactly, read_range, total
from workflow_scripts.core.budget.throughput import KINDS, Throughput
from workflow_scripts.core.budget.work import Term, Work
from workflow_scripts.core.errors import InputError

NO_OVERHEADS = Overheads(NOTHING, Range(1, 1), 0.0)
RATES = {kind: Throughput(Range(100, 200), "catalogue", "stated") for kind in KINDS}

amounts = st.floats(0, 1e9)
ranges = st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)).map(lambda pair: Range(*sorted(pair)))


def work_of(stage, amount, kind="decode", **more):
    return Work(stage, "tokens", amount, {"tokens": Term(amount, kind)}, jobs=0, loads=0, **more)


def test_a_stage_by_hand():
    """360,000 tokens at 100 to 200 a second, two starts of 30 s, 10 GB at 1 to 2 GB/s, $2 an hour."""
    work = Work("made", "tokens", NOTHING, {"generated": Term(exactly(360_000), "decode")}, jobs=2, loads=1)
    [cost] = project([work], RATES, Overheads(exactly(30), Range(1, 2), 10e9), 2.0)
    assert cost.hours.low == pytest.approx((1800 + 60 + 5) / 3600)
    assert cost.hours.high == pytest.approx((3600 + 60 + 10) / 3600)
    assert cost.dollars.high == pytest.approx(2 * cost.hours.high)
    assert set(cost.terms) == {"generated", "job_starts", "weight_loads"}


@pytest.mark.parametrize(("at_once", "most"), [(1, 3), (2, 5), (4, 9), (16, 13)])
def test_jobs_that_run_at_once_may_load_the_model_for_the_same_block(at_once, most):
    """A pilot and twelve shards in two blocks: three loads, or more for those beside the first of a block."""
    work = Work("made", "records", NOTHING, {}, jobs=3, loads=3, blocks=2, shards=12)
    [cost] = project([work], RATES, Overheads(exactly(30), exactly(1), 10e9, at_once), 1.0)
    started, loaded = (cost.terms[name] for name in ("job_starts", "weight_loads"))
    assert (started.low, started.high) == pytest.approx((3 * 30 / 3600, most * 30 / 3600))
    assert (loaded.low, loaded.high) == pytest.approx((3 * 10 / 3600, most * 10 / 3600))


def test_a_slow_pilot_projects_what_it_would_cost():
    """43 records in 40 minutes: 15,000 would take 233 hours, $626 on an H100."""
    rate = measured_rate([Measurement("sft_data", exactly(43), 40 * 60, "pilot.jsonl")], NOTHING)
    work = Work("sft_data", "records", exactly(15_000), {"any": Term(exactly(1), "decode")}, 0, 0)
    measured = {"sft_data": Throughput(rate, "measured", "the pilot")}
    [cost] = project([work], RATES, NO_OVERHEADS, 2.69, measured)
    assert cost.hours.high == pytest.approx(232.6, abs=0.1)
    assert cost.dollars.high == pytest.approx(626, abs=0.5)


@given(amount=ranges, more=ranges, price=st.floats(0.01, 100), kind=st.sampled_from(KINDS))
def test_more_work_is_never_cheaper(amount, more, price, kind):
    [less] = project([work_of("a", amount, kind)], RATES, NO_OVERHEADS, price)
    [greater] = project([work_of("a", amount + more, kind)], RATES, NO_OVERHEADS, price)
    assert less.dollars.low < greater.dollars.low and less.dollars.high < greater.dollars.high


@given(amounts=st.lists(ranges, min_size=1, max_size=8), price=st.floats(0.01, 100))
def test_totals_add_up(amounts, price):
    costs = project([work_of(str(n), amount) for n, amount in enumerate(amounts)], RATES, NO_OVERHEADS, price)
    sums = totals(costs)
    assert sums["hours"].low == pytest.approx(sum(cost.hours.low for cost in costs))
    assert sums["dollars"].high == pytest.approx(price * sums["hours"].high)
    check_sum([cost.hours for cost in costs], sums["hours"], "plan", "hours")


@given(
    hours=st.lists(st.floats(0.01, 100), min_size=1, max_size=10),
    low=st.floats(1, 30),
    extra=st.floats(0.5, 30),
)
def test_sessions_hold_everything_and_none_is_too_long(hours, low, extra):
    works = [work_of(str(place), exactly(value * 3600 * 100)) for place, value in enumerate(hours)]
    costs = project(works, {kind: Throughput(exactly(100), "x", "x") for kind in KINDS}, NO_OVERHEADS, 1.0)
    planned = sessions(costs, Range(low, low + extra))
    assert total(session["hours"] for session in planned).high == pytest.approx(sum(hours))
    assert all(session["hours"].high <= low + extra + 1e-6 for session in planned)
    assert all(session["hours"].high >= low - 1e-6 for session in planned[:-1])
    order = [int(stage) for session in planned for stage in session["stages"]]
    assert order == sorted(order) and set(order) == set(range(len(hours)))


def test_a_sum_that_is_not_that_of_its_parts_is_refused():
    parts = [Range(1, 2), Range(3, 4)]
    check_sum(parts, Range(4, 6), "plan.yaml", "total")
    for stated in (Range(4, 6.1), Range(3.9, 6)):
        with pytest.raises(InputError, match=r"plan.yaml: total = .*the lines add up to 4 to 6"):
            check_sum(parts, stated, "plan.yaml", "total")


options = st.dictionaries(
    st.sampled_from("abcdefg"), st.builds(Option, hours=ranges, dollars=ranges), min_size=1, max_size=7
)


@given(options)
def test_nothing_that_is_dominated_is_on_the_front(found):
    beaten_by = dominated_by(found)
    assert not all(beaten_by.values())
    for name, option in found.items():
        beaten = any(dominates(other, option) for other in found.values())
        assert beaten == bool(beaten_by[name])


def test_the_half_widths_of_one_arm():
    """In percentage points, 1,000 items: 3.1, 2.8, 2.5 and 1.9 at rates of .5, .7, .8 and .9."""
    found = half_widths(1000)
    assert [round(100 * found[rate], 1) for rate in ("0.5", "0.7", "0.8", "0.9")] == [3.1, 2.8, 2.5, 1.9]


def test_the_smallest_lift_that_is_found():
    assert detectable_lift(1000, 0.2, 0.05, 0.8) == pytest.approx(0.0396, abs=5e-5)
    assert detectable_lift(10, 0.01, 0.05, 0.8) is None


@pytest.mark.parametrize(
    "value",
    [None, 3, {}, {"low": 1}, {"low": "1", "high": 2}, {"low": -1, "high": 2}, {"low": 0, "high": 2}]
    + [{"low": 1, "high": float("nan")}, {"low": 1, "high": float("inf")}, {"low": True, "high": 2}],
)
def test_a_range_that_is_none_is_refused(value):
    with pytest.raises(InputError, match="gpus.yaml: rate.*: give low and high, two numbers above 0"):
        read_range(value, "gpus.yaml", "rate")


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(InputError, match="low is above high: exchange them"):
        read_range({"low": 2, "high": 1}, "gpus.yaml", "rate")
