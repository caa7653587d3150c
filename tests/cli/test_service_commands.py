# SPDX-License-Identifier: MIT
"""What the command line says of services."""

from __future__ import annotations


def test_ls_and_show_know_a_service(cli) -> None:  # type: ignore[no-untyped-def]
    process = cli.python(
        "import sys; from memsection.channels import Client, Service; "
        "s = Service.create('prices', bytes, object, capacity=4, largest=200_000); "
        "c = Client.open('prices', reply=object); futures = [c.submit(b'x' * 5000) for _ in range(3)]; "
        "call = s.receive(); print(1, flush=True); sys.stdin.read()"
    )
    [row] = [row for row in cli.json("ls") if row["name"] == "prices"]
    found = row["channel"]
    assert (found["kind"], found["spec"]) == ("service", "bytes to object")
    assert (found["waiting"], found["in_hand"], found["problem"]) == (2, 1, None)
    ends = sorted((end["role"], end["pid"], end["in_hand"]) for end in found["ends"])
    assert ends == [("client", process.pid, 0), ("server", process.pid, 1)]
    text = cli.output("show", "prices")
    assert "service of bytes to object, 2 of 4 waiting, 1 in hand" in text
    assert f"process {process.pid}, server, 1 in hand: " in text
