"""Sealed datagrams of each lane, both ways. SPEC.md sections 4.2 to 4.7."""

from __future__ import annotations

from collections.abc import Sequence

from fastcrc.crc16 import mcrf4xx

from gateway.core import bundle, sframe
from gateway.core.sealer import Sealer
from gateway.core.wire import Control, Evidence
from keys.keyring import SendKey, derive, instance_after
from keys.lanes import INSTANCE_SIZE, Lane, uplink_kid
from tests.vectors.zegel1 import Document, cast
from tests.vectors.zegel1.control import beat
from tests.vectors.zegel1.samples import Samples

PAD = cast.ORDER.policy.pad
ECHO = cast.derived("nonce of beat 7", 8)
MILLION = 1 << 24


def frame(message: int, extra: int, payload: bytes, system: int = 1) -> bytes:
    """A MAVLink 2 frame; `extra` is the message's CRC_EXTRA."""
    body = bytes([len(payload), 0, 0, 9, system, 1]) + message.to_bytes(3, "little") + payload
    return b"\xfd" + body + mcrf4xx(body + bytes([extra]), 0xFFFF).to_bytes(2, "little")


HEARTBEAT = frame(0, 50, bytes.fromhex("00000000020351040303"[:18]))  # an autopilot's, disarmed
ARM = frame(76, 152, bytes.fromhex("0000803f" + "00" * 24 + "9001" + "01"), system=255)  # COMMAND_LONG 400


def downlink_key(lane: Lane, ctr: int) -> SendKey:
    key = SendKey(cast.BASE_KEYS[lane], cast.kid(lane))
    key.next_ctr = ctr
    return key


def uplink_key(lane: Lane, station: int, ctr: int, epoch: int = cast.EPOCH) -> SendKey:
    kid = uplink_kid(lane, station, cast.SESSION_ID, epoch, cast.INSTANCES[station])
    key = SendKey(cast.UPLINK_KEYS.get(station, bytes(32)), kid)
    key.next_ctr = ctr
    return key


def seal(key: SendKey, plaintext: bytes) -> bytes:
    return Sealer(cast.SESSION_ID).seal_one(key, plaintext)


def order_fragments(order: bytes) -> list[bytes]:
    pieces = [order[at : at + 1100] for at in range(0, len(order), 1100)]
    name = cast.ORDER.hash()[:16]
    return [name + bytes([index, len(pieces)]) + piece for index, piece in enumerate(pieces)]


def _row(what: str, lane: Lane, base_key: bytes, key: SendKey, plaintext: bytes) -> Document:
    ctr = key.next_ctr
    sframe_key, salt = derive(base_key, key.kid)
    sealed = seal(key, plaintext)
    header = sframe.encode_header(key.kid, ctr)
    return {
        "what": what,
        "lane": int(lane),
        "ctr": ctr,
        "base_key": base_key,
        "sframe_key": sframe_key,
        "sframe_salt": salt,
        "header": header,
        "nonce": sframe.nonce(salt, ctr),
        "aad": header + cast.SESSION_ID,
        "plaintext": plaintext,
        "datagram": sealed,
    }


def _down(what: str, lane: Lane, ctr: int, plaintext: bytes) -> Document:
    return _row(what, lane, cast.BASE_KEYS[lane], downlink_key(lane, ctr), plaintext)


