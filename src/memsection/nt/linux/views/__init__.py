# SPDX-License-Identifier: MIT
"""Floor 5: views and private memory of this process, their protections and commits, memory of other
processes."""
