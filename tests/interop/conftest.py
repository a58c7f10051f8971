from __future__ import annotations

from tests.system.conftest import fly, house

__all__ = ["fly", "house"]
