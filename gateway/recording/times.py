"""Times: of a session, in words, and as people type them. A time is since the session began; UTC is only claimed. Pure."""

from __future__ import annotations

import datetime
import re

DAY_US, SECOND_US = 86_400_000_000, 1_000_000
_SINCE = re.compile(r"\+(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:\.\d{1,6})?)", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,6})?))?", re.ASCII)


class Times:
    """`offset_us`: Unix time minus the session's, as the aircraft claims it; None if it claims none."""

    def __init__(self, offset_us: int | None) -> None:
        self.offset_us = offset_us

    def utc(self, mono_us: int) -> datetime.datetime | None:
        if self.offset_us is None:
            return None
        try:
            return datetime.datetime.fromtimestamp((self.offset_us + mono_us) / SECOND_US, datetime.UTC)
        except (ValueError, OverflowError, OSError):  # an aircraft can claim any number
            return None

    def clock(self, mono_us: int) -> str:
        """14:05:10 in UTC; without a claimed time +12:30 since the session began."""
        if (at := self.utc(mono_us)) is None:
            return since(mono_us)
        return f"{at:%H:%M:%S}"

    def date(self, mono_us: int) -> str:
        """With the date, if a time is claimed."""
        if (at := self.utc(mono_us)) is None:
            return f"{since(mono_us)} since the start"
        return f"{at:%Y-%m-%d %H:%M:%S} UTC"

    def parse(self, text: str) -> int:
        """Microseconds since the session began: of +12:30, 14:05:10 (UTC, the first after the start), or a date and time.

        ValueError says what is wrong.
        """
        if found := _SINCE.fullmatch(text):
            hours, minutes, seconds = found.groups()
            return round((int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)) * SECOND_US)
        unix_us = self._unix_us(text)
        if self.offset_us is None:
            raise ValueError("the aircraft claimed no time of day: give the time since the start, such as +12:30")
        return unix_us - self.offset_us if unix_us >= DAY_US else (unix_us - self.offset_us) % DAY_US

    @staticmethod
    def _unix_us(text: str) -> int:
        """Below DAY_US it is a time of day."""
        if found := _CLOCK.fullmatch(text):
            hours, minutes, seconds = found.groups()
            return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds or 0)) * SECOND_US) % DAY_US
        try:
            at = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no time such as +12:30, 14:05:10 or 2031-05-09T14:05:10") from None
        zoned = at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
        return round(zoned.timestamp() * SECOND_US)


def since(mono_us: int) -> str:
    """+12:30, or +1:12:30 from an hour on."""
    minutes, seconds = divmod(mono_us // SECOND_US, 60)
    hours, minutes = divmod(minutes, 60)
    return f"+{hours}:{minutes:02}:{seconds:02}" if hours else f"+{minutes}:{seconds:02}"
