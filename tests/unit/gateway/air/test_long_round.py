from __future__ import annotations

from gateway.air.long_round import too_large_for_link
from keys.grant import Profile
from keys.lanes import Role
from keys.order_station import OrderStation


def stations(*profiles: Profile) -> list[OrderStation]:
    return [OrderStation(i + 1, f"s{i}", p, b"", Role.TELEMETRY, "observer", None, None) for i, p in enumerate(profiles)]


def test_a_smaller_profile_is_advised_only_where_there_is_one():
    assert too_large_for_link(18.0, stations(Profile.X_WING, Profile.X25519))
    assert not too_large_for_link(9.0, stations(Profile.X_WING))
    assert not too_large_for_link(18.0, stations(Profile.X25519))
