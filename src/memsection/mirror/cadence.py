# SPDX-License-Identifier: MIT
"""How often a publisher looks whether its source has something new.

Waiting for a latest value would cost its writer a system call for each value, to wake the
publisher (2 us); a look costs the writer nothing.  What comes in a rhythm is looked for more often
when the next is due, so that it is found at once and few looks are in vain.
"""

from __future__ import annotations

BUSY, IDLE = 0.0001, 0.002  #: seconds between two looks just after news, and long after it
LIVELY = 0.5  #: seconds after news during which looks are frequent
CLOSEST = 0.00002  #: seconds between two looks when news is due, of the fastest rhythm
_LATE = 0.0005  #: seconds for which news that is due is expected, at most
_PART = 0.01  #: of the time between news that a look may come late
_LONGEST = 0.02  #: seconds for which looks are planned
_AFTER = 4  #: looks that are planned when news is late, or comes in no rhythm


class Cadence:
    """When the next look is worth it, by when news came before."""

    def __init__(self) -> None:
        self._last = self._interval = float("-inf")

    def news(self, now: float) -> None:
        """Something new was found at a time (seconds of one clock)."""
        self._last, self._interval = now, now - self._last

    def is_lively(self, now: float) -> bool:
        """Whether there was news a short time ago."""
        return now - self._last < LIVELY

    def plan(self, now: float) -> tuple[float, int]:
        """Seconds to the next look, and how many looks may follow each other like that."""
        pause = self.pause(now)
        left = self._last + self._interval - now
        looks = _AFTER if not 0 < left < LIVELY else max(1, int(left / 2 / pause))
        return pause, min(looks, 1 + int(_LONGEST / pause))

    def pause(self, now: float) -> float:
        """Seconds to the next look."""
        if not self.is_lively(now):
            return IDLE
        if self._interval > LIVELY:
            return BUSY
        # Each look costs the publisher's processor about 10 us: of frames 300 between two of them
        # would cost more than to copy one.
        usual = min(max(self._interval * _PART, BUSY), IDLE)
        left = self._last + self._interval - now
        if left < -min(self._interval / 4, _LATE):
            return usual
        return min(max(left / 2, usual / 5, CLOSEST), usual)
