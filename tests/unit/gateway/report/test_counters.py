from __future__ import annotations

import pytest

from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report.counters import rows
from gateway.report.role_status import FeedStatus, Use
from tests.unit.gateway.report.statuses import KEPT, LOST, air, end, feed, ground, session


@pytest.mark.parametrize(
    ("status", "label", "text"),
    [
        (air(), "session", "aaaaaaaa  boot 5  epoch 0"),
        (air(), "datagrams", "video_a 3"),
        (air(lanes={}), "datagrams", "none yet"),
        (air(), "vehicle", "1/1: 20 frames, 1 lost before they came here"),
        (air(endpoints=[end(Use.FC, **LOST), end(Use.LINK)]), "fc", "the-fc  reconnecting, it is gone: was it unplugged?"),
        (air(), "link", "the-link  connected, in 9/s 0 kbit/s, out 0/s 0 kbit/s"),
        (air(drops={"late": 0}), "dropped", "nothing"),
        (air(drops={"late": 2, "link_full": 1}), "dropped", "late 2, link_full 1"),
        (air(kept_back=KEPT), "kept back", "REQUEST_X, 1 times, from a"),
        (air(unexpected={"here:1 KeyError": 2}), "unexpected", "here:1 KeyError: 2"),
        (ground(), "session", "aaaaaaaa  drone-7, system 1  boot 5  open; commands go up"),
        (
            ground(sessions=[session(SessionState.SILENT, systems=[], refusal=Refusal.ENDED)]),
            "session",
            "aaaaaaaa  drone-7, system not known  boot 5  silent; the session is over or silent",
        ),
        (ground(), "commands", "sent 3"),
        (
            ground(endpoints=[end(Use.LINK, loss_percent=1.5, clients=["a", "b"])]),
            "link",
            "the-link  connected, in 9/s 0 kbit/s, out 0/s 0 kbit/s, 1.5 % lost, for a b",
        ),
        (ground(drops={"not_granted": 4}), "for others", "4 datagrams of lanes that this station's role does not have"),
        (ground(misrouted={"X to system 0": 1}), "kept back", "X to system 0, 1 times: for no one aircraft"),
        (ground(foreign={"drone-7": {"others": 3}}), "foreign", "drone-7: others, 3: list it to let it pass"),
        (
            ground(feed=feed(address="ipc:///x", refused=2, behind=3)),
            "feed",
            "ipc:///x  idle, subscribed: no program, too slow: 3 times, refused: 2 messages",
        ),
        (
            ground(feed_tcp=feed(address="tcp://127.0.0.1:5700")),
            "feed",
            "tcp://127.0.0.1:5700  idle, subscribed: no program",
        ),
        (ground(feed=FeedStatus(last_error="there is no feed: it is full")), "feed", "down, there is no feed: it is full"),
        (
            ground(endpoints=[end(Use.PLAYER, state=State.IDLE)]),
            "player",
            "the-player  idle, in 9/s 0 kbit/s, out 0/s 0 kbit/s",
        ),
    ],
)
def test_what_verbose_shows(status, label, text):
    assert (label, [text]) in [(row.label, row.items) for row in rows(status)]
