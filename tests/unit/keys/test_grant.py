"""That the profiles are those of the standards is held by tests/vectors; here is what they refuse."""

from __future__ import annotations

import os
import random

import pytest

from keys import cose, grant
from keys.errors import GrantError
from keys.grant import Profile

OVERHEAD = {Profile.X_WING: 1136, Profile.X25519: 48, Profile.P_384: 113, Profile.MLKEM1024_P384: 1681}
PUBLIC_SIZES = {Profile.X_WING: 1216, Profile.X25519: 32, Profile.P_384: 97, Profile.MLKEM1024_P384: 1665}
SEED_SIZES = {Profile.X_WING: 32, Profile.X25519: 32, Profile.P_384: 48, Profile.MLKEM1024_P384: 32}


@pytest.mark.parametrize("profile", Profile)
def test_seal_and_unseal(profile: Profile):
    seed = grant.generate(profile, os.urandom)
    public = grant.public_bytes(profile, seed)
    sealed = grant.seal(profile, public, b"info", b"thirty-two bytes and a few more")
    assert grant.unseal(profile, seed, b"info", sealed) == b"thirty-two bytes and a few more"
    assert len(sealed) == 31 + OVERHEAD[profile]
    assert (len(seed), len(public)) == (SEED_SIZES[profile], PUBLIC_SIZES[profile])


@pytest.mark.parametrize("profile", Profile)
def test_every_bit_of_a_seed_is_drawn(profile: Profile):
    """An X25519 key has five bits that are always the same; a seed has none."""
    ones = zeros = 0
    for _ in range(200):
        seed = int.from_bytes(grant.generate(profile, os.urandom), "big")
        ones, zeros = ones | seed, zeros | ~seed
    whole = (1 << 8 * SEED_SIZES[profile]) - 1
    assert ones & whole == zeros & whole == whole


@pytest.mark.parametrize("profile", Profile)
def test_a_seed_is_what_the_operating_system_gave(profile: Profile):
    rng, again = random.Random(1), random.Random(1)
    assert grant.generate(profile, rng.randbytes) == again.randbytes(SEED_SIZES[profile])


def test_a_p384_seed_is_drawn_again_until_it_is_a_scalar():
    drawn = iter([bytes(48), b"\xff" * 48, b"\1" * 48])
    assert grant.generate(Profile.P_384, lambda _: next(drawn)) == b"\1" * 48


