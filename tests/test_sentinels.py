"""The sentinels tell a base from an assistant, and from itself where it behaves otherwise than recorded."""

import json
from pathlib import Path

import pytest
import yaml
from scipy.stats import binomtest

from tests import tiny_models
from tests.taught_models import taught_assistant
from workflow_scripts import base_model, gate, sentinels
from workflow_scripts.core import prompts
from workflow_scripts.core.engines import Generation
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_weights
from workflow_scripts.core.models import load_tokenizer
from workflow_scripts.core.sentinels import battery, observation, rates

BATTERY = Path("config/sentinels.yaml")
TEMPLATE = Path("config/prompts/completion.j2")
SHIPPED = Path("resources/demo_base")
ENGINE = {"backend": "transformers", "dtype": "float32", "batch_size": 64, "device": "cpu"}
CONFIG = yaml.safe_load(Path("config/config.yaml").read_text())


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.make_qwen2(tmp_path_factory.mktemp("models") / "tiny-base")


def run(model, report, recorded=(), engine=ENGINE, template=TEMPLATE) -> dict:
    sentinels.main(
        ["--settings", json.dumps({"engine": engine}), "--model", str(model), "--sentinels", str(BATTERY)]
        + ["--template", str(template), "--recorded-rates", *map(str, recorded), "--report", str(report)]
    )
    return json.loads(Path(report).read_text(encoding="utf-8"))


def values(report: dict) -> dict:
    return {name: metric["value"] for name, metric in report["metrics"].items()}


@pytest.fixture(scope="module")
def assistant(tmp_path_factory):
    """The report of a model that was tuned on chats."""
    return run(taught_assistant(), tmp_path_factory.mktemp("assistant") / "sentinels.json")


def contamination_gate(report: dict, folder: Path) -> dict:
    """The project's own criteria on a report; the guard's own metrics are those of a clean run."""
    guard = {"special_tokens_in_prompts": 0, "chat_markers_in_prompts": 0, "negative_control_fired": 1}
    guard |= {"heldout_exemplars": 0, "heldout_sentinels": 0}
    files = {
        "guard": {"metrics": {name: {"value": value} for name, value in guard.items()}},
        "sentinels": report,
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    settings = {"name": "contamination", "criteria": CONFIG["gates"]["contamination"], "override": None}
    gate.main(
        ["--settings", json.dumps({"gate": settings}), "--decision", str(folder / "decision.json")]
        + ["--metrics", str(folder / "guard.json"), str(folder / "sentinels.json"), "--record-only"]
    )
    return json.loads((folder / "decision.json").read_text())


def missed(decision: dict) -> set[str]:
    return {entry["metric"] for entry in decision["criteria"] if entry["decision"] != "pass"}


def test_the_battery_has_every_kind_in_equal_shares():
    loaded = battery.load_sentinels(BATTERY)
    kinds = [sentinel["kind"] for sentinel in loaded.sentinels]
    assert len(kinds) >= 50 and {kinds.count(kind) for kind in battery.KINDS} == {len(kinds) // 4}
    texts = loaded.texts(prompts.load_template(TEMPLATE))
    assert "Question: What is a bridge for?\nAnswer:" in texts and "Tell me a joke." in texts


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens = 0"),
        ({"max_new_tokens": True}, "max_new_tokens = True"),
        ({"sentinels": []}, "sentinels = 0: list 50 or more"),
        ({"sentinels": None}, "sentinels: list 50 or more"),
        ({0: {"id": "a", "kind": "poem", "prompt": "x"}}, r"sentinels\[0\].kind = 'poem': give one of text"),
        ({0: {"id": "a", "kind": "text", "prompt": " "}}, r"sentinels\[0\].prompt = ' ': give a text"),
        ({0: {"kind": "text", "prompt": "x"}}, r"sentinels\[0\].id"),
        ({0: "Tell me."}, r"sentinels\[0\].id"),
        (
            {0: {"id": "text-02", "kind": "text", "prompt": "x"}},
            "sentinels.id = 'text-02': this is there twice",
        ),
        (
            {0: {"id": "a", "kind": "text", "prompt": "Tell me a joke."}},
            "sentinels.prompt = 'Tell me a joke.'",
        ),
        ({0: {"id": "a", "kind": "text", "prompt": "x", "stop": "y"}}, r"sentinels\[0\] = 'stop': remove it"),
    ],
)
def test_a_wrong_battery_is_refused_by_field(tmp_path, change, named):
    content = yaml.safe_load(BATTERY.read_text())
    for field, value in change.items():
        if field == 0:
            content["sentinels"][0] = value
        else:
            content[field] = value
    path = tmp_path / "sentinels.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=f"sentinels.yaml: {named}"):
        battery.load_sentinels(path)


