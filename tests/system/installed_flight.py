"""Run within an installed Zegel, as root: a flight by its commands and files, and programs of alice and bob beside it.

Prints what each of them got, as JSON. Needs nothing but the standard library and pymavlink.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import time
from pathlib import Path

from pymavlink.dialects.v20 import minimal

HOST, GCS, FC = "127.0.0.1", 14550, 14560
AS_ZEGEL = ("setpriv", "--reuid=zegel", "--regid=zegel", "--init-groups", "env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin")
LOG = Path("/tmp/roles.log")  # noqa: S108 - a folder of this test's own
WITHIN_S = 30.0
NOTICED_WITHIN_S = 1.0


def program(user: str, port: int = 0) -> socket.socket:
    """A UDP socket of that user's."""
    os.seteuid(pwd.getpwnam(user).pw_uid)
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    os.seteuid(0)
    made.bind((HOST, port))
    made.settimeout(0.02)
    return made


def heartbeat(sysid: int, custom: int) -> bytes:
    sender = minimal.MAVLink(None, srcSystem=sysid, srcComponent=1)
    return bytes(minimal.MAVLink_heartbeat_message(6, 8, 0, custom, 4, 3).pack(sender))


def flies(user: str, number: int, fc: socket.socket, limit_s: float) -> dict[str, bool]:
    """What a ground control station of that user's reads and commands."""
    got = {"reads": False, "commands": False}
    ground, end = None, time.monotonic() + limit_s
    with program(user, GCS) as gcs:
        while time.monotonic() < end and not all(got.values()):
            fc.sendto(heartbeat(1, 0), (HOST, FC))
            for made, frame, name in ((gcs, heartbeat(1, 0)[10:-2], "reads"), (fc, heartbeat(255, number), "commands")):
                try:
                    datagram, sender = made.recvfrom(2048)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                got[name] |= frame in datagram
                ground = sender if made is gcs else ground
            if ground:
                gcs.sendto(heartbeat(255, number), ground)
    return got


def main() -> None:
    with LOG.open("wb") as log:
        roles = [
            subprocess.Popen([*AS_ZEGEL, "zegel", role, "--config", f"/etc/zegel/{role}.toml"], stdout=log, stderr=log)
            for role in ("ground", "air")
        ]
        with program("root") as fc:
            bob_first = flies("bob", 1, fc, 5.0)
            alice = flies("alice", 2, fc, WITHIN_S)
            time.sleep(NOTICED_WITHIN_S)  # half a second of telemetry goes to whoever is there next
            bob = flies("bob", 3, fc, 5.0)
        for role in roles:
            role.terminate()
            role.wait()
    print(json.dumps({"bob first": bob_first, "alice": alice, "bob": bob, "said": LOG.read_text()}))


if __name__ == "__main__":
    main()
