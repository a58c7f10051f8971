"""RTSP description: what DESCRIBE answers, in SDP (RFC 4566; RFC 6184 section 8.2, RFC 7798 section 7.2, RFC 2250).

What lives here: the lines of one picture stream. gateway/video/sdp.py reads what this writes.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from gateway.share.rtsp_session import TRACK
from gateway.video.nal import KINDS, kind
from gateway.video.recognise import Content
from gateway.video.rtp import PAYLOAD_TYPE
from keys.printable import printable

MPEG_TS = 33  # the static payload type (RFC 3551 section 6)
_NAMES = {Content.H264: "H264", Content.H265: "H265", Content.MPEG_TS: "MP2T"}
_SPS = 7
_PROFILE = slice(1, 4)  # profile_idc, the constraints, level_idc


def payload_type(content: Content) -> int:
    return MPEG_TS if content is Content.MPEG_TS else PAYLOAD_TYPE


def described(content: Content, sets: Sequence[bytes], name: str, number: int) -> str:
    """`sets`: the parameter sets, as far as they came; `number` becomes higher with each description that differs."""
    which = payload_type(content)
    parameters = _parameters(content, sets)
    lines = [
        "v=0",
        f"o=- {number} {number} IN IP4 0.0.0.0",
        f"s={printable(name)}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=tool:zegel",
        "a=range:npt=now-",
        "a=control:*",
        f"m=video 0 RTP/AVP {which}",
        f"a=rtpmap:{which} {_NAMES[content]}/90000",
        *([f"a=fmtp:{which} {';'.join(parameters)}"] if parameters else []),
        f"a=control:{TRACK}",
    ]
    return "\r\n".join(lines) + "\r\n"


def _parameters(content: Content, sets: Sequence[bytes]) -> list[str]:
    if content is Content.H264:
        profiles = [one[_PROFILE].hex() for one in sets if kind("h264", one) == _SPS and len(one) >= _PROFILE.stop]
        found = ["packetization-mode=1", *(f"profile-level-id={profile}" for profile in profiles[:1])]
        return [*found, *([f"sprop-parameter-sets={_in_text(sets)}"] if sets else [])]
    if content is Content.H265:
        names = zip(("sprop-vps", "sprop-sps", "sprop-pps"), KINDS["h265"].parameters, strict=True)
        of_kind = ((name, [one for one in sets if kind("h265", one) == which]) for name, which in names)
        return [f"{name}={_in_text(found)}" for name, found in of_kind if found]
    return []


def _in_text(sets: Sequence[bytes]) -> str:
    return ",".join(base64.b64encode(one).decode() for one in sets)
