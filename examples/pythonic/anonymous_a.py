# SPDX-License-Identifier: MIT
"""Process A with the Pythonic face: a section without a name."""

import os

from memsection import Section

with Section.create(size=0x1000) as section, section.map() as view:
    view[:18] = "我将无我，不负人民".encode("utf-16-le")
    print(
        f"process id {os.getpid()}, handle {section.handle:#x}\nA wrote: "
        f"{str(view[:18], 'utf-16-le')}"
    )
    input("Press Enter when B has answered: ")
    print(f"A reads: {str(view[:10], 'utf-16-le')}")
