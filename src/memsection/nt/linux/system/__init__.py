# SPDX-License-Identifier: MIT
"""Floor 1: calls into the kernel, /proc, file descriptions, addresses, accounts.  Knows nothing of
objects."""
