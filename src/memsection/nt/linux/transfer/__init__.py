# SPDX-License-Identifier: MIT
"""Floor 7: handles that go from one process to another, or that a process finds when it starts."""
