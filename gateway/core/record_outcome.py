"""Record outcome: what came of a station's request about what is recorded. SPEC.md section 8.

It imports nothing, since programs that only show a status need these names.
"""

from __future__ import annotations

import enum


class Outcome(enum.StrEnum):
    """Each is also the word for it in the status."""

    ASKING = "asking"
    CONFIRMED = "confirmed"  # by a beat
    UNCONFIRMED = "unconfirmed"  # no beat said so in time
