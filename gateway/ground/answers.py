"""Answers: what a ground control station is told about a command of its own that is refused here. SPEC.md section 4.7.

What lives here: the form of the answer, and that it goes back to the endpoint of the command. What must not: which commands
are refused (uplink.py). An answer never goes up the link.
"""

from __future__ import annotations

from collections.abc import Iterable

from firmware_shims import command_ack, mavlink
from firmware_shims.statustext import ONBOARD_COMPUTER, TEXT_MAX, WARNING, Speaker
from gateway.batch import Batch
from gateway.core.ground.opened import Bundle
from gateway.endpoints import Endpoint

TOLD_EVERY_S = 5.0  # in words, about one kind of command: a program repeats it several times a second


class Answers:
    def __init__(self) -> None:
        self._signing: set[int] = set()  # systems whose frames have a MAVLink signature
        self._speaker, self._batch = Speaker(ONBOARD_COMPUTER), Batch()
        self._told: dict[str, float] = {}

    def hear(self, bundles: Iterable[Bundle]) -> None:
        """Who signs. The first frame of each bundle is enough: a system that signs does it always."""
        for bundle in bundles:
            if bundle.frames and mavlink.is_signed(bundle.frames[0]):
                self._signing.add(mavlink.key(bundle.frames[0])[0])

    def deny(self, gcs: Endpoint, frame: bytes, name: str, now: float) -> None:
        """Tell the sender of a whole frame, if it is a command. `name`: one of a few words for it.

        A ground control station that checks signatures drops a COMMAND_ACK without one, and only the agency's flight
        controller and its ground control stations have that key. It accepts a text of another component.
        """
        answer = command_ack.denied(frame)
        if answer is None:
            return
        system, _, _ = mavlink.key(answer)
        if system in self._signing:
            if now - self._told.get(name, float("-inf")) < TOLD_EVERY_S:
                return
            self._told[name] = now
            answer = self._speaker.frame(system, WARNING, f"zegel: denied: {name}"[:TEXT_MAX])
        self._batch.hold([answer])
        gcs.send(self._batch, now)
