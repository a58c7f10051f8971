from __future__ import annotations

import dataclasses

import pytest

from keys import certificate
from keys.grant import Profile
from keys.lanes import Role
from keys.order import issue_order, verify_order
from keys.order_station import OrderRecording
from keys.order_text import classical, describe, unlisted
from keys.policy import Policy, PolicyFlag
from tests.agency import harbour, order, public, station


def verified(content):
    return verify_order(issue_order(content, [harbour().signer]), [harbour().root], 0)


def test_an_order_answers_what_who_where_and_how_long():
    content = order()
    text = describe(content)
    for expected in (
        "ORDER for operation 'Night Watch' of 'Harbour Police'",
        "from 2027-01-15 08:00 UTC to 2027-01-15 16:00 UTC: 8 hours",
        "classification  regular",
        f"fingerprint     {certificate.groups(content.hash())}",
        f" 0  drone-1, no system ids listed, key {certificate.fingerprint(content.devices[0].pub)} (Ed25519)",
        " 1  pilot, of Harbour Police\n      sees telemetry and video, may command the aircraft (guard policy: pilot)\n",
        " 2  station-2, of Coast Guard\n      sees telemetry and video, may not command\n",
        f"      key {certificate.fingerprint(content.stations[1].pub)} (x25519)",
        " 1  archive-1, key ",
        "new ones every 10 minutes, announced every 2 seconds",
    ):
        assert expected in text


def test_the_aircraft_say_their_system_ids_and_who_is_revoked():
    one, two = order().devices
    listed = dataclasses.replace(one, systems=(1, 51)), dataclasses.replace(two, systems=(2,), void=True)
    text = describe(order(devices=listed))
    assert "AIRCRAFT that may fly it: 1\n" in text
    assert " 0  drone-1, system ids 1, 51, key " in text
    assert " 1  drone-2, REVOKED: no station believes its key, key " in text
    assert "no system ids" not in text


def test_two_aircraft_without_system_ids_are_warned_of():
    one, two = order().devices
    says = "no system ids are listed for drone-1 and drone-2: each keeps the first one that a station receives from it"
    assert says in unlisted(order())
    assert says in describe(order())
    assert unlisted(order(devices=(one, dataclasses.replace(two, systems=(2,))))) is None
    assert unlisted(order(devices=(one, dataclasses.replace(two, void=True)))) is None


def test_only_a_verified_order_is_said_to_be_verified():
    result = verified(order())
    assert "NOT VERIFIED" in describe(result.content)
    root = certificate.fingerprint(harbour().root)
    says = f"VERIFIED: signed for 'Harbour Police' by its order signer of generation 1 (P-384), root key {root}"
    assert says in describe(result)
    assert "NOT VERIFIED" not in describe(result)


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (Role.VIDEO, "sees video, may not command"),
        (Role.TELEMETRY | Role.WITNESS, "sees telemetry, may not command, witnesses the evidence log"),
        (Role.CONTROL, "sees neither telemetry nor video, may not command, may send a new order to the aircraft"),
    ],
)
def test_roles_in_words(roles, says):
    assert says in describe(order(stations=(station(1, roles=roles),)))


def test_limits_and_what_is_rare_are_told():
    policy = Policy(max_boots=20, max_hours=30, pad=(), retain_h=48)
    text = describe(order(policy=policy, previous=bytes(32), stations=(station(1, witness="w+0123abcd+AQID"),)))
    for expected in (
        "starts          20",
        "time in flight  1 day 6 hours",
        "padding         none",
        "removed after 2 days",
        f"replaces        the order with fingerprint {'-'.join(['0000'] * 8)}",
        "signs as witness with w+0123abcd+AQID",
    ):
        assert expected in text
    assert "telemetry and video, to 128, 256" in describe(order(policy=Policy(flags=1)))
    assert "nothing is recorded on board, the order holds no recording key" in describe(order(recording=()))
    on_request = "video is recorded only while a station asks for it"
    assert on_request in describe(order(policy=Policy(flags=PolicyFlag.VIDEO_ON_REQUEST)))
    assert on_request not in describe(order(policy=Policy(flags=PolicyFlag.PAD_VIDEO)))
    assert on_request not in describe(order(policy=Policy(flags=PolicyFlag.VIDEO_ON_REQUEST), recording=()))


def test_an_order_too_large_for_the_link_says_so():
    large = order(stations=tuple(station(n, Profile.MLKEM1024_P384) for n in range(1, 16)))
    assert "too large for the link" in describe(verified(large))
    assert "too large for the link" not in describe(verified(order()))


PILOT = Role.TELEMETRY | Role.VIDEO | Role.COMMAND


def test_what_a_quantum_computer_will_open_is_told_with_the_key_that_lets_it():
    seen = station(2, name="visitor", roles=Role.VIDEO)
    archive = OrderRecording(1, "archive", Profile.P_384, public(Profile.P_384, 1))
    pilot = station(1, Profile.X_WING, name="pilot", roles=PILOT)
    told = classical(order(stations=(pilot, seen), recording=()))
    assert told == (
        "not post-quantum: a quantum computer will open today's video and orders, for all readers,"
        " by the keys of visitor (x25519)"
    )
    assert told in describe(order(stations=(pilot, seen), recording=()))
    assert "open today's recordings on board" in classical(order(stations=(pilot,), recording=(archive,)))
    assert "open today's telemetry, video, commands and orders," in classical(
        order(stations=(station(1, roles=PILOT),), recording=())
    )


def test_an_order_to_post_quantum_keys_alone_has_nothing_to_tell():
    safe = order(stations=(station(1, Profile.X_WING), station(2, Profile.MLKEM1024_P384)), recording=())
    assert classical(safe) is None
    assert "quantum" not in describe(safe)
