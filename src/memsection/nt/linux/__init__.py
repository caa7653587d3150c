# SPDX-License-Identifier: MIT
"""The object manager on Linux: sections, names, handles and synchronisation from what the kernel
has."""
