"""Endpoint state: whether traffic can pass through an endpoint. To show a status, a program loads no endpoint."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """The state of an endpoint, for people."""

    CONNECTED = "connected"  # traffic can pass
    IDLE = "idle"  # it listens, and has no peer yet (or no longer)
    RECONNECTING = "reconnecting"  # it is not open; `last_error` says why
    DOWN = "down"  # closed by us
