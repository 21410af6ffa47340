"""The reference pages made from tables are those in the repository."""

from __future__ import annotations

import sys

import pytest

from docs.generate import HERE, pages


@pytest.mark.parametrize(("name", "text"), list(pages()), ids=lambda value: value if len(value) < 40 else "")
def test_generated_page_is_current(name: str, text: str) -> None:
    if name == "commands.md" and sys.version_info[:2] != (3, 11):
        pytest.skip("argparse words its help differently in other Python releases")
    assert (HERE / name).read_text() == text, f"docs/reference/{name} is old: run `make docs`"


def test_every_relative_link_of_the_documentation_leads_somewhere() -> None:
    import re

    root = HERE.parent.parent
    broken = []
    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("guests/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(root)}: {target}")
    assert not broken
