"""Lines of progress: seldom, whole, with a rate and what remains; and they are read as they were written."""

import pytest

from tests import whole_stages
from workflow_scripts.core import hashing, progress, shard_store
from workflow_scripts.core.progress import Progress, read_line


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to go on."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def forward(seconds):
        now[0] += seconds

    return forward


def test_a_line_is_printed_every_ten_seconds_and_at_the_end(capsys, clock):
    counter = Progress(200, "records", "pilot")
    for _ in range(200):
        clock(0.125)
        counter.advance()
    assert capsys.readouterr().err.splitlines() == [
        "pilot: 80/200 records, 8.0 records/s, 15 s left",
        "pilot: 160/200 records, 8.0 records/s, 5 s left",
        "pilot: 200/200 records, 8.0 records/s, 25.0 s",
    ]


def test_a_brief_loop_that_is_soon_over_prints_nothing_and_a_long_one_its_end_too(capsys, clock):
    for seconds in (0.5, 6.0):
        for _ in progress.counted("abc", 3, "folds", "what words tell"):
            clock(seconds)
    assert capsys.readouterr().err.splitlines() == [
        "what words tell: 2/3 folds, 10.0 folds/min, 6 s left",
        "what words tell: 3/3 folds, 10.0 folds/min, 18.0 s",
    ]


def test_a_loop_that_is_slow_has_its_rate_per_hour(capsys, clock):
    counter = Progress(1000, "steps", "train_sft: loss 0.5000, 1,234 tokens/s")
    clock(7200)
    counter.advance(30)
    [line] = capsys.readouterr().err.splitlines()
    assert line == ("train_sft: loss 0.5000, 1,234 tokens/s: 30/1000 steps, 15.0 steps/h, 2 d 16 h left")
    reading = read_line(line)
    assert reading.label == "train_sft: loss 0.5000, 1,234 tokens/s" and reading.open
    assert (reading.done, reading.total, reading.rate) == ("30", "1000", "15.0 steps/h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (68, "1 min 08 s"),
        (3599.9, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (86400 * 3 + 3600 * 4 + 59, "3 d 04 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert progress.duration(seconds) == text


def test_the_bytes_of_large_files_are_counted_in_gigabytes(tmp_path, capsys, clock, monkeypatch):
    monkeypatch.setattr(progress, "GIGABYTE", 10)
    monkeypatch.setattr(hashing, "READ_BYTES", 25)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 50)
    counter = progress.of_files(tmp_path.iterdir(), "digests of x")

    def slowly(n):
        clock(10)
        counter.advance(n)

    assert hashing.sha256_tree(tmp_path, slowly) == hashing.sha256_tree(tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "digests of x: 2.5/10.0 GB, 15.0 GB/min, 30 s left"
    assert lines[-1] == "digests of x: 10.0/10.0 GB, 15.0 GB/min, 40.0 s" and len(lines) == 4


def test_shards_that_others_made_do_not_count(tmp_path, capsys, clock):
    store = shard_store.ShardStore(tmp_path / "shard-001.parquet", 1, 4, 4, "name")
    store.path(2).write_text("made by another job")

    def make(shard, path):
        clock(30)
        path.write_text(str(shard))

    store.fill(make)
    assert capsys.readouterr().err.splitlines() == [
        "shards to be made: 1/4 shards, 2.0 shards/min, 1 min 30 s left",
        "shards to be made: 2/4 shards, 2.0 shards/min, 1 min 00 s left",
        "shards to be made: 3/3 shards, 2.0 shards/min, 1 min 30 s",
    ]


@pytest.mark.integration
@pytest.mark.timeout(120)
def test_every_loop_of_a_generation_and_of_the_trainings_says_what_is_left(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    whole_stages.run(tmp_path, ["generation", "sft", "dpo"])
    found = [reading for line in capfd.readouterr().err.splitlines() if (reading := read_line(line))]
    loops = {reading.label.partition(": ")[0] for reading in found if reading.open}
    wanted = {"instructions", "answers", "verdicts", "train_sft", "train_dpo", "reference", "dev answers"}
    wanted |= {"loading weights"}
    assert wanted <= loops
    assert {"digests of sft-merged", "writing model shards"} <= {reading.label for reading in found}


@pytest.mark.parametrize("done", [1, 500, 999, 1000])
@pytest.mark.parametrize("elapsed", [0.001, 9.7, 61, 5000, 10**6])
@pytest.mark.parametrize("scale", [1, 100])
def test_what_was_written_is_read(done, elapsed, scale):
    counter = Progress(1000, "tokens", "a: strange [red]label[/red], 3/4 x", scale=scale)
    counter.done = done
    reading = read_line(counter.line(elapsed))
    assert reading.label == "a: strange [red]label[/red], 3/4 x" and reading.unit == "tokens"
    assert float(reading.done) * scale == pytest.approx(done, abs=0.05 * scale)
    assert reading.open == (done < 1000) and reading.rate.split()[1].startswith("tokens/")
    assert reading.time[0].isdigit() and "left" not in reading.time


@pytest.mark.parametrize(
    "line", ["", "done in 3.2 s", "gate: PASS", "1/2", "a: 1/2 records", "a: 1/2 records, fast, soon left"]
)
def test_other_lines_are_none(line):
    assert read_line(line) is None
