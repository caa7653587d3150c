# SPDX-License-Identifier: MIT
"""A sim written with memsection: iRacing's section, event and status page, and the sections of Assetto Corsa Competizione.

Takes the port of the status page; counts at 60 Hz until its input ends.
"""

import http.server
import struct
import sys
import threading

from memsection import Event, Section

VARIABLES = [("Speed", 4, 0, "m/s"), ("RPM", 4, 4, "revs/min"), ("SessionNum", 2, 8, ""), ("Lap", 2, 12, "")]
YAML = b"---\nWeekendInfo:\n TrackName: spa\n TrackID: 7\n\nSessionInfo:\n Sessions: 1\n\n...\n"
SIZES = {"physics": 800, "graphics": 1588, "static": 784}


class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"running:1")

    def log_message(self, *_):
        pass


def main():
    racing = Section.create("Local\\IRSDKMemMapFileName", 1164 * 1024)
    page = racing.map()
    event = Event.create("Local\\IRSDKDataValidEvent", manual_reset=False)
    corsa = {name: Section.create("Local\\acpmf_" + name, size) for name, size in SIZES.items()}
    views = {name: section.map() for name, section in corsa.items()}
    struct.pack_into("<11iB", page, 0, 2, 1, 60, 1, len(YAML), 4096, len(VARIABLES), 144, 3, 64, 0, 0)
    for number, (name, kind, offset, unit) in enumerate(VARIABLES):
        struct.pack_into("<iii?3x32s64s32s", page, 144 + number * 144, kind, offset, 1, False, name.encode(), b"",
                         unit.encode())
    page[4096:4096 + len(YAML)] = YAML
    server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Status)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("ready", flush=True)
    tick = 0
    while not ended.wait(1 / 60):
        tick += 1
        at = 16384 + tick % 3 * 64
        struct.pack_into("<ffii", page, at, 55.0, 3000 + tick, 0, 3)
        struct.pack_into("<iii", page, 48 + tick % 3 * 16, tick, at, tick)
        struct.pack_into("<ifffiiff", views["physics"], 0, tick, .5, .25, 33., 3, 6000 + tick % 100, .1, 187.5)
        struct.pack_into("<i", views["graphics"], 0, tick)
        event.set()
    for view in (page, *views.values()):
        view.close()
    for thing in (racing, event, *corsa.values()):
        thing.close()


main()
