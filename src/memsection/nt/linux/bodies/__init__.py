# SPDX-License-Identifier: MIT
"""Floor 2: what an object is made of: its control page, its permissions, its memory, the position
of its handles."""
