#!/usr/bin/env python3
"""Fails on doc comments that say nothing, on riddles, and on citations of documents that are not here.

Usage: .ci/docs.py [PATH...]   (default: every tracked Rust file but tests)

A doc comment fails if its first paragraph has three words or fewer, or if it opens with a pronoun or a question
word. Every comment fails that cites a section of a document which is not in this repository.
"""
import os
import re
import subprocess
import sys

OPENERS = {
    "it", "its", "they", "their", "this", "that", "these", "those", "he", "she", "we", "our", "who", "whose", "whom",
    "what", "when", "where", "why", "how", "which", "whether", "does", "do", "is", "are", "can", "may", "will", "would",
}
CITATION = re.compile(r"\bspecification,? (?:section )?\d|\(section \d|\bsection \d+(?:\.\d+)*\b|\bdesign\.md\b|\btestbed\.md\b|\bfield\.md\b|\bdefects(?:-provider)?\.md\b|\bcase \d\d\b")


def is_test(path):
    name = os.path.basename(path)
    return bool(re.search(r"(_tests|_properties|fixture|(^|/)tests)\.rs$", path)) or "/tests/" in path or name == "build.rs"


def blocks(lines):
    """Doc comments of a file as (line number, text)."""
    start, text = None, []
    for number, line in enumerate(lines + [""], 1):
        match = re.match(r"\s*//[/!](?!/) ?(.*)$", line)
        if match:
            start = start or number
            text.append(match.group(1))
        elif start:
            yield start, text
            start, text = None, []


def findings(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    if not is_test(path):
        for number, text in blocks(lines):
            first = " ".join(text).strip() if "" not in text else " ".join(text[: text.index("")]).strip()
            words = re.findall(r"[\w`'.:/\-\[\]<>#]+", first)
            if len(words) <= 3:
                yield number, f"says nothing: {first!r}; name the subject, its unit, default or effect"
            elif words[0].strip("`").lower() in OPENERS and not words[0].startswith("`"):
                yield number, f"opens with {words[0]!r}; open with the subject or what it does"
    for number, line in enumerate(lines, 1):
        comment = line[line.index("//"):] if "//" in line else ""
        if CITATION.search(comment) and "docs/" not in comment and "http" not in comment:
            yield number, f"cites what is not in this repository: {comment.strip()}"


def main():
    paths = sys.argv[1:]
    tracked = subprocess.run(["git", "ls-files", "*.rs"], capture_output=True, text=True, check=True).stdout.split()
    files = [p for p in tracked if os.path.exists(p) and (not paths or any(p.startswith(given.rstrip("/")) for given in paths))]
    found = [(path, number, why) for path in files for number, why in findings(path)]
    for path, number, why in found:
        print(f"{path}:{number}: {why}")
    if found:
        print(f"{len(found)} comments to mend", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
