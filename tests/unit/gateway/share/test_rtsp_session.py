"""One reader's connection: what it may ask in which order, who may ask, and what ends it."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter

import pytest

from gateway.share.rtsp_digest import Credentials, Digest
from gateway.share.rtsp_message import BODY_MAX, HEAD_MAX, INTERLEAVED_MAX, Messages
from gateway.share.rtsp_session import (
    LOGIN_WITHIN_S,
    REJECT_AFTER_S,
    TRACK,
    WHOLE_WITHIN_S,
    WRONG_MAX,
    First,
    Place,
    Refusal,
    Seat,
    Session,
    State,
)
from tests.rtsp_client import PASSWORD, PLACE, TCP, URL, USER, Client, Received

SDP = "v=0\r\n"
PORTS = (8556, 8557)
WRONG = "incorrect horse"


class House:
    """A server with one stream, and so many seats."""

    def __init__(self, seats: int = 1) -> None:
        self.seats, self.counted, self.begun = seats, Counter[Refusal](), 0

    def describe(self, place: Place) -> str | None:
        return SDP if place == PLACE else None

    def admit(self, place: Place) -> Seat | None:
        assert place == PLACE
        self.seats -= 1
        return Seat(PORTS, 0xABCD) if self.seats >= 0 else None

    def refused(self, why: Refusal) -> None:
        self.counted[why] += 1

    def begin(self) -> First | None:
        self.begun += 1
        return First(7, 9000)


class Talk:
    """A session and a client of it."""

    def __init__(
        self, house: House | None = None, client: Client | None = None, *, udp: bool = True, md5: bool = True
    ) -> None:
        self.house, self.client, self.received = house or House(), client or Client(), Received()
        self.session = Session(self.house, Digest(Credentials(USER, PASSWORD, md5), "00ff"), lambda: "5e55", 0.0, udp=udp)

    def say(self, method: str, url: str = "", now: float = 1.0, **headers: str) -> int:
        """The code of the answer; 0 if there is none."""
        return self.send(self.client.request(method, url, **headers), now)

    def send(self, data: bytes, now: float = 1.0) -> int:
        before = len(self.received.answers)
        self.session.feed(data, now)
        self.received.feed(self.session.output())
        return self.received.last.code if len(self.received.answers) > before else 0

    def log_in(self) -> Talk:
        assert self.say("DESCRIBE") == 401
        self.client.learn(self.received.last)
        assert self.say("DESCRIBE") == 200
        return self

    def set_up(self, transport: str = TCP) -> Talk:
        self.log_in()
        assert self.say("SETUP", f"{URL}/{TRACK}", Transport=transport) == 200
        self.client.session = "5e55"
        return self

    def play(self) -> Talk:
        self.set_up()
        assert self.say("PLAY") == 200
        return self


@pytest.mark.parametrize("algorithm", ["", "MD5", "SHA-256"])
def test_a_reader_describes_sets_up_plays_pauses_and_leaves(algorithm):
    talk = Talk(client=Client(algorithm=algorithm)).play()
    assert talk.session.state is State.PLAYING
    assert talk.received.last.headers["rtp-info"] == f"url={URL}/{TRACK};seq=7;rtptime=9000"
    assert talk.say("GET_PARAMETER") == 200
    assert talk.say("PAUSE") == 200
    assert talk.session.state is State.READY
    assert talk.say("PLAY") == 200
    assert talk.house.begun == 2
    assert talk.say("TEARDOWN") == 200
    assert talk.session.state is State.ENDED
    assert not talk.house.counted


def test_the_description_and_the_transport_are_those_of_the_server():
    talk = Talk().log_in()
    assert talk.received.last.body == SDP
    assert talk.received.last.headers["content-base"] == f"{URL}/"
    assert talk.say("SETUP", Transport="RTP/AVP;unicast;client_port=5000-5001") == 200
    assert talk.received.last.headers["transport"] == (
        "RTP/AVP;unicast;client_port=5000-5001;server_port=8556-8557;ssrc=0000ABCD"
    )
    assert talk.received.last.headers["session"] == "5e55;timeout=60"


def test_options_need_no_password_and_nothing_else_is_told_without_one():
    talk = Talk()
    assert talk.say("OPTIONS", "*") == 200
    assert "DESCRIBE" in talk.received.last.headers["public"]
    for method in ("DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER", "ANNOUNCE", "NONSENSE"):
        assert talk.say(method) == 401
        assert talk.say(method, "rtsp://127.0.0.1:8554/nobody/a") == 401
    challenges = talk.received.last.headers["www-authenticate"].split("\n")
    assert ["SHA-256" in one for one in challenges] == [True, False], "old clients take the last"
    assert not any("Basic" in one for one in challenges)
    assert not talk.house.counted, "to ask without a password is how each client begins"


@pytest.mark.parametrize(
    "client",
    [Client(URL, USER, WRONG), Client(user="Wall"), Client(URL, USER, WRONG, algorithm="SHA-256")],
    ids=["password", "user", "sha"],
)
def test_a_wrong_password_is_refused_counted_and_after_a_few_the_connection_ends(client):
    talk = Talk(client=client)
    assert talk.say("DESCRIBE") == 401
    client.learn(talk.received.last)
    for _ in range(WRONG_MAX):
        assert talk.session.state is not State.ENDED
        assert talk.say("DESCRIBE") == 401
    assert talk.session.state is State.ENDED
    assert talk.house.counted == {Refusal.LOGIN: WRONG_MAX}


def test_an_answer_of_another_connection_opens_nothing():
    heard = Talk().log_in().client.request("DESCRIBE")
    other = Talk()
    other.session._digest.nonce = "beef"
    assert other.send(heard) == 401


def test_an_answer_counts_once_and_for_its_own_request():
    talk = Talk(client=Client(algorithm="SHA-256")).log_in()
    request = talk.client.request("DESCRIBE")
    assert talk.send(request) == 200
    assert talk.send(request) == 401
    assert talk.send(talk.client.request("DESCRIBE").replace(b"DESCRIBE", b"TEARDOWN", 1)) == 401


def test_md5_can_be_refused():
    talk = Talk(md5=False)
    assert talk.say("DESCRIBE") == 401
    assert "\n" not in talk.received.last.headers["www-authenticate"]
    talk.client.learn(talk.received.last)
    assert talk.say("DESCRIBE") == 401
    assert talk.house.counted == {Refusal.LOGIN: 1}


def test_a_client_that_takes_both_challenges_for_one_is_let_in():
    """aiortsp answers by SHA-256, and says neither that nor `qop`."""
    talk = Talk(client=Client(algorithm="SHA-256"), md5=False)
    talk.say("DESCRIBE")
    talk.client.learn(talk.received.last)
    first, second = (hashlib.sha256(text.encode()).hexdigest() for text in (f"{USER}:zegel:{PASSWORD}", f"DESCRIBE:{URL}"))
    answer = hashlib.sha256(f"{first}:{talk.client.nonce}:{second}".encode()).hexdigest()
    said = f'Digest username="{USER}", realm="zegel", nonce="{talk.client.nonce}", uri="{URL}", response="{answer}"'
    assert talk.send(f"DESCRIBE {URL} RTSP/1.0\r\nCSeq: 3\r\nAuthorization: {said}\r\n\r\n".encode()) == 200


def test_vlc_may_sign_the_address_of_the_stream_for_its_track():
    talk = Talk().log_in()
    signed = talk.client.authorization("SETUP", URL)
    request = f"SETUP {URL}/{TRACK} RTSP/1.0\r\nCSeq: 9\r\nAuthorization: {signed}\r\nTransport: {TCP}\r\n\r\n"
    assert talk.send(request.encode()) == 200
    other = f"SETUP {URL}b RTSP/1.0\r\nCSeq: 9\r\nAuthorization: {signed}\r\nTransport: {TCP}\r\n\r\n"
    assert talk.send(other.encode()) == 401


@pytest.mark.parametrize(
    ("method", "url", "headers", "code"),
    [
        ("DESCRIBE", "rtsp://127.0.0.1:8554/uav%202/a", {}, 404),
        ("DESCRIBE", "rtsp://127.0.0.1:8554/uav%201/c", {}, 404),
        ("DESCRIBE", "rtsp://127.0.0.1:8554/uav%201", {}, 404),
        ("DESCRIBE", "http://127.0.0.1:8554/uav%201/a", {}, 404),
        ("DESCRIBE", "", {"Require": "onvif-replay"}, 551),
        ("SETUP", "", {"Transport": "RTP/AVP;multicast"}, 461),
        ("SETUP", "", {"Transport": "RTP/SAVP;unicast;client_port=5000-5001"}, 461),
        ("SETUP", "", {"Transport": "RTP/AVP;unicast;client_port=22-23"}, 461),
        ("SETUP", "", {"Transport": "RTP/AVP;unicast;client_port=5000-5001;mode=record"}, 461),
        ("SETUP", "", {"Transport": "RTP/AVP/TCP;interleaved=255-256"}, 461),
        ("SETUP", "", {}, 461),
        ("PLAY", "", {}, 455),
        ("PAUSE", "", {}, 455),
        ("ANNOUNCE", "", {}, 405),
        ("RECORD", "", {}, 405),
        ("REDIRECT", "", {}, 405),
        ("NONSENSE", "", {}, 501),
    ],
)
def test_what_is_not_there_or_not_possible_is_said_so(method, url, headers, code):
    talk = Talk().log_in()
    assert talk.say(method, url, **headers) == code
    assert talk.session.state is State.INIT


def test_packets_go_nowhere_but_to_the_reader_whatever_it_asks():
    talk = Talk().log_in()
    assert talk.say("SETUP", Transport="RTP/AVP;unicast;destination=192.0.2.7;client_port=5000-5001") == 200
    assert "192.0.2.7" not in talk.received.last.headers["transport"]


def test_with_tls_nothing_goes_by_udp():
    talk = Talk(udp=False).log_in()
    assert talk.say("SETUP", Transport="RTP/AVP;unicast;client_port=5000-5001") == 461
    assert talk.say("SETUP", Transport=f"RTP/AVP;unicast;client_port=5000-5001,{TCP}") == 200
    assert talk.session.transport is not None
    assert talk.session.transport.interleaved


def test_one_reader_too_many_is_refused():
    talk = Talk(House(seats=0)).log_in()
    assert talk.say("SETUP", Transport=TCP) == 453
    assert talk.house.counted == {Refusal.FULL: 1}
    assert talk.session.state is State.INIT


def test_another_session_is_none():
    talk = Talk().set_up()
    talk.client.session = "0bad"
    assert talk.say("PLAY") == 454
    talk.client.session = ""
    assert talk.say("PLAY") == 454
    assert talk.say("TEARDOWN") == 454
    assert talk.session.state is State.READY


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"DESCRIBE rtsp://x/a/a RTSP/1.0\r\n\r\n",
        b"DESCRIBE rtsp://x/a/a RTSP/1.0\r\nCSeq: one\r\n\r\n",
        b"DESCRIBE rtsp://x/a/a RTSP/2.0\r\nCSeq: 1\r\n\r\n",
        b"DESCRIBE rtsp://x/a/a RTSP/1.0\r\nCSeq: 1\r\n folded\r\n\r\n",
        b"DESCRIBE rtsp://x/a/a RTSP/1.0\r\nCSeq: 1\r\nA: \x07\r\n\r\n",
        b"DESCRIBE rtsp://x/a/a RTSP/1.0\r\nCSeq: 1\r\nA: \xff\r\n\r\n",
        b"DESCRIBE rtsp://x/a/a RTSP/1.0\r\nCSeq: 1\r\nContent-Length: %d\r\n\r\n" % (BODY_MAX + 1),
        b"DESCRIBE rtsp://x/a/a RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n" + b"A: b\r\n" * 65 + b"\r\n",
        b"x" * HEAD_MAX,
        b"\r\n" * 20,
        b"$\0\0\4abcd",
        b"$\0" + (INTERLEAVED_MAX + 1).to_bytes(2, "big"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
    ],
    ids=range(15),
)
def test_what_is_no_request_ends_the_connection(data):
    talk = Talk()
    assert talk.send(data) >= 400
    assert talk.session.state is State.ENDED
    assert talk.house.counted == {Refusal.MALFORMED: 1}
    assert talk.send(Client().request("OPTIONS")) == 0


def test_requests_that_are_cut_anywhere_are_the_same_requests():
    reports = b"$\1\0\4abcd"
    for seed in range(50):
        talk, rng = Talk().set_up(), random.Random(seed)
        talk.received.answers.clear()
        data = b"\r\n" + talk.client.request("PLAY") + reports + talk.client.request("GET_PARAMETER", Content_Length="4")
        data += b"body" + reports + talk.client.request("PAUSE")
        while data:
            size = rng.randrange(1, 40)
            talk.send(data[:size])
            data = data[size:]
        assert [answer.code for answer in talk.received.answers] == [200, 200, 200], seed
        assert talk.session.state is State.READY


def test_a_reader_that_is_silent_is_left_out_and_a_report_keeps_it():
    talk = Talk().play()
    talk.session.check(REJECT_AFTER_S)
    assert talk.session.state is State.PLAYING
    talk.send(b"$\1\0\4abcd", REJECT_AFTER_S)
    talk.session.reported(REJECT_AFTER_S + 10)
    talk.session.check(2 * REJECT_AFTER_S + 9)
    assert talk.session.state is State.PLAYING
    talk.session.check(2 * REJECT_AFTER_S + 10)
    assert talk.session.state is State.ENDED
    assert talk.house.counted == {Refusal.TIMEOUT: 1}


def test_a_connection_that_does_not_come_to_the_point_is_left_out():
    slow = Talk()
    slow.send(b"DESCRIBE rtsp", 1.0)
    slow.send(b"://x/", 6.0)  # a byte now and then does not help
    slow.session.check(0.9 + WHOLE_WITHIN_S)
    assert slow.session.state is State.INIT
    slow.session.check(1.0 + WHOLE_WITHIN_S)
    asking = Talk()
    for now in range(int(LOGIN_WITHIN_S)):
        assert asking.say("OPTIONS", "*", now=float(now)) == 200
        asking.session.check(float(now))
    assert asking.session.state is State.INIT
    asking.session.check(LOGIN_WITHIN_S)
    for talk in (slow, asking):
        assert talk.session.state is State.ENDED
        assert talk.house.counted == {Refusal.LATE: 1}


def test_blanks_in_a_header_cost_no_more_than_letters():
    """A stranger's 8 KiB of them took a thousand times as long, because each was looked at from each."""

    def took(filling: bytes) -> float:
        begun = time.process_time()
        for _ in range(10):
            (request,) = Messages().feed(b"OPTIONS * RTSP/1.0\r\nCSeq:  1  \r\nX: a" + filling + b"b\r\n\r\n")
        assert request.number == "1"
        return time.process_time() - begun

    size = HEAD_MAX - 60
    assert took(b" " * size) < 100 * took(b"x" * size)
