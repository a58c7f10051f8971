"""Own state: what the aircraft says about itself in its beats and in its status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.core.aircraft_state import AGE_MAX_MS, NONE_YET, AircraftState
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint

_FAULTS_MAX = 255


class OwnState:
    """`fc` and `cameras`: whose silence counts; `fc` None: there is no flight controller.

    `heard`  when a frame or a video datagram came from each; the data path writes it
    `fill`   adds what is recorded (record_state.py)
    """

    def __init__(self, fc: Endpoint | None, cameras: Sequence[Endpoint]) -> None:
        self._sources = (fc, *cameras)
        self.heard: dict[Endpoint, float] = {}
        self._card_fails, self._links_down, self._no_room_per_s = 0, 0, 0
        self.fill: Callable[[AircraftState, float], AircraftState] = lambda state, _: state

    def note(self, links: Iterable[Endpoint], *, unsaved: str, no_room_per_s: float) -> None:
        """What is looked at less often; `unsaved` says why the folder cannot be written."""
        self._card_fails = int(bool(unsaved))
        self._links_down = min(sum(link.state is State.RECONNECTING for link in links), _FAULTS_MAX)
        self._no_room_per_s = min(round(no_room_per_s), AGE_MAX_MS)

    def read(self, now: float) -> AircraftState:
        fc, a, b, *_ = (*(self._age_ms(source, now) for source in self._sources), None, None)
        state = AircraftState(fc, a, b, self._card_fails, self._links_down, self._no_room_per_s)
        return self.fill(state, now)

    def _age_ms(self, source: Endpoint | None, now: float) -> int | None:
        if source is None:
            return None
        heard = self.heard.get(source)
        return NONE_YET if heard is None else min(max(0, int((now - heard) * 1000)), AGE_MAX_MS)
