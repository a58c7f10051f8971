"""Endpoint watch: prints one line when an endpoint is down, and one when it is back.

A gateway reopens its endpoints again and again, and would otherwise print nothing while a cable is missing. A person who
does not look at `zegel status` sees it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.endpoint_state import State
from gateway.endpoints import Endpoint

PATIENCE_S = 3.0  # for the restart of a router, or a slow USB port


class EndpointWatch:
    """`say` prints one line."""

    def __init__(self, endpoints: Iterable[Endpoint], say: Callable[[str], None]) -> None:
        self._since: dict[Endpoint, float | None] = dict.fromkeys(endpoints)  # since when it is down
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
                self._say(f"{endpoint.address} is down: {endpoint.last_error or 'no answer'} (retrying)")
