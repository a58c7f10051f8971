"""Sealer: plain datagrams to sealed ones, a batch at a time. This and ground/opener.py are the data path.

The flow, and the functions in its order:
  1  `seal`            the batch of one lane: bundles of frames, or video datagrams, each in its slot
  2  `_block`          counters from the lane's send key: their headers, nonces (salt XOR CTR) and additional data
                       (header || session_id), made 256 at a time
  3  `_encrypt`        one AEAD call per datagram, in place
  4  `_lay_headers`    the SFrame header is written into the headroom before each
  5                    starts and lengths now mark the sealed datagrams; the endpoint sends them from there

RFC 9605 section 4.4; SPEC.md section 4.
"""

from __future__ import annotations

from gateway.batch import HEADROOM, SLOT_SIZE, TAG_SIZE, Batch
from gateway.core.sframe import HeaderBlock
from keys.keyring import SendKey


class Sealer:
    """Seals for one session. The counters live in the send keys, so two sealers can never share one by mistake."""

    __slots__ = ("_blocks", "_session_id", "_single")

    def __init__(self, session_id: bytes) -> None:
        self._session_id = session_id
        self._single = Batch(1)
        self._blocks: dict[int, HeaderBlock] = {}  # by lane

    def seal(self, key: SendKey, batch: Batch, first: int = 0, count: int | None = None) -> None:
        """Seal the datagrams of `batch` in place: `count` from slot `first` on, all by default.

        KeyExhausted before anything is touched.
        """
        end = batch.count if count is None else first + count
        ctr, slot = key.reserve(end - first), first
        while slot < end:
            block = self._block(key, ctr)
            at = ctr - block.first
            run = min(end - slot, block.end - ctr)
            slots = range(slot, slot + run)
            self._encrypt(key, batch, slots, block.pairs[at : at + run])
            self._lay_headers(batch, slots, block, at)
            ctr, slot = ctr + run, slot + run

    def _block(self, key: SendKey, ctr: int) -> HeaderBlock:
        """Of the lane's newest key; one salt makes the same nonces, so a block of another key is never taken."""
        block = self._blocks.get(key.kid >> 8)
        if block is None or block.salt is not key.salt or not block.holds(ctr):
            block = self._blocks[key.kid >> 8] = HeaderBlock(key.kid, key.salt, self._session_id, ctr)
        return block

    def _encrypt(self, key: SendKey, batch: Batch, slots: range, pairs: list[tuple[bytes, ...]]) -> None:
        encrypt = key.cipher.encrypt_into
        for (nonce, aad), (plain, sealed) in zip(pairs, batch.pieces(slots, HEADROOM), strict=True):
            encrypt(nonce, plain, aad, sealed)

    def _lay_headers(self, batch: Batch, slots: range, block: HeaderBlock, at: int) -> None:
        """`at`: the place of the first header in `block`."""
        size, count = block.size, len(slots)
        if count <= batch.few:
            arena, ends = batch.arena, range(slots.start * SLOT_SIZE + HEADROOM, slots.stop * SLOT_SIZE, SLOT_SIZE)
            for end, (_, aad) in zip(ends, block.pairs[at : at + count], strict=True):
                arena[end - size : end] = aad[:size]
        else:
            batch.octets[slots.start : slots.stop, HEADROOM - size : HEADROOM] = block.headers[at : at + count]
        batch.shift(slots, HEADROOM - size, size + TAG_SIZE)

    def seal_one(self, key: SendKey, plaintext: bytes) -> bytes:
        """One datagram, for rare cases: a beat in the evidence lane."""
        self._single.hold([plaintext])
        self.seal(key, self._single)
        return bytes(self._single.view(0))
