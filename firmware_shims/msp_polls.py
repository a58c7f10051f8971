"""MSP polls: what is asked when. Sans-IO: the time is an argument, in seconds.

Requests are pipelined: one is sent before the last has been answered, up to AHEAD of each command and IN_FLIGHT_MAX of
all, since a flight controller buffers some 128 bytes. One that is not answered, or refused, holds up no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

AHEAD = 2  # requests of one command that may be on their way
IN_FLIGHT_MAX = 8  # requests of all commands
ANSWER_WITHIN_S = 1.0  # later, a request counts as lost
REFUSED_AGAIN_S = 5.0  # a command that was refused is asked again: a GPS may be found late
TOGETHER_S = 0.002  # what is due so soon goes with what is due now: one wake-up, and one write
STALE_AFTER = 3  # polls without an answer: the value is not used any more


class Poll:
    """One command. `unanswered`: requests since its last answer."""

    def __init__(self, every_s: float) -> None:
        self.every_s, self.due = every_s, 0.0
        self.unanswered = 0
        self.answered = False
        self.sent: deque[float] = deque()  # when those on their way were sent

    def next_due(self) -> float:
        """When it can be sent next, unless an answer comes before."""
        return self.due if len(self.sent) < AHEAD else max(self.due, self.sent[0] + ANSWER_WITHIN_S)


class Polls:
    """`rates`: commands and how often a second each is asked."""

    def __init__(self, rates: Mapping[int, float]) -> None:
        self._polls: dict[int, Poll] = {}
        self.adopt(rates)

    def adopt(self, rates: Mapping[int, float]) -> None:
        """Ask these from now on; what is asked already goes on at its new rate."""
        kept, self._polls = self._polls, {}
        for command, per_s in rates.items():
            poll = self._polls[command] = kept.get(command) or Poll(1 / per_s)
            poll.every_s = 1 / per_s

    def due(self, now: float) -> list[int]:
        """The commands to request now, the one that is most overdue first. They count as sent."""
        for poll in self._polls.values():
            while poll.sent and now >= poll.sent[0] + ANSWER_WITHIN_S:
                poll.sent.popleft()
        room = IN_FLIGHT_MAX - self._in_flight()
        if self.next_due() > now:
            return []
        ready = [(poll.due, command) for command, poll in self._polls.items() if poll.next_due() <= now + TOGETHER_S]
        chosen = [command for _, command in sorted(ready)[: max(0, room)]]
        for command in chosen:
            poll = self._polls[command]
            poll.due += poll.every_s
            if poll.due <= now:  # what was missed is not made up for
                poll.due = now + poll.every_s
            poll.sent.append(now)
            poll.unanswered += 1
        return chosen

    def next_due(self) -> float:
        """When `due` can have something next, unless an answer comes before."""
        soonest = min((poll.next_due() for poll in self._polls.values()), default=float("inf"))
        if self._in_flight() < IN_FLIGHT_MAX:
            return soonest
        return max(soonest, min(poll.sent[0] for poll in self._polls.values() if poll.sent) + ANSWER_WITHIN_S)

    def answer(self, command: int, now: float, *, refused: bool) -> bool:
        """Note one, also one that comes late; whether it answers a request. What was not asked for would have no limit."""
        poll = self._polls.get(command)
        if poll is None or not poll.unanswered:
            return False
        if poll.sent:
            poll.sent.popleft()
        if refused:
            poll.due = now + REFUSED_AGAIN_S
        else:
            poll.unanswered, poll.answered = len(poll.sent), True
        return True

    def fresh(self, command: int) -> bool:
        """Whether its last value may be used: at most STALE_AFTER polls have followed it."""
        poll = self._polls.get(command)
        return poll is not None and poll.answered and poll.unanswered <= STALE_AFTER

    def _in_flight(self) -> int:
        return sum(len(poll.sent) for poll in self._polls.values())
