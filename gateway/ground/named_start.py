"""Named start: the one start of an aircraft that the operator accepts although a later one was heard."""

from __future__ import annotations

from gateway.config import GroundConfig
from gateway.core.ground.starts import Start
from gateway.errors import ConfigError
from keys.order import VerifiedOrder


def named_start(settings: GroundConfig, order: VerifiedOrder) -> Start | None:
    """The start that --accept-older-session names; ConfigError if it names none."""
    text = settings.accept_older_session
    if text is None:
        return None
    name, _, counter = text.rpartition(":")
    devices = {device.name: device.pub for device in order.content.devices}
    if name not in devices or not (counter.isascii() and counter.isdecimal()):
        raise ConfigError(
            f"--accept-older-session {text} names no start of an aircraft",
            hint=f"the alarm says which: NAME:COUNTER, such as {next(iter(devices))}:42; of {', '.join(devices)}",
        )
    return Start(devices[name], int(counter))
