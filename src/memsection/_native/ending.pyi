# SPDX-License-Identifier: MIT
"""Types of ``ending``."""

def add(
    fd: int, directory: int, file: bytes, is_body: bool, flags_at: int, permanent: int
) -> bool: ...
def count() -> int: ...
