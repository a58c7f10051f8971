"""Local users: whose programs on this computer may use the plain endpoints of a role, by its configuration.

What lives here: names to uids, and the alarms for people. The rule itself is in gateway/endpoints/plain_users.py, which
the endpoints use.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway import config
from gateway.config import PlainUser
from gateway.endpoints.plain_users import OVERFLOW_UID, PlainUsers, Stranger
from gateway.endpoints.socket_users import AVAILABLE
from gateway.report.alarms import STRANGER_LASTS_S, Alarms, Reason

if sys.platform != "win32":
    import pwd

ROOT = 0
SOURCE_USER = "zegel-source"  # of zegel-source.service
RECORDER_USER = "zegel-recorder"  # of zegel-recorder.service
KNOWN_MAX = 32  # users that are reported by name, each in an alarm of its own


class LocalUsers:
    """The users of one role: root, its own user, and those that are `named`. `file` is the configuration, if there is one;
    `own` is the role's uid, if it is not this process's. `sources`: the user of `zegel source` may send pictures, too.

    `rule` is None if the system cannot show users; `camera_rule` is that of the endpoints for video.
    """

    def __init__(
        self,
        named: Sequence[PlainUser] = (),
        file: Path | None = None,
        own: int | None = None,
        *,
        sources: bool = False,
    ) -> None:
        self._named, self._file = tuple(named), file
        self._known: dict[int, tuple[str, str]] = {}  # of users that were kept out: the name, and the line that admits them
        found = {user: uid_of(user) for user in named}
        self._unknown = [user for user, uid in found.items() if uid is None]
        uids = {uid for uid in found.values() if uid is not None}
        self.rule = PlainUsers({ROOT, os.geteuid() if own is None else own, *uids}) if AVAILABLE else None
        self.camera_rule = self.rule
        if self.rule and sources and (bringing := uid_of(SOURCE_USER)) is not None:
            self.camera_rule = PlainUsers({*self.rule.uids, bringing})

    def tell(self, alarms: Alarms, now: float) -> None:
        """Raise alarms about users kept out recently, and about faults here; call it about once a second."""
        for user in self._unknown:
            alarms.raise_(Reason.PLAIN_USER_UNKNOWN, now, key=user, user=user)
        if self.rule is None:
            alarms.raise_(Reason.USERS_NOT_TOLD, now)
            return
        rules = dict.fromkeys(filter(None, (self.rule, self.camera_rule)))
        for rule in rules:
            rule.forget(now - STRANGER_LASTS_S)
            for stranger in rule.strangers.values():
                self._name(stranger, alarms)
        if trouble := next((rule.trouble for rule in rules if rule.trouble), ""):
            alarms.raise_(Reason.USERS_UNREADABLE, now, error=trouble)
        else:
            alarms.clear(Reason.USERS_UNREADABLE)

    def _name(self, stranger: Stranger, alarms: Alarms) -> None:
        user, peer, endpoint, at = stranger
        if user is None:
            alarms.raise_(Reason.SENDER_UNTOLD, at, peer=peer, endpoint=endpoint)
            return
        if user == OVERFLOW_UID:
            alarms.raise_(Reason.USERS_HIDDEN, at, peer=peer, endpoint=endpoint)
            return
        key, (name, cure) = self._known_as(user)
        alarms.raise_(Reason.USER_KEPT_OUT, at, key=key, user=name, uid=user, peer=peer, endpoint=endpoint, cure=cure)

    def _known_as(self, user: int) -> tuple[object, tuple[str, str]]:
        """The key of the alarm, the name, and the cure.

        One account may have thousands of users (subuid(5)). After the first ones they share an alarm, so that they do not
        fill the log, and their names are not looked up, since a look-up in a directory may block the loop.
        """
        if user not in self._known:
            if len(self._known) >= KNOWN_MAX:
                return "others", ("", self.cure(user))
            name = name_of(user)
            self._known[user] = name, self.cure(name or user)
        return user, self._known[user]

    def cure(self, user: PlainUser) -> str:
        """The line that admits programs of that user from the next start on."""
        if self._file is None:
            return f"--plain-user {user}"
        line = json.dumps([*self._named, user])  # the same form in TOML and in JSON
        return f"plain_users = {line} in {config.file_for(self._file, 'plain_users')}"


def uid_of(user: PlainUser) -> int | None:
    """None if this computer knows no such user."""
    if isinstance(user, int) or (user.isascii() and user.isdigit()):
        return int(user)
    if sys.platform == "win32":
        return None
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def name_of(uid: int) -> str:
    """Empty if it has none."""
    if sys.platform == "win32":
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
