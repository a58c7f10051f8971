"""The header of a recording of the vectors' session, and the keys of its segments. SPEC.md section 8."""

from __future__ import annotations

import dataclasses

from keys import cose, recording_header
from keys.folders.recording_public import RecordingPublic
from keys.ratchet import Ratchet
from tests.vectors.zegel1 import Document, cast
from tests.vectors.zegel1.samples import Samples

SEGMENTS = 3


def document(samples: Samples) -> Document:
    (key,), header = cast.ORDER.recording, cast.RECORDING
    payload = dataclasses.replace(header, keys=((key.id, samples.recording),)).payload()
    ratchet = Ratchet(bytearray(cast.RK_0))
    return {
        "section": "8",
        "what": "sealed is a sample, since HPKE is randomised: it has to open to rk_0; contexts are those of the segments",
        "rec.pub": RecordingPublic(key.name, key.profile, key.pub).encode().decode(),
        "key_id": key.id,
        "profile": key.profile,
        "seed": cast.ARCHIVE_SEED,
        "session_public": cast.STATEMENT.session_public,
        "rec_id": header.rec_id,
        "group": header.group,
        "mono_us": header.mono_us,
        "info": cose.dumps(["zegel/1 recording", header.order_hash, header.session_id, header.rec_id, key.id]),
        "sealed": samples.recording,
        "payload": payload,
        "header": recording_header.sign(payload, cast.SESSION_KEY, cast.SESSION_ID, cast.ORDER.hash()),
        "rk_0": cast.RK_0,
        "segments": [
            {
                "index": index,
                "segment_key": bytes(ratchet.turn()),
                "context": cose.dumps(["zegel/1 seg", header.rec_id, index]),
            }
            for index in range(SEGMENTS)
        ],
    }
