"""What a person sees of a running share: that it is in clear, to whom, and what is wrong."""

from __future__ import annotations

import msgspec

from gateway.report import keyless, share_status, status
from gateway.report.share_status import OutputReport, ShareStatus

RTSP = OutputReport(
    name="rtsp", where="rtsp://192.168.10.2:8554/", up=True, readers=2, sent=700, refused={}, last_error="", streams=[]
)


def of(*outputs: OutputReport, **more: object) -> ShareStatus:
    values = {"name": "share", "uptime_s": 1.0, "confidential": False, "grounds": ["pilot"], "withheld": {}, **more}
    return ShareStatus(outputs=list(outputs) or [RTSP], **values)


def test_it_says_that_it_is_in_clear_and_how_many_read():
    lines = share_status.lines(of(msgspec.structs.replace(RTSP, streams=["uav1/a (H.264)"])), 80, 23)
    assert "IN CLEAR" in lines[0].text
    whole = " ".join(" ".join(line.text for line in lines).split())
    assert "rtsp://192.168.10.2:8554/, 2 readers, 700 sent, there is uav1/a (H.264)" in whole
    assert share_status.in_a_line(of()) == "in clear: rtsp rtsp://192.168.10.2:8554/, 2 readers"
    assert share_status.wrong(of()) == ""


def test_what_is_wrong_is_said():
    down = msgspec.structs.replace(RTSP, up=False, last_error="Address already in use")
    assert share_status.wrong(of(down)) == "rtsp at rtsp://192.168.10.2:8554/ is down: Address already in use"
    assert "no zegel ground" in share_status.wrong(of(grounds=[]))
    barred = of(grounds=[], withheld={"pilot": 70})
    assert "confidential" in share_status.wrong(barred)
    assert any("70 messages of pilot" in line.text for line in share_status.lines(barred, 80, 23))
    assert share_status.wrong(of(withheld={"pilot": 70})) == "", "another ground is shared"


def test_zegel_status_shows_it_and_a_name_cannot_break_its_lines():
    said = msgspec.to_builtins(of(msgspec.structs.replace(RTSP, streams=["uav\n1/a"], refused={"wrong password": 3})))
    assert keyless.decoded(said) is not None
    text = status.text(said)
    assert text.startswith("share share: IN CLEAR")
    assert "wrong password 3" in text
    assert "uav\n1" not in text
    assert keyless.decoded(said | {"outputs": 1}) is None
