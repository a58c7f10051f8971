"""The arrows of the house: who may import whom, and what the core may not touch."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from gateway.core.drop_reason import DropReason

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "keys", "firmware_shims", "bench")
SHIMS = ("firmware_shims.mavlink", "firmware_shims.heartbeat", "firmware_shims.target")  # what the core may know of MAVLink

# The first line that fits a module says what of ours it may import; everything it may import begins with one of these.
# "keys.*" are the modules that stand directly in keys/: they are pure.
CORE = ("gateway.batch", "keys.*", *SHIMS)
VIEW_KNOWS = ("gateway.clock", "gateway.errors", "gateway.endpoint_state", "keys.printable", "firmware_shims")
ENDPOINTS_KNOW = ("gateway.batch", "gateway.clock", "gateway.endpoint_state", "gateway.descriptors", "gateway.ipc")
ARROWS = [
    ("gateway.batch", ()),
    ("gateway.clock", ()),
    ("gateway.endpoint_state", ()),
    ("gateway.descriptors", ()),
    ("gateway.ipc", ()),
    ("gateway.core", ("gateway.core", *CORE)),
    ("gateway.endpoints", ("gateway.endpoints", *ENDPOINTS_KNOW)),
    ("gateway.video", ("gateway.video",)),
    (
        "gateway.view",
        (
            "gateway.view",
            "gateway.video",
            "gateway.endpoints.feed",
            "gateway.endpoints.feed_reader",
            "gateway.report",
            *VIEW_KNOWS,
        ),
    ),
    ("gateway", ("gateway", "keys", "firmware_shims")),
    ("keys.folders", ("keys.*", "keys.folders")),
    ("keys.commands", ("keys",)),
    ("keys", ("keys.*",)),
    ("firmware_shims", ("firmware_shims",)),
    ("bench", ("bench", "gateway", "keys", "firmware_shims")),
]
AIR = ("gateway.air", "gateway.core.air")
GROUND = ("gateway.ground", "gateway.core.ground")
OPENS_A_LINK = ("gateway.recording.link.opening", "gateway.recording.link.session")  # as a ground does, from files
SHARED = ("gateway.core", "gateway.endpoints", "gateway.loop", "gateway.report", "gateway.config", "gateway.recording")
RECORDS = (
    *(
        "cobblestone",
        "damage",
        "event",
        "gaps",
        "group",
        "handover",
        "index",
        "leaf",
        "listing",
        "opening",
        "pace",
        "pcap",
        "proof",
    ),
    *("reason", "recorder", "segment", "times"),
    *("link.form", "link.index", "link.opening"),
)
PURE = (
    "gateway.core",
    "gateway.video",
    *(
        f"gateway.view.{name}"
        for name in ("aircraft", "fleet", "messages", "numbers", "pictures", "telemetry", "texts", "track", "traffic")
    ),
    "gateway.share.rtcp",
    "gateway.share.cot",
    "gateway.share.geojson",
    "gateway.share.view_cone",
    *(
        f"gateway.share.rtsp_{name}"
        for name in ("describe", "digest", "message", "renumber", "session", "stream", "transport")
    ),
    *(f"gateway.recording.{name}" for name in RECORDS),
)
IO = {
    "os",
    "io",
    "socket",
    "select",
    "selectors",
    "time",
    "random",
    "secrets",
    "threading",
    "pathlib",
    "subprocess",
    "asyncio",
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports; `from a import b` counts as a.b, which is a module or something inside a."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def under(name: str, prefix: str) -> bool:
    if prefix.endswith(".*"):
        return name.rpartition(".")[0] == prefix.removesuffix(".*")
    return name == prefix or name.startswith(prefix + ".")


def within(name: str, places: Iterable[str]) -> bool:
    return any(under(name, place) for place in places)


def targets(module: str) -> set[str]:
    """The modules of ours that define what `module` imports, also inside functions."""
    known = modules()
    ours = {name for name in imports(known[module]) if name.split(".")[0] in PACKAGES}
    return {name if name in known else name.rpartition(".")[0] for name in ours}


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """The modules of one import circle, in order; empty if there is none."""
    done: set[str] = set()

    def follow(way: list[str]) -> list[str]:
        for name in sorted(arrows[way[-1]]):
            if name in way:
                return [*way[way.index(name) :], name]
            if name not in done and (found := follow([*way, name])):
                return found
        done.add(way[-1])
        return []

    return next(filter(None, (follow([name]) for name in arrows)), [])


@pytest.mark.parametrize("module", modules())
def test_arrows(module):
    allowed = next(targets for prefix, targets in ARROWS if under(module, prefix))
    wrong = {name for name in targets(module) if not within(name, allowed)}
    assert not wrong, f"{module} may not import {wrong}"


@pytest.mark.parametrize("module", [name for name in modules() if within(name, (*AIR, *GROUND, *SHARED))])
def test_neither_wing_imports_the_other_and_what_both_use_imports_neither(module):
    forbidden = GROUND if within(module, AIR) else AIR if within(module, (*GROUND, *OPENS_A_LINK)) else (*AIR, *GROUND)
    assert not {name for name in targets(module) if within(name, forbidden)}


def test_no_module_imports_itself_by_way_of_others():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({module: targets(module) for module in modules()}) == []


def test_no_module_is_loaded_by_a_name_made_at_run_time():
    """Neither the arrows nor mypy would see such an import."""
    loaders = {module for module in modules() if {"importlib.import_module", "importlib"} & imports(modules()[module])}
    assert not loaders


@pytest.mark.parametrize("module", [name for name in modules() if within(name, PURE)])
def test_the_core_and_the_parsers_of_media_and_records_have_no_io(module):
    assert not {name.split(".")[0] for name in imports(modules()[module])} & IO


@pytest.mark.parametrize("module", [name for name in modules() if under(name, "keys.*")])
def test_what_stands_directly_in_keys_is_pure(module):
    assert not {name.split(".")[0] for name in imports(modules()[module])} & IO


def reached(roots: Iterable[str]) -> set[str]:
    """Our modules that these load, by imports of imports."""
    found, left = set[str](), list(roots)
    while left:
        if (module := left.pop()) not in found:
            found.add(module)
            left += targets(module)
    return found


def test_the_recorder_loads_nothing_that_holds_a_key_of_the_link_or_of_the_device():
    secret = ("keys.folders", "keys.epoch", "keys.keyring", "keys.announcement", "keys.statement", *AIR, *GROUND)
    found = {name for name in reached(["gateway.recording.recorder_command"]) if within(name, secret)}
    sizes = {"keys.keyring"}  # of headers, which the configuration checks an mtu by
    assert found - sizes <= {"keys.folders", "keys.folders.toml", "keys.folders.store"}


def test_what_looks_at_a_feed_loads_no_key_and_neither_wing():
    """A program that shows pictures parses media from the air, and any browser can speak to it."""
    looks = [module for module in modules() if within(module, ("gateway.view", "gateway.console"))]
    assert not {
        name for name in reached(looks) if within(name, ("keys.folders", "keys.keyring", "keys.grant", *AIR, *GROUND))
    }


def test_what_is_shared_in_clear_is_shared_without_a_key_and_only_out_of_the_feed():
    share = [module for module in modules() if under(module, "gateway.share")]
    secret = ("keys.folders", "keys.grant", "keys.epoch", "keys.announcement", "keys.statement", *AIR, *GROUND)
    found = {name for name in reached(share) if within(name, secret)}
    assert found <= {"keys.folders", "keys.folders.toml", "keys.folders.store"}
    ends = {name for module in share for name in targets(module) if under(name, "gateway.endpoints")}
    assert ends == {"gateway.endpoints.feed", "gateway.endpoints.feed_reader"}


def test_what_is_aboard_loads_nothing_that_opens_a_link():
    aboard = ["gateway.air.command", "gateway.recording.recorder_command", "gateway.sources.command"]
    assert not {name for name in reached(aboard) if within(name, (*GROUND, *OPENS_A_LINK))}


def test_whatever_parses_media_runs_a_child_or_comes_from_a_vendor_shares_no_process_with_a_key():
    """`zegel source` reaches no key and neither wing, by no import of imports; and no other program loads it."""
    arrows = {module: targets(module) for module in modules()}
    found = reached(module for module in arrows if under(module, "gateway.sources"))
    secret = ("keys.folders", *AIR, *GROUND)
    assert {name for name in found if within(name, secret)} <= {f"keys.folders{end}" for end in ("", ".toml", ".store")}
    outside = {module for module in arrows if not under(module, "gateway.sources")}
    assert {name for module in outside for name in arrows[module] if under(name, "gateway.sources")} <= {
        "gateway.sources.tables",
        "gateway.sources.rtsp",  # the doctor, which looks at its credentials
        "gateway.sources",
    }


def test_what_a_station_shows_holds_no_key_and_has_no_way_to_an_aircraft():
    """The console reads what grounds publish, by sockets that subscribe; of the core it knows names of states."""
    found = reached(["gateway.console.command"])
    assert {"gateway.view.grounds", "gateway.endpoints.feed_reader", "gateway.report.status_socket"} <= found
    of_core = {name.removeprefix("gateway.core.") for name in found if under(name, "gateway.core")}
    assert of_core <= {"aircraft_state", "drop_reason", "record_outcome", "refusal", "session_state"}
    of_keys = {name.removeprefix("keys.") for name in found if under(name, "keys")}
    assert of_keys <= {"beat_flag", "commands.terminal", "lanes", "printable", "times"}
    sends = ("udp", "udp_link", "tcp", "stream", "serial", "slip", "direct", "proved", "endpoint")
    ways = (*AIR, *GROUND, "gateway.native", "gateway.sources", *(f"gateway.endpoints.{name}" for name in sends))
    assert not {name for name in found if within(name, ways)}


@pytest.mark.parametrize("module", [name for name in modules() if within(name, ("gateway.view", "gateway.console"))])
def test_no_socket_of_what_a_station_shows_says_anything_to_a_ground(module):
    """A socket of ZeroMQ that subscribes sends no message; the one socket of the system only asks for addresses."""
    text = modules()[module].read_text()
    assert {*re.findall(r"zmq\.([A-Z]+)\b", text)} <= {"SUB", "FD", "EVENTS", "NOBLOCK", "POLLIN"}
    assert "socket" not in imports(modules()[module]) or module == "gateway.console.server"


def test_what_an_export_makes_from_its_pcaps_is_made_without_a_key():
    found = reached(["gateway.recording.export.derive", "gateway.recording.export.lead"])
    assert "gateway.video.depacketiser" in found
    assert not {name for name in found if under(name, "keys") or within(name, (*AIR, *GROUND))}
    with_key = ["gateway.recording.export.originals", "gateway.recording.play", "gateway.recording.commands"]
    assert not {name for name in reached(with_key) if under(name, "gateway.video")}


def test_files_stay_readable():
    long = {str(path): lines for path in modules().values() if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


def test_the_specification_names_every_reason_to_drop():
    table = (ROOT / "gateway/SPEC.md").read_text().split("## 12.")[1].split("## 13.")[0]
    named = set(re.findall(r"[a-z_]+", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))))
    assert {reason.value for reason in DropReason} <= named


def test_the_repository_holds_no_key():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for path in (ROOT / name for name in listed if (ROOT / name).is_file()):
        assert not re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}", path.read_bytes()), path
        assert path.suffix not in {".key", ".pem", ".seed"}, path