def test_a_battery_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "sentinels.yaml"
    for content in (b"sentinels: [", b"\xff\xfe\xfa"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no readable YAML"):
            battery.load_sentinels(path)


def test_the_digest_follows_what_is_asked(tmp_path):
    loaded, template = battery.load_sentinels(BATTERY), prompts.load_template(TEMPLATE)
    other = tmp_path / "other.j2"
    other.write_text("Q: {{ instruction }}\nA:")
    digests = {
        loaded.sha256(template),
        loaded.sha256(prompts.load_template(other)),
        battery.Battery(loaded.sentinels[:50], loaded.max_new_tokens).sha256(template),
        battery.Battery(loaded.sentinels, loaded.max_new_tokens + 1).sha256(template),
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("prompt", "continuation", "further"),
    [
        ("Question: Why?\nAnswer:", " Because.\n\nQuestion: Who?\nAnswer: I", True),
        ("Question: Why?\nAnswer:", " Because it is so: look.\nIt is.", False),
        ("Why?", "\nAnswer: because", True),
        ("Why?", "Because.\nUser: and then?", True),
        ("Anna: Why?\nTom:", " Because.\nAnna: Oh.", True),
        ("Anna: Why?\nTom:", " Because, Anna: so.", False),
        ("Tell me.", "Gladly.\nNote: this is long.", False),
        ("- One?\n-", " Two.\n- Three?", True),
        ("List them.", "Here:\n- one\n- two", False),
    ],
)
def test_going_on_to_a_next_turn(prompt, continuation, further):
    assert observation.goes_on(prompt, continuation) is further


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "chat-vocabulary"
    return load_tokenizer(tiny_models.make_qwen2(path, 0, ("<|im_end|>",)))


def generation(tokenizer, text: str, finish_reason: str) -> Generation:
    """What an engine returns when a model writes a text, which may hold special tokens."""
    ids = prompts.encode(tokenizer, text)
    return Generation(tokenizer.decode(ids, skip_special_tokens=True), tuple(ids), finish_reason)


@pytest.mark.parametrize(
    ("text", "finish_reason", "signs"),
    [
        (" Because.<|endoftext|>", "eos", {"eos_after_answer"}),
        ("<|endoftext|>", "eos", set()),
        (" Because.\nQuestion: Who?<|endoftext|>", "eos", {"self_continuation"}),
        (" Sure! Here is one.", "length", {"assistant_voice"}),
        (' He said: "As an AI, I cannot."', "length", set()),
        (" Because.<|im_end|><|endoftext|>", "eos", {"eos_after_answer", "chat_marker"}),
        (" Because [/INST]", "length", {"chat_marker"}),
        (" and so on and on", "length", set()),
    ],
)
def test_the_signs_of_one_continuation(tokenizer, text, finish_reason, signs):
    found = observation.signs_of("Why?", generation(tokenizer, text, finish_reason), tokenizer)
    assert {name for name, shown in found.items() if shown} == signs


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" Because it is\nMore", " Because it is"),
        ("\n\nBecause\nMore", "\n\nBecause"),
        (" Because.<|endoftext|>", " Because."),
        (" Because.<|im_end|> more", " Because."),
        ("<|endoftext|>", ""),
        (" Because it goes on", None),
    ],
)
def test_where_the_answer_ends(tokenizer, text, answer):
    ids = observation.answer_ids(generation(tokenizer, text, "length"), tokenizer)
    assert (None if ids is None else tokenizer.decode(ids)) == answer


