#!/usr/bin/env python3
"""Fails on pages whose links, anchors, file names or pictures do not agree with the checkout.

Every relative link of a Markdown page has to lead to a file, and its anchor to a heading. Every path in backticks
that begins with a folder of this repository has to exist, and every test that is named. Mermaid pictures are parsed (flowcharts and state
diagrams in the subset that the pages use), and the picture of crates has to agree with Cargo.toml. Command blocks have the marks
of blocks.py, terms of Kubernetes are spelled as in terms.py, docs/SUMMARY.md lists every page of docs/, and the
notes of the next release have what the fragments in changes/ say.
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True

import blocks
import book
import notes
import terms

ROOTS = ("crates/", "e2e/", "config/", "templates/", "docs/", ".ci/", "changes/")
NODE = r"[A-Za-z_]\w*(?:\[[^\]]+\]|\([^)]+\)|\{[^}]+\})?"
FLOW = re.compile(rf"^{NODE}(?:\s*(?:-->|-\.->|---|==>)(?:\|[^|]+\|)?\s*{NODE})*$")
GROUP = re.compile(r"^(?:subgraph \w+(?:\[[^\]]+\])?|end)$")
STATE = re.compile(r"^(?:\[\*\]|\w+)\s*-->\s*(?:\[\*\]|\w+)(?:\s*:\s*.+)?$")


def pages():
    return subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout.split()


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"[`*]", "", heading.strip().lower())
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def prose(text):
    return re.sub(r"```.*?```", "", text, flags=re.S)


def anchors(path):
    with open(path, encoding="utf-8") as file:
        return {anchor(match) for match in re.findall(r"^#+ (.*)$", prose(file.read()), flags=re.M)}


def links(path, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        full = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(full):
            yield f"the link {target} leads to no file"
        elif heading and full.endswith(".md") and heading not in anchors(full):
            yield f"the link {target} leads to no heading of {full}"


def paths(text):
    for name in re.findall(r"`([^`\s]+)`", prose(text)):
        if name.startswith(ROOTS) and not re.search(r"[A-Z]{3,}|[*{<]", name) and not os.path.exists(name.rstrip("/")):
            yield f"`{name}` does not exist"


def tests():
    """Names of all functions of the checkout, among them those of tests."""
    found = subprocess.run(["git", "grep", "-hoE", r"fn [a-z0-9_]+", "--", "*.rs"], capture_output=True, text=True, check=True).stdout
    return {line[3:] for line in found.split("\n")}


def cited_tests(text, known):
    for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){4,})`", prose(text)):
        if name not in known and not name.startswith(("kamaji_", "controller_runtime_", "leader_")):
            yield f"the test `{name}` does not exist"


def pictures(text):
    return re.findall(r"```mermaid\n(.*?)```", text, flags=re.S)


def mermaid(picture):
    first, *rest = [line.strip() for line in picture.strip().split("\n")]
    if re.fullmatch(r"(flowchart|graph) (LR|TB|TD|RL|BT)", first):
        pattern = FLOW
    elif re.fullmatch(r"stateDiagram(-v2)?", first):
        pattern = STATE
    else:
        yield f"a picture begins with {first!r}: flowchart LR, TB or stateDiagram-v2 is expected"
        return
    for line in rest:
        grouped = pattern is FLOW and GROUP.match(line)
        if line and not line.startswith("%%") and not grouped and not pattern.match(line):
            yield f"a picture has a line that is no edge: {line!r}"


def crates():
    """Dependencies of each crate on others of the workspace, those of tests left out."""
    found = {}
    for name in sorted(os.listdir("crates")):
        with open(f"crates/{name}/Cargo.toml", encoding="utf-8") as file:
            section = file.read().split("[dependencies]")[1].split("\n[")[0]
        found[name] = set(re.findall(r"^kamaji-(\w+)", section, flags=re.M))
    return found


def reached(edges, start):
    found, todo = set(), [start]
    while todo:
        for target in edges.get(todo.pop(), ()):
            if target not in found:
                found.add(target)
                todo.append(target)
    return found


def crate_picture(text):
    declared = crates()
    for picture in pictures(text):
        edges = {}
        for left, right in re.findall(r"^\s*(\w+) --> (\w+)$", picture, flags=re.M):
            edges.setdefault(left, set()).add(right)
        if not {"core", "api"} <= set(edges) | {x for targets in edges.values() for x in targets}:
            continue
        for crate in declared:
            drawn, real = reached(edges, crate), reached(declared, crate)
            if drawn != real:
                yield f"the picture of crates lets {crate} reach {sorted(drawn)}, Cargo.toml {sorted(real)}"
        return
    yield "there is no picture of crates"


def main():
    failed, known = False, tests()
    for path in pages():
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found = [*links(path, text), *paths(text), *cited_tests(text, known)]
        found += [*blocks.marks(text, known), *terms.spelling(text)]
        for picture in pictures(text):
            found += mermaid(picture)
        if path == "docs/architecture.md":
            found += crate_picture(text)
        for why in found:
            failed = True
            print(f"{path}: {why}")
    for why in book.summary():
        failed = True
        print(f"{book.SUMMARY}: {why}")
    if notes.stale():
        failed = True
        print(f"{notes.PAGE}: it has not what the fragments in {notes.FOLDER}/ say: run `make notes`")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
