"""Endpoint watch: tells a person, once, that an endpoint cannot work, and once that it works again.

A gateway that reopens for ever is a gateway that says nothing while a cable is missing; `zegel status` is for who asks,
this is for who does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.endpoints import Endpoint
from gateway.endpoints.endpoint import State

PATIENCE_S = 3.0  # a restart of a router, a slow USB port


class EndpointWatch:
    """`say` prints one line."""

    def __init__(self, endpoints: Iterable[Endpoint], say: Callable[[str], None]) -> None:
        self._since: dict[Endpoint, float | None] = dict.fromkeys(endpoints)  # missing since then
        self._told: set[Endpoint] = set()
        self._say = say

    def look(self, now: float) -> None:
        """Call it a few times a second."""
        for endpoint, since in self._since.items():
            if endpoint.state is not State.RECONNECTING:
                self._since[endpoint] = None
                if endpoint in self._told:
                    self._told.remove(endpoint)
                    self._say(f"{endpoint.address} is back")
            elif since is None:
                self._since[endpoint] = now
            elif now - since > PATIENCE_S and endpoint not in self._told:
                self._told.add(endpoint)
                self._say(
                    f"{endpoint.address} does not work: {endpoint.last_error or 'no answer'}; it is tried again for ever"
                )
