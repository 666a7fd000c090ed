"""Slurm on loopback: one controller, several nodes, each a process namespace that can be lost like a machine.

Real slurmctld, slurmd and munged, without systemd and control groups. A node is `slurmd` in a PID namespace;
killing that kills the daemon and all that its jobs started, at once and without a word to the controller.
Nodes claim more processors and memory than there are, so that a profile for large machines can be tried.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

DEFAULT = Path("/etc/slurm")  # a job step loses SLURM_CONF, so that the usual place must hold the files, too
FILES = ("slurm.conf", "gres.conf")
LOCK = Path("/run/lock/slurm-on-loopback")
ENDS_WITH_THE_TEST = ["setpriv", "--pdeathsig", "KILL"]  # also when that is killed
OWN_NAME = "ClusterName=loopback"
CONFIGURATION = """
{name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmctldPidFile={directory}/slurmctld.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmdLogFile={directory}/slurmd-%n.log
SlurmdSpoolDir={directory}/spool/%n
StateSaveLocation={directory}/state
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/munge/socket,cred_expire=5
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,sched_interval=1,bf_interval=1
SlurmdTimeout=5
MessageTimeout=5
KillWait=2
ReturnToService=2
GresTypes=gpu
PropagateResourceLimits=NONE
CommunicationParameters=NoAddrCache,NoCtldInAddrAny,NoInAddrAny
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
    " CPUs=64 RealMemory=512000 Gres=gpu:{gpus}\n"
)


class Cluster:
    """Nodes n1, n2, ... in one partition, each with `gpus` GPUs (null devices). Use as a context manager."""

    def __init__(self, directory: Path, nodes: int = 2, gpus: int = 1, port: int = 17000):
        self.directory, self.port = directory, port
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self.gpus = gpus
        self.processes = {}

    def _write_configuration(self) -> None:
        host = socket.gethostname()
        text = CONFIGURATION.format(name=OWN_NAME, host=host, port=self.port, directory=self.directory)
        devices = ""
        for number, name in enumerate(self.names, start=1):
            text += NODE.format(name=name, host=host, port=self.port + number, gpus=self.gpus)
            for gpu in range(self.gpus):
                device = self.directory / f"nvidia{gpu}"
                if not device.exists():
                    os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
                devices += f"NodeName={name} Name=gpu File={device} Flags=nvidia_gpu_env\n"
        text += f"PartitionName=gpu Nodes={','.join(self.names)} Default=YES MaxTime=INFINITE State=UP\n"
        (self.directory / "slurm.conf").write_text(text)
        (self.directory / "gres.conf").write_text(devices)
        DEFAULT.mkdir(exist_ok=True)
        for name in FILES:
            (DEFAULT / name).unlink(missing_ok=True)  # that of a test that was killed
            (DEFAULT / name).symlink_to(self.directory / name)

    def _start_munge(self) -> None:
        directory = self.directory / "munge"
        directory.mkdir(mode=0o711)
        key = directory / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        places = {
            "key-file": key,
            "socket": "socket",
            "pid-file": "pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        options = [f"--{name}={directory / place}" for name, place in places.items()]
        self._start("munged", ["munged", "--foreground", "--force", *options])
        wait_for((directory / "socket").exists, 60)

    def _start(self, name: str, command: list) -> None:
        log = (self.directory / f"{name}.out").open("a")
        self.processes[name] = subprocess.Popen(
            [*ENDS_WITH_THE_TEST, *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=self.directory,
        )

    def start_node(self, name: str) -> None:
        """Starts a node; the shell in it reaps what its daemon leaves behind, as the first process must."""
        (self.directory / "spool" / name).mkdir(parents=True, exist_ok=True)
        daemon = f"slurmd -D -N {name} -f {self.directory}/slurm.conf; exit $?"
        isolated = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        self._start(name, [*isolated, "bash", "-c", daemon])

    def kill_node(self, name: str) -> None:
        """Loses a node: all that runs there is killed at once."""
        node = self.processes.pop(name)
        node.kill()
        node.wait()

    def __enter__(self) -> "Cluster":
        self.lock = LOCK.open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # one at a time: they would share the usual place
        (self.directory / "state").mkdir(parents=True)
        try:
            self._write_configuration()
            self._start_munge()
            self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.directory / "slurm.conf")])
            for name in self.names:
                self.start_node(name)
            idle = ["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"]
            wait_for(lambda: set(self.names) <= set(query(*idle)), 180)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception) -> None:
        # Nodes that end by themselves: the time that their jobs took counts as the test's.
        query("scontrol", "shutdown")
        for name, process in self.processes.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0 if name == "munged" else 15)
            process.kill()
            process.wait()
        for name in FILES:
            (DEFAULT / name).unlink(missing_ok=True)
        self.lock.close()


def query(*command: str) -> list[str]:
    """Lines that a Slurm command prints; none when it fails, as it does before the controller answers."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return result.stdout.splitlines() if result.returncode == 0 else []


def wait_for(condition, seconds: float):
    """What `condition()` returns as soon as that counts as true; TimeoutError after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {condition}")
        time.sleep(0.1)
    return found


def reason_to_skip() -> str | None:
    """Why a cluster cannot be had on this machine, if so."""
    if os.geteuid() != 0:
        return "needs root: Slurm is installed and started by the test itself"
    if shutil.which("apt-get") is None:
        return "needs Debian or Ubuntu: Slurm comes from apt-get"
    if (DEFAULT / "slurm.conf").exists() and OWN_NAME not in (DEFAULT / "slurm.conf").read_text():
        return f"{DEFAULT} holds a configuration already, where the test puts its own"
    return None
