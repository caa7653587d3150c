# SPDX-License-Identifier: MIT
"""What the library did of its own accord, for the logger "memsection": repairs, and what it passed
over.

``logging`` is not imported for this: who listens has imported it.
"""

from __future__ import annotations

import sys

DEBUG, INFO = 10, 20


def tell(level: int, text: str, *arguments: object) -> None:
    """Log one sentence, where the program uses logging."""
    logging = sys.modules.get("logging")
    if logging is not None and hasattr(logging, "getLogger"):  # not one that is just being imported
        logging.getLogger("memsection").log(level, text, *arguments)
