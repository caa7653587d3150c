# SPDX-License-Identifier: MIT
"""Which messages pass on a link, as zenoh is told: by the common name of the certificate at its
other end."""

from __future__ import annotations

from typing import Any

from memsection.mirror.wire import ROOT, ROUTER

_IN = ["put", "reply", "declare_queryable", "liveliness_token"]  # what comes from a publisher
_OUT = [
    "declare_subscriber",
    "query",
    "liveliness_query",
    "declare_liveliness_subscriber",
]  # what goes to it


def access_control(host: str, believed: frozenset[str]) -> dict[str, Any]:
    """Whose messages pass: a host's keys only on a link whose certificate has that host's name, or
    a router's.

    What this host publishes is for everybody with a certificate of the authority.
    """

    def rule(name: str, messages: list[str], flow: str, keys: str) -> dict[str, Any]:
        return {
            "id": name,
            "messages": messages,
            "flows": [flow],
            "permission": "allow",
            "key_exprs": [keys],
        }

    own = f"{ROOT}/{host}/**"
    rules = [rule("own-out", _IN, "egress", own), rule("own-in", _OUT, "ingress", own)]
    subjects: list[dict[str, Any]] = [{"id": "everybody"}]
    policies: list[dict[str, Any]] = [{"rules": ["own-out", "own-in"], "subjects": ["everybody"]}]
    for other in sorted(believed):
        rules += [
            rule(f"{other}-in", _IN, "ingress", f"{ROOT}/{other}/**"),
            rule(f"{other}-out", _OUT, "egress", f"{ROOT}/{other}/**"),
        ]
        subjects.append({"id": f"host-{other}", "cert_common_names": [other, ROUTER]})
        policies.append({"rules": [f"{other}-in", f"{other}-out"], "subjects": [f"host-{other}"]})
    return {
        "enabled": True,
        "default_permission": "deny",
        "rules": rules,
        "subjects": subjects,
        "policies": policies,
    }
