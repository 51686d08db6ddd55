"""Prints the licences of the third-party code in the native part, which most of them require to be shipped with it.

Usage: notices.py TARGET, a Rust target triple.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

CRATE = "mcp-reauth-python"
ROOT = Path(__file__).parent.parent
IS_LICENSE = re.compile(r"licen[cs]e|copying|copyright|notice|unlicense", re.IGNORECASE)


def cargo(*words: str) -> str:
    return subprocess.run(["cargo", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked(target: str) -> list[dict[str, Any]]:
    """The third-party crates that a build links, by name."""
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked", "--filter-platform", target))
    # `cargo tree` gets the features right; `cargo metadata` joins those of the whole workspace.
    edges = ("--edges", "normal,no-proc-macro", "--prefix", "none", "--target", target)
    found = {tuple(line.split()[:2]) for line in cargo("tree", "--locked", "--package", CRATE, *edges).splitlines()}
    ours = set(metadata["workspace_members"])
    theirs = [one for one in metadata["packages"] if one["id"] not in ours]
    built = [one for one in theirs if (one["name"], f"v{one['version']}") in found]
    return sorted(built, key=lambda one: (one["name"], one["version"]))


def licenses_in(folder: Path) -> list[str]:
    files = sorted(file for file in folder.iterdir() if file.is_file() and IS_LICENSE.match(file.name))
    return [file.read_text("utf-8", "replace").replace("\r\n", "\n").strip() for file in files]


def notices(target: str) -> str:
    crates = linked(target)
    # Many crates share the same text.
    texts: dict[str, list[str]] = {}
    for one in crates:
        for text in licenses_in(Path(one["manifest_path"]).parent):
            texts.setdefault(text, []).append(f"{one['name']} {one['version']}")
    listed = "\n".join(f"- {one['name']} {one['version']}: {one['license'] or 'see its text'}" for one in crates)
    sections = "\n".join(f"{'-' * 80}\n{', '.join(names)}\n\n{text}\n" for text, names in texts.items())
    head = f"The native part for {target} contains Rust's standard library (MIT OR Apache-2.0) and these crates:"
    return f"{head}\n\n{listed}\n\n{sections}"


if __name__ == "__main__":
    print(notices(sys.argv[1]))
