# SPDX-License-Identifier: MIT
"""Words that every layer shares: pure data and pure functions, no input or output, no system
calls."""
