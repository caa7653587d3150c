# SPDX-License-Identifier: MIT
"""The fixtures of these tests."""

from support.namespaces import pool, root, start  # noqa: F401  (fixtures)
