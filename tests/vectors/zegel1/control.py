"""The control messages of the vectors' session, and their datagrams. SPEC.md sections 4.1 and 5."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from gateway.core import fragment
from gateway.core.control_cipher import ControlCipher
from gateway.core.wire import Kind
from keys import grant
from keys.announcement import SUITE, Announcement
from keys.beat import Beat
from keys.lanes import Lane
from keys.operation_key import control_key, op_tag
from tests.vectors.zegel1 import Document, cast
from tests.vectors.zegel1.samples import Samples

CIPHER = ControlCipher(cast.ORDER.op_id)
NEXT_CTRS = {cast.kid(lane): 0 for lane in cast.LANES} | {cast.kid(Lane.VIDEO_B): (1 << 24) - 1}
CHALLENGES = {1: cast.derived("challenge of station 1", 8), 4: cast.derived("challenge of station 4", 8)}


def announcement(samples: Samples, index: int, **changes: object) -> bytes:
    keys = cast.granted(cast.STATIONS[index - 1])
    commitments = {kid: grant.commitment(key, kid) for kid, key in keys.items()}
    made = Announcement(cast.SESSION_ID, cast.ORDER.hash(), cast.EPOCH, index, SUITE, commitments, samples.sealed[index])
    return dataclasses.replace(made, **changes).sign(cast.SESSION_KEY)  # type: ignore[arg-type]


def beat(samples: Samples, seq: int, also: Sequence[bytes] = (), **changes: object) -> Beat:
    """Beat number `seq`; `also` are opened datagrams that it lists under station 1 besides."""
    listed = {
        index: [fragment.listed_hash(part) for part in fragment.split(Kind.ANNOUNCEMENT, announcement(samples, index))]
        for index in cast.PROFILES
    }
    listed[1] += [fragment.listed_hash(part) for part in also]
    made = Beat(
        cast.SESSION_ID,
        seq,
        cast.derived(f"nonce of beat {seq}", 8),
        cast.EPOCH,
        NEXT_CTRS,
        cast.BEGIN + 60 + seq // 2,
        CHALLENGES,
        listed,
        0,
        0,
        seq * 500,
        {},
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def on_air(kind: Kind, message: bytes) -> list[bytes]:
    return [CIPHER.seal(datagram) for datagram in fragment.split(kind, message)]


def joining(samples: Samples) -> list[bytes]:
    """Statement, beat 7 and the announcements of all stations, as they go on the air."""
    out = on_air(Kind.STATEMENT, cast.STATEMENT.sign(cast.DEVICE_KEYS[0]))
    out += on_air(Kind.BEAT, beat(samples, 7).sign(cast.SESSION_KEY))
    for index in cast.PROFILES:
        out += on_air(Kind.ANNOUNCEMENT, announcement(samples, index))
    return out


# --- documents ---


def statements(samples: Samples) -> Document:
    rows = (
        ("by an Ed25519 device", cast.STATEMENT, cast.STATEMENT.sign(cast.DEVICE_KEYS[0])),
        ("by a P-256 device; a sample, since ECDSA is randomised", cast.STATEMENT_P256, samples.statement_p256),
    )
    return {
        "section": "5.1",
        "statements": [
            {
                "what": what,
                "order_hash": stated.order_hash,
                "device_index": stated.device_index,
                "device_public": cast.ORDER.devices[stated.device_index].pub,
                "session_public": stated.session_public,
                "boot_counter": stated.boot_counter,
                "unix_time": stated.unix_time,
                "payload": stated.payload(),
                "session_id": stated.session_id(),
                "message": message,
            }
            for what, stated, message in rows
        ],
    }


def announcements(samples: Samples) -> Document:
    return {
        "section": "5.2",
        "session_public": cast.STATEMENT.session_public,
        "announcements": [{"station": index, "message": announcement(samples, index)} for index in cast.PROFILES],
    }


def grants(samples: Samples) -> Document:
    return {
        "section": "5.3",
        "what": "sealed is a sample, since HPKE is randomised: it has to open to plaintext",
        "grants": [
            {
                "station": station.index,
                "profile": int(station.profile),
                "seed": cast.SEEDS[station.index],
                "public": station.pub,
                "info": grant.grant_info(cast.ORDER.hash(), cast.SESSION_ID, cast.EPOCH, station.index),
                "sealed": samples.sealed[station.index],
                "plaintext": grant.unseal(
                    station.profile,
                    cast.SEEDS[station.index],
                    grant.grant_info(cast.ORDER.hash(), cast.SESSION_ID, cast.EPOCH, station.index),
                    samples.sealed[station.index],
                ),
                "uplink_key": cast.UPLINK_KEYS[station.index],
                "base_keys": {f"{kid:04x}": key for kid, key in cast.granted(station).items()},
                "commitments": {f"{k:04x}": grant.commitment(key, k) for k, key in cast.granted(station).items()},
            }
            for station in cast.STATIONS
        ],
    }


def beats(samples: Samples) -> Document:
    state = {1: 250, 2: 33, 3: (1 << 32) - 1, 4: 0, 5: 1, 6: 12}
    foreign = {1: 1 << 32, 4: 2, 7: 1 << 40}
    rows = (
        ("what a ground joins by", beat(samples, 7)),
        ("the state of the aircraft", beat(samples, 8, state=state)),
        (
            "a state of which a ground ignores all, and reserved flags",
            beat(samples, 9, flags=8 | 64, state=foreign),
        ),
        ("in lead time: 4.5 s until the next epoch", beat(samples, 10, ms_to_next=4500)),
        ("the last one", beat(samples, 11, flags=4)),
    )
    return {
        "section": "5.4",
        "session_public": cast.STATEMENT.session_public,
        "beats": [
            {
                "what": what,
                "seq": made.seq,
                "nonce": made.nonce,
                "epoch": made.epoch,
                "next_ctr": {f"{kid:04x}": ctr for kid, ctr in made.next_ctr.items()},
                "unix_time": made.unix_time,
                "challenges": {str(index): value for index, value in made.challenges.items()},
                "fragments": {str(index): hashes for index, hashes in made.fragments.items()},
                "ms_to_next": made.ms_to_next,
                "flags": made.flags,
                "session_ms": made.session_ms,
                "state": {str(key): value for key, value in made.state.items()},
                "message": made.sign(cast.SESSION_KEY),
            }
            for what, made in rows
        ],
    }


def datagrams(samples: Samples) -> Document:
    sealed = joining(samples)
    return {
        "section": "4.1",
        "op_id": cast.ORDER.op_id,
        "control_key": control_key(cast.ORDER.op_id),
        "op_tag": op_tag(cast.ORDER.op_id),
        "what": "a statement, beat 7 and one round of announcements: each station can join from these, in this order",
        "datagrams": [{"opened": CIPHER.open(datagram), "datagram": datagram} for datagram in sealed],
    }
