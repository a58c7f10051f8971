"""Operation Orders: one form, and every rule of their content broken once. Signatures: test_order_signatures.py."""

from __future__ import annotations

import dataclasses
import hashlib

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from keys import certificate, cose
from keys.errors import (
    ClassicalKey,
    KeysError,
    MalformedMessage,
    MalformedOrder,
    OrderExpired,
    OrderNotYetValid,
    UnknownGuard,
    WrongUsage,
)
from keys.grant import Profile
from keys.lanes import Role
from keys.order import LINK_MAX, VerifiedOrder, claimed_hash, fits_link, issue_order, parse_order, verify_order
from keys.order_device import OrderDevice
from keys.order_station import GUARDS, OrderRecording
from keys.policy import RANGES, Policy, PolicyFlag
from keys.times import EARLIEST, LATEST
from tests.agency import HOUR, NAME, NOW, Agency, device, flips, harbour, order, p256, p384, public, station


def issued(**changes) -> bytes:
    return issue_order(order(**changes), [harbour().signer])


def verified(data: bytes) -> VerifiedOrder:
    return verify_order(data, [harbour().root], 0)


# --- the form ---


def test_the_payload_is_the_map_of_the_specification():
    content = order(previous=bytes(32), policy=Policy(max_boots=3, retain_h=24))
    one, two = content.devices
    pilot, visitor = content.stations
    expected = {
        1: bytes(range(16)),
        2: 7,
        3: NOW,
        4: NOW + 8 * HOUR,
        5: NAME,
        6: "Night Watch",
        7: "regular",
        8: [{1: "drone-1", 2: -19, 3: one.pub}, {1: "drone-2", 2: -19, 3: two.pub}],
        9: [
            {1: 1, 2: "pilot", 3: 2, 4: pilot.pub, 5: 7, 6: "pilot"},
            {1: 2, 2: "station-2", 3: 2, 4: visitor.pub, 5: 3, 6: "observer", 7: "Coast Guard"},
        ],
        10: [{1: n, 2: f"archive-{n}", 3: 3, 4: public(Profile.P_384, n)} for n in (1, 2)],
        11: {
            1: 5,
            2: 600,
            3: 5,
            4: 1,
            5: 3000,
            6: 2,
            7: 8_388_608,
            8: [128, 256, 512, 1200],
            9: 3,
            10: 0,
            11: 0,
            12: 24,
        },
        12: bytes(32),
    }
    assert content.payload() == cbor2.dumps(expected, canonical=True)


def test_the_hash_covers_protected_header_and_payload_and_nothing_else():
    protected, payload = cose.dumps({16: "zegel-order"}), order().payload()
    expected = hashlib.sha256(cose.dumps(protected) + cose.dumps(payload)).digest()
    assert verified(issued()).order_hash == order().hash() == expected
    assert expected.hex() == "fadec430b95144e3f1c7cc59e7ae0487cbddda2216fb7bd42f35679aea7651ed"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"previous": bytes(32)},
        {"recording": ()},
        {"stations": tuple(station(n, Profile(1 + n % 4)) for n in range(1, 16))},
        {"stations": (station(15, witness="pilot+0123abcd+AQID"),), "devices": (device(9),)},
        {"policy": Policy(5, 60, 60, 30, 1000, 10, 65_536, (), 1, 1, 1, 1)},
        {"policy": Policy(flags=PolicyFlag.PAD_VIDEO | PolicyFlag.VIDEO_ON_REQUEST)},
        {"not_before": EARLIEST, "not_after": LATEST},
    ],
)
def test_what_is_written_is_read(changes):
    content = order(**changes)
    assert parse_order(Agency().sign(content.payload())) == content


def test_a_verified_order_says_who_signed_it():
    result = verified(data := issued())
    assert (result.content, result.raw, result.generation, result.rank) == (order(), data, 1, (1, 7))
    assert [signature.root for signature in result.signatures] == [harbour().root]
    assert certificate.der(result.signatures[0].signer) == harbour().signer.chain[0]


