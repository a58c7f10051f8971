"""All vectors, by the names of their files."""

from __future__ import annotations

from cryptography import x509

from keys import certificate, cose
from keys.folders.station_public import StationPublic
from keys.order import claimed_hash
from tests.vectors.zegel1 import Document, cast, control, hostile, recording, sealed
from tests.vectors.zegel1.samples import Samples

WARNING = "TEST VECTORS. Every key in these files is published: never use one for anything else."


def documents(samples: Samples) -> dict[str, Document]:
    made = {
        "keys": keys(),
        "order": order(samples),
        "statement": control.statements(samples),
        "announcement": control.announcements(samples),
        "grant": control.grants(samples),
        "beat": control.beats(samples),
        "control": control.datagrams(samples),
        "downlink": sealed.downlink(samples),
        "uplink": sealed.uplink(samples),
        "recording": recording.document(samples),
        "hostile": hostile.document(samples),
    }
    return {name: {"warning": WARNING, **document} for name, document in made.items()}


def keys() -> Document:
    """Private halves, as they are derived from the label."""
    return {
        "label": cast.LABEL,
        "how": 'each value is HKDF-Expand(HKDF-Extract("", label), name, its size), HKDF-SHA512; the name stands beside it',
        "derived": {
            name: cast.derived(name, size)
            for name, size in (
                ("op_id", 16),
                ("root", 48),
                ("signer", 48),
                ("root ML-DSA-65", 32),
                ("signer ML-DSA-65", 32),
                ("device 0", 32),
                ("device 1", 32),
                ("session key", 32),
                ("archive", 32),
                ("rec_id", 16),
                ("rk_0", 32),
                *((f"station {index}", len(seed)) for index, seed in cast.SEEDS.items()),
                *((f"base_key of lane {lane:d}", 32) for lane in cast.LANES),
                *((f"uplink_key of station {index}", 32) for index in cast.PROFILES),
            )
        },
    }


def order(samples: Samples) -> Document:
    message = cose.parse_sign(samples.order)
    roots = [x509.load_der_x509_certificate(der) for der in (samples.root, samples.root_ml_dsa)]
    signer = x509.load_der_x509_certificate(message.signatures[0].chain[0])
    return {
        "section": "3",
        "what": "two files of one payload, under one root and under both; certificates and signatures are samples",
        "root": samples.root,
        "root_ml_dsa": samples.root_ml_dsa,
        "agency_id": certificate.agency_id(roots[:1]),
        "agency_id_hybrid": certificate.agency_id(roots),
        "generation": certificate.generation(signer),
        "protected": message.protected,
        "payload": message.payload,
        "order_hash": claimed_hash(samples.order),
        "order": samples.order,
        "order_hybrid": samples.order_hybrid,
        "guard.toml": cast.GUARD_TOML,
        "payload_own_guard": cast.OWN_GUARD.payload(),
        "order_hash_own_guard": cast.OWN_GUARD.hash(),
        "station.pub": [
            StationPublic(s.name, s.agency or cast.ORDER.agency, s.profile, s.pub).encode().decode() for s in cast.STATIONS
        ],
    }