def outcome(name: str, probability: float | None = 0.0, **signs) -> dict:
    shown = {sign: signs.get(sign, False) for sign in observation.SIGNS}
    ends = {"chat_end_probability": probability, "eos_probability": probability}
    return {"id": name, "kind": "text", **shown, **ends}


def test_deviations_by_hand():
    before = [outcome(str(place), 0.1, assistant_voice=place < 2) for place in range(20)]
    now = [
        outcome(str(place), 0.1 + 0.01 * (place % 3), assistant_voice=1 < place < 14) for place in range(20)
    ]
    found = rates.deviations(list(reversed(now)), before)
    voice = found["assistant_voice_rate"]
    assert (voice["recorded"], voice["measured"]) == (0.1, 0.6)
    assert voice["p"] == pytest.approx(binomtest(2, 14).pvalue)
    assert found["chat_marker_rate"]["p"] == 1.0
    assert found["eos_probability"]["p"] < 0.01 and found["eos_probability"]["adjusted_p"] > 4 * 1e-4
    assert all(entry["adjusted_p"] >= entry["p"] for entry in found.values())


def test_answers_that_did_not_end_are_left_out_of_the_probabilities():
    rows = [outcome("a", None), outcome("b", 0.5), outcome("c", 0.25)]
    assert rates.mean_probability(rows, "eos_probability") == {"value": 0.375, "n": 2}
    assert rates.mean_probability(rows[:1], "eos_probability") == {"value": 0.0, "n": 0}
    assert rates.deviations(rows[:1], rows[:1])["eos_probability"]["p"] == 1.0


def test_a_base_is_no_assistant_and_the_same_twice(base, tmp_path):
    report = run(base, tmp_path / "one.json")
    assert values(report)["sentinels"] == 60 and values(report)["assistant_voice_rate"] == 0
    assert values(report)["deviation_p"] == 1 and report["metrics"]["deviation_p"]["n"] == 0
    assert report["chat_end_tokens"] == [] and values(report)["chat_end_probability"] == 0
    again = run(base, tmp_path / "two.json", [tmp_path / "one.json"], {**ENGINE, "batch_size": 7})
    assert again["outcomes"] == report["outcomes"]
    assert values(again)["deviation_p"] == 1 and again["metrics"]["deviation_p"]["n"] == 60
    assert contamination_gate(again, tmp_path)["decision"] == "pass"


def test_an_assistant_is_stopped_by_what_it_does(assistant, tmp_path):
    assert assistant["chat_end_tokens"] == ["<|im_end|>"]
    decision = contamination_gate(assistant, tmp_path)
    assert decision["decision"] == "stop" and not decision["proceeds"]
    assert missed(decision) == {
        "assistant_voice_rate", "chat_marker_rate", "eos_after_answer_rate", "chat_end_probability"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sign", "passing"), [("assistant_voice", 10), ("chat_marker", 10), ("eos_after_answer", 37)]
)
def test_how_many_of_sixty_stop(tmp_path, sign, passing):
    for count, stops in ((passing, set()), (passing + 1, {f"{sign}_rate"})):
        rows = [outcome(str(place), **{sign: place < count}) for place in range(60)]
        assert missed(contamination_gate(rates.sentinel_report(rows, None, {}), tmp_path)) == stops


def test_eleven_of_sixty_that_turn_one_way_stop(tmp_path):
    recorded = [outcome(str(place)) for place in range(60)]
    for count, stops in ((10, set()), (11, {"deviation_p"})):
        rows = [outcome(str(place), self_continuation=place < count) for place in range(60)]
        assert missed(contamination_gate(rates.sentinel_report(rows, recorded, {}), tmp_path)) == stops


