"""profiles/runpod's scripts on a pod that is not there: what they call is played by scripts of this test."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.fake_pod import fake_gpus, write_command
from workflow_scripts.core import preflight, preflight_storage

SCRIPTS = REPOSITORY / "profiles/runpod"
SECRET = "planted-secret-value"
# The installer makes conda, and conda an environment, whose pip notes what it was asked for.
INSTALLER = """#!/bin/bash
mkdir -p "$3/condabin"
cat > "$3/condabin/conda" <<'CONDA'
#!/bin/bash
echo "conda $*" >> "$CALLS"
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/bin"
cat > "$2/bin/python" <<'PYTHON'
#!/bin/bash
echo "python $*" >> "$CALLS"
install -m 755 /dev/null "${0%/*}/snakemake"
PYTHON
chmod +x "$2/bin/python"
CONDA
chmod +x "$3/condabin/conda"
"""


@pytest.fixture
def pod(tmp_path):
    """A clone's files, a volume, a disk, a home, and commands that are not what they seem."""
    clone, commands = tmp_path / "volume/clone", tmp_path / "bin"
    for name in ("requirements.txt", "constraints.txt", *map(str, sorted(SCRIPTS.glob("*.sh")))):
        source = REPOSITORY / name
        target = clone / source.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(source.stat().st_mode)
    (tmp_path / "home").mkdir()
    (tmp_path / "installer").write_text(INSTALLER)
    fake_gpus(commands)
    last = f'while [ "$1" != --output ]; do shift; done; cp {tmp_path}/installer "$2"'
    write_command(commands, "curl", f'echo "curl $*" >> "$CALLS"; {last}')
    write_command(
        commands, "sha256sum", f'[ "$1" = --check ] && exec cat > {tmp_path}/checked; exec /usr/bin/sha256sum'
    )
    variables = {
        "RUNPOD_POD_ID": "pod1",
        "RUNPOD_API_KEY": SECRET,
        "HF_TOKEN": SECRET,
        "JUPYTER_PASSWORD": "other",
    }
    (tmp_path / "variables").write_text(
        "\0".join(f"{name}={value}" for name, value in variables.items()) + "\0"
    )
    return tmp_path


def environment(pod, **more):
    return {
        "PATH": f"{pod / 'bin'}:/usr/bin:/bin",
        "HOME": str(pod / "home"),
        "CALLS": str(pod / "calls"),
        "CAI_LOCAL": str(pod / "local"),
        "CAI_VOLUME": str(pod / "volume"),
        "CAI_VARIABLES": str(pod / "variables"),
        **more,
    }


def bootstrap(pod, *arguments, **more):
    script = pod / "volume/clone/profiles/runpod/bootstrap.sh"
    command = [str(script), *arguments]
    result = subprocess.run(command, env=environment(pod, **more), capture_output=True, text=True)
    assert SECRET not in result.stdout + result.stderr
    return result


