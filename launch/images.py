"""Which programs a run was of: digests of its images, so that two people can tell whether they ran the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cosim.image import LARGEST
from cosim.inputs import InputError, read_file
from launch.session import Session, firmware


def images(session: Session) -> dict[str, dict[str, str]]:
    """Guest, or node of SPUMONE's firmware, to file and SHA-256 of its image; "" where it has gone since."""
    topology = session.topology
    paths = {name: str(guest["image"]) for name, guest in session.guests.items()}
    spumone = topology.node_of_role("hypervisor")
    if spumone and (path := firmware(topology, topology.nodes[spumone])):
        paths[spumone] = path
    return {name: {"file": path, "sha256": _sha256(Path(path))} for name, path in sorted(paths.items())}


def shown(rows: dict[str, dict[str, str]]) -> str:
    """Digests as a run ends with them."""
    return ", ".join(f"{name} {row['sha256'][:16]} {Path(row['file']).name}" for name, row in rows.items())


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(read_file(path, LARGEST)).hexdigest()
    except (FileNotFoundError, InputError):
        return ""
