"""Sealer: plain datagrams to sealed ones, a batch at a time. This and opener.py are the data path.

The flow, and the functions in its order:
  1  `seal`            the batch of one lane: bundles of frames, or video datagrams, each in its slot
  2  `_lay_headers`    counters from the lane's send key; the SFrame header goes into the headroom in front of each
  3  `_encrypt`        nonce = salt XOR CTR, additional data = header || session_id, one AEAD call per datagram, in place
  4                    starts and lengths now mark the sealed datagrams; the endpoint sends them as they lie

Nothing here allocates per datagram but the slices that the AEAD is called with. RFC 9605 section 4.4; SPEC.md section 4.
"""

from __future__ import annotations

import numpy as np

from gateway.batch import HEADROOM, SLOT_SIZE, Batch
from gateway.core import sframe
from gateway.core.sframe import Octets
from keys.keyring import NONCE_SIZE, TAG_SIZE, SendKey


class Sealer:
    """Seals for one session. The counters live in the send keys, so two sealers can never share one by mistake."""

    __slots__ = ("_metadata", "_single")

    def __init__(self, session_id: bytes) -> None:
        self._metadata = np.frombuffer(session_id, np.uint8)
        self._single = Batch(1)

    def seal(self, key: SendKey, batch: Batch) -> None:
        """Seal every datagram of `batch` in place. KeyExhausted before anything is touched."""
        if not batch.count:
            return
        first = key.take(batch.count)
        ctrs = np.arange(first, first + batch.count, dtype=np.int64)
        nonces = sframe.nonces(key.salt, ctrs)
        for run, headers in sframe.headers(key.kid, ctrs):
            self._lay_headers(batch, run, headers)
            self._encrypt(key, batch, run, headers, nonces)

    def _lay_headers(self, batch: Batch, run: slice, headers: Octets) -> None:
        size = headers.shape[1]
        batch.octets[run, HEADROOM - size : HEADROOM] = headers
        batch.starts[run] = HEADROOM - size

    def _encrypt(self, key: SendKey, batch: Batch, run: slice, headers: Octets, nonces: bytes) -> None:
        size = headers.shape[1] + self._metadata.size
        aads = np.concatenate((headers, np.broadcast_to(self._metadata, (len(headers), self._metadata.size))), 1).tobytes()
        encrypt, arena = key.cipher.encrypt_into, batch.arena
        at, aad, iv = run.start * SLOT_SIZE + HEADROOM, 0, run.start * NONCE_SIZE
        for length in batch.lengths[run].tolist():
            end = at + length
            encrypt(nonces[iv : iv + NONCE_SIZE], arena[at:end], aads[aad : aad + size], arena[at : end + TAG_SIZE])
            at, aad, iv = at + SLOT_SIZE, aad + size, iv + NONCE_SIZE
        batch.lengths[run] += headers.shape[1] + TAG_SIZE

    def seal_one(self, key: SendKey, plaintext: bytes) -> bytes:
        """One datagram, for what is rare: a beat in the evidence lane."""
        self._single.clear()
        self._single.append(plaintext)
        self.seal(key, self._single)
        return bytes(self._single.view(0))
