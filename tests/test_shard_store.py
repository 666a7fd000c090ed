"""Shards made ahead: which, by whom, what a kill leaves, and that none is taken over from something else."""

import multiprocessing
from pathlib import Path

import pytest

from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.shard_store import ShardStore, fingerprint


class Job:
    """A job of one shard: `run` goes through it as the command lines do. `made`: what it made, in order."""

    def __init__(self, directory: Path, own: int, shards: int = 8, shards_per_load: int = 4, name: str = "a"):
        self.output = directory / f"shard-{own:03d}.parquet"
        self.store = ShardStore(self.output, own, shards, shards_per_load, name)
        self.name, self.made = name, []

    def make(self, shard: int, path: Path) -> None:
        self.made.append(shard)
        path.write_text(f"{self.name}{shard}")

    def run(self) -> list[int]:
        with guarded(self.output) as (output,):
            self.store.fill(self.make)
            self.store.deliver(output)
        self.store.settle()
        return self.made


def test_the_first_job_of_a_block_makes_it_and_the_others_deliver(tmp_path):
    assert Job(tmp_path, 1).run() == [1, 0, 2, 3]
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ["shard-001.parquet"]
    for own in (0, 2, 3):
        assert Job(tmp_path, own).run() == []
    assert [path.read_text() for path in sorted(tmp_path.glob("*.parquet"))] == ["a0", "a1", "a2", "a3"]
    assert Job(tmp_path, 6, shards=7).run() == [6, 4, 5], "the last block ends with the shards"
    assert not list(tmp_path.glob(".state/*/shard-00[0-3]*")), "what was delivered is not kept"


def test_one_more_shard_makes_that_one_alone(tmp_path):
    for own in range(3):
        Job(tmp_path, own, shards=3).run()
    assert Job(tmp_path, 3, shards=4).run() == [3]


def test_shards_of_another_size_of_block_are_the_same_and_are_found(tmp_path):
    Job(tmp_path, 0, shards_per_load=2).run()
    assert Job(tmp_path, 1, shards_per_load=8).run() == [2, 3, 4, 5, 6, 7]
    assert Job(tmp_path, 2, shards_per_load=1).run() == []


def test_what_other_inputs_made_is_made_again_and_nothing_of_it_is_taken_over(tmp_path):
    for own in range(3):
        Job(tmp_path, own, shards=4).run()
    assert (tmp_path / ".state/a/shard-003-made.parquet").exists()
    (tmp_path / "shard-000.parquet").unlink()  # as Snakemake does before the job of a changed shard
    assert Job(tmp_path, 0, shards=4, name="b").run() == [0, 1, 2, 3]
    for own in (1, 2, 3):
        assert Job(tmp_path, own, shards=4, name="b").run() == []
        assert (tmp_path / f"shard-{own:03d}.parquet").read_text() == f"b{own}"
    assert not (tmp_path / ".state/a").exists()


def test_a_shard_that_is_forced_is_made_again_alone(tmp_path):
    for own in range(4):
        Job(tmp_path, own, shards=4).run()
    assert Job(tmp_path, 2, shards=4).run() == [2]


def test_results_without_their_store_are_left_alone(tmp_path):
    for own in range(3):
        (tmp_path / f"shard-{own:03d}.parquet").write_text("made elsewhere")
    assert Job(tmp_path, 3, shards=4).run() == [3]


def test_a_job_that_fails_leaves_what_it_had_made(tmp_path):
    job = Job(tmp_path, 1)

    def fail_at_the_third(shard, path):
        path.write_text("half")
        if len(job.made) == 2:
            raise RuntimeError
        Job.make(job, shard, path)

    with pytest.raises(RuntimeError), guarded(job.output):
        job.store.fill(fail_at_the_third)
    assert not job.output.exists() and not list(tmp_path.rglob(".writing-*"))
    assert Job(tmp_path, 1).run() == [2, 3]
    assert (tmp_path / "shard-001.parquet").read_text() == "a1"


def test_a_second_stage_follows_the_first_and_needs_it(tmp_path):
    job = Job(tmp_path, 1, shards=2, shards_per_load=2)
    job.store.fill(job.make, "sampled")
    job.store.path(0, "sampled").unlink()
    job.store.fill(job.make, after="sampled")
    assert job.made == [1, 0, 1], "the own one is judged; of the other nothing is there to judge"
    assert Job(tmp_path, 1, shards=2, shards_per_load=2).run() == [0]


def _work(directory, own, turn, started, log):
    job = Job(Path(directory), own, shards=8, shards_per_load=8)

    def make(shard, path):
        Job.make(job, shard, path)
        started.set()
        turn.acquire(timeout=20)

    job.store.fill(make)
    log.put((own, job.made))


def test_jobs_side_by_side_share_a_block_and_make_no_shard_twice(tmp_path):
    context = multiprocessing.get_context("spawn")
    turn, log = context.Semaphore(0), context.Queue()
    started = [context.Event(), context.Event()]
    workers = [
        context.Process(target=_work, args=(str(tmp_path), own, turn, started[place], log))
        for place, own in enumerate((0, 5))
    ]
    for worker, event in zip(workers, started, strict=True):
        worker.start()
        assert event.wait(60)
    for _ in range(8):
        turn.release()
    made = dict(log.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(60)
    assert made[0][0] == 0 and made[5][0] == 5
    assert sorted(made[0] + made[5]) == list(range(8))


def test_the_fingerprint_covers_settings_code_files_and_more(tmp_path):
    file = tmp_path / "input"
    file.write_text("one")
    given = {"settings": "{}", "code": "c", "files": [file, None], "size": 2}
    names = {fingerprint(**given)}
    names |= {fingerprint(**given | {"settings": "[]"}), fingerprint(**given | {"code": "d"})}
    names |= {fingerprint(**given | {"size": 3}), fingerprint(**given | {"files": [None, file]})}
    file.write_text("two")
    assert len(names | {fingerprint(**given)}) == 6
