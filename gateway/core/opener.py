"""Opener: sealed datagrams to plain ones, a batch at a time. This and sealer.py are the data path.

The flow, and the functions in its order:
  1  `open`          control datagrams go to the listener; the rest must have the downlink's form
  2  `_open_kid`     the datagrams of one KID: a lease is needed
  3  `_open_lease`   the counter must be within the beat and new to the window
  4  `_decrypt`      one AEAD call per datagram, in place; what fails is wiped in the same breath; only then does
                     `_open_lease` move the window, and `_mark` the plain datagrams
  5  `_deliver`      telemetry must be whole frames and zeros; beats and orders go to the listener; video is opaque

Everything from the air that is not right is a counted DropReason, never an exception. SPEC.md sections 4, 5.5 and 12.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag

from firmware_shims import mavlink
from gateway.batch import HEADROOM, SLOT_SIZE, Batch
from gateway.core import bundle, sframe
from gateway.core.listener import Listener
from gateway.core.session import Lease
from gateway.core.wire import CONTROL_BELOW, DropReason, Evidence
from keys.keyring import NONCE_SIZE, TAG_SIZE
from keys.kid import Lane
from keys.policy import PolicyFlag

Indices = npt.NDArray[np.int64]

_TELEMETRY = (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY)
_VIDEO = (Lane.VIDEO_A, Lane.VIDEO_B)


class Bundle(NamedTuple):
    """The frames of one telemetry datagram, and where in its lane it stands; none if it was padding alone."""

    lease: Lease
    ctr: int
    frames: list[memoryview]


class Arrival(NamedTuple):
    """What came of one lease, new or a copy: a copy too says that the link it came by is up. (n,) slots and counters."""

    lease: Lease
    slots: Indices
    ctrs: Indices


class Opened:
    """What one batch held: bundles as they came, and for each video lane the slots that hold its datagrams.

    `fresh`: the slots that prove their senders worth an answer: tag right, counter new, and of the lane that fewest hold
    the key of.
    """

    __slots__ = ("arrivals", "bundles", "fresh", "video")

    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self.video: dict[Lane, list[int]] = {}
        self.fresh: list[int] = []
        self.arrivals: list[Arrival] = []

    @property
    def frames(self) -> list[memoryview]:
        """The frames of all bundles, as they came."""
        return [frame for bundle in self.bundles for frame in bundle.frames]


class Opener:
    """Opens for one station. `drops` and `opened` count datagrams by reason and by lane."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.drops: Counter[DropReason] = Counter()
        self.opened: Counter[Lane] = Counter()
        self._proof = Lane.TELEMETRY if Lane.TELEMETRY in listener.my_lanes else Lane.EVIDENCE
        self._pad_video = bool(listener.order.order.policy.flags & PolicyFlag.PAD_VIDEO)

    def open(self, batch: Batch, now: float) -> Opened:
        """Open `batch` in place. The result refers to its slots and is valid until the batch is filled again."""
        opened = Opened()
        octets, lengths = batch.octets[: batch.count], batch.lengths[: batch.count]
        first = octets[:, HEADROOM]
        sealed = (first >> 4 == sframe.DOWNLINK_FIRST >> 4) & (lengths > sframe.DOWNLINK_HEADER_MIN)
        others = np.flatnonzero(~sealed)
        if others.size:
            self._other(batch, others.tolist(), now)
        at = np.flatnonzero(sealed)
        first_bytes = octets[at, HEADROOM : HEADROOM + sframe.DOWNLINK_HEADER_MAX]
        kids, ctrs, heads, good = sframe.parse(first_bytes, sframe.DOWNLINK_KID)
        at, kids, ctrs, heads = self._keep(good, DropReason.BAD_HEADER, at, kids, ctrs, heads)
        at, kids, ctrs, heads = self._keep(lengths[at] >= heads + TAG_SIZE, DropReason.TOO_SHORT, at, kids, ctrs, heads)
        for kid in dict.fromkeys(kids.tolist()):
            mine = kids == kid
            self._open_kid(batch, kid, (at[mine], ctrs[mine], heads[mine]), opened, now)
        return opened

    # --- 1: forms ---

    def _other(self, batch: Batch, indices: list[int], now: float) -> None:
        for index in indices:
            datagram = batch.view(index)
            if not len(datagram):
                self.drops[DropReason.TOO_SHORT] += 1
            elif datagram[0] < CONTROL_BELOW:
                reason = self.listener.control(bytes(datagram), now)
                if reason:
                    self.drops[reason] += 1
            elif datagram[0] >= sframe.UPLINK_FIRST:
                self.drops[DropReason.WRONG_DIRECTION] += 1
            elif datagram[0] >> 4 == sframe.DOWNLINK_FIRST >> 4:
                self.drops[DropReason.TOO_SHORT] += 1
            else:
                self.drops[DropReason.NOT_ZEGEL] += 1

    def _keep(self, good: npt.NDArray[np.bool_], reason: DropReason, *columns: Indices) -> tuple[Indices, ...]:
        """The rows of `columns` that are good; the others are counted."""
        if good.all():
            return columns
        self._count(~good, reason)
        return tuple(column[good] for column in columns)

    def _count(self, dropped: npt.NDArray[np.bool_], reason: DropReason) -> None:
        self.drops[reason] += int(np.count_nonzero(dropped))

    # --- 2 and 3: one KID ---

    def _open_kid(
        self, batch: Batch, kid: int, found: tuple[Indices, Indices, Indices], opened: Opened, now: float
    ) -> None:
        leases = self.listener.leases.get(kid, ())
        if not leases:
            self.drops[self._why_closed(kid)] += found[0].size
            return
        for lease in leases[:-1]:
            found = self._open_lease(batch, lease, found, opened, now, last=False)
        self._open_lease(batch, leases[-1], found, opened, now, last=True)

    def _why_closed(self, kid: int) -> DropReason:
        if not any(kid in session.known_kids() for session in self.listener.sessions.values()):
            return DropReason.UNKNOWN_KID
        return DropReason.LANE_CLOSED if kid >> 8 in self.listener.my_lanes else DropReason.NOT_GRANTED

    def _open_lease(
        self, batch: Batch, lease: Lease, found: tuple[Indices, ...], opened: Opened, now: float, *, last: bool
    ) -> tuple[Indices, Indices, Indices]:
        """Open what is this lease's. Returns what is left for the next one, if its KID is shared by two sessions."""
        at, ctrs, heads = found
        too_old, seen = lease.key.window.look(ctrs)
        beyond = ctrs >= lease.below
        usable = ~(too_old | seen | beyond)
        if last:
            for mask, reason in (
                (beyond, DropReason.BEYOND_BEAT),
                (too_old, DropReason.TOO_OLD),
                (seen, DropReason.REPLAYED),
            ):
                self.drops[reason] += int(np.count_nonzero(mask))
        right = np.zeros(at.size, np.bool_)
        right[usable] = self._decrypt(batch, lease, at[usable], ctrs[usable], heads[usable], last)
        fresh = lease.key.window.accept(ctrs[right])
        self._count(~fresh, DropReason.REPLAYED)
        self._mark(batch, at[right][fresh], heads[right][fresh])
        came = right | seen if self.listener.leases[lease.key.kid] == (lease,) else right
        if came.any():
            opened.arrivals.append(Arrival(lease, at[came], ctrs[came]))
        slots = at[right][fresh].tolist()
        if lease.lane is self._proof:
            opened.fresh += slots
        self._deliver(batch, lease, slots, ctrs[right][fresh].tolist(), opened, now)
        return at[~right], ctrs[~right], heads[~right]

    # --- 4: the AEAD ---

    def _decrypt(
        self, batch: Batch, lease: Lease, at: Indices, ctrs: Indices, heads: Indices, last: bool
    ) -> npt.NDArray[np.bool_]:
        """Which of the datagrams verified; their plaintext stands where the ciphertext stood."""
        key, arena = lease.key, batch.arena
        nonces = sframe.nonces(key.salt, ctrs)
        session_id = lease.session.session_id
        begins = (at * SLOT_SIZE + HEADROOM).tolist()
        lengths = batch.lengths[at].tolist()
        right = np.ones(at.size, np.bool_)
        for row, (begin, length, head) in enumerate(zip(begins, lengths, heads.tolist(), strict=True)):
            body, end = begin + head, begin + length
            iv = nonces[row * NONCE_SIZE : (row + 1) * NONCE_SIZE]
            aad = bytes(arena[begin:body]) + session_id
            try:
                if last:
                    key.cipher.decrypt_into(iv, arena[body:end], aad, arena[body : end - TAG_SIZE])
                else:  # the ciphertext may be another session's: it must survive a failure
                    arena[body : end - TAG_SIZE] = key.cipher.decrypt(iv, arena[body:end], aad)
            except InvalidTag:
                right[row] = False
                if last:  # decrypt_into leaves unauthenticated plaintext behind
                    arena[body:end] = bytes(end - body)
                    self.drops[DropReason.BAD_TAG] += 1
        return right

    def _mark(self, batch: Batch, at: Indices, heads: Indices) -> None:
        batch.starts[at] = HEADROOM + heads
        batch.lengths[at] -= heads + TAG_SIZE

    # --- 5: what was inside ---

    def _deliver(self, batch: Batch, lease: Lease, at: list[int], ctrs: list[int], opened: Opened, now: float) -> None:
        self.opened[lease.lane] += len(at)
        if lease.lane in _VIDEO:
            opened.video.setdefault(lease.lane, []).extend(self._unpadded(batch, at) if self._pad_video else at)
        elif lease.lane in _TELEMETRY:
            for index, ctr in zip(at, ctrs, strict=True):
                opened.bundles.append(Bundle(lease, ctr, self._frames(batch.view(index))))
        else:
            for index in at:
                reason = self._control(bytes(batch.view(index)), lease, now)
                if reason:
                    self.drops[reason] += 1

    def _frames(self, plain: memoryview) -> list[memoryview]:
        try:
            return [plain[begin : begin + size] for begin, size in mavlink.split(plain)]
        except ValueError:
            self.drops[DropReason.BAD_PADDING] += 1
            return []

    def _unpadded(self, batch: Batch, at: list[int]) -> list[int]:
        kept = []
        for index in at:
            try:
                batch.lengths[index] = bundle.video_length(batch.view(index))
                kept.append(index)
            except ValueError:
                self.drops[DropReason.BAD_PADDING] += 1
        return kept

    def _control(self, plain: bytes, lease: Lease, now: float) -> DropReason | None:
        """Beats and orders are taken; the other kinds are for a witness, which this version is not."""
        if lease.lane is Lane.ORDER:
            return self.listener.order_fragment(lease.session, plain)
        if plain[:1] == bytes([Evidence.BEAT]):
            return self.listener.sealed_beat(lease.session, plain[1:], now)
        if plain[:1] == bytes([Evidence.ORDER_FRAGMENT]):
            return self.listener.order_fragment(lease.session, plain[1:])
        return None
