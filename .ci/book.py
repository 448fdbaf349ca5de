#!/usr/bin/env python3
"""Stages the pages of docs/ for mdBook, and checks the table of contents and the built book.

Usage: .ci/book.py stage FOLDER   copy the pages of docs/SUMMARY.md and what they link to
       .ci/book.py check FOLDER   fail on links of a built book that lead to nothing

The folder has the layout of the checkout, so that links between pages of docs/ and README.md, templates/ or e2e/ hold.
"""
import os
import re
import shutil
import subprocess
import sys

SUMMARY = "docs/SUMMARY.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def prose(text):
    """The text without code, where brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.S))


def targets(path, text):
    """Files of the checkout that the links of a page name."""
    for link in LINK.findall(prose(text)):
        name = link.partition("#")[0]
        if name and not re.match(r"[a-z]+:", name):
            yield os.path.normpath(os.path.join(os.path.dirname(path), name))


def chapters():
    return list(targets(SUMMARY, read(SUMMARY)))


def summary():
    """Findings about the table of contents: each page of docs/ is in it once."""
    listed = chapters()
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "docs/*.md"],
        capture_output=True, text=True, check=True).stdout.split()
    for page in sorted({name for name in tracked if os.path.exists(name)} - {SUMMARY} - set(listed)):
        yield f"{page} is not listed: add it where a reader would expect it"
    for page in sorted({page for page in listed if listed.count(page) > 1}):
        yield f"{page} is listed more than once: keep one entry"


def stage(folder):
    shutil.rmtree(folder, ignore_errors=True)
    pages, files = chapters(), set()
    for page in pages:
        files.update([page, *targets(page, read(page))])
    for name in sorted(files):
        if os.path.isfile(name):
            os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
            shutil.copy(name, os.path.join(folder, name))
    # The book has the table of contents beside each page, so links to it lead to the first page.
    for page in pages:
        text = read(page)
        here = os.path.dirname(page)
        table, first = os.path.relpath(SUMMARY, here or "."), os.path.relpath(pages[0], here or ".")
        if f"({table})" in text:
            with open(os.path.join(folder, page), "w", encoding="utf-8") as file:
                file.write(text.replace(f"({table})", f"({first})"))
    moved = LINK.sub(lambda match: f"]({os.path.normpath(os.path.join('docs', match.group(1)))})", read(SUMMARY))
    with open(os.path.join(folder, "SUMMARY.md"), "w", encoding="utf-8") as file:
        file.write(moved)
    shutil.copy("docs/book.toml", folder)


def check(folder):
    """Number of links in a built book that lead to no file or no heading; each is printed."""
    broken = 0
    if not os.path.exists(os.path.join(folder, "index.html")):
        print(f"{folder} holds no book")
        return 1
    for root, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".html") or name in ("print.html", "404.html", "toc.html"):
                continue
            path = os.path.join(root, name)
            for link in re.findall(r'<a [^>]*?href="([^"]+)', read(path)):
                file, _, heading = link.partition("#")
                full = os.path.normpath(os.path.join(root, file)) if file else path
                if re.match(r"[a-z]+:", link) or leads(full, heading):
                    continue
                broken += 1
                print(f"{path}: the link {link} leads to no file, or to no heading of it")
    return broken


def leads(path, heading):
    """True if the file exists and has the heading."""
    if not os.path.exists(path):
        return False
    return not heading or not path.endswith(".html") or f'id="{heading}"' in read(path)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("stage", "check"):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "stage":
        stage(sys.argv[2])
        return 0
    return 1 if check(sys.argv[2]) else 0


if __name__ == "__main__":
    sys.exit(main())
