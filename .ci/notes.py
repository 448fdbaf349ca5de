#!/usr/bin/env python3
"""Makes the notes of a release of the fragments in changes/, one file for each change.

Usage: .ci/notes.py write         write docs/releases/next.md
       .ci/notes.py print TITLE   print the notes under another title, for a release
       .ci/notes.py release VERSION   write docs/releases/VERSION.md, delete the fragments, and list the page

A fragment is named KIND-WORDS.md; its kinds are those of KINDS, in the order of the notes. Its links are relative to
changes/. `changes/README.md` says how to write one.
"""
import os
import re
import sys

FOLDER, PAGE, SUMMARY = "changes", "docs/releases/next.md", "docs/SUMMARY.md"
TITLE = "The next release"
KINDS = {
    "security": "Security",
    "removed": "Removed",
    "changed": "Changed",
    "new": "New",
    "fixed": "Fixed",
}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def fragments():
    """Paths of the fragments by their kind, sorted."""
    found = {kind: [] for kind in KINDS}
    for name in sorted(os.listdir(FOLDER)):
        if name == "README.md":
            continue
        match = re.fullmatch(r"([a-z]+)-[a-z0-9-]+\.md", name)
        if not match or match.group(1) not in KINDS:
            raise SystemExit(f"{FOLDER}/{name}: a fragment is named KIND-WORDS.md, with one of the kinds {', '.join(KINDS)}")
        found[match.group(1)].append(os.path.join(FOLDER, name))
    return found


def notes(title):
    """The notes under `title`, as a page of docs/releases."""
    parts = [f"# {title}\n"]
    for kind, paths in fragments().items():
        if paths:
            parts.append(f"\n## {KINDS[kind]}\n\n")
            # A paragraph or a table stands apart; items of a list follow each other.
            texts = [read(path).strip() + "\n" for path in paths]
            items = [text for text in texts if text.startswith("- ")]
            others = [text for text in texts if not text.startswith("- ")]
            parts.append("\n".join(others + ["".join(items)] if items else others))
    return re.sub(r"\]\(\.\./docs/", "](../", "".join(parts))


def stale():
    """True if the page does not have what the fragments say."""
    return not os.path.exists(PAGE) or read(PAGE) != notes(TITLE)


def release(version):
    if not re.fullmatch(r"v\d+\.\d+\.\d+", version):
        raise SystemExit(f"{version} is no version like v0.21.0")
    write(f"docs/releases/{version}.md", notes(version))
    for paths in fragments().values():
        for path in paths:
            os.remove(path)
    write(PAGE, notes(TITLE))
    entry = "- [The next release](releases/next.md)\n"
    write(SUMMARY, read(SUMMARY).replace(entry, f"{entry}- [{version}](releases/{version}.md)\n"))


def main():
    match sys.argv[1:]:
        case ["write"]:
            write(PAGE, notes(TITLE))
        case ["print", title]:
            print(notes(title), end="")
        case ["release", version]:
            release(version)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
