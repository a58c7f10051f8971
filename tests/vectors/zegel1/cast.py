"""Who takes part in the vectors: an agency, two aircraft, a station of each profile. Every key follows from one label.

These keys are published. Whoever uses one of them for anything but a test has no secret.
"""

from __future__ import annotations

import dataclasses
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import cose, grant
from keys.grant import Profile
from keys.lanes import STATIONS_MAX, Lane, Role, downlink_kid, lanes_for
from keys.order import Order
from keys.order_device import OrderDevice
from keys.order_station import OrderRecording, OrderStation
from keys.policy import Policy
from keys.recording_header import RecordingHeader
from keys.statement import Statement
from tests.vectors.independent import hkdf_expand, hkdf_extract

LABEL = "Zegel/1 test vectors: these keys are published"
BEGIN = 1_800_000_000  # of the order, Unix seconds
EPOCH = 0x1234
LANES = (Lane.TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B, Lane.OBSERVER_TELEMETRY, Lane.ORDER, Lane.EVIDENCE)
PILOT = Role.TELEMETRY | Role.VIDEO | Role.COMMAND


def derived(name: str, size: int) -> bytes:
    """HKDF-Expand(HKDF-Extract("", LABEL), name, size), SHA-512."""
    return hkdf_expand("sha512", hkdf_extract("sha512", b"", LABEL.encode()), name.encode(), size)


def scalar(name: str, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(derived(name, curve.key_size // 8), "big"), curve)


ROOT_KEY, SIGNER_KEY = scalar("root", ec.SECP384R1()), scalar("signer", ec.SECP384R1())
ROOT_ML_DSA = mldsa.MLDSA65PrivateKey.from_seed_bytes(derived("root ML-DSA-65", 32))
SIGNER_ML_DSA = mldsa.MLDSA65PrivateKey.from_seed_bytes(derived("signer ML-DSA-65", 32))
DEVICE_KEYS: tuple[cose.PrivateKey, ...] = (
    Ed25519PrivateKey.from_private_bytes(derived("device 0", 32)),
    scalar("device 1", ec.SECP256R1()),
)
SESSION_KEY = Ed25519PrivateKey.from_private_bytes(derived("session key", 32))


# --- the order ---

PROFILES = {1: Profile.X_WING, 2: Profile.X25519, 3: Profile.P_384, 4: Profile.MLKEM1024_P384}
SEEDS = {index: derived(f"station {index}", 48 if p is Profile.P_384 else 32) for index, p in PROFILES.items()}
_STATIONS = {
    1: ("pilot", PILOT, "pilot"),
    2: ("observer", Role.TELEMETRY | Role.VIDEO, "observer"),
    3: ("dispatcher", Role.TELEMETRY | Role.CONTROL, "observer"),
    4: ("second pilot", Role.TELEMETRY | Role.COMMAND, "camera-operator"),
}
STATIONS = tuple(
    OrderStation(
        index,
        name,
        PROFILES[index],
        grant.public_bytes(PROFILES[index], SEEDS[index]),
        roles,
        guard,
        "Coast Guard" if index == 2 else None,
    )
    for index, (name, roles, guard) in _STATIONS.items()
)
_PUBLIC = [cose.raw_public(key.public_key()) for key in DEVICE_KEYS]
ARCHIVE_SEED = derived("archive", 32)
ORDER = Order(
    op_id=derived("op_id", 16),
    serial=8,
    not_before=BEGIN,
    not_after=BEGIN + 8 * 3600,
    agency="Harbour Police",
    operation="Night Watch",
    classification="regular",
    devices=(OrderDevice("drone-7", *_PUBLIC[0], systems=(1, 51)), OrderDevice("drone-8", *_PUBLIC[1], systems=(2,))),
    stations=STATIONS,
    recording=(OrderRecording(1, "archive", Profile.X_WING, grant.public_bytes(Profile.X_WING, ARCHIVE_SEED)),),
    previous=derived("the order before", 32),
    policy=Policy(),
)

GUARD_TOML = '[guard.technician]\nbase = "pilot"\nblock_param = ["FS_*"]\n'
OWN_GUARD = dataclasses.replace(
    ORDER,
    stations=(dataclasses.replace(STATIONS[0], guard="technician"), *STATIONS[1:]),
    guards=hashlib.sha256(GUARD_TOML.encode()).digest(),
)

# --- the session ---

STATEMENT = Statement(ORDER.hash(), 0, SESSION_KEY.public_key().public_bytes_raw(), 300, BEGIN + 60)
STATEMENT_P256 = Statement(ORDER.hash(), 1, SESSION_KEY.public_key().public_bytes_raw(), 12, 0)
SESSION_ID = STATEMENT.session_id()
BASE_KEYS = {lane: derived(f"base_key of lane {lane:d}", 32) for lane in LANES}
UPLINK_KEYS = {index: derived(f"uplink_key of station {index}", 32) for index in PROFILES}
INSTANCES = {index: derived(f"instance of station {index}", 5) for index in range(1, STATIONS_MAX + 1)}
RK_0 = derived("rk_0", 32)
RECORDING = RecordingHeader(derived("rec_id", 16), ORDER.hash(), SESSION_ID, (), 2, 1_500_000)  # not yet sealed


def kid(lane: Lane) -> int:
    return downlink_kid(lane, SESSION_ID, EPOCH)


def granted(station: OrderStation) -> dict[int, bytes]:
    """KID -> base_key of the lanes that a station may read."""
    return {kid(lane): BASE_KEYS[lane] for lane in LANES if lane in lanes_for(station.roles)}
