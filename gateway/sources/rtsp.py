"""RTSP: the ffmpeg that fetches it, as words, and the address with user and password, which it reads from a pipe.

What lives here: a command. Every program of this computer can read the words of a process, so no password is in them:
ffmpeg gets a list of one entry (its concat demuxer) by its standard input, and the entry has the password.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from gateway.errors import ConfigError
from gateway.sources.tables import Source

MODE_FORBIDDEN = stat.S_IRWXG | stat.S_IRWXO
CREDENTIALS_MAX = 512
FORMATS = {"h264": "h264", "h265": "hevc"}
BEFORE = ("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error")
# What a list may open; without it ffmpeg refuses an address in a list.
ALLOWED = ("-f", "concat", "-safe", "0", "-protocol_whitelist", "pipe,rtsp,rtp,tcp")
# No delay: small probes, no buffer, the pictures as they come.
AT_ONCE = ("-fflags", "nobuffer", "-analyzeduration", "500000", "-probesize", "200000")
AFTER = ("-map", "0:v:0", "-c", "copy", "-flush_packets", "1", "-f")


def words(source: Source) -> tuple[list[str], bytes, tuple[str, ...]]:
    """The command, what it reads from its standard input, and what no message may show. ConfigError, OSError."""
    secret = credentials(Path(source.credentials)) if source.credentials else ""
    address = source.rtsp or ""
    user, _, password = secret.partition(":")
    hidden: tuple[str, ...] = ()
    if secret:
        parts = urlsplit(address)
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        address = urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))
        hidden = (secret, login, password, quote(password, safe=""))
    command = [*BEFORE, *AT_ONCE, *ALLOWED, "-i", "pipe:0", *AFTER, FORMATS[source.gives or "h264"], "pipe:1"]
    return command, f"ffconcat version 1.0\nfile '{address}'\noption rtsp_transport tcp\n".encode(), hidden


def credentials(path: Path) -> str:
    """USER:PASSWORD. ConfigError if the file is of others too, or holds something else; OSError if it cannot be read."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & MODE_FORBIDDEN:
            raise ConfigError(f"{path} may be read by others", hint=f"sudo chmod 600 {path}")
        data = file.read(CREDENTIALS_MAX + 1)
    try:
        text = data.decode().removesuffix("\n")
    except UnicodeDecodeError:
        text = ""
    user, colon, password = text.partition(":")
    if not user or not colon or not password or not text.isprintable() or len(data) > CREDENTIALS_MAX:
        raise ConfigError(f"{path} does not hold one line USER:PASSWORD", hint="write it as the camera has it")
    return text
