"""Challenges: which way up a station tries next, and which ways its session has answered. SPEC.md section 6, F3.

A way is a link and an address at its other end, opaque here. Each has values of its own, so that an answer tells which way
leads to the aircraft. A beat holds one value of a station, so two ways are never tried between two beats, but for the
first time. Sans-IO: time and random bytes are arguments.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Hashable, Sequence
from typing import TypeAlias

from gateway.core.budget import Budget
from gateway.core.wire import CHALLENGE_FOR_S
from keys.beat import CHALLENGE_SIZE, Beat
from keys.epoch import Entropy

CHALLENGE_EVERY_S = 3.0  # a new challenge for each way; the ways take turns
REPEAT_AFTER_S = 1.0  # a challenge that was not answered; without it F3 would be lost once a minute at 30 % loss
FIRST_REPEAT_AFTER_S = 0.25  # in the first 3 s, until one is back: a new session is not commanded before
KNOWN_FOR_S = 60.0  # every second turn is for ways that were answered in this time: they may only be lossy
FIRSTS_PER_S, FIRSTS_AT_ONCE = 4.0, 8.0  # out of turn, while none was answered: strangers can name new ways

Way: TypeAlias = tuple[int, Hashable]  # number of the link, address at its other end


@dataclasses.dataclass(slots=True)
class _State:
    """The newest challenge of one way."""

    value: bytes = b""
    drawn_at: float = float("-inf")
    sent_at: float = float("-inf")
    proved_at: float = float("-inf")  # when one of its challenges came back

    def known(self, now: float) -> bool:
        return now - self.proved_at <= KNOWN_FOR_S

    def must_be_repeated(self, now: float, after_s: float = REPEAT_AFTER_S) -> bool:
        return self.proved_at < self.drawn_at and now - self.sent_at >= after_s


class Challenges:
    """The challenges of one station to one session."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._ways: dict[Way, _State] = {}
        self._drawn: deque[tuple[float, bytes, Way]] = deque()  # unanswered challenges of the last 10 s
        self._answered_at = float("-inf")  # when the newest answered challenge was drawn
        self._proved: list[Way] = []
        self._heard: Beat | None = None  # the newest beat whose answer was read
        self._beat_came = False  # since the last challenge
        self._sent_at = self._fresh_at = float("-inf")  # the last challenge, and the last that was new
        self._began = float("inf")  # when the first challenge was sent
        self._common_turn = False  # the next turn is not for those ways that led there lately
        self._firsts = Budget(FIRSTS_PER_S, FIRSTS_AT_ONCE)

    # --- answers ---

    def hear(self, beat: Beat, station: int, now: float) -> None:
        """Read the answer to this station in the newest beat."""
        while self._drawn and now - self._drawn[0][0] > CHALLENGE_FOR_S:
            self._drawn.popleft()
        if beat is self._heard:
            return
        self._heard, self._beat_came = beat, True
        answer = beat.challenges.get(station)
        for drawn_at, value, way in [item for item in self._drawn if item[1] == answer]:
            self._drawn.remove((drawn_at, value, way))
            self._answered_at = max(self._answered_at, drawn_at)
            self._proved.append(way)
            if way in self._ways:
                self._ways[way].proved_at = now

    def answered(self, now: float) -> bool:
        """F3: a challenge that was drawn at most 10 s ago was answered, by whichever way it went."""
        return now - self._answered_at <= CHALLENGE_FOR_S

    @property
    def asked(self) -> dict[bytes, float]:
        """The unanswered challenges of the last 10 s, and when each was drawn."""
        return {value: drawn_at for drawn_at, value, _ in self._drawn}

    def take_proved(self) -> list[Way]:
        """The ways whose challenges were answered since the last call."""
        proved, self._proved = self._proved, []
        return proved

    # --- what is due ---

    def due(self, ways: Sequence[Way], now: float) -> list[tuple[Way, bytes]]:
        """The challenges to send now, each with its way. `ways` are the present ones."""
        self._ways = {way: self._ways.get(way) or _State() for way in ways}
        out = [] if self.answered(now) else [self._fresh(way, now) for way in ways if self._may_begin(way, now)]
        if now - self._began < CHALLENGE_EVERY_S and self._answered_at == float("-inf"):
            out += [self._again(way, now) for way in ways if self._ways[way].must_be_repeated(now, FIRST_REPEAT_AFTER_S)]
        elif self._ways and (self._beat_came or now - self._sent_at >= REPEAT_AFTER_S):
            out += self._in_turn(now)
        if out:
            self._sent_at, self._beat_came, self._began = now, False, min(self._began, now)
        return out

    def _may_begin(self, way: Way, now: float) -> bool:
        return not self._ways[way].value and self._firsts.spend(now)

    def _in_turn(self, now: float) -> list[tuple[Way, bytes]]:
        """One challenge, if one is due. Each challenge that is sent passes the turn on."""
        known = [] if self._common_turn else [way for way, state in self._ways.items() if state.known(now)]
        out = self._one_of(known, now) or self._one_of([*self._ways], now)
        self._common_turn ^= bool(out)
        return out

    def _one_of(self, ways: Sequence[Way], now: float) -> list[tuple[Way, bytes]]:
        """A new one for the way that has waited longest, with equal intervals between ways; else a repeat."""
        state = self._ways
        due = [way for way in ways if now - state[way].drawn_at >= CHALLENGE_EVERY_S]
        if due and now - self._fresh_at >= CHALLENGE_EVERY_S / len(state):
            return [self._fresh(min(due, key=lambda way: state[way].drawn_at), now)]
        unanswered = [way for way in ways if state[way].must_be_repeated(now)]
        if not unanswered:
            return []
        return [self._again(min(unanswered, key=lambda way: state[way].sent_at), now)]

    def _again(self, way: Way, now: float) -> tuple[Way, bytes]:
        self._ways[way].sent_at = now
        return way, self._ways[way].value

    def _fresh(self, way: Way, now: float) -> tuple[Way, bytes]:
        value, state = self._entropy(CHALLENGE_SIZE), self._ways[way]
        state.value, state.drawn_at, state.sent_at = value, now, now
        self._fresh_at = now
        self._drawn.append((now, value, way))
        return way, value