@pytest.mark.parametrize("profile", Profile)
def test_only_the_right_station_for_the_right_purpose(profile: Profile):
    seed, other = grant.generate(profile, os.urandom), grant.generate(profile, os.urandom)
    assert seed != other
    sealed = grant.seal(profile, grant.public_bytes(profile, seed), b"info", b"plain")
    for key, info, message in [
        (other, b"info", sealed),
        (seed, b"Info", sealed),
        (seed, b"", sealed),
        (seed, b"info", sealed[:-1]),
        (seed, b"info", sealed + b"\0"),
        (seed, b"info", bytes([sealed[0] ^ 1]) + sealed[1:]),
        (seed, b"info", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (seed, b"info", b""),
        (seed, b"info", bytes(len(sealed))),
    ]:
        with pytest.raises(GrantError, match="does not open with this station's key"):
            grant.unseal(profile, key, info, message)


@pytest.mark.parametrize("profile", Profile)
def test_what_is_no_key_of_its_profile(profile: Profile):
    public = grant.public_bytes(profile, grant.generate(profile, os.urandom))
    grant.check_public(profile, public)
    for wrong in (b"", public[:-1], public + b"\0", bytes(len(public) // 2)):
        with pytest.raises(GrantError, match=f"not a public key of profile {profile.label}"):
            grant.check_public(profile, wrong)
        with pytest.raises(GrantError, match="not a public key"):
            grant.seal(profile, wrong, b"info", b"plain")
    for wrong in (b"", bytes(SEED_SIZES[profile] - 1), bytes(SEED_SIZES[profile] + 1)):
        with pytest.raises(GrantError, match=f"not a private seed of profile {profile.label}"):
            grant.public_bytes(profile, wrong)
        with pytest.raises(GrantError):
            grant.unseal(profile, wrong, b"info", bytes(2000))


@pytest.mark.parametrize("scalar", [0, (1 << 384) - 1], ids=["zero", "above the order of the group"])
def test_a_p384_scalar_out_of_range(scalar: int):
    with pytest.raises(GrantError, match="not a private seed"):
        grant.public_bytes(Profile.P_384, scalar.to_bytes(48, "big"))


NO_SECRET = {  # X25519 points of small order: what is agreed with them is zero, so RFC 9180 section 7.1.4 stops there
    "x25519, 0": (Profile.X25519, bytes(32)),
    "x25519, 1": (Profile.X25519, b"\1" + bytes(31)),
    "x-wing, 0": (Profile.X_WING, grant.public_bytes(Profile.X_WING, bytes(32))[:1184] + bytes(32)),
    "x-wing, 1": (Profile.X_WING, grant.public_bytes(Profile.X_WING, bytes(32))[:1184] + b"\1" + bytes(31)),
}


@pytest.mark.parametrize(("profile", "public"), NO_SECRET.values(), ids=NO_SECRET)
def test_a_key_with_which_no_secret_can_be_agreed(profile: Profile, public: bytes):
    with pytest.raises(GrantError, match="not a public key"):
        grant.check_public(profile, public)
    with pytest.raises(GrantError, match="not a public key"):
        grant.seal(profile, public, b"info", b"plain")


def test_a_point_that_is_not_on_the_curve():
    with pytest.raises(GrantError, match="not a public key"):
        grant.check_public(Profile.P_384, b"\4" + bytes(96))


def test_profiles_have_names_that_people_type():
    assert [profile.label for profile in Profile] == ["x-wing", "x25519", "p-384", "mlkem1024-p384"]
    for profile in Profile:
        assert Profile.from_name(profile.label) is profile
    with pytest.raises(GrantError, match="no profile 'rsa'") as caught:
        Profile.from_name("rsa")
    assert "x-wing, x25519, p-384, mlkem1024-p384" in caught.value.hint


def test_info_binds_order_session_epoch_station_and_suite():
    base = (bytes(32), bytes(16), 1, 2, 5)
    infos = {grant.grant_info(*base)}
    for place, other in enumerate((b"o" * 32, b"s" * 16, 2, 3, 4)):
        infos.add(grant.grant_info(*(other if i == place else value for i, value in enumerate(base))))
    assert len(infos) == 6
    assert cose.loads(grant.grant_info(*base)) == ["zegel/1 grant", *base]


def test_a_commitment_is_of_one_key_one_kid_and_one_suite():
    commitments = {
        grant.commitment(bytes(32), 0x1A4),
        grant.commitment(b"\1" + bytes(31), 0x1A4),
        grant.commitment(bytes(32), 0x1A5),
        grant.commitment(bytes(32), 0x1A4, suite=4),
    }
    assert {len(commitment) for commitment in commitments} == {32}
    assert len(commitments) == 4


@pytest.mark.parametrize("beyond", range(5))
def test_the_first_scalar_of_a_hybrid_seed_that_is_in_range_counts(beyond: int, monkeypatch: pytest.MonkeyPatch):
    """One in 2^194 is not; draft-ietf-hpke-pq has four of them."""
    scalars = [b"\xff" * grant.P384_SCALAR_SIZE] * beyond + [(1).to_bytes(grant.P384_SCALAR_SIZE, "big")] * (4 - beyond)
    monkeypatch.setattr(grant, "_shake256", lambda *_: bytes(64) + b"".join(scalars))
    if beyond == len(scalars):
        with pytest.raises(GrantError, match="gives no P-384 key"):
            grant.public_bytes(Profile.MLKEM1024_P384, bytes(grant.SEED_SIZE))
    else:
        assert grant.public_bytes(Profile.MLKEM1024_P384, bytes(grant.SEED_SIZE))
