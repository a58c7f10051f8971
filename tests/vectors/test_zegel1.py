"""The vectors of tests/vectors/zegel1: a second reader opens them, and so do the ground and the aircraft.

What is hostile is refused, each by the reason that stands beside it. `python -m tests.vectors.zegel1` writes the files.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware_shims import mavlink
from gateway.batch import Batch
from gateway.core.air.announcer import Announcer, DeviceStart
from gateway.core.air.uplink_opener import Accepted, UplinkOpener
from gateway.core.bundle import video_length
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from keys import beat, certificate, cose, keyring, recording_header, statement
from keys.errors import KeysError
from keys.folders import recording_public, station_public
from keys.lanes import Lane
from keys.order import VerifiedOrder, verify_order
from tests.vectors import independent, reader
from tests.vectors.zegel1 import FOLDER, cast, encoded, read
from tests.vectors.zegel1.control import beat as beat_of
from tests.vectors.zegel1.documents import documents
from tests.vectors.zegel1.samples import Samples

NAMES = (
    "keys",
    "order",
    "statement",
    "announcement",
    "grant",
    "beat",
    "control",
    "downlink",
    "uplink",
    "recording",
    "hostile",
)
STATIONS = (1, 2, 3, 4)


# --- the files ---


def test_all_but_the_samples_follows_from_the_label():
    for name, document in documents(Samples.recorded()).items():
        assert encoded(document) == (FOLDER / f"{name}.json").read_text(), f"{name}: python -m tests.vectors.zegel1"


def test_every_file_says_what_its_keys_are():
    assert {path.stem for path in FOLDER.glob("*.json")} == {*NAMES}
    assert all("every key" in read(name)["warning"].lower() for name in NAMES)


# --- a second reader ---


def test_the_second_reader_shares_nothing_with_what_it_checks():
    for name in ("reader.py", "independent.py"):
        tree = ast.walk(ast.parse((Path(reader.__file__).parent / name).read_text()))
        names = {node.module for node in tree if isinstance(node, ast.ImportFrom)}
        assert not {str(name).split(".")[0] for name in names} & {"gateway", "keys", "firmware_shims", "cbor2"}


def test_keys_by_the_second_reader():
    control = read("control")
    assert reader.operation(bytes.fromhex(control["op_id"])) == (
        bytes.fromhex(control["control_key"]),
        bytes.fromhex(control["op_tag"]),
    )
    derived = read("keys")["derived"]
    assert derived["op_id"] == control["op_id"]
    assert [grant["seed"] for grant in read("grant")["grants"]] == [derived[f"station {index}"] for index in STATIONS]


def test_orders_by_the_second_reader():
    vector = read("order")
    roots = {alg: _public(vector[name]) for alg, name in ((-51, "root"), (-49, "root_ml_dsa"))}
    for name, algs in (("order", [-51]), ("order_hybrid", [-51, -49])):
        order_hash, payload, signatures = reader.order(bytes.fromhex(vector[name]))
        assert order_hash == bytes.fromhex(vector["order_hash"])
        assert payload[1] == cast.ORDER.op_id
        assert [alg for alg, *_ in signatures] == algs
        for alg, signer, signature, signed in signatures:
            issued = x509.load_der_x509_certificate(signer)
            if alg == -51:
                issued.verify_directly_issued_by(x509.load_der_x509_certificate(bytes.fromhex(vector["root"])))
            else:
                roots[alg].verify(issued.signature, issued.tbs_certificate_bytes)
            reader.verify_order(alg, issued.public_key(), signature, signed)


def test_guard_policies_of_ones_own_by_the_second_reader():
    vector = read("order")
    payload = bytes.fromhex(vector["payload_own_guard"])
    content: Any = independent.uncbor(payload)
    assert content[13] == hashlib.sha256(vector["guard.toml"].encode()).digest()
    assert content[9][0][6] == "technician"
    hashed = independent.cbor(bytes.fromhex(vector["protected"])) + independent.cbor(payload)
    assert hashlib.sha256(hashed).hexdigest() == vector["order_hash_own_guard"]
    plain: Any = independent.uncbor(bytes.fromhex(vector["payload"]))
    assert {key for key in content if content[key] != plain.get(key)} == {9, 13}


def _public(certificate_: str) -> Any:
    return x509.load_der_x509_certificate(bytes.fromhex(certificate_)).public_key()


def _joined(station: int) -> tuple[bytes, dict[int, bytes], dict[int, Any]]:
    """(session_id, the station's grant, the beat), by the second reader from op_id, seed and the air alone."""
    control, grant = read("control"), read("grant")["grants"][station - 1]
    key, _ = reader.operation(bytes.fromhex(control["op_id"]))
    opened = [reader.open_control(key, bytes.fromhex(each["datagram"])) for each in control["datagrams"]]
    assert opened == [bytes.fromhex(each["opened"]) for each in control["datagrams"]]
    (_, stated), (_, beaten), *announced = reader.messages(opened)
    _, order, _ = reader.order(bytes.fromhex(read("order")["order"]))
    statement_, payload, kid = reader.sign1(stated, "zegel-ss", order[8][0][3])
    assert kid == {4: b"\0"}
    session_id = reader.hashlib.sha256(payload).digest()[:16]
    pulse, _, kid = reader.sign1(beaten, "zegel-beat", statement_[4])
    assert kid == {4: session_id[:8]}
    mine, _, kid = reader.sign1(announced[station - 1][1], "zegel-ka", statement_[4])
    assert (mine[1], mine[2], mine[3], mine[4], mine[5]) == (session_id, statement_[2], pulse[4], station, 5)
    info = independent.cbor(["zegel/1 grant", mine[2], session_id, mine[3], station, 5])
    assert info == bytes.fromhex(grant["info"])
    granted = reader.open_grant(grant["profile"], bytes.fromhex(grant["seed"]), info, mine[7])
    assert {kid: reader.commitment(base, kid) for kid, base in granted.items() if kid != 16} == mine[6]
    return session_id, granted, pulse


def test_a_recording_by_the_second_reader():
    vector = read("recording")
    header, payload, kid = reader.sign1(
        bytes.fromhex(vector["header"]), "zegel-rec", bytes.fromhex(vector["session_public"])
    )
    assert payload == bytes.fromhex(vector["payload"])
    assert kid == {4: header[3][:8]}
    assert list(header) == [1, 2, 3, 4, 5, 6, 7, 8]
    ((number, sealed),) = header[6]
    assert (header[1].hex(), header[7], header[8], number) == tuple(
        vector[name] for name in ("rec_id", "group", "mono_us", "key_id")
    )
    info = independent.cbor(["zegel/1 recording", header[2], header[3], header[1], number])
    rk = reader.unseal(vector["profile"], bytes.fromhex(vector["seed"]), info, sealed)
    assert (info.hex(), rk.hex()) == (vector["info"], vector["rk_0"])
    for segment in vector["segments"]:
        segment_key, rk = reader.ratchet(rk)
        assert segment_key.hex() == segment["segment_key"]
        assert independent.cbor(["zegel/1 seg", header[1], segment["index"]]).hex() == segment["context"]


def test_a_recording_key_opens_the_recording():
    vector = read("recording")
    session_public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(vector["session_public"]))
    header = recording_header.verify(bytes.fromhex(vector["header"]), session_public)
    public = recording_public.parse(vector["rec.pub"].encode(), "rec.pub")
    assert public.pub == cast.ORDER.recording[0].pub
    assert header.open(vector["key_id"], public.profile, bytes.fromhex(vector["seed"])).hex() == vector["rk_0"]


