"""Opener: sealed datagrams to plain ones, a batch at a time. This and sealer.py are the data path.

The flow, and the functions in its order:
  1  `open`              control datagrams go to the listener; the rest must have the downlink's form
  2  `_open_kind`        KID to leases, for the datagrams that begin with the same bytes
  3  `_open_in_order`    if they go on where their lane stands, as nearly all do: what their headers must be was made
                         ahead, so that comparing is all the parsing there is
     `_open_general`     all others: whole, in the header's one right form, and a lease is needed;
     `_open_lease`       the counter must be within the beat and new to the window
  4  `_decrypt`          one AEAD call per datagram, in place; what fails is wiped in the same breath; only then does the
                         window move
  5  `_deliver`          marks the plain datagrams; telemetry must be whole frames and zeros; beats and orders go to the
                         listener; video is opaque; of telemetry and video what had waited here for over a second is late

Everything from the air that is not right is a counted DropReason, never an exception. SPEC.md sections 4, 5.5 and 12.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag

from firmware_shims import mavlink
from gateway.batch import CAPACITY, HEADROOM, SLOT_SIZE, TAG_SIZE, Batch, as_index
from gateway.core import bundle, sframe
from gateway.core.barrier import Barrier
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import Listener
from gateway.core.ground.opened import Arrival, Bundle, Opened
from gateway.core.ground.session import Lease
from gateway.core.sframe import HeaderBlock
from gateway.core.wire import CONTROL_BELOW, Evidence
from keys.lanes import TELEMETRY_LANES, VIDEO_LANES, Lane
from keys.policy import PolicyFlag

Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NONE: Indices = np.zeros(0, np.int64)

_LIVE = TELEMETRY_LANES + VIDEO_LANES  # worth nothing when it is late


class _Rows(NamedTuple):
    """Datagrams of one KID that are being opened, with headers of one size. (n,) slots and counters."""

    slots: Indices
    ctrs: Indices
    size: int
    selector: slice | Indices  # the same as `slots`, to index with

    def where(self, good: Mask) -> _Rows:
        """Those that are good; not copied if they all are."""
        if np.count_nonzero(good) == good.size:
            return self
        slots = self.slots[good]
        return _Rows(slots, self.ctrs[good], self.size, as_index(slots.tolist()))


class Opener:
    """Opens for one station. `drops` and `opened` count datagrams by reason and by lane."""

    def __init__(self, listener: Listener, barrier: Barrier | None = None) -> None:
        self.listener = listener
        self.barrier = barrier or Barrier()
        self.drops: Counter[DropReason] = Counter()
        self.opened: Counter[Lane] = Counter()
        self._pad_video = bool(listener.order.content.policy.flags & PolicyFlag.PAD_VIDEO)

    def open(self, batch: Batch, now: float) -> Opened:
        """Open `batch` in place. The result refers to its slots and is valid until the batch is filled again."""
        opened = Opened()
        prefixes = batch.heads(sframe.DOWNLINK_HEADER_MIN)
        kinds = dict.fromkeys(prefixes)
        sealed = [kind for kind in kinds if kind[0] >> 4 == sframe.DOWNLINK_FIRST >> 4]
        if len(sealed) < len(kinds):
            self._other(batch, [slot for slot, prefix in enumerate(prefixes) if prefix not in sealed], now)
        for kind in sealed:
            if now > self.listener.next_change:  # also by what a beat allows that came in its time and is read now
                self.listener.settle(now)
            same_kid = (
                [slot for slot, prefix in enumerate(prefixes) if prefix == kind] if len(kinds) > 1 else range(batch.count)
            )
            self._open_kind(batch, kind, same_kid, opened, now)
        return opened

    def _open_kind(self, batch: Batch, prefix: bytes, same_kid: Sequence[int], opened: Opened, now: float) -> None:
        """If something unexpected is met, once more one by one, so that one datagram costs itself alone.

        That is safe wherever it was met: what is in `opened` has moved its window and counts as replayed, and what was
        opened but not delivered fails its tag and is wiped.
        """
        leases = self.listener.leases.get(prefix[1] << 8 | prefix[2], ())
        try:
            if not leases and len(same_kid) <= batch.few:
                self._refuse(batch, prefix, same_kid)
            elif len(leases) != 1 or not self._open_in_order(batch, prefix, same_kid, leases[0], opened, now):
                self._open_general(batch, same_kid, leases, opened, now)
        except Exception as error:
            if len(same_kid) == 1:
                self._unexpected(error)
                return
            self.barrier.note(error)
            for slot in same_kid:
                self._open_kind(batch, prefix, [slot], opened, now)

    def _unexpected(self, error: Exception) -> None:
        self.drops[DropReason.UNEXPECTED] += 1
        self.barrier.note(error)

    def look_again(self, opened: Opened, seconds: float) -> None:
        """So long after it was read: what the process stood still with is late."""
        if seconds > bundle.DROP_AFTER_S:
            self.drops[DropReason.LATE] += len(opened.bundles) + sum(map(len, opened.video.values()))
            opened.bundles.clear()
            opened.video.clear()

    # --- 1: forms ---

    def _other(self, batch: Batch, indices: list[int], now: float) -> None:
        for index in indices:
            datagram = batch.view(index)
            if not len(datagram):
                self.drops[DropReason.TOO_SHORT] += 1
            elif datagram[0] < CONTROL_BELOW:
                self._take(self.listener.control, bytes(datagram), now - batch.sure_age(index))
            elif datagram[0] >= sframe.UPLINK_FIRST:
                self.drops[DropReason.WRONG_DIRECTION] += 1
            else:
                self.drops[DropReason.NOT_ZEGEL] += 1

    def _take(self, take: Callable[..., DropReason | None], *what: object) -> None:
        """Have one message taken, and count why it was not."""
        try:
            if reason := take(*what):
                self.drops[reason] += 1
        except Exception as error:
            self._unexpected(error)

    def _keep(self, rows: _Rows, good: Mask, reason: DropReason) -> _Rows:
        """Those that are good; the others are counted."""
        kept = rows.where(good)
        if kept is not rows:
            self.drops[reason] += rows.slots.size - kept.slots.size
        return kept

    # --- 3: one KID, what was expected ---

    def _open_in_order(
        self, batch: Batch, prefix: bytes, same_kid: Sequence[int], lease: Lease, opened: Opened, now: float
    ) -> bool:
        """Open datagrams with consecutive counters, newer than any before. False, and nothing done, if they are not that.

        `prefix` is what their headers begin with, `same_kid` their slots.
        """
        block = lease.key.block
        if block is None or block.prefix != prefix:
            return False
        count, at = len(same_kid), same_kid[0] * SLOT_SIZE + HEADROOM
        ctr = int.from_bytes(batch.arena[at + len(prefix) : at + block.size], "big")
        first = ctr - block.first
        if not max(block.first, lease.key.window.top + 1) <= ctr <= min(block.end, lease.below) - count:
            return False
        if not _are_next(batch, same_kid, block, first):
            return False
        views = batch.pieces(same_kid, HEADROOM + block.size, block.size + TAG_SIZE)
        wrong = self._decrypt(lease, block.pairs[first : first + count], views, last=True)
        arrival = Arrival(lease, same_kid, range(ctr, ctr + count))
        if wrong:
            good = [row for row in range(count) if row not in wrong]
            arrival = Arrival(lease, [same_kid[row] for row in good], [ctr + row for row in good])
            lease.key.window.accept(np.array(arrival.ctrs, np.int64))
        else:
            lease.key.window.extend(ctr, count)
        if arrival.slots:
            opened.arrivals.append(arrival)
        self._deliver(batch, arrival, block.size, opened, now)
        return True

    # --- 3: one KID, all others ---

    def _open_general(
        self, batch: Batch, same_kid: Sequence[int], leases: Sequence[Lease], opened: Opened, now: float
    ) -> None:
        """Datagrams that begin with the same three bytes: one KID, headers of one size."""
        slots, index = np.array(same_kid, np.int64), as_index(same_kid)
        heads = batch.octets[index, HEADROOM : HEADROOM + sframe.DOWNLINK_HEADER_MAX]
        rows = _Rows(slots, *sframe.counters(heads, sframe.DOWNLINK_KID), index)
        whole = self._keep(rows, batch.lengths[rows.selector] >= rows.size + TAG_SIZE, DropReason.TOO_SHORT)
        rows = self._keep(whole, whole.ctrs >= sframe.least(heads), DropReason.BAD_HEADER)
        if not leases and rows.slots.size:
            self.drops[self._why_closed(int(heads[0, 1]) << 8 | int(heads[0, 2]))] += rows.slots.size
        for lease in leases:
            if rows.slots.size:
                rows = self._open_lease(batch, lease, leases, rows, opened, now)

    def _refuse(self, batch: Batch, prefix: bytes, same_kid: Sequence[int]) -> None:
        """As `_open_general` without a lease: a station gets each bundle of telemetry twice, and opens one of the two."""
        size, why = sframe.downlink_header_size(prefix[0]), self._why_closed(prefix[1] << 8 | prefix[2])
        for slot in same_kid:
            at = slot * SLOT_SIZE + HEADROOM
            if batch.length_at[slot] < size + TAG_SIZE:
                self.drops[DropReason.TOO_SHORT] += 1
            elif not sframe.is_downlink_header(batch.arena[at : at + size].tobytes()):
                self.drops[DropReason.BAD_HEADER] += 1
            else:
                self.drops[why] += 1

    def _why_closed(self, kid: int) -> DropReason:
        if not any(kid in session.known_kids() for session in self.listener.sessions.values()):
            return DropReason.UNKNOWN_KID
        return DropReason.LANE_CLOSED if kid >> 8 in self.listener.my_lanes else DropReason.NOT_GRANTED

    def _open_lease(
        self, batch: Batch, lease: Lease, leases: Sequence[Lease], rows: _Rows, opened: Opened, now: float
    ) -> _Rows:
        """Open what is this lease's. Returns what is left for the next of `leases`, if two sessions share their KID."""
        last, window, usable, copies = lease is leases[-1], lease.key.window, rows, _NONE
        if not window.follows(rows.ctrs) or rows.ctrs[-1] >= lease.below:
            usable, copies = self._look(lease, rows, last)
        mine = usable.where(self._verified(batch, lease, usable, last))
        arrival = _arrival(lease, rows, mine, copies if len(leases) == 1 else _NONE)
        if arrival.slots:
            opened.arrivals.append(arrival)
        fresh = self._keep(mine, window.accept(mine.ctrs), DropReason.REPLAYED)
        self._deliver(batch, Arrival(lease, fresh.slots.tolist(), fresh.ctrs.tolist()), rows.size, opened, now)
        return rows if last else rows.where(~np.isin(rows.slots, mine.slots))

    def _look(self, lease: Lease, rows: _Rows, last: bool) -> tuple[_Rows, Indices]:
        """What may be tried of `rows`, and the slots of what was accepted before."""
        too_old, seen = lease.key.window.look(rows.ctrs)
        beyond = rows.ctrs >= lease.below
        if last:
            for mask, reason in (
                (beyond, DropReason.BEYOND_BEAT),
                (too_old, DropReason.TOO_OLD),
                (seen, DropReason.REPLAYED),
            ):
                self.drops[reason] += int(np.count_nonzero(mask))
        return rows.where(~(too_old | seen | beyond)), rows.slots[seen]

    def _verified(self, batch: Batch, lease: Lease, rows: _Rows, last: bool) -> Mask:
        """Which of the datagrams verified."""
        right: Mask = np.full(rows.slots.size, True)
        if rows.slots.size:
            body = HEADROOM + rows.size
            views = batch.pieces(rows.slots.tolist(), body, rows.size + TAG_SIZE)
            heads = batch.octets[rows.selector, HEADROOM:body]
            pairs = sframe.pairs(lease.key.salt, heads, rows.ctrs, lease.session.session_id)
            right[self._decrypt(lease, pairs, views, last)] = False
        return right

    # --- 4: the AEAD ---

    def _decrypt(
        self, lease: Lease, pairs: Sequence[tuple[bytes, ...]], views: Sequence[tuple[memoryview, memoryview]], last: bool
    ) -> list[int]:
        """Which did not verify, as numbers of `pairs`; the plaintext of the others stands where the ciphertext stood."""
        wrong: list[int] = []
        cipher = lease.key.cipher
        for row, ((nonce, aad), (plain, sealed)) in enumerate(zip(pairs, views, strict=True)):
            try:
                if last:
                    cipher.decrypt_into(nonce, sealed, aad, plain)
                else:  # the ciphertext may be another session's: it must survive a failure
                    plain[:] = cipher.decrypt(nonce, sealed, aad)
            except Exception as error:
                wrong.append(row)
                if last:  # decrypt_into leaves unauthenticated plaintext behind
                    sealed[:] = bytes(len(sealed))
                if not isinstance(error, InvalidTag):
                    self._unexpected(error)
                elif last:
                    self.drops[DropReason.BAD_TAG] += 1
        return wrong

    # --- 5: what was inside ---

    def _deliver(self, batch: Batch, fresh: Arrival, size: int, opened: Opened, now: float) -> None:
        """What verified and is new, behind headers of `size` bytes."""
        lease, slots, ctrs = fresh
        if not slots:
            return
        batch.shift(slots, HEADROOM + size, -(size + TAG_SIZE))
        _look_ahead(lease)
        if batch.oldest > bundle.DROP_AFTER_S and lease.lane in _LIVE:
            slots, ctrs = self._in_time(batch, slots, ctrs)
        if lease.proves:
            opened.fresh += slots
        self.opened[lease.lane] += len(slots)
        if lease.lane in VIDEO_LANES:
            opened.video.setdefault(lease, []).extend(self._unpadded(batch, slots) if self._pad_video else slots)
        elif lease.lane in TELEMETRY_LANES:
            for slot, ctr in zip(slots, ctrs, strict=True):
                opened.bundles.append(Bundle(lease, ctr, self._frames(batch.view(slot)), now - batch.age(slot)))
        else:
            for slot in slots:
                self._take(self._control, bytes(batch.view(slot)), lease, now - batch.sure_age(slot))

    def _in_time(self, batch: Batch, slots: Sequence[int], ctrs: Sequence[int]) -> tuple[list[int], list[int]]:
        """Of slots and their counters those that had not waited here for too long."""
        kept = [(slot, ctr) for slot, ctr in zip(slots, ctrs, strict=True) if batch.age(slot) <= bundle.DROP_AFTER_S]
        self.drops[DropReason.LATE] += len(slots) - len(kept)
        return [slot for slot, _ in kept], [ctr for _, ctr in kept]

    def _frames(self, plain: memoryview) -> list[memoryview]:
        try:
            return [plain[begin : begin + size] for begin, size in mavlink.split(plain)]
        except ValueError:
            self.drops[DropReason.BAD_PADDING] += 1
        except Exception as error:
            self._unexpected(error)
        return []

    def _unpadded(self, batch: Batch, slots: Sequence[int]) -> list[int]:
        kept = []
        for slot in slots:
            try:
                batch.lengths[slot] = bundle.video_length(batch.view(slot))
                kept.append(slot)
            except ValueError:
                self.drops[DropReason.BAD_PADDING] += 1
            except Exception as error:
                self._unexpected(error)
        return kept

    def _control(self, plain: bytes, lease: Lease, now: float) -> DropReason | None:
        """Beats and orders are taken; the other kinds are for a witness, which this version is not."""
        if lease.lane is Lane.ORDER:
            return self.listener.order_fragment(lease.session, plain)
        if plain[:1] == bytes([Evidence.BEAT]):
            return self.listener.sealed_beat(lease.session, plain[1:], now)
        if lease.only_beats:
            return DropReason.LANE_CLOSED
        if plain[:1] == bytes([Evidence.ORDER_FRAGMENT]):
            return self.listener.order_fragment(lease.session, plain[1:])
        return None


