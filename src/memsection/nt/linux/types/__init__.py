# SPDX-License-Identifier: MIT
"""Floor 6: what each type of object can do."""
