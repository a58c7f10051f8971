"""`sudo make install ROLE=ground` by an ordinary user, for real, in folders that nobody else on this computer sees. That
user's ground control station works without a further command, and another user's does not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.soak

SOURCE = Path(__file__).parents[2]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OVERLAY = """set -e
mount -t tmpfs tmpfs /mnt
for folder in etc opt usr/local var/lib tmp; do
    mkdir -p /mnt/$folder/upper /mnt/$folder/work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work /$folder
done
"""
INSTALL = """
useradd alice
useradd bob
SUDO_USER=alice make --silent install ROLE=ground
cat /etc/zegel/ground.d/10-plain-users.toml
cd /tmp
zegel agency init agency --name "Harbour Police"
zegel device init /var/lib/zegel/air --name drone-7
zegel agency certify-device agency /var/lib/zegel/air/device.csr -o drone-7.crt
install -m 600 agency/root/root.crt drone-7.crt /srv/
zegel device enrol /var/lib/zegel/air /srv/drone-7.crt --root /srv/root.crt
zegel station init /var/lib/zegel/ground --name pilot --root /srv/root.crt
zegel order issue agency --operation "Night Watch" --hours 8 -o op.order --device drone-7.crt \\
    --station /var/lib/zegel/ground/station.pub:telemetry,video,command
install -o zegel -m 600 op.order /var/lib/zegel/op.order
zegel device load-order /var/lib/zegel/air /var/lib/zegel/op.order
printf 'fc = "udpin:127.0.0.1:14560"\\nlink = ["udpout:127.0.0.1:14600"]\\n' > /etc/zegel/air.d/50-here.toml
ip link set lo up
exec /opt/zegel/bin/python "$1"
"""


@pytest.fixture
def apart() -> tuple[str, ...]:
    """Before the words of a command: it runs in folders of its own; skips where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to install")
    if missing := [
        tool for tool in ("unshare", "setpriv", "useradd", "make", "ip") if shutil.which(tool, path=PATH) is None
    ]:
        pytest.skip(f"needs {' and '.join(missing)}")
    words = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
    if subprocess.run([*words, "sh", "-c", OVERLAY], check=False, capture_output=True).returncode:
        pytest.skip("this system has no overlayfs for root")
    return words


def test_the_ground_control_station_of_the_user_that_installed_it_works(apart, figure, tmp_path):
    script = tmp_path / "installed_flight.py"
    shutil.copy(Path(__file__).with_name("installed_flight.py"), script)
    environment = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http"))}
    done = subprocess.run(
        [*apart, "sh", "-c", OVERLAY + INSTALL, "sh", str(script)],
        cwd=SOURCE,
        env={**environment, "PATH": PATH, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'plain_users = ["alice"]\n' in done.stdout
    got = json.loads(done.stdout.splitlines()[-1])
    for who in ("bob first", "alice", "bob"):
        figure(f"make install by alice, then a ground control station of {who}: {got[who]}")
    assert got["alice"] == {"reads": True, "commands": True}, got["said"]
    assert got["bob first"] == got["bob"] == {"reads": False, "commands": False}
    assert 'plain_users = ["alice", "bob"] in /etc/zegel/ground.d/10-plain-users.toml' in got["said"]
