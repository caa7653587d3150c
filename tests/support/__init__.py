# SPDX-License-Identifier: MIT
"""What tests share: typed, documented, and tested themselves."""
