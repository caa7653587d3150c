# SPDX-License-Identifier: MIT
"""Process B with the Pythonic face: the section, by its name."""

from memsection import Section

with Section.open("SHINE") as section, section.map() as view:
    print(f"B reads: {str(view[:18], 'utf-16-le')}")
    view[:10] = "为人民服务".encode("utf-16-le")
    print(f"B wrote: {str(view[:10], 'utf-16-le')}")