@pytest.mark.parametrize("station", STATIONS)
def test_a_second_reader_joins_and_opens(station: int):
    session_id, granted, pulse = _joined(station)
    grant = read("grant")["grants"][station - 1]
    assert granted.pop(16) == bytes.fromhex(grant["uplink_key"])
    assert granted == {int(kid, 16): bytes.fromhex(key) for kid, key in grant["base_keys"].items()}
    assert granted.keys() <= pulse[5].keys()
    opened = 0
    for vector in read("downlink")["datagrams"]:
        datagram = bytes.fromhex(vector["datagram"])
        kid = int.from_bytes(datagram[1:3], "big")
        assert kid >> 8 == vector["lane"]
        if kid in granted:
            assert reader.open_sealed(granted, session_id, datagram) == (
                kid,
                vector["ctr"],
                bytes.fromhex(vector["plaintext"]),
            )
            opened += 1
    assert opened >= 8


def test_the_uplink_by_the_second_reader():
    session_id, _, pulse = _joined(1)
    keys = {station: _joined(station)[1][16] for station in STATIONS}
    for vector in read("uplink")["datagrams"]:
        kid, ctr, plaintext = reader.open_sealed(keys, session_id, bytes.fromhex(vector["datagram"]))
        head = kid.to_bytes(8, "big")[:3]
        assert head == bytes([vector["lane"] - 15 << 4 | vector["station"], cast.EPOCH & 0xFF, session_id[0]])
        assert (ctr, plaintext) == (vector["ctr"], bytes.fromhex(vector["plaintext"]))
        assert plaintext.startswith(pulse[3])


