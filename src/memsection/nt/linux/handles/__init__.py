# SPDX-License-Identifier: MIT
"""Floor 4: the handles and objects of this process: their tables, access, creating, opening,
closing."""