def downlink(samples: Samples) -> Document:
    pieces = order_fragments(samples.order)
    message = beat(samples, 8).sign(cast.SESSION_KEY)
    two = bundle.padded(HEARTBEAT + HEARTBEAT, PAD)
    rows = [
        _down("two frames and zeros, CTR in the config byte", Lane.TELEMETRY, 0, two),
        _down("padding alone", Lane.TELEMETRY, 7, bytes(PAD[0])),
        _down("CTR of one byte", Lane.TELEMETRY, 8, two),
        _down("the last CTR of one byte", Lane.TELEMETRY, 255, two),
        _down("the first CTR of two", Lane.TELEMETRY, 256, two),
        _down("the last CTR that beat 7 allows", Lane.TELEMETRY, 65_535, two),
        _down("the same frames for observers", Lane.OBSERVER_TELEMETRY, 0, two),
        _down("a frame and no padding, as where no pad size holds it", Lane.OBSERVER_TELEMETRY, 1, HEARTBEAT),
        _down("a picture's datagram", Lane.VIDEO_A, 0, cast.derived("video A", 60)),
        _down("the last CTR of three bytes", Lane.VIDEO_B, MILLION - 1, cast.derived("video B", 60)),
        _down("the first CTR of four", Lane.VIDEO_B, MILLION, cast.derived("video B", 60)),
        *(_down(f"order fragment {n} of {len(pieces)}", Lane.ORDER, n, piece) for n, piece in enumerate(pieces)),
        _down("type 1, a beat", Lane.EVIDENCE, 0, bytes([Evidence.BEAT]) + message),
        _down("type 4, an order fragment", Lane.EVIDENCE, 1, bytes([Evidence.ORDER_FRAGMENT]) + pieces[0]),
        _down("type 2, reserved: opened and passed over", Lane.EVIDENCE, 2, bytes([Evidence.CHECKPOINT]) + b"\x80"),
    ]
    return {
        "section": "4.2 to 4.6",
        "session_id": cast.SESSION_ID,
        "epoch": cast.EPOCH,
        "what": "a station that joined from control.json opens those whose lane it is granted",
        "datagrams": rows,
        "video_padding": _video_padding((64, 128), 200),
    }


def _video_padding(pad: Sequence[int], limit: int) -> Document:
    """Under the order's flag "pad video": SPEC.md section 4.5."""
    videos = [b"", b"v" * 63, b"v" * 64, b"v" * 128]
    return {
        "section": "4.5",
        "pad": list(pad),
        "limit": limit,
        "cases": [{"datagram": video, "padded": bundle.pad_video(video, tuple(pad), limit)} for video in videos],
    }


def _up(what: str, lane: Lane, station: int, ctr: int, plaintext: bytes) -> Document:
    row = _row(what, lane, cast.UPLINK_KEYS[station], uplink_key(lane, station, ctr), plaintext)
    return {"station": station, **row}


def uplink(samples: Samples) -> Document:
    piece = order_fragments(samples.order)[0]
    rows = [
        _up("a command, padded with its echo", Lane.UPLINK, 1, 0, bundle.padded(ECHO + ARM, PAD)),
        _up("two frames", Lane.UPLINK, 1, 1, bundle.padded(ECHO + HEARTBEAT + ARM, PAD)),
        _up("not padded: taken all the same", Lane.UPLINK, 1, 300, ECHO + HEARTBEAT),
        _up("by the station of profile 4", Lane.UPLINK, 4, 0, bundle.padded(ECHO + HEARTBEAT, PAD)),
        _up(
            "type 1, a challenge",
            Lane.CONTROL,
            1,
            0,
            _content(Control.CHALLENGE, cast.derived("challenge of station 1", 8)),
        ),
        _up("a challenge of an observer", Lane.CONTROL, 2, 0, _content(Control.CHALLENGE, cast.derived("another", 8))),
        _up("type 2, an order fragment", Lane.CONTROL, 3, 0, _content(Control.ORDER_FRAGMENT, piece)),
        _up("type 5, the order held", Lane.CONTROL, 2, 1, _content(Control.ORDER_HELD, cast.ORDER.hash()[:16])),
    ]
    return {
        "section": "4.7",
        "session_id": cast.SESSION_ID,
        "epoch": cast.EPOCH,
        "what": "the aircraft sent beat 7 less than fresh_ms ago, and takes all of these",
        "datagrams": rows,
        "next_instance": _next_instance(),
    }


def _next_instance() -> Document:
    """As if these were the keys of epoch 0 of a session that takes the place of another one."""
    former = cast.derived("instance of the session before", INSTANCE_SIZE)
    return {
        "section": "4.7",
        "what": "the instance of each station in the session that follows on one where it had the former instance",
        "cases": [
            {"uplink_key": key, "former": former, "instance": instance_after(key, former)}
            for key in cast.UPLINK_KEYS.values()
        ],
    }


def _content(kind: Control, content: bytes) -> bytes:
    return ECHO + bytes([kind]) + content