def test_the_instance_that_follows_by_the_second_reader_and_by_both_ends():
    granted = {grant["uplink_key"] for grant in read("grant")["grants"]}
    cases = read("uplink")["next_instance"]["cases"]
    assert {case["uplink_key"] for case in cases} == granted
    for case in cases:
        key, former, instance = (bytes.fromhex(case[name]) for name in ("uplink_key", "former", "instance"))
        assert reader.instance_after(key, former) == keyring.instance_after(key, former) == instance


def test_statements_and_beats_by_the_second_reader():
    for index, vector in enumerate(read("statement")["statements"]):
        stated, payload, kid = reader.sign1(
            bytes.fromhex(vector["message"]), "zegel-ss", bytes.fromhex(vector["device_public"])
        )
        assert kid == {4: bytes([index])}
        assert payload == bytes.fromhex(vector["payload"])
        assert (stated[5], stated[6]) == (vector["boot_counter"], vector["unix_time"])
    vectors = read("beat")
    for vector in vectors["beats"]:
        said, _, _ = reader.sign1(bytes.fromhex(vector["message"]), "zegel-beat", bytes.fromhex(vectors["session_public"]))
        assert (said[2], said[9], said[10], said[11]) == (
            vector["seq"],
            vector["ms_to_next"],
            vector["flags"],
            vector["session_ms"],
        )
        assert said[12] == {int(key): value for key, value in vector["state"].items()}


@pytest.mark.parametrize("profile", [1, 2, 3, 4])
def test_the_second_reader_refuses_a_grant_for_another(profile: int):
    grant = read("grant")["grants"][profile - 1]
    seed, info, sealed = (bytes.fromhex(grant[name]) for name in ("seed", "info", "sealed"))
    with pytest.raises(InvalidTag):
        reader.open_grant(profile, seed, info + b"!", sealed)


# --- the ground and the aircraft ---


def verified() -> VerifiedOrder:
    vector = read("order")
    return verify_order(bytes.fromhex(vector["order"]), [certificate.load_der(bytes.fromhex(vector["root"]))], 0)


def test_the_orders_verify():
    vector = read("order")
    roots = [certificate.load_der(bytes.fromhex(vector[name])) for name in ("root", "root_ml_dsa")]
    classical, hybrid = (
        verify_order(bytes.fromhex(vector["order"]), roots[:1], 0),
        verify_order(bytes.fromhex(vector["order_hybrid"]), roots, 0),
    )
    assert classical.content == hybrid.content == cast.ORDER
    assert classical.order_hash == hybrid.order_hash == bytes.fromhex(vector["order_hash"])
    assert (classical.agency_id, hybrid.agency_id) == (
        bytes.fromhex(vector["agency_id"]),
        bytes.fromhex(vector["agency_id_hybrid"]),
    )
    for text, station in zip(vector["station.pub"], cast.STATIONS, strict=True):
        assert station_public.parse(text.encode(), "station.pub").pub == station.pub


@pytest.mark.parametrize("hostile", read("hostile")["orders"], ids=lambda entry: entry["why"])
def test_a_hostile_order_is_refused(hostile: dict[str, str]):
    root = certificate.load_der(bytes.fromhex(read("order")["root"]))
    with pytest.raises(KeysError):
        verify_order(bytes.fromhex(hostile["order"]), [root], 0)


def ground(station: int) -> Opener:
    listed = cast.STATIONS[station - 1]
    return Opener(Listener(verified(), StationIdentity(station, listed.profile, cast.SEEDS[station]), {}))


def feed(opener: Opener, datagrams: list[bytes]) -> Counter[str]:
    """What was dropped of these."""
    before = opener.drops.copy()
    for batch in Batch(1).refill(datagrams):
        opener.open(batch, 0.0)
    return Counter({reason.value: count for reason, count in (opener.drops - before).items()})


def joined(station: int) -> Opener:
    opener = ground(station)
    assert not feed(opener, [bytes.fromhex(each["datagram"]) for each in read("control")["datagrams"]])
    return opener