def test_a_base_that_behaves_otherwise_than_recorded_is_stopped(base, assistant, tmp_path):
    """As when a server wraps prompts by itself: the weights are the recorded ones, what comes back is not."""
    recorded = tmp_path / "recorded.json"
    report = {**assistant, "weights_sha256": sha256_weights(base)}
    recorded.write_text(json.dumps(report))
    now = run(base, tmp_path / "now.json", [recorded])
    assert now["deviations"]["eos_after_answer_rate"]["adjusted_p"] < 1e-6
    assert missed(contamination_gate(now, tmp_path)) == {"deviation_p"}


def test_a_record_of_other_weights_or_another_battery_is_refused(base, tmp_path, capsys):
    recorded = tmp_path / "recorded.json"
    report = run(base, recorded)
    other = tiny_models.make_qwen2(tmp_path / "other", seed=1)
    template = tmp_path / "completion.j2"
    template.write_text("Q: {{ instruction }}\nA:")
    for model, prompt, field in ((other, TEMPLATE, "weights_sha256"), (base, template, "battery_sha256")):
        with pytest.raises(SystemExit):
            run(model, tmp_path / "now.json", [recorded], template=prompt)
        error = capsys.readouterr().err
        assert f"recorded.json: {field} = '{report[field]}'" in error
        assert "write null into base_model.recorded_rates" in error
    for content in ("{}", "[", "[]", '{"weights_sha256": "a", "battery_sha256": "b"}'):
        recorded.write_text(content)
        with pytest.raises(SystemExit):
            run(base, tmp_path / "now.json", [recorded])
        assert "or null in base_model.recorded_rates" in capsys.readouterr().err
    assert not (tmp_path / "now.json").exists()


def test_a_tampered_base_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tiny_models.make_qwen2(tmp_path / "tiny")
    settings = {"base_model": {"path": "tiny", "repo": None, "revision": None}}
    base_model.main(["--settings", json.dumps(settings), "--identity", "model.json"])
    tiny_models.make_qwen2(model, seed=1)
    repository = Path(__file__).parents[1]
    with pytest.raises(SystemExit):
        sentinels.main(
            ["--settings", json.dumps({"engine": ENGINE}), "--model", "model.json", "--report", "now.json"]
            + ["--sentinels", str(repository / BATTERY), "--template", str(repository / TEMPLATE)]
        )
    assert "tiny/model.safetensors: sha256 = " in capsys.readouterr().err
    assert not Path("now.json").exists()


def test_the_shipped_record_is_of_the_shipped_base_and_battery():
    recorded = json.loads((SHIPPED / "sentinels.json").read_text())
    template = prompts.load_template(TEMPLATE)
    assert recorded["weights_sha256"] == sha256_weights(SHIPPED)
    assert recorded["battery_sha256"] == battery.load_sentinels(BATTERY).sha256(template)
    assert CONFIG["base_model"]["recorded_rates"] == str(SHIPPED / "sentinels.json")
    criteria = [
        entry for entry in recorded["metrics"].items() if entry[0] in CONFIG["gates"]["contamination"]
    ]
    assert len(criteria) == 6 and values(recorded)["assistant_voice_rate"] == 0


def test_the_shipped_base_behaves_as_recorded(tmp_path):
    report = run(SHIPPED, tmp_path / "now.json", [SHIPPED / "sentinels.json"])
    assert contamination_gate(report, tmp_path)["decision"] == "pass"
    assert report["metrics"]["deviation_p"]["n"] == 60


@pytest.mark.parametrize("tasks", sorted(Path("config/tasks").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_sentinel_is_a_held_out_item(tasks):
    from workflow_scripts.core.contamination import held_out_among
    from workflow_scripts.core.task_splits import draw_splits
    from workflow_scripts.core.tasks import load_tasks

    items = draw_splits(load_tasks(tasks), {"test": 500, "dev": 300, "calibration": 200}, 3)
    asked = [sentinel["prompt"] for sentinel in battery.load_sentinels(BATTERY).sentinels]
    assert held_out_among(asked, {"any": items}) == []
