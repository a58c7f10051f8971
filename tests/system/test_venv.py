"""The environment of the package, made again on a card that is small and full of what interrupted upgrades left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VENV = Path(__file__).parents[2] / "packaging/venv"
CARD = "8m"
# In place of pip and the wheels: it installs a zegel of some size, so that another one does not fit beside it.
PIP = """
import sys
from pathlib import Path
made = Path(sys.prefix)
(made / "module.so").write_bytes(bytes(2 << 20))
(made / "bin/zegel").write_text("#!/bin/sh\\n")
(made / "bin/zegel").chmod(0o755)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")


@pytest.fixture
def wheels(tmp_path) -> Path:
    program = tmp_path / "wheels/pip-0.whl/pip"
    program.mkdir(parents=True)
    (program / "__main__.py").write_text(PIP)
    (tmp_path / "wheels/pythons").write_text(f"cp{sys.version_info.major}{sys.version_info.minor}\n")
    return tmp_path / "wheels"


def on_a_card(wheels: Path, script: str) -> list[str]:
    """What the script says, whose `/opt` is a card of its own; `upgrade` makes the environment."""
    apart = f'mount -t tmpfs -o size={CARD} none /opt\nupgrade() {{ "{VENV}" "{wheels}"; }}\n{script}'
    environment = {**os.environ, "PATH": f"{Path(sys.base_prefix, 'bin')}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", apart], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_what_interrupted_upgrades_left_does_not_prevent_the_next(wheels):
    said = on_a_card(
        wheels,
        """upgrade
        mkdir /opt/zegel.Killed
        cat /dev/zero > /opt/zegel.Killed/half 2>/dev/null || true
        before=$(readlink /opt/zegel)
        upgrade
        [ "$(readlink /opt/zegel)" != "$before" ] && /opt/zegel/bin/zegel
        ls -d /opt/*""",
    )
    assert len(said) == 2, said


def test_an_upgrade_that_finds_no_room_leaves_the_earlier_version(wheels):
    said = on_a_card(
        wheels,
        """upgrade
        before=$(readlink /opt/zegel)
        cat /dev/zero > /opt/other 2>/dev/null || true
        ! upgrade 2>/dev/null
        [ "$(readlink /opt/zegel)" = "$before" ] && /opt/zegel/bin/zegel
        ls -d /opt/zegel*""",
    )
    assert len(said) == 2, said


def test_upgrades_in_flight_leave_the_environment_that_the_flight_runs_from(wheels):
    said = on_a_card(
        wheels,
        f"""upgrade
        flown=$(readlink /opt/zegel)
        {sys.executable} -c 'import mmap, os, time
shown = mmap.mmap(os.open("/opt/zegel/module.so", os.O_RDONLY), 4096, prot=mmap.PROT_READ)
time.sleep(600)' > /dev/null 2>&1 &
        trap "kill $!" EXIT
        while ! grep -qs "$flown/" /proc/$!/maps; do sleep 0.05; done
        upgrade
        upgrade
        [ -e "$flown/module.so" ]
        ls -d /opt/zegel.*""",
    )
    assert len(said) == 2, said