def _are_next(batch: Batch, slots: Sequence[int], block: HeaderBlock, first: int) -> bool:
    """Whether the headers in these slots are those of `block` from the `first` on, each with a tag behind it."""
    count, size = len(slots), block.size
    if count > batch.few:
        index = as_index(slots)
        heads = batch.octets[index, HEADROOM : HEADROOM + size]
        same = heads.tobytes() == block.headers[first : first + count].tobytes()
        return same and int(batch.lengths[index].min()) >= size + TAG_SIZE
    arena, lengths = batch.arena, batch.length_at
    for slot, (_, aad) in zip(slots, block.pairs[first : first + count], strict=True):
        at = slot * SLOT_SIZE + HEADROOM
        if lengths[slot] < size + TAG_SIZE or arena[at : at + size] != aad[:size]:
            return False
    return True


def _arrival(lease: Lease, rows: _Rows, mine: _Rows, copies: Indices) -> Arrival:
    """What verified, and `copies` of what came before: those of a KID that no other session uses."""
    if not copies.size:
        return Arrival(lease, mine.slots.tolist(), mine.ctrs.tolist())
    came = np.isin(rows.slots, np.concatenate((mine.slots, copies)))
    return Arrival(lease, rows.slots[came].tolist(), rows.ctrs[came].tolist())


def _look_ahead(lease: Lease) -> None:
    """Make what the next counters need, so that a full batch of them finds it; only what verified leads here."""
    key, ahead = lease.key, lease.key.window.top + 1
    block = key.block
    if block is None or not block.first <= ahead <= block.end - CAPACITY:
        key.block = HeaderBlock(key.kid, key.salt, lease.session.session_id, ahead)
