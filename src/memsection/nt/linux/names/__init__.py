# SPDX-License-Identifier: MIT
"""Floor 3: names: where they are, finding the object of one, removing it with the last handle,
sweeping after the dead."""
