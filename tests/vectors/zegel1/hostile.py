"""What has to be refused, with the counter of SPEC.md section 12 that it moves. Nothing here depends on time."""

from __future__ import annotations

import dataclasses

from gateway.core import fragment
from gateway.core.control_cipher import ControlCipher
from gateway.core.sealer import Sealer
from gateway.core.wire import Control, Kind
from keys import cose, grant
from keys.keyring import SendKey
from keys.lanes import Lane
from keys.statement import Statement
from tests.vectors.zegel1 import Document, cast
from tests.vectors.zegel1.control import CIPHER, announcement, beat, on_air
from tests.vectors.zegel1.samples import OF_ANOTHER, Samples
from tests.vectors.zegel1.sealed import ARM, ECHO, HEARTBEAT, downlink_key, seal, uplink_key

Row = tuple[str, str, bytes]  # why it is wrong, the counter, the datagram


def document(samples: Samples) -> Document:
    ground = [*_forms(), *_downlink(), *_control(samples)]
    return {
        "section": "5.5, 4.7 and 12",
        "what": "each datagram comes alone, behind those of control.json, and moves one counter by one",
        "ground_station": 2,
        "ground": [_entry(*row) for row in ground] + [_entry(*row, before=before) for before, row in _announced(samples)],
        "aircraft": [_entry(*row) for row in _uplink()],
        "orders": [{"why": why, "order": order} for why, order in _orders(samples)],
    }


def _entry(why: str, reason: str, datagram: bytes, before: list[bytes] | None = None) -> Document:
    return {"why": why, "reason": reason, "datagram": datagram, **({"before": before} if before else {})}


def _flipped(data: bytes, at: int = -1) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# --- to the ground of station 2 ---


def _forms() -> list[Row]:
    return [
        ("nothing in it", "too_short", b""),
        ("a header and no room for a tag", "too_short", seal(downlink_key(Lane.VIDEO_A, 5), b"x")[:10]),
        ("a first byte of no kind", "not_zegel", b"\x50" * 40),
        ("uplink", "wrong_direction", seal(uplink_key(Lane.UPLINK, 1, 0), ECHO + HEARTBEAT)),
    ]


def _downlink() -> list[Row]:
    good = seal(downlink_key(Lane.VIDEO_A, 5), b"a picture")
    long = bytes([good[0] & 0xF0 | 0x08]) + good[1:3] + b"\5" + good[3:]  # CTR 5 in a byte of its own
    return [
        ("a CTR that needs no byte of its own", "bad_header", long),
        ("a KID that fits one byte", "bad_header", good[:1] + b"\0" + good[2:]),
        ("an epoch that no beat names", "unknown_kid", _with_kid(good, cast.kid(Lane.VIDEO_A) ^ 1)),
        ("lane 1, which an observer is not granted", "not_granted", seal(downlink_key(Lane.TELEMETRY, 1), HEARTBEAT)),
        ("65,536 counters past beat 7", "beyond_beat", seal(downlink_key(Lane.VIDEO_A, 65_536), b"a picture")),
        ("a bit of the tag changed", "bad_tag", _flipped(good)),
        ("a bit of the ciphertext changed", "bad_tag", _flipped(good, 4)),
        ("another session_id in the AAD", "bad_tag", _foreign(Lane.VIDEO_A)),
        (
            "behind the frame neither frame nor zeros",
            "bad_padding",
            seal(downlink_key(Lane.OBSERVER_TELEMETRY, 9), HEARTBEAT + b"\1"),
        ),
        ("the frame is cut off", "bad_padding", seal(downlink_key(Lane.OBSERVER_TELEMETRY, 10), HEARTBEAT[:-1])),
        (
            "an order fragment whose index is its count",
            "bad_order",
            seal(downlink_key(Lane.ORDER, 20), bytes(16) + b"\1\1x"),
        ),
    ]


def _with_kid(datagram: bytes, kid: int) -> bytes:
    return datagram[:1] + kid.to_bytes(2, "big") + datagram[3:]


def _foreign(lane: Lane) -> bytes:
    return Sealer(_flipped(cast.SESSION_ID)).seal_one(downlink_key(lane, 6), b"a picture")