@pytest.mark.parametrize("station", STATIONS)
def test_a_ground_joins_and_opens(station: int):
    opener, vectors = joined(station), read("downlink")["datagrams"]
    granted = read("grant")["grants"][station - 1]["base_keys"]
    mine = [vector for vector in vectors if vector["datagram"][2:6] in granted]
    assert not feed(opener, [bytes.fromhex(vector["datagram"]) for vector in mine])
    assert opener.opened == Counter(Lane(vector["lane"]) for vector in mine)
    foreign = [bytes.fromhex(vector["datagram"]) for vector in vectors if vector not in mine]
    assert feed(opener, foreign) == Counter(not_granted=len(foreign))


def test_what_a_ground_opens_is_what_was_sealed():
    opener, batch = joined(1), Batch()
    for vector in read("downlink")["datagrams"]:
        if vector["lane"] > Lane.VIDEO_B:
            continue
        batch.hold([bytes.fromhex(vector["datagram"])])
        opened, plain = opener.open(batch, 0.0), bytes.fromhex(vector["plaintext"])
        if vector["lane"] == Lane.TELEMETRY:
            assert [bytes(frame) for frame in opened.frames] == [plain[a : a + n] for a, n in mavlink.split(plain)]
        else:
            assert bytes(batch.view(0)) == plain


@pytest.mark.parametrize(
    "case", read("downlink")["video_padding"]["cases"], ids=lambda case: str(len(case["datagram"]) // 2)
)
def test_video_padding(case: dict[str, str]):
    padded = bytes.fromhex(case["padded"])
    assert padded[: video_length(padded)] == bytes.fromhex(case["datagram"])


@pytest.mark.parametrize("hostile", read("hostile")["ground"], ids=lambda entry: entry["why"])
def test_a_ground_refuses(hostile: dict[str, Any]):
    opener = joined(read("hostile")["ground_station"])
    assert not feed(opener, [bytes.fromhex(each) for each in hostile.get("before", [])])
    assert feed(opener, [bytes.fromhex(hostile["datagram"])]) == Counter({hostile["reason"]: 1})


def test_statements_and_beats_are_read():
    for vector in read("statement")["statements"]:
        key = cast.DEVICE_KEYS[vector["device_index"]].public_key()
        stated = statement.verify(cose.parse_sign1(bytes.fromhex(vector["message"])), key)
        assert stated.session_id() == bytes.fromhex(vector["session_id"])
    for vector in read("beat")["beats"]:
        said = beat.verify(cose.parse_sign1(bytes.fromhex(vector["message"])), cast.SESSION_KEY.public_key())
        assert (said.seq, said.nonce, said.state) == (
            vector["seq"],
            bytes.fromhex(vector["nonce"]),
            {int(key): value for key, value in vector["state"].items()},
        )


def aircraft() -> UplinkOpener:
    """The session of the vectors, as if this process had drawn its keys."""
    announcer = Announcer(verified(), DeviceStart(0, cast.DEVICE_KEYS[0], 300), cast.LANES, 8_000_000, bytes, 0.0)
    announcer.session_id = cast.SESSION_ID
    announcer.current.number, announcer.current.uplink_keys = cast.EPOCH, dict(cast.UPLINK_KEYS)
    announcer.freshness.beat(7, beat_of(Samples.recorded(), 7).nonce, 0.0)
    return UplinkOpener(announcer)


def take(keeper: UplinkOpener, datagram: bytes) -> Accepted:
    batch = Batch()
    batch.append(datagram)
    return keeper.open(batch, 0.0)


def test_an_aircraft_takes_the_uplink():
    keeper, frames, challenges, pieces = aircraft(), [], [], []
    for vector in read("uplink")["datagrams"]:
        accepted = take(keeper, bytes.fromhex(vector["datagram"]))
        assert accepted.slots == [0], vector["what"]
        frames += accepted.frames
        challenges += accepted.challenges
        pieces += [content for _, _, content in accepted.control]
    assert not +keeper.drops
    assert [station for station, _ in frames] == [1, 1, 1, 1, 4]
    assert challenges == [1, 2]
    assert pieces == [bytes.fromhex(read("downlink")["datagrams"][11]["plaintext"]), cast.ORDER.hash()[:16]]


@pytest.mark.parametrize("hostile", read("hostile")["aircraft"], ids=lambda entry: entry["why"])
def test_an_aircraft_refuses(hostile: dict[str, str]):
    keeper = aircraft()
    accepted = take(keeper, bytes.fromhex(hostile["datagram"]))
    assert {reason.value: count for reason, count in keeper.drops.items() if count} == {hostile["reason"]: 1}
    assert accepted == Accepted()
