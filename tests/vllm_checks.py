"""The vLLM engine against the transformers engine, on the embedded base in float32.

For an environment with vLLM: tests/test_vllm_engine.py makes one and runs pytest on this file in it.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from workflow_scripts import generate
from workflow_scripts.core import runtime, schemas, task_splits, tasks
from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.engines import Sampling
from workflow_scripts.core.engines.loading import load_engine
from workflow_scripts.core.engines.stopping import first_completion
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import write_json
from workflow_scripts.core.prompts import encode

BASE = "resources/demo_base"
SETTINGS = {"dtype": "float32", "device": "auto", "batch_size": 48}
PROMPTS = 96
SAMPLED = Sampling(24, 1.0, stop=("\nQuestion:",))
NUCLEUS = Sampling(24, 0.8, top_p=0.9, top_k=40, stop=("\n", ", "))
GREEDY = (
    Sampling(24, 0.0),
    Sampling(32, 0.0, stop=("\nQuestion:",)),
    Sampling(24, 0.0, stop=("\n", "er", " the")),
)
runtime.quiet_libraries()


@pytest.fixture(scope="module")
def transformers_engine():
    return load_engine({**SETTINGS, "backend": "transformers"}, BASE)


@pytest.fixture(scope="module")
def engine():
    engine = load_engine({**SETTINGS, "backend": "vllm"}, BASE)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def prompts(transformers_engine):
    """Prompts of many lengths: questions as evaluation asks them, some after one or two others."""
    source = tasks.load_tasks("config/tasks/microworld.yaml")
    items = task_splits.draw_splits(source, {"test": PROMPTS, "dev": 10, "calibration": 10}, 3)
    asked = [f"Question: {item['instruction']}\nAnswer:" for item in items if item["split"] == "test"]
    assert len(asked) == PROMPTS
    texts = [" dog\n\n".join([*asked[place - place % 3 : place], asked[place]]) for place in range(PROMPTS)]
    return [encode(transformers_engine.tokenizer, text) for text in texts]


@pytest.fixture(scope="module")
def seeds():
    return [random.Random(place).getrandbits(63) for place in range(PROMPTS)]


@pytest.mark.parametrize("sampling", GREEDY, ids=str)
def test_greedy_completions_are_identical(engine, transformers_engine, prompts, sampling):
    """Text, token ids and finish reason."""
    ours = engine.generate(prompts, [0] * PROMPTS, sampling)
    assert ours == transformers_engine.generate(prompts, [0] * PROMPTS, sampling)


def test_all_ways_to_end_occur_and_each_text_is_cut_as_by_the_other_engine(engine, prompts, seeds):
    reasons = set()
    empty = [encode(engine.tokenizer, "\n\n")] * PROMPTS  # after a document a text may end
    for sent, sampling in ((prompts, SAMPLED), (prompts, NUCLEUS), (empty, Sampling(24, 1.0))):
        for made in engine.generate(sent, seeds, sampling):
            ended = first_completion(
                engine.tokenizer,
                made.token_ids,
                engine.end_tokens,
                sampling.stop,
                sampling.max_new_tokens,
            )
            assert ended == (made.text, made.finish_reason, len(made.token_ids))
            reasons.add(made.finish_reason)
    assert reasons == {"eos", "stop", "length"}


@pytest.mark.parametrize("sampling", [SAMPLED, NUCLEUS], ids=["sampled", "nucleus"])
def test_a_sample_depends_on_its_record_alone(engine, prompts, seeds, sampling):
    """Not on the size of the batch, on the order, or on what is asked beside it or before."""
    expected = engine.generate(prompts, seeds, sampling)
    order = list(range(PROMPTS))
    for size in (1, 7, 48):
        random.Random(size).shuffle(order)
        chosen = order[: PROMPTS if size > 1 else 24]
        engine.batch_size = size
        made = engine.generate([prompts[i] for i in chosen], [seeds[i] for i in chosen], sampling)
        assert made == [expected[i] for i in chosen]
    engine.batch_size = SETTINGS["batch_size"]
    again = engine.generate([prompts[0]] * 8, range(8), sampling)
    assert len({made.text for made in again}) > 1, "one prompt, other seeds: other texts"


def test_a_sample_is_the_same_in_another_process(engine, prompts, seeds, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"prompts": prompts[:64], "seeds": seeds[:64]}))
    code = (
        "import json, sys\n"
        "from tests import vllm_checks as checks\n"
        "request = json.load(open(sys.argv[1]))\n"
        "settings = {**checks.SETTINGS, 'backend': 'vllm', 'batch_size': 5}\n"
        "engine = checks.load_engine(settings, checks.BASE)\n"
        "made = engine.generate(request['prompts'], request['seeds'], checks.SAMPLED)\n"
        "json.dump([list(one.token_ids) for one in made], open(sys.argv[2], 'w'))\n"
    )
    answer = tmp_path / "answer.json"
    subprocess.run([sys.executable, "-c", code, str(request), str(answer)], check=True)
    made = engine.generate(prompts[:64], seeds[:64], SAMPLED)
    assert json.loads(answer.read_text()) == [list(one.token_ids) for one in made]


def test_label_log_probabilities_agree(engine, transformers_engine, prompts):
    tokenizer = transformers_engine.tokenizer
    choices = [encode(tokenizer, text)[0] for text in (" A", "A", " B", "B")]
    reviews = [[*prompt, *encode(tokenizer, " yes\nVerdict:")] for prompt in prompts]
    ours = engine.choice_logprobs(reviews, choices)
    theirs = transformers_engine.choice_logprobs(reviews, choices)
    assert ours.shape == (PROMPTS, 4) and ours.dtype == np.float64
    assert np.abs(ours - theirs).max() < 1e-4
    assert np.array_equal(engine.choice_logprobs(reviews, choices[::-1]), ours[:, ::-1])
    alone = np.concatenate([engine.choice_logprobs([review], choices) for review in reviews[:8]])
    assert np.abs(alone - ours[:8]).max() < 1e-4


def test_requests_are_looked_at_counted_and_refused_as_by_the_other_engine(engine, prompts):
    told = []

    class Counter:
        def advance(self, n):
            told.append(n)

    before = engine.audit.passed
    engine.generate(prompts[:5], range(5), SAMPLED, Counter())
    engine.choice_logprobs(prompts[:3], [1, 2], Counter())
    assert sum(told) == 8 and engine.audit.passed == before + 8
    poisoned = [[5, engine.tokenizer.eos_token_id, 6]]
    with pytest.raises(InputError, match="which no prompt of a base model may"):
        engine.generate(poisoned, [0], SAMPLED)
    with pytest.raises(InputError, match="which no prompt of a base model may"):
        engine.choice_logprobs(poisoned, [1, 2])
    with pytest.raises(InputError, match="the longest prompt has 1010 tokens and the model reads 1024"):
        engine.generate([[5] * 1010], [0], SAMPLED)
    assert engine.generate([], [], SAMPLED) == []
    assert engine.choice_logprobs([], [1, 2]).shape == (0, 2)


def test_the_identity_says_how_it_computes(engine):
    assert engine.identity == {
        "name": "vllm",
        "version": "0.32.0",
        "dtype": "float32",
        "quantization": None,
        "device": "cpu",
        "same_text_in_any_batch": False,
        "batch_policy": "continuous, at most 48, prefix cache",
        "request_audit": "passed",
    }


def adapter_and_merged(directory: Path) -> tuple[Path, Path]:
    """A LoRA adapter on all linear layers that changes much, and the model that it is merged into."""
    from peft import LoraConfig, get_peft_model

    from workflow_scripts.core.models import load_model, load_tokenizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = get_peft_model(load_model(BASE), LoraConfig(r=12, target_modules="all-linear"))
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.18)
    network.save_pretrained(directory / "adapter")
    network.merge_and_unload().save_pretrained(directory / "merged")
    load_tokenizer(BASE).save_pretrained(directory / "merged")
    return directory / "adapter", directory / "merged"


def test_greedy_completions_are_identical_with_an_adapter_and_with_merged_weights(prompts, tmp_path):
    """Each engine is closed before the next is loaded, in this process."""
    adapter, merged = adapter_and_merged(tmp_path)
    made, sampling = {}, Sampling(24, 0.0, stop=("\nQuestion:",))
    for backend in ("transformers", "vllm"):
        for name, model, on_top in (
            ("adapter", BASE, adapter),
            ("merged", merged, None),
            ("plain", BASE, None),
        ):
            engine = load_engine({**SETTINGS, "backend": backend}, model, on_top)
            made[backend, name] = engine.generate(prompts, [0] * PROMPTS, sampling)
            engine.close()
    for name in ("adapter", "merged", "plain"):
        assert made["vllm", name] == made["transformers", name], name
    assert made["vllm", "adapter"] == made["vllm", "merged"]
    pairs = zip(made["vllm", "adapter"], made["vllm", "plain"], strict=True)
    changed = [one != other for one, other in pairs]
    assert sum(changed) > PROMPTS / 10


def test_the_bytes_of_a_shard_do_not_depend_on_what_is_made_beside_it(tmp_path):
    write_json(tmp_path / "model.json", {"label": "base", "path": BASE, "weights_sha256": "0" * 64})
    prior = {principle.id: 0.0 for principle in load_constitution("config/constitution.yaml")}
    write_json(tmp_path / "calibration.json", {"threshold": 0.0, "prior": prior})
    sampling = {"shots": 3, "temperature": 1.0, "max_new_tokens": 24, "stop": ["\n"], "guidance": None}
    settings = {
        "engine": {**SETTINGS, "backend": "vllm"},
        "seed": 1,
        "generation": {"instruction": sampling, "answer": {**sampling, "stop": ["\nQuestion:"]}},
    }

    def make(directory: Path, shard: int, shards_per_load: int) -> Path:
        records = directory / f"shard-{shard:03d}.parquet"
        generate.main(
            ["--settings", json.dumps(settings), "--identity", str(tmp_path / "model.json")]
            + ["--exemplars", "config/exemplars.yaml"]
            + ["--instructions-template", "config/prompts/instructions.j2"]
            + ["--answers-template", "config/prompts/answers.j2"]
            + ["--critic-template", "config/prompts/critic.j2", "--constitution", "config/constitution.yaml"]
            + ["--calibration-report", str(tmp_path / "calibration.json"), "--stream", "generation"]
            + ["--shard", str(shard), "--shards", "2", "--shards-per-load", str(shards_per_load)]
            + ["--size", "16", "--records", str(records)]
        )
        return records

    make(tmp_path / "together", 0, 2)
    together = make(tmp_path / "together", 1, 2)
    alone = make(tmp_path / "alone", 1, 1)
    assert together.read_bytes() == alone.read_bytes()
    rows = schemas.read_records(alone, schemas.RECORDS)
    assert json.loads(rows[0]["provenance"])["engine"]["name"] == "vllm"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda"}, "engine.device = 'cuda': the vLLM that is installed runs on cpu"),
        (
            {"batch_invariant": True},
            "engine.batch_invariant = True: vLLM has .* kernels for GPUs alone",
        ),
        ({"max_model_len": 5000}, "vLLM refuses: .*max_model_len"),
    ],
    ids=str,
)
def test_what_it_cannot_do_is_refused_in_one_line(settings, message):
    with pytest.raises(InputError, match=message) as refusal:
        load_engine({**SETTINGS, "backend": "vllm", **settings}, BASE)
    assert "\n" not in str(refusal.value)