def _control(samples: Samples) -> list[Row]:
    """Datagrams that anybody with op_id can seal."""
    message = beat(samples, 8).sign(cast.SESSION_KEY)
    opened = fragment.split(Kind.BEAT, message)[0]
    stated = cast.STATEMENT.sign(cast.DEVICE_KEYS[0])
    other = dataclasses.replace(cast.STATEMENT, boot_counter=301)
    tagged = cose.sign1(beat(samples, 8).sign(cast.SESSION_KEY), "zegel-beat", cast.SESSION_KEY)
    return [
        ("no room for a fragment", "bad_control", b"\x01" + bytes(27)),
        ("longer than a fragment may be", "bad_control", b"\x01" + bytes(1208)),
        ("kind 4", "bad_control", CIPHER.seal(b"\x01\x04" + opened[2:])),
        ("an index that is its count", "bad_control", CIPHER.seal(b"\x01\x03\x01\x01" + opened[4:])),
        ("17 fragments", "bad_control", CIPHER.seal(b"\x01\x02\x00\x11" + opened[4:])),
        ("in clear", "unopened_control", opened),
        ("under another op_id", "unopened_control", ControlCipher(_flipped(cast.ORDER.op_id)).seal(opened)),
        ("a beat in two fragments", "bad_message_id", CIPHER.seal(b"\x01\x03\x00\x02" + opened[4:])),
        ("an id of another message", "bad_message_id", CIPHER.seal(opened[:4] + bytes(8) + opened[12:])),
        ("a statement of device 9", "unknown_device", *on_air(Kind.STATEMENT, _of_device(9))),
        ("a statement by the wrong key", "bad_signature", *on_air(Kind.STATEMENT, other.sign(cast.SESSION_KEY))),
        ("a statement, a bit of its signature changed", "bad_signature", *on_air(Kind.STATEMENT, _flipped(stated))),
        ("a start below the one before", "older_session", *on_air(Kind.STATEMENT, _boot(299))),
        ("a beat of a session that was not stated", "unknown_session", *on_air(Kind.BEAT, _of_session(samples))),
        ("a beat, a bit of its signature changed", "bad_signature", *on_air(Kind.BEAT, _flipped(message))),
        ("a beat by the device key", "bad_signature", *on_air(Kind.BEAT, beat(samples, 8).sign(cast.DEVICE_KEYS[0]))),
        ("a beat without its kid", "unknown_session", *on_air(Kind.BEAT, tagged)),
        ("beat 6", "stale_beat", *on_air(Kind.BEAT, beat(samples, 6).sign(cast.SESSION_KEY))),
        ("a fragment that no beat lists", "unlisted_fragment", CIPHER.seal(b"\x01\x02" + opened[2:])),
    ]


def _of_device(index: int) -> bytes:
    stated = cast.STATEMENT
    return Statement(stated.order_hash, index, stated.session_public, 301, 0).sign(cast.DEVICE_KEYS[0])


def _boot(counter: int) -> bytes:
    return dataclasses.replace(cast.STATEMENT, boot_counter=counter).sign(cast.DEVICE_KEYS[0])


def _of_session(samples: Samples) -> bytes:
    return beat(samples, 8, session_id=_flipped(cast.SESSION_ID, 0)).sign(cast.SESSION_KEY)


def _announced(samples: Samples) -> list[tuple[list[bytes], Row]]:
    """Announcements that the session signs and beat 8 lists, each in one datagram: [beat 8], the announcement."""
    kid = cast.kid(Lane.VIDEO_A)
    good = {k: grant.commitment(key, k) for k, key in cast.granted(cast.STATIONS[1]).items()}
    wrong = [
        ("the grant of another station", "bad_grant", announcement(samples, 2, sealed=samples.sealed[3])),
        ("of the epoch after the next", "bad_grant", announcement(samples, 2, epoch=cast.EPOCH + 2)),
        ("of another order", "bad_grant", announcement(samples, 2, order_hash=bytes(32))),
        ("a KID that is not of the role", "bad_grant", announcement(samples, 2, commitments={**good, 0x0101: bytes(32)})),
        ("another commitment for a KID", "equivocation", announcement(samples, 2, commitments={**good, kid: bytes(32)})),
        ("a bit of its signature changed", "bad_signature", _flipped(announcement(samples, 2))),
    ]
    out = []
    for why, reason, message in wrong:
        (opened,) = fragment.split(Kind.ANNOUNCEMENT, message)
        listing = on_air(Kind.BEAT, beat(samples, 8, also=[opened]).sign(cast.SESSION_KEY))
        out.append((listing, (f"an announcement: {why}", reason, CIPHER.seal(opened))))
    return out


