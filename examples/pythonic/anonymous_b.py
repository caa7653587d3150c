# SPDX-License-Identifier: MIT
"""Process B with the Pythonic face: the section, by the process id and the handle of A."""

from memsection import Section

pid, handle = int(input("Process id of A: ")), int(input("Handle in A: "), 0)
with Section.from_process(pid, handle) as section, section.map() as view:
    print(f"B reads: {str(view[:18], 'utf-16-le')}")
    view[:10] = "为人民服务".encode("utf-16-le")
    print(f"B wrote: {str(view[:10], 'utf-16-le')}")
