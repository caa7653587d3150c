# SPDX-License-Identifier: MIT
"""The kernel interface on Windows: ctypes over ntdll, with no state of its own."""
