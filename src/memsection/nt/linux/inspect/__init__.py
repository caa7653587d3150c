# SPDX-License-Identifier: MIT
"""Floor 4: looking at what there is on the machine: handles of processes, named objects, mappings,
what it allows."""
