# SPDX-License-Identifier: MIT
"""``python -m memsection``: the command line."""

import sys

from memsection.cli import main

if __name__ == "__main__":
    sys.exit(main())
