"""The errors that a user of the gateway sees. Invalid input from the air is never one: it is a counted DropReason.

GatewayError
 +-- ConfigError      the command line or a .toml file asks for something impossible           exit 2
 +-- OrderExpired     the order is past its dates or limits and the aircraft is on the ground  exit 3
 +-- SeenByVendor     the order is confidential, and a vendor holds a picture before the seal  exit 3
 +-- NotRunning       `zegel status` found no running role                                      exit 4
 +-- CardError        a card holds no recording, or nothing of it can be opened with this key       exit 1
 +-- NotConfirmed     `zegel record` was refused, or no beat of the aircraft confirmed it       exit 1
 +-- DemoFailed       the demo saw something unexpected                                        exit 1
 +-- NotGuarded       another program may send on a ground link                                exit 1
 +-- ActionNeeded       `zegel doctor` found something that has to be done                       exit 9

Every leaf says what is wrong in its message and what to do in its `hint`. The keys have a tree of their own;
gateway/cli.py prints both in the same way.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of the tree: a message, a hint on what to do, and the exit code of `zegel`."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(GatewayError):
    exit_code = 2


class OrderExpired(GatewayError):
    exit_code = 3


class SeenByVendor(GatewayError):
    exit_code = 3


class NotRunning(GatewayError):
    exit_code = 4


class CardError(GatewayError):
    exit_code = 1


class NotConfirmed(GatewayError):
    exit_code = 1


class DemoFailed(GatewayError):
    exit_code = 1


class NotGuarded(GatewayError):
    exit_code = 1


class ActionNeeded(GatewayError):
    exit_code = 9
