# SPDX-License-Identifier: MIT
"""pywin32's win32timezone: times of this zone and of UTC; no others, which the registry has."""

# ruff: noqa: N802, N803  # the names of the originals

from __future__ import annotations

import datetime
import time


class TimeZoneInfo(datetime.tzinfo):
    """This zone, or UTC.

    Raises:
        NotImplementedError: Any other, which is one of the registry's.
    """

    def __init__(self, param: str, fix_standard_time: bool = False) -> None:
        if param not in ("UTC", "Coordinated Universal Time", *time.tzname):
            raise NotImplementedError(f"'{param}': there is only this zone, and UTC")
        self.timeZoneName = param
        self._utc = param in ("UTC", "Coordinated Universal Time")

    @staticmethod
    def utc() -> TimeZoneInfo:
        """UTC."""
        return TimeZoneInfo("UTC")

    @staticmethod
    def local() -> TimeZoneInfo:
        """This zone."""
        return TimeZoneInfo(time.tzname[0])

    def _of(self, when: datetime.datetime | None) -> datetime.datetime:
        if self._utc:
            return datetime.datetime.now(datetime.UTC)
        naive = datetime.datetime.now() if when is None else when.replace(tzinfo=None)
        return naive.astimezone()

    def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta | None:
        return self._of(when).utcoffset()

    def dst(self, when: datetime.datetime | None) -> datetime.timedelta:
        facts = time.localtime(self._of(when).timestamp())
        if self._utc or not facts.tm_isdst:
            return datetime.timedelta(0)
        return datetime.timedelta(seconds=time.timezone - time.altzone)

    def tzname(self, when: datetime.datetime | None) -> str | None:
        return self._of(when).tzname()

    def fromutc(self, when: datetime.datetime) -> datetime.datetime:
        if self._utc:
            return when
        return when.replace(tzinfo=datetime.UTC).astimezone().replace(tzinfo=self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimeZoneInfo) and self.timeZoneName == other.timeZoneName

    def __hash__(self) -> int:
        return hash(self.timeZoneName)

    def __repr__(self) -> str:
        return f"TimeZoneInfo({self.timeZoneName!r})"


def utcnow() -> datetime.datetime:
    """The time in UTC."""
    return datetime.datetime.now(TimeZoneInfo.utc())


def now() -> datetime.datetime:
    """The time in this zone."""
    return datetime.datetime.now(TimeZoneInfo.local())
