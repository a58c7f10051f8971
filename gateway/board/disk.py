"""Disk: on which file system a folder is, and whether what is written there outlives a power cut."""

from __future__ import annotations

from pathlib import Path

from gateway.board.computer import text

VOLATILE = {"tmpfs", "ramfs"}
OVERLAY_WORDS = ("boot=overlay", "overlayroot=")  # of raspi-config, in the kernel's command line: writes are lost


def kind(path: Path) -> str:
    """The type of the file system of `path`, by /proc/self/mountinfo; empty if it is not known."""
    best, found = -1, ""
    resolved = path.resolve()
    for line in text(Path("/proc/self/mountinfo")).splitlines():
        front, _, back = line.partition(" - ")
        point = Path(front.split()[4].replace("\\040", " "))
        if (resolved == point or point in resolved.parents) and len(point.parts) >= best:
            best, found = len(point.parts), back.split()[0]
    return found


def in_memory(path: Path, root: Path) -> str:
    """What in memory holds `path`; empty if it is on a disk. `root`: of the file system."""
    found = kind(path)
    if found == "overlay" and any(word in text(root / "proc/cmdline") for word in OVERLAY_WORDS):
        return "an overlay in memory"
    return found if found in VOLATILE else ""