# --- to the aircraft ---


def _uplink() -> list[Row]:
    command, control = uplink_key(Lane.UPLINK, 1, 5), uplink_key(Lane.CONTROL, 1, 5)
    good = seal(command, ECHO + ARM)
    ninth, later = uplink_key(Lane.UPLINK, 9, 5), uplink_key(Lane.UPLINK, 1, 5, cast.EPOCH + 2)
    return [
        ("nothing in it", "too_short", b""),
        ("no room for a tag", "too_short", good[:20]),
        ("a control datagram", "wrong_direction", b"\x01" + bytes(60)),
        ("downlink", "wrong_direction", seal(downlink_key(Lane.TELEMETRY, 5), HEARTBEAT)),
        ("a first byte of no kind", "not_zegel", b"\x50" * 60),
        ("a KID that fits seven bytes", "bad_header", good[:1] + b"\0" + good[2:]),
        ("a CTR that needs no byte of its own", "bad_header", b"\xf8" + good[1:9] + b"\5" + good[9:]),
        ("another session's first byte", "unknown_session", _flipped(good, 3)),
        ("an observer in lane 16", "not_permitted", seal(uplink_key(Lane.UPLINK, 2, 5), ECHO + ARM)),
        ("a station that the order does not list", "not_permitted", seal(ninth, ECHO + ARM)),
        ("an epoch that is not taken", "wrong_epoch", seal(later, ECHO + ARM)),
        ("a bit of the tag changed", "bad_tag", _flipped(good)),
        ("another station's key", "bad_tag", _under_another_key(ECHO + ARM)),
        ("the echo of no beat", "stale_echo", seal(command, bytes(8) + ARM)),
        ("behind the frame neither frame nor zeros", "bad_padding", seal(command, ECHO + ARM + b"\1")),
        ("type 9", "bad_control", seal(control, ECHO + b"\x09" + bytes(8))),
        ("a challenge of seven bytes", "bad_control", seal(control, ECHO + bytes([Control.CHALLENGE]) + bytes(7))),
        ("a padded challenge", "bad_control", seal(control, (ECHO + bytes([Control.CHALLENGE])).ljust(128, b"\0"))),
        ("15 bytes of an order_hash", "bad_control", seal(control, ECHO + bytes([Control.ORDER_HELD]) + bytes(15))),
        ("an order fragment of an observer", "not_permitted", _observers_order()),
    ]


def _under_another_key(plaintext: bytes) -> bytes:
    key = SendKey(cast.UPLINK_KEYS[4], uplink_key(Lane.UPLINK, 1, 0).kid)
    key.next_ctr = 5
    return seal(key, plaintext)


def _observers_order() -> bytes:
    return seal(uplink_key(Lane.CONTROL, 2, 5), ECHO + bytes([Control.ORDER_FRAGMENT]) + bytes(16) + b"\0\1x")


# --- order files ---


def _orders(samples: Samples) -> list[tuple[str, bytes]]:
    """Each is the order of order.json with one thing wrong. There is no counter: the file is refused."""
    order = samples.order
    signed = cose.parse_sign(order)
    (signer,) = signed.signatures
    parts = [signed.protected, {}, signed.payload, [[signer.protected, {33: signer.chain[0]}, signer.signature]]]

    def changed(place: int, value: object) -> bytes:
        return b"\xd8\x62" + cose.dumps([*parts[:place], value, *parts[place + 1 :]])

    signature = [signer.protected, {33: signer.chain[0]}, signer.signature]
    return [
        ("a bit of the signature changed", _flipped(order)),
        ("a bit of the payload changed: op_id", changed(2, _flipped(signed.payload, 5))),
        ("something in the outer header", changed(1, {4: b"x"})),
        ("something beside the certificate", changed(3, [[signature[0], {4: b"x", 33: signer.chain[0]}, signature[2]]])),
        ("a certificate in an array", changed(3, [[signature[0], {33: [signer.chain[0]]}, signature[2]]])),
        ("no signature", changed(3, [])),
        ("the same signature twice", changed(3, [signature, signature])),
        (OF_ANOTHER, samples.order_of_another),
        ("another typ", changed(0, cose.dumps({16: "zegel-beat"}))),
        ("a length in more bytes than it needs", order[:3] + b"\x58" + bytes([order[3] - 0x40]) + order[4:]),
        ("bytes behind the end", order + b"\0"),
        ("the tag left out", order[2:]),
    ]
