"""The claim's audit: each criterion of the shipped gate blocks what it is for, and an honest lift passes."""

import random
import re
from pathlib import Path

import pytest

from tests.claim_run import claim_criteria, failed, honest_run, run_claim, text

N = 400


def run_of(outcomes, lengths=(20, 20), clusters=40):
    """Two arms from (base, sft) outcomes by item; `clusters`: how many, or each item's.

    Each arm's answers are unlike the other's, and as long as `lengths` says.
    """
    number = random.Random(8)
    arms = {"base": [], "sft": []}
    for place, pair in enumerate(outcomes):
        cluster = f"list/{place % clusters}" if isinstance(clusters, int) else clusters[place]
        for name, success, length in zip(arms, pair, lengths, strict=True):
            answer = {
                "response": text(number, length),
                "success": success,
                "type": "list",
                "cluster": cluster,
            }
            arms[name].append(answer)
    return arms


def outcomes(only_base: int, only_sft: int, n: int = N):
    """Outcomes of n items: so many that one arm alone solves, the rest half and half; in a random order."""
    rest = n - only_base - only_sft
    found = [(True, False)] * only_base + [(False, True)] * only_sft
    found += [(True, True)] * (rest // 2) + [(False, False)] * (rest - rest // 2)
    random.Random(4).shuffle(found)
    return found


def test_an_honest_lift_passes(tmp_path):
    audit, decision = run_claim(tmp_path, honest_run(), templates={"base_raw": "raw"})
    assert decision["decision"] == "pass", failed(decision)
    assert {entry["metric"] for entry in decision["criteria"]} == claim_criteria().keys()
    metrics = audit["metrics"]
    assert metrics["length_artifact"]["value"] < 0.2
    assert metrics["length_artifact"]["low"] <= metrics["length_artifact"]["value"]
    assert metrics["length_artifact"]["high"] < 0.5
    assert metrics["aa_flip_rate"]["value"] == metrics["aa_response_changes"]["value"] == 0
    assert metrics["format_effect"] == audit["format_control"]["effect"]
    assert audit["format_control"]["effect"]["value"] > 0.35
    assert not audit["arms"]["sft"]["length"]["flagged"]
    assert audit["arms"].keys() == {"base_raw", "base", "sft"}
    assert audit["human_labels"] is None


def test_no_lift_claims_nothing(tmp_path):
    audit, decision = run_claim(tmp_path, run_of(outcomes(40, 41)))
    assert {"claim_mid_p", "claim_lift", "claim_lift_clustered"} <= failed(decision)
    worse, decision = run_claim(tmp_path / "worse", run_of(outcomes(80, 20)))
    assert worse["metrics"]["claim_mid_p"]["value"] < 0.01
    assert "claim_lift" in failed(decision)
    shares = [name for name in worse["metrics"] if name.endswith(("_share", "_over_lift", "_explained"))]
    assert len(shares) == 5
    assert all(worse["metrics"][name]["value"] == 0 for name in shares), "there is no lift to explain"


def test_a_lift_that_is_not_significant_enough_is_stopped(tmp_path):
    audit, decision = run_claim(tmp_path, run_of(outcomes(20, 39)))
    assert 0.01 < audit["metrics"]["claim_mid_p"]["value"] < 0.05
    assert failed(decision) == {"claim_mid_p"}


def test_a_lift_that_templates_agree_on_too_little_is_stopped(tmp_path):
    """Half of the templates gain and half lose: many items, few templates."""
    found, clusters = [], []
    for cluster in range(8):
        wins, losses = (20, 3) if cluster % 2 else (3, 9)
        rest = 50 - wins - losses
        found += [(False, True)] * wins + [(True, False)] * losses + [(True, True)] * rest
        clusters += [f"list/{cluster}"] * 50
    audit, decision = run_claim(tmp_path, run_of(found, clusters=clusters))
    assert audit["metrics"]["claim_lift"]["low"] > 0 > audit["metrics"]["claim_lift_clustered"]["low"]
    assert failed(decision) == {"claim_lift_clustered"}


def test_a_deviation_from_the_registration_is_stopped(tmp_path):
    arms = honest_run()
    criteria = claim_criteria(registered=True)
    if "primary_deviations" not in criteria:
        pytest.fail("the shipped claim gate does not ask for primary_deviations")
    for number, expected in ((0, set()), (1, {"primary_deviations"})):
        folder = tmp_path / str(number)
        registration = {"primary_deviations": number}
        _, decision = run_claim(folder, arms, templates={"base_raw": "raw"}, registration=registration)
        assert failed(decision) == expected


def test_a_lift_from_a_scorer_that_fails_long_answers_is_stopped(tmp_path):
    number = random.Random(7)
    arms = {
        name: [{"response": text(number, number.randint(5, longest)), "success": True} for _ in range(N)]
        for name, longest in (("base", 40), ("sft", 27))
    }
    scorers = {name: lambda response: len(response) <= 25 for name in arms}
    audit, decision = run_claim(tmp_path, arms, scores=scorers)
    metrics = audit["metrics"]
    assert metrics["length_auc_baseline"]["value"] == 0
    assert metrics["length_separation"]["value"] == 1
    assert metrics["lift_explained_by_length"]["value"] == pytest.approx(1, abs=0.01)
    assert audit["length"]["rule"] == {"at_most": 25, "passes": "short", "separation": 1.0}
    assert audit["arms"]["base"]["length"]["flagged"]
    assert "length_artifact" in failed(decision)
    assert "claim_mid_p" not in failed(decision)


def test_a_lift_on_answers_of_another_length_alone_is_stopped(tmp_path):
    """Where both arms write equally much the candidate is worse; it gains where it writes twice as much."""
    alike = run_of([(True, False)] * 15 + [(True, True)] * 45 + [(False, False)] * 40)
    longer = run_of(outcomes(0, 120, 300), lengths=(20, 40))
    arms = {name: alike[name] + longer[name] for name in alike}
    for place in range(N):
        for answers in arms.values():
            answers[place]["cluster"] = f"list/{place % 40}"
    audit, decision = run_claim(tmp_path, arms)
    assert audit["metrics"]["length_matched_lift"]["n"] == 100
    assert audit["metrics"]["length_matched_lift"]["value"] == -0.15
    assert failed(decision) == {"length_matched_lift"}


def test_a_claim_over_the_bare_instruction_is_stopped_for_its_format(tmp_path):
    arms, templates = honest_run(), {"base_raw": "raw"}
    audit, decision = run_claim(tmp_path, arms, templates=templates, primary=("base_raw", "sft"))
    metrics = audit["metrics"]
    share = metrics["format_effect"]["value"] / metrics["claim_lift"]["value"]
    assert metrics["format_explained"]["value"] == pytest.approx(share)
    assert 0.5 < share < 1
    assert failed(decision) == {"format_explained", "prompts_differ"}


def test_arms_that_were_prompted_differently_are_stopped(tmp_path):
    """Even where the format explains little, or no arm tells what it does."""
    arms = honest_run()
    arms["base_raw"] = [dict(answer, response=answer["response"] * 2) for answer in arms["base"]]
    for place in range(0, 40):
        arms["base_raw"][place]["success"] = False
    options = {"primary": ("base_raw", "sft"), "templates": {"base_raw": "raw"}}
    audit, decision = run_claim(tmp_path / "little", arms, **options)
    assert 0 < audit["metrics"]["format_explained"]["value"] < 0.5
    assert "prompts_differ" in failed(decision) and "format_explained" not in failed(decision)
    two = {"base": arms["base"], "sft": arms["sft"]}
    audit, decision = run_claim(tmp_path / "unknown", two, templates={"base": "another"})
    assert audit["metrics"]["prompts_differ"]["value"] == N
    assert audit["metrics"]["format_explained"]["value"] is None
    assert failed(decision) == {"format_explained", "prompts_differ"}


def spoiled_run(spoil):
    """Both arms equally good, but for the base's answers that `spoil` (a function of an answer) ruined."""
    number = random.Random(5)
    arms = {"base": [], "sft": []}
    for _ in range(N):
        success, response = number.random() < 0.7, text(number, 30)
        arms["base"].append({"response": response, "success": success})
        arms["sft"].append({"response": response[::-1].replace(".", "k"), "success": success})
        if number.random() < 0.4:
            spoil(arms["base"][-1])
    return arms


def test_a_lift_from_truncation_is_stopped(tmp_path):
    arms = spoiled_run(lambda answer: answer.update(success=False, finish_reason="length"))
    audit, decision = run_claim(tmp_path, arms)
    metrics = audit["metrics"]
    assert metrics["truncation_difference"]["value"] == pytest.approx(0.4, abs=0.1)
    assert metrics["truncation_difference"]["low"] > 0.2
    assert metrics["truncation_share"]["value"] == 1
    assert metrics["untruncated_lift"]["value"] == 0
    assert {"truncation_share"} <= failed(decision) <= {"truncation_share", "leave_one_cluster_out_lift"}


def test_a_lift_from_answers_that_nobody_can_read_is_stopped(tmp_path):
    """As when a stop string leaves nothing of an answer but words of the prompt."""
    arms = spoiled_run(
        lambda answer: answer.update(success=False, response="Question: " + answer["response"][10:])
    )
    audit, decision = run_claim(tmp_path, arms)
    metrics, base = audit["metrics"], audit["arms"]["base"]
    assert metrics["unparseable_share"]["value"] == 1
    assert metrics["parseable_lift"]["value"] == 0
    assert base["unparseable"]["value"] == metrics["unparseable_difference"]["value"]
    assert base["unparseable_reasons"].keys() == {"runs on"}
    assert failed(decision) == {"unparseable_share"}


def test_a_lift_that_one_template_carries_is_stopped(tmp_path):
    """More than half comes from one template; the others gain too, and surely."""
    found = [(False, True)] * 60 + outcomes(0, 45, 340)
    clusters = ["list/big"] * 60 + [f"list/{place % 34}" for place in range(340)]
    audit, decision = run_claim(tmp_path, run_of(found, clusters=clusters))
    assert audit["influence"]["clusters"][0]["group"] == "list/big"
    assert audit["influence"]["clusters"][0]["lift"] == 1
    assert audit["metrics"]["largest_cluster_share"]["value"] == pytest.approx(60 / 105)
    assert audit["influence"]["types"][0]["without"]["value"] is None
    assert failed(decision) == {"largest_cluster_share"}


def test_a_lift_that_is_unsure_without_one_template_is_stopped(tmp_path):
    found = [(False, True)] * 12 + [(True, True)] * 18 + outcomes(26, 42, 370)
    clusters = ["list/big"] * 30 + [f"list/{place % 37}" for place in range(370)]
    audit, decision = run_claim(tmp_path, run_of(found, clusters=clusters))
    assert audit["metrics"]["largest_cluster_share"]["value"] < 0.5
    assert audit["metrics"]["leave_one_cluster_out_lift"]["low"] < 0
    assert failed(decision) == {"leave_one_cluster_out_lift"}


def test_a_lift_that_runs_differ_by_is_stopped(tmp_path):
    """Asked again at another batch size, the base gets 16 of 200 items wrong that it got right."""
    arms = run_of(outcomes(20, 70))
    right = [place for place in range(200) if arms["base"][place]["success"]]
    audit, decision = run_claim(tmp_path, arms, again={"base": dict.fromkeys(right[:16], "something else")})
    metrics = audit["metrics"]
    assert metrics["aa_flip_rate"]["value"] == metrics["aa_response_changes"]["value"] == 16 / 200
    assert metrics["aa_flips_over_lift"]["value"] == pytest.approx(0.08 / 0.125)
    worst = [entry for entry in audit["repeats"] if entry["flips"]["value"] > 0]
    assert [(entry["arm"], entry["way"], entry["lost"], entry["gained"]) for entry in worst] == [
        ("base", "other_batch", 16, 0)
    ]
    assert worst[0]["examples"][0]["after"] == "something else"
    assert len(audit["repeats"]) == 4
    assert failed(decision) == {"aa_flips_over_lift"}


def test_a_scorer_that_contradicts_itself_is_stopped(tmp_path):
    arms = run_of(outcomes(20, 70))
    for place in range(300, 305):
        arms["base"][place].update(success=False)
        arms["sft"][place].update(success=True, response=arms["base"][place]["response"])
    audit, decision = run_claim(tmp_path, arms)
    assert audit["metrics"]["same_response_scored_differently"]["value"] == 5
    assert failed(decision) == {"same_response_scored_differently"}


def test_reasons_and_examples(tmp_path):
    audit, _ = run_claim(tmp_path, honest_run())
    base = audit["arms"]["base"]
    counts = [entry["count"] for entry in base["failure_reasons"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == round(base["n"] * (1 - base["success"]["value"]))
    for entry in base["failure_reasons"]:
        assert len(entry["examples"]) == 3
        assert all(shown["reason"] == entry["reason"] and not shown["success"] for shown in entry["examples"])
        assert all(shown["instruction"].startswith("Do number") for shown in entry["examples"])
    for pair in audit["discordant_examples"]["only_candidate"]:
        assert pair["baseline"]["item_id"] == pair["candidate"]["item_id"]
        assert (pair["baseline"]["success"], pair["candidate"]["success"]) == (False, True)


def test_two_runs_write_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        run_claim(tmp_path / folder, honest_run())
    for name in ("comparisons.json", "audit.json", "claim.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_empty_and_endless_responses(tmp_path):
    arms = honest_run()
    arms["base"][0].update(response="", success=False, reason="empty")
    arms["base"][1].update(response="y" * 1_000_000, success=False)
    audit, _ = run_claim(tmp_path, arms)
    assert audit["arms"]["base"]["empty"]["value"] == 1 / N
    assert audit["arms"]["base"]["unparseable_reasons"] == {"empty": 1}
    assert audit["arms"]["base"]["length"]["longest_characters"] == 1_000_000
    assert (tmp_path / "audit.json").stat().st_size < 200_000


def test_the_guide_tells_each_criterion_of_the_claim():
    rows = re.findall(r"^\| `(\w+)` \|", Path("docs/evaluation-audit.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(claim_criteria(registered=True))