@pytest.mark.parametrize("key", [p256(), ed25519.Ed25519PrivateKey.generate()])
def test_a_device_is_listed_by_its_certificate(key):
    listed = OrderDevice.of(harbour().device("drone-7", key))
    assert (listed.name, listed.alg, listed.pub) == ("drone-7", *cose.raw_public(key.public_key()))
    assert verified(issued(devices=(listed,))).content.devices == (listed,)
    with pytest.raises(WrongUsage, match="not for device"):
        OrderDevice.of(certificate.load_certificate(harbour().signer.chain[0]))


# --- rules of the content ---

COMPRESSED = (serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
COMPRESSED_P384, COMPRESSED_P256 = (key.public_key().public_bytes(*COMPRESSED) for key in (p384(), p256()))
DEVICES, STATIONS, RECORDING, POLICY = 8, 9, 10, 11


def put(*path_and_value):
    """A change of the decoded payload: the value goes where the path of keys and places leads."""
    *path, last, value = path_and_value

    def change(content) -> None:
        for step in path:
            content = content[step]
        content[last] = value

    return change


def drop(*path):
    *path, last = path

    def change(content) -> None:
        for step in path:
            content = content[step]
        del content[last]

    return change


def copy_of(which: int, key: int):
    """The second item of list `which` takes key `key` of the first."""

    def change(content) -> None:
        content[which][1][key] = content[which][0][key]

    return change


def long_list(which: int, count: int):
    return lambda content: content.update({which: [content[which][0]] * count})


BAD_TEXT = {
    "empty": "",
    "blank": " ",
    "outer blank": "pilot ",
    "escape": "\x1b[2J",
    "direction": "\u202elive",
    "long": "a" * 65,
    "bytes": b"pilot",
}
BARE_STATION = {1: 1, 2: "bare", 5: 1, 6: "observer"}
BROKEN = [
    ("op_id short", put(1, bytes(15)), MalformedMessage, "key 1"),
    ("op_id text", put(1, "0123456789abcdef"), MalformedMessage, "key 1"),
    ("serial negative", put(2, -1), MalformedMessage, "key 2"),
    ("serial true", put(2, True), MalformedMessage, "key 2"),
    ("serial negative", put(2, -1), MalformedMessage, "key 2"),
    ("begins before 2020", put(3, EARLIEST - 1), MalformedMessage, "key 3"),
    ("ends after 2100", put(4, LATEST + 1), MalformedMessage, "key 4"),
    ("ends as it begins", put(4, NOW), MalformedOrder, "not after it begins"),
    ("ends before it begins", put(4, NOW - 1), MalformedOrder, "not after it begins"),
    ("class unknown", put(7, "secret"), MalformedMessage, "key 7"),
    ("class a list", put(7, ["regular"]), MalformedMessage, "key 7"),
    ("no device", put(DEVICES, []), MalformedMessage, "key 8"),
    ("257 devices", long_list(DEVICES, 257), MalformedMessage, "key 8"),
    ("device no map", put(DEVICES, 0, []), MalformedMessage, "not a map"),
    ("device without name", drop(DEVICES, 0, 1), MalformedMessage, "has the keys"),
    ("device with more", put(DEVICES, 0, 6, 0), MalformedMessage, "has the keys"),
    (
        "two devices of one system",
        lambda content: [put(DEVICES, n, 4, [1])(content) for n in (0, 1)],
        MalformedOrder,
        "id 1",
    ),
    ("no device that flies", lambda content: [put(DEVICES, n, 5, 1)(content) for n in (0, 1)], MalformedOrder, "void"),
    ("device of P-384", put(DEVICES, 0, 2, -51), MalformedMessage, "key 2"),
    ("device alg a list", put(DEVICES, 0, 2, [-19]), MalformedMessage, "key 2"),
    ("device alg wrong", put(DEVICES, 0, 2, -9), MalformedMessage, "not a public key"),
    ("device key short", put(DEVICES, 0, 3, bytes(31)), MalformedMessage, "not a public key"),
    ("device key text", put(DEVICES, 0, 3, "0" * 32), MalformedMessage, "key 3"),
    ("device key compressed", put(DEVICES, 0, {1: "d", 2: -9, 3: COMPRESSED_P256}), MalformedOrder, "one form"),
    (
        "device key off the curve",
        put(DEVICES, 0, {1: "d", 2: -9, 3: b"\4" + bytes(64)}),
        MalformedMessage,
        "not a public key",
    ),
    ("device name twice", copy_of(DEVICES, 1), MalformedOrder, "devices of the order have the same name"),
    ("device key twice", copy_of(DEVICES, 3), MalformedOrder, "devices of the order have the same key"),
    ("no station", put(STATIONS, []), MalformedMessage, "key 9"),
    ("16 stations", long_list(STATIONS, 16), MalformedMessage, "key 9"),
    ("station without guard", drop(STATIONS, 0, 6), MalformedMessage, "has the keys"),
    ("station with more", put(STATIONS, 0, 9, 0), MalformedMessage, "has the keys"),
    ("station index 0", put(STATIONS, 0, 1, 0), MalformedMessage, "key 1"),
    ("station index 16", put(STATIONS, 0, 1, 16), MalformedMessage, "key 1"),
    ("station index true", put(STATIONS, 0, 1, True), MalformedMessage, "key 1"),
    ("station index twice", copy_of(STATIONS, 1), MalformedOrder, "stations of the order have the same index"),
    ("station name twice", copy_of(STATIONS, 2), MalformedOrder, "stations of the order have the same name"),
    ("station key twice", copy_of(STATIONS, 4), MalformedOrder, "stations of the order have the same key"),
    ("profile 0", put(STATIONS, 0, 3, 0), MalformedMessage, "key 3"),
    ("profile 5", put(STATIONS, 0, 3, 5), MalformedMessage, "key 3"),
    (
        "key of another profile",
        put(STATIONS, 0, 3, 1),
        MalformedOrder,
        "key of station 'pilot' is not one of profile x-wing",
    ),
    ("key of small order", put(STATIONS, 0, 4, bytes(32)), MalformedOrder, "not one of profile x25519"),
    ("key compressed", put(STATIONS, 0, {**BARE_STATION, 3: 3, 4: COMPRESSED_P384}), MalformedOrder, "p-384"),
    ("x-wing key not reduced", put(STATIONS, 0, {**BARE_STATION, 3: 1, 4: b"\xff" * 1216}), MalformedOrder, "x-wing"),
    ("key null", put(STATIONS, 0, 4, None), MalformedMessage, "key 4"),
    ("no role", put(STATIONS, 0, 5, 0), MalformedMessage, "key 5"),
    ("unknown role", put(STATIONS, 0, 5, 32), MalformedMessage, "key 5"),
    ("unknown role among others", put(STATIONS, 0, 5, 39), MalformedMessage, "key 5"),
    ("command alone", put(STATIONS, 0, 5, 4), MalformedOrder, "may command but not see telemetry"),
    ("command and video", put(STATIONS, 0, 5, 6), MalformedOrder, "may command but not see telemetry"),
    ("guard unknown", put(STATIONS, 0, 6, "godlike"), UnknownGuard, "guard policy 'godlike'"),
    ("recording with more", put(RECORDING, 0, 5, 0), MalformedMessage, "has the keys"),
    ("17 recording keys", long_list(RECORDING, 17), MalformedMessage, "key 10"),
    ("recording id negative", put(RECORDING, 0, 1, -1), MalformedMessage, "key 1"),
    ("recording profile 0", put(RECORDING, 0, 3, 0), MalformedMessage, "key 3"),
    ("recording key wrong", put(RECORDING, 0, 4, bytes(97)), MalformedOrder, "key of recording key 'archive-1'"),
    ("recording id twice", copy_of(RECORDING, 1), MalformedOrder, "recording keys of the order have the same id"),
    ("recording name twice", copy_of(RECORDING, 2), MalformedOrder, "recording keys of the order have the same name"),
    ("recording key twice", copy_of(RECORDING, 4), MalformedOrder, "recording keys of the order have the same key"),
    ("previous short", put(12, bytes(31)), MalformedMessage, "key 12"),
    ("previous null", put(12, None), MalformedMessage, "key 12"),
    ("guards short", put(13, bytes(31)), MalformedMessage, "key 13"),
    ("guards null", put(13, None), MalformedMessage, "key 13"),
    ("unknown key", put(14, 0), MalformedMessage, "has the keys"),
    ("unknown text key", put("serial", 8), MalformedMessage, "has the keys"),
    ("policy a list", put(POLICY, []), MalformedMessage, "not a map"),
    ("policy with more", put(POLICY, 13, 0), MalformedMessage, "has the keys"),
    ("policy with less", drop(POLICY, 12), MalformedMessage, "has the keys"),
    ("policy rekey true", put(POLICY, 2, True), MalformedOrder, "policy rekey_s"),
    ("policy rekey text", put(POLICY, 2, "600"), MalformedOrder, "policy rekey_s"),
    ("policy unknown flag", put(POLICY, 11, 4), MalformedOrder, "policy flags"),
    ("pad no list", put(POLICY, 8, 128), MalformedOrder, "policy pad"),
    ("pad falls", put(POLICY, 8, [256, 128]), MalformedOrder, "policy pad"),
    ("pad repeats", put(POLICY, 8, [128, 128]), MalformedOrder, "policy pad"),
    ("pad of nothing", put(POLICY, 8, [0, 128]), MalformedOrder, "policy pad"),
    ("pad too large", put(POLICY, 8, [65_536]), MalformedOrder, "policy pad"),
    ("17 pads", put(POLICY, 8, list(range(1, 18))), MalformedOrder, "policy pad"),
    *((f"key {key} absent", drop(key), MalformedMessage, "has the keys") for key in range(1, 12)),
    *((f"agency {kind}", put(5, text), MalformedMessage, "key 5") for kind, text in BAD_TEXT.items()),
    *((f"operation {kind}", put(6, text), MalformedMessage, "key 6") for kind, text in BAD_TEXT.items()),
    *((f"device {kind}", put(DEVICES, 0, 1, text), MalformedMessage, "key 1") for kind, text in BAD_TEXT.items()),
    *((f"station {kind}", put(STATIONS, 0, 2, text), MalformedMessage, "key 2") for kind, text in BAD_TEXT.items()),
    *((f"guard {kind}", put(STATIONS, 0, 6, text), MalformedMessage, "key 6") for kind, text in BAD_TEXT.items()),
    *((f"its agency {kind}", put(STATIONS, 0, 7, text), MalformedMessage, "key 7") for kind, text in BAD_TEXT.items()),
    *((f"witness {kind}", put(STATIONS, 0, 8, text * 4), MalformedMessage, "key 8") for kind, text in BAD_TEXT.items()),
    *((f"recording {kind}", put(RECORDING, 0, 2, text), MalformedMessage, "key 2") for kind, text in BAD_TEXT.items()),
]


@pytest.mark.parametrize(("change", "error", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_rule_of_the_content(change, error, says):
    """Signed by the right agency, and refused all the same: with trust, without it, and before it is signed."""
    content = cose.loads(order().payload())
    change(content)
    data = harbour().sign(cose.dumps(content))
    for attempt in (lambda: verified(data), lambda: parse_order(data)):
        with pytest.raises(error, match=says) as caught:
            attempt()
        assert caught.value.hint


@pytest.mark.parametrize("name", RANGES)
def test_the_policy_has_ranges_with_two_edges(name):
    low, high = RANGES[name]
    for inside in (low, high):
        policy = dataclasses.replace(Policy(), **{name: inside})
        assert verified(issued(policy=policy)).content.policy == policy
    for outside in (low - 1, high + 1):
        with pytest.raises(MalformedOrder, match=f"policy {name} is {outside}, not within {low}..{high}"):
            issued(policy=dataclasses.replace(Policy(), **{name: outside}))


def test_the_ranges_are_those_of_the_specification():
    assert RANGES["sframe"] == (5, 5)
    assert (RANGES["rekey_s"], RANGES["lead_s"], RANGES["announce_s"]) == ((60, 3600), (2, 60), (1, 30))
    assert (RANGES["fresh_ms"], RANGES["segment_s"]) == ((1000, 10_000), (1, 10))
    assert RANGES["segment_max"] == (65_536, 67_108_864)
    assert RANGES.keys() | {"pad"} == {field.name for field in dataclasses.fields(Policy)}


@pytest.mark.parametrize("roles", range(1, 32))
def test_every_combination_of_roles_but_command_without_telemetry(roles):
    content = order(stations=(station(1, roles=Role(roles)),))
    if roles & 5 == 4:
        with pytest.raises(MalformedOrder, match="may command"):
            issue_order(content, [harbour().signer])
    else:
        assert verified(issue_order(content, [harbour().signer])).content.stations[0].roles == roles


def test_a_guard_policy_that_no_aircraft_has_is_refused_by_its_name():
    """Also of a station that may not command, and by whoever reads the order: there is one list for all."""
    content = order(stations=(station(1, guard="harbour-master"), station(2)))
    data = harbour().sign(content.payload())
    for attempt in (lambda: issue_order(content, [harbour().signer]), lambda: parse_order(data), lambda: verified(data)):
        with pytest.raises(UnknownGuard, match="station 'station-1' has the guard policy 'harbour-master'") as caught:
            attempt()
        assert all(name in caught.value.hint for name in GUARDS)


def test_a_guard_policy_of_ones_own_needs_the_hash_of_its_file():
    content = order(stations=(station(1, guard="harbour-master"), station(2)), guards=bytes(range(32)))
    assert cose.loads(content.payload())[13] == bytes(range(32))
    assert verified(issue_order(content, [harbour().signer])).content == content


POST_QUANTUM = {
    "classification": "confidential",
    "stations": (station(1, Profile.X_WING), station(2, Profile.MLKEM1024_P384)),
    "recording": (OrderRecording(1, "archive", Profile.X_WING, public(Profile.X_WING, 3)),),
}
CLASSICAL = {
    "a station, x25519": {"stations": (station(1, Profile.X_WING), station(2, Profile.X25519))},
    "a station, p-384": {"stations": (station(1, Profile.X_WING), station(2, Profile.P_384))},
    "a recording key": {"recording": (OrderRecording(1, "archive", Profile.P_384, public(Profile.P_384, 3)),)},
}


def test_a_confidential_order_has_post_quantum_keys_alone():
    content = order(**POST_QUANTUM)
    assert verified(issue_order(content, [harbour().signer])).content == content


@pytest.mark.parametrize("changes", CLASSICAL.values(), ids=CLASSICAL)
def test_a_confidential_order_to_one_classical_key_is_refused(changes):
    """By the tool that signs, and by whoever loads what another tool has signed."""
    content = order(**{**POST_QUANTUM, **changes})
    for attempt in (lambda: issue_order(content, [harbour().signer]), lambda: verified(harbour().sign(content.payload()))):
        with pytest.raises(ClassicalKey, match=r"not post-quantum: (station-2|archive) \((x25519|p-384)\)$") as caught:
            attempt()
        assert "--profile x-wing" in caught.value.hint
    assert verified(harbour().sign(order(**{**POST_QUANTUM, **changes, "classification": "regular"}).payload()))


def test_an_order_begins_and_ends_to_the_second():
    content = order()
    content.require_begun(NOW)
    content.require_not_expired(NOW + 8 * HOUR)
    with pytest.raises(OrderNotYetValid, match="begins at 2027-01-15 08:00 UTC, and it is 2027-01-15 07:59 UTC"):
        content.require_begun(NOW - 1)
    with pytest.raises(OrderExpired, match="ended at 2027-01-15 16:00 UTC"):
        content.require_not_expired(NOW + 8 * HOUR + 1)


def test_the_link_carries_sixteen_fragments_of_an_order():
    assert fits_link(bytes(17_600))
    assert not fits_link(bytes(17_601))
    assert LINK_MAX == 17_600
    assert fits_link(
        issue_order(order(stations=tuple(station(n, Profile.X_WING) for n in range(1, 14))), [harbour().signer])
    )


# --- the bytes ---


def test_a_changed_byte_is_refused_wherever_it_is():
    for data in flips(issued(recording=())):
        with pytest.raises(KeysError):
            verified(data)


def test_a_file_cut_anywhere_is_refused():
    data = issued()
    for size in range(len(data)):
        with pytest.raises(MalformedMessage):
            verified(data[:size])
    with pytest.raises(MalformedMessage):
        verified(data + b"\0")


def _respelled(payload: bytes) -> list:
    content = cose.loads(payload)
    backwards = cbor2.dumps(dict(reversed(content.items())))
    wide = payload.replace(b"\x02\x07\x03", b"\x02\x18\x07\x03", 1)
    endless = b"\xbf" + payload[1:] + b"\xff"
    twice = bytes([payload[0] + 1]) + payload[1:] + b"\x02\x07"
    floating = cbor2.dumps({**content, 2: 7.0}, canonical=True)
    return [backwards, wide, endless, twice, floating]


@pytest.mark.parametrize(
    "place", range(5), ids=["keys in another order", "wide integer", "endless map", "key twice", "float"]
)
def test_there_is_one_spelling_of_an_order(place):
    spelled = _respelled(order().payload())[place]
    assert spelled != order().payload()
    with pytest.raises(MalformedMessage, match="CBOR"):
        verified(harbour().sign(spelled))


def test_the_envelope_too_has_one_spelling():
    data = issued()
    tag = cbor2.loads(data)
    for other in (b"\xd9\x00\x62" + data[2:], data[2:], b"\xd8\x12" + data[2:], data + data, cbor2.dumps([tag])):
        with pytest.raises(MalformedMessage):
            verified(other)


@pytest.mark.parametrize("stations", [1, 2, 15])
def test_the_hash_of_a_file_is_told_without_parsing_it(stations):
    content = order(stations=tuple(station(index) for index in range(1, stations + 1)))
    data = harbour().sign(content.payload())
    assert claimed_hash(data) == verified(data).order_hash == content.hash()


def test_what_does_not_begin_as_an_order_has_no_hash():
    data = issued()
    head = data.index(order().payload()) - 3
    others = [data[:size] for size in range(head + 3 + len(order().payload()))]
    others += [data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :] for place in range(head) for bit in (1, 128)]
    others += [data[:head] + bytes([kind]) + data[head + 1 :] for kind in (0x00, 0x3F, 0x5B, 0x5F, 0x79, 0xA1)]
    others.append(cose.sign1(order().payload(), "zegel-order", p384()))
    assert {claimed_hash(other) for other in others} == {None}


def test_no_op_id_shows_in_a_repr():
    content = order()
    signed = verify_order(issue_order(content, [harbour().signer]), [harbour().root], 0)
    for shown in (repr(content), repr(signed)):
        assert repr(content.op_id) not in shown
        assert content.op_id.hex() not in shown
        assert "op_id" not in shown
