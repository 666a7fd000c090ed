"""When a training stops, which epoch is kept, and which checkpoint counts."""

from transformers import TrainerState

from workflow_scripts.core import training_callbacks, training_state


def history(*successes: float) -> list[dict]:
    return [{"epoch": float(n), "step": n, "success": s} for n, s in enumerate(successes, 1)]


def test_early_stopping_waits_for_patience_epochs_without_gain():
    rule = {"patience": 2, "min_delta": 0.02}
    assert not training_state.is_exhausted(history(0.5), rule)
    assert not training_state.is_exhausted(history(0.5, 0.51), rule)
    assert training_state.is_exhausted(history(0.5, 0.51, 0.52), rule)
    assert not training_state.is_exhausted(history(0.5, 0.4, 0.6), rule)
    assert not training_state.is_exhausted(history(0.5, 0.5, 0.5, 0.5), None)


def test_the_earliest_of_the_best_epochs_is_kept():
    assert training_state.best_epoch(history(0.5, 0.7, 0.7, 0.6))["epoch"] == 2.0


def test_a_training_is_finished_at_its_last_step_or_when_exhausted():
    log = [{"epoch": 1.0, "step": 5, "dev_success": 0.5}, {"epoch": 2.0, "step": 10, "dev_success": 0.5}]
    state = TrainerState(global_step=10, max_steps=30, log_history=log)
    assert not training_state.is_finished(state, None)
    assert training_state.is_finished(state, {"patience": 1, "min_delta": 0.0})
    assert training_state.is_finished(TrainerState(global_step=30, max_steps=30), None)


def test_only_complete_checkpoints_count_and_the_others_go(tmp_path):
    for step in (5, 10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert training_state.latest_checkpoint(tmp_path) is None and not list(tmp_path.iterdir())
    for step in (5, 10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if step < 20:
            (tmp_path / f"checkpoint-{step}" / training_state.COMPLETE).touch()
    assert training_state.latest_checkpoint(tmp_path).name == "checkpoint-10"


def test_fingerprint_is_of_the_content_and_not_of_the_order():
    one = training_state.fingerprint(settings={"a": 1, "b": 2}, seed=1)
    assert one == training_state.fingerprint(seed=1, settings={"b": 2, "a": 1})
    assert one != training_state.fingerprint(seed=2, settings={"a": 1, "b": 2})


def test_states_are_removed_with_those_of_other_fingerprints(tmp_path):
    weights = tmp_path / "adapter_model.safetensors"
    for name in ("one", "two"):
        (training_state.state_directory(weights, name) / "checkpoint-1").mkdir()
    training_state.remove_states(weights)
    assert not list(tmp_path.iterdir())


def test_metric_rows_hold_steps_and_dev_success_but_no_times():
    log = [
        {"loss": 1.0, "learning_rate": 0.1, "num_tokens": 7.0, "tokens": 7, "epoch": 0.5, "step": 1},
        {"dev_success": 0.25, "epoch": 1.0, "step": 2},
        {"train_runtime": 3.0, "train_loss": 1.0, "epoch": 1.0, "step": 2},
    ]
    rows = training_state.metric_rows(TrainerState(log_history=log))
    assert [(row["step"], row["name"], row["value"]) for row in rows] == [
        (1, "learning_rate", 0.1),
        (1, "loss", 1.0),
        (1, "tokens", 7.0),
        (2, "dev_success", 0.25),
    ]


def test_batches_hold_rows_of_similar_length_in_an_order_of_seed_and_epoch():
    lengths = [(7 * n) % 50 + 1 for n in range(103)]
    sampler = training_callbacks.LengthGroupedSampler(lengths, 8, seed=3)
    first = list(sampler)
    assert sorted(first) == list(range(103)) and list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    spreads = [
        max(part) - min(part)
        for part in ([lengths[row] for row in first[start : start + 8]] for start in range(0, 96, 8))
    ]
    assert sum(spreads) / len(spreads) < 12  # 44 when the rows come in random order
    longest = [max(lengths[row] for row in first[start : start + 8]) for start in range(0, 96, 8)]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))
