# SPDX-License-Identifier: MIT
"""Floor 7: waiting for objects, and for names to appear."""