def snapshot(directory):
    """Every file with its size and time of change."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for place in ("local", "volume", "home")
        for path in sorted((directory / place).rglob("*"))
    }


def test_a_second_bootstrap_changes_nothing(pod):
    first = bootstrap(pod)
    assert first.returncode == 0, first.stderr
    calls, files = (pod / "calls").read_text(), snapshot(pod)
    assert "Miniforge3-25.11.0-1-Linux-x86_64.sh" in calls and "conda create" in calls
    assert "pip --disable-pip-version-check install" in calls and "--constraint" in calls
    second = bootstrap(pod)
    assert second.returncode == 0 and second.stderr.splitlines() == first.stderr.splitlines()[-1:]
    assert (pod / "calls").read_text() == calls and snapshot(pod) == files


def test_snakemakes_environment_has_no_model_packages_and_all_others(pod):
    bootstrap(pod)
    listed = [line for line in (pod / "local/controller.txt").read_text().splitlines() if "==" in line]
    left_out = set((REPOSITORY / "requirements.txt").read_text().splitlines()) - set(listed)
    names = {line.split("==")[0] for line in left_out if "==" in line}
    assert {"torch", "transformers", "trl", "peft", "accelerate", "datasets"} <= names
    assert not {"snakemake", "huggingface-hub", "pyyaml", "psutil", "tokenizers", "safetensors"} & names


def test_changed_pins_are_installed_by_the_next_bootstrap(pod):
    bootstrap(pod)
    before = (pod / "calls").read_text()
    with (pod / "volume/clone/requirements.txt").open("a") as file:
        file.write("another==1.0\n")
    bootstrap(pod)
    added = (pod / "calls").read_text().removeprefix(before)
    assert "install" in added and "curl" not in added and "conda create" not in added


def test_another_download_than_the_pinned_one_is_refused_and_removed(pod):
    (pod / "bin/sha256sum").unlink()
    result = bootstrap(pod)
    assert (
        result.returncode == 1 and "refused: Miniforge: the download is not the pinned file" in result.stderr
    )
    assert not (pod / "local/miniforge").exists()
    assert [path for path in (pod / "volume/cache/miniforge").iterdir()] == []


def test_the_download_is_held_against_the_pinned_hash(pod):
    bootstrap(pod)
    pinned, file = (pod / "checked").read_text().split()
    assert len(pinned) == 64 and file.endswith("Miniforge3-25.11.0-1-Linux-x86_64.sh")


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        ({"count": 0}, "refused: no GPU: nvidia-smi finds none"),
        (
            {"cuda": "12.8"},
            "refused: driver: it runs CUDA 12 at most, the pins need 13; take a pod with a newer driver",
        ),
    ],
)
def test_a_pod_that_cannot_run_the_pins_is_refused_before_anything_is_installed(pod, gpus, expected):
    fake_gpus(pod / "bin", **gpus)
    result = bootstrap(pod)
    assert result.returncode == 1 and expected in result.stderr
    assert len(result.stderr.splitlines()) == 1 and not (pod / "local").exists()
    assert bootstrap(pod, "--without-gpu").returncode == 0


def test_a_small_disk_and_a_missing_volume_are_refused(pod):
    write_command(pod / "bin", "df", "echo Avail; echo 20")
    result = bootstrap(pod)
    assert result.returncode == 1 and "refused: disk: 20 GB free at" in result.stderr
    (pod / "bin/df").unlink()
    result = bootstrap(pod, CAI_VOLUME=str(pod / "nowhere"))
    assert result.returncode == 1 and "refused: volume:" in result.stderr and not (pod / "local").exists()


def test_the_scripts_and_preflight_ask_for_the_same():
    text = (SCRIPTS / "bootstrap.sh").read_text()
    assert f"\nCUDA={preflight.PINNED_CUDA[0]} " in text
    local = next(line for line in text.splitlines() if line.startswith("LOCAL_GB="))
    assert int(local.removeprefix("LOCAL_GB=").split()[0]) * 1e9 >= preflight_storage.ENVIRONMENT_BYTES


def test_caches_go_to_the_volume_and_the_pods_variables_into_every_shell(pod):
    bootstrap(pod)
    shown = ("$HF_HOME $PIP_CACHE_DIR $CONDA_PKGS_DIRS", "$RUNPOD_POD_ID $HF_TOKEN/$JUPYTER", "$PATH")
    lines = "; ".join(f'echo "{line}"' for line in shown)
    command = ["bash", "-c", f"source ~/.bashrc; source ~/.bashrc; {lines}"]
    result = subprocess.run(command, env=environment(pod), capture_output=True, text=True)
    caches, recovered, path = result.stdout.splitlines()
    assert all(place.startswith(str(pod / "volume/cache")) for place in caches.split())
    assert recovered == f"pod1 {SECRET}/"
    assert (
        path.count(str(pod / "local/controller/bin")) == 1 and str(pod / "local/miniforge/condabin") in path
    )


def test_what_the_shell_has_already_is_not_replaced_and_nothing_is_printed(pod):
    command = [
        "bash",
        "-x",
        "-c",
        f'source {SCRIPTS / "environment.sh"}; [ "$HF_TOKEN" = mine ] && echo kept',
    ]
    result = subprocess.run(command, env=environment(pod, HF_TOKEN="mine"), capture_output=True, text=True)
    assert "kept" in result.stdout and SECRET not in result.stdout + result.stderr


@pytest.fixture
def ending(tmp_path):
    """A function that starts a command under run.sh, with its results on a volume."""
    volume = Path("/dev/shm") / f"cai-{os.getpid()}-{tmp_path.name}"
    volume.mkdir()
    write_command(
        tmp_path / "bin", "runpodctl", f'echo "$*" >> {tmp_path}/asked; [ ! -e {tmp_path}/refuses ]'
    )
    clone = volume / "clone/profiles/runpod"
    clone.mkdir(parents=True)
    for path in SCRIPTS.glob("*.sh"):
        (clone / path.name).write_bytes(path.read_bytes())
        (clone / path.name).chmod(path.stat().st_mode)
    variables = {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "CAI_VARIABLES": "/nonexistent",
        "CAI_POD_LOCK": str(tmp_path / "lock"),
        "CAI_STOP_GRACE": "0.3",
        "CAI_STOP_AGAIN": "0.1",
        "RUNPOD_POD_ID": "pod1",
        "RUNPOD_API_KEY": SECRET,
        "RUNPOD_VOLUME_ID": "vol1",
    }

    def start(*command, then="stop", results="results", **more):
        line = [str(clone / "run.sh"), "--then", then, "--results", str(results), "--", *command]
        given = {name: value for name, value in (variables | more).items() if value is not None}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(line, cwd=volume / "clone", env=given, start_new_session=True, **streams)

    start.asked = tmp_path / "asked"
    start.log = volume / "clone/logs/after_run.log"
    start.refuses = tmp_path / "refuses"
    yield start
    subprocess.run(["rm", "-rf", str(volume)], check=True)


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize(("then", "words"), [("stop", "pod stop pod1"), ("terminate", "pod delete pod1")])
@pytest.mark.parametrize("code", [0, 3])
def test_the_pod_ends_after_the_run_also_when_it_fails(ending, then, words, code):
    run = ending("bash", "-c", f"sleep 0.3; exit {code}", then=then)
    time.sleep(0.2)
    assert not ending.asked.exists()
    assert run.wait(10) == code
    assert wait_for(ending.asked.exists) and ending.asked.read_text().splitlines() == [words]
    assert SECRET not in ending.log.read_text()


def test_the_pod_ends_when_everything_is_killed(ending):
    run = ending("sleep", "60")
    assert wait_for(ending.log.exists)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait(10)
    assert wait_for(ending.asked.exists) and ending.asked.read_text() == "pod stop pod1\n"


def test_the_pod_goes_on_while_another_run_does(ending):
    first, second = ending("true"), ending("sleep", "2")
    assert first.wait(10) == 0
    time.sleep(1)
    assert not ending.asked.exists()
    assert second.wait(10) == 0 and wait_for(ending.asked.exists)


def test_older_commands_and_a_service_that_is_down_for_a_while(ending):
    ending.refuses.touch()
    assert ending("true").wait(10) == 0
    assert wait_for(lambda: ending.asked.exists() and len(ending.asked.read_text().splitlines()) >= 4)
    ending.refuses.unlink()
    assert wait_for(lambda: "asked:" in ending.log.read_text())
    assert ending.asked.read_text().splitlines()[:2] == ["pod stop pod1", "stop pod pod1"]


@pytest.mark.parametrize(
    ("then", "more", "expected"),
    [
        ("stop", {"results": "/tmp"}, "/tmp is on the container's disk and would be lost"),
        ("terminate", {"RUNPOD_VOLUME_ID": None}, "no network volume (RUNPOD_VOLUME_ID)"),
        ("stop", {"RUNPOD_POD_ID": None}, "RUNPOD_POD_ID is not set: this is no pod"),
        ("explode", {}, "--then explode: give stop or terminate"),
    ],
)
def test_a_run_whose_results_would_be_lost_is_not_begun(ending, tmp_path, then, more, expected):
    write_command(tmp_path / "bin", "df", 'echo Mounted; [ "${*: -1}" = /tmp ] && echo / || echo /dev/shm')
    run = ending("touch", str(tmp_path / "begun"), then=then, **more)
    output, _ = run.communicate(timeout=10)
    assert run.returncode == 1 and expected in output and len(output.splitlines()) == 1
    time.sleep(0.5)
    assert not (tmp_path / "begun").exists() and not ending.asked.exists()


def test_results_that_left_the_volume_meanwhile_keep_the_pod_alive(ending, tmp_path):
    write_command(tmp_path / "bin", "df", f"echo Mounted; [ -e {tmp_path}/gone ] && echo / || echo /dev/shm")
    run = ending("touch", str(tmp_path / "gone"))
    assert run.wait(10) == 0
    assert wait_for(lambda: "the pod goes on, and costs" in ending.log.read_text())
    assert not ending.asked.exists()


def test_without_being_asked_nothing_is_stopped(tmp_path):
    write_command(tmp_path / "bin", "runpodctl", f"touch {tmp_path}/asked")
    variables = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CAI_POD_LOCK": str(tmp_path / "lock")}
    command = [str(SCRIPTS / "run.sh"), "--", "bash", "-c", "exit 5"]
    result = subprocess.run(command, env=variables | {"CAI_STOP_GRACE": "0", "RUNPOD_POD_ID": "pod1"})
    time.sleep(0.3)
    assert result.returncode == 5 and not (tmp_path / "asked").exists()


def test_the_scripts_pass_shellcheck():
    command = [
        str(Path(sys.executable).with_name("shellcheck")),
        "-x",
        *map(str, sorted(SCRIPTS.glob("*.sh"))),
    ]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
