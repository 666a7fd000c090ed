"""Runs a command where nothing can be reached, and records every attempt (TCP, UDP) all the same.

In a network namespace of its own, every address leads to the loopback device, where nobody listens: an
attempt fails at once, and the kernel shows its packets, whatever language made it. A question to a name
server is an attempt, too.

    found = guarded(["python", "-c", "..."])        # found.returncode, found.output, found.attempts
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

ETHERNET, IPV4, IPV6 = 14, 0x0800, 0x86DD
TCP, UDP, SYN, ACK, DNS = 6, 17, 0x02, 0x10, 53
EVERYTHING = 0x0003  # ETH_P_ALL
IFF_UP, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x1, 0x8913, 0x8914
RTM_NEWROUTE, RTA_OIF, LOCAL_TABLE, BOOT, HOST_SCOPE, LOCAL_ROUTE = 24, 4, 255, 3, 254, 2
REQUEST_CREATE = 0x1 | 0x4 | 0x400  # NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE


@dataclass(frozen=True)
class Guarded:
    """How the command ended, what it printed, and where it tried to go."""

    returncode: int
    output: str
    attempts: list[str]


def _prefix() -> list[str] | None:
    """What a command runs behind in a network namespace of its own; None where this machine has none."""
    for words in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        try:
            if subprocess.run([*words, "true"], capture_output=True).returncode == 0:
                return words
        except FileNotFoundError:
            return None
    return None


PREFIX = _prefix()
needs_guard = pytest.mark.skipif(PREFIX is None, reason="a network namespace could not be made here")


def guarded(command: list[str], **environment: str) -> Guarded:
    """Runs a command behind the guard, in the project's folder. An empty value takes a variable away."""
    merged = {name: value for name, value in (os.environ | environment).items() if value != ""}
    root = Path(__file__).resolve().parents[1]
    words = [*PREFIX, sys.executable, "-m", "tests.network_guard", *command]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    result = subprocess.run(words, cwd=root, env=merged, **streams)
    output, _, last = result.stdout.rstrip("\n").rpartition("\n")
    return Guarded(result.returncode, output, json.loads(last))


def _loopback_takes_all() -> None:
    """Switches the loopback device on, and routes every address to it."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    device = struct.pack("HHi", 8, RTA_OIF, socket.if_nametoindex("lo"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            route = struct.pack("BBBBBBBBI", family, 0, 0, 0, LOCAL_TABLE, BOOT, HOST_SCOPE, LOCAL_ROUTE, 0)
            length = 16 + len(route) + len(device)
            netlink.send(struct.pack("IHHII", length, RTM_NEWROUTE, REQUEST_CREATE, 1, 0) + route + device)
            refused = struct.unpack_from("i", netlink.recv(4096), 16)[0]
            if refused and family == socket.AF_INET:
                raise OSError(-refused, "no route to the loopback device")


def name_asked_for(question: bytes) -> str:
    """The name in a question to a name server (RFC 1035, section 4.1.2)."""
    labels, place = [], 12
    while place < len(question) and question[place]:
        labels.append(question[place + 1 : place + 1 + question[place]].decode("ascii", "replace"))
        place += 1 + question[place]
    return ".".join(labels)


def attempt_in(packet: bytes) -> str | None:
    """Where a packet tries to go, as "tcp 203.0.113.9:443"; None for what stays on this machine."""
    kind = struct.unpack_from("!H", packet, 12)[0]
    if kind == IPV4:
        header = (packet[ETHERNET] & 0x0F) * 4
        protocol, address = packet[ETHERNET + 9], packet[ETHERNET + 16 : ETHERNET + 20]
        text, at_home = socket.inet_ntop(socket.AF_INET, address), address[0] == 127
    elif kind == IPV6:
        header, protocol, address = 40, packet[ETHERNET + 6], packet[ETHERNET + 24 : ETHERNET + 40]
        text = f"[{socket.inet_ntop(socket.AF_INET6, address)}]"
        at_home = text == "[::1]"
    else:
        return None
    start = ETHERNET + header
    if protocol not in (TCP, UDP) or len(packet) < start + 4:
        return None
    port = struct.unpack_from("!H", packet, start + 2)[0]
    if protocol == UDP:
        asks = f" asks for {name_asked_for(packet[start + 8 :])}" if port == DNS else ""
        return f"udp {text}:{port}{asks}" if not at_home or port == DNS else None
    begins = packet[start + 13] & (SYN | ACK) == SYN
    return f"tcp {text}:{port}" if begins and (not at_home or port == DNS) else None


def _main(command: list[str]) -> int:
    """In the namespace: runs the command, then prints the attempts as JSON on a line of their own."""
    _loopback_takes_all()
    found: dict[str, None] = {}
    seen = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING))
    seen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 2**20)
    seen.bind(("lo", 0))
    seen.settimeout(0.2)
    over = threading.Event()

    def look():
        while True:
            try:
                attempt = attempt_in(seen.recv(65535))
            except TimeoutError:
                if over.is_set():
                    return
                continue
            if attempt:
                found[attempt] = None

    thread = threading.Thread(target=look)
    thread.start()
    status = subprocess.run(command).returncode
    over.set()
    thread.join()
    print(f"\n{json.dumps(list(found))}")
    return status


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
