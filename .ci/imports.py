#!/usr/bin/env python3
"""Fails on circles of imports between the modules of a crate; a parent and its child count as two modules.

Usage: .ci/imports.py [CRATE_FOLDER...]   (default: every crate of the workspace)

An import is a path that begins with `crate`, `super`, `self` or a child module, in `use` or in code. Tests are
left out, since they may use whatever they test.
"""
import os
import re
import subprocess
import sys

TEST = re.compile(r"(_tests|_properties|fixture|/tests)\.rs$")


def crates():
    tracked = subprocess.run(["git", "ls-files", "*Cargo.toml"], capture_output=True, text=True, check=True).stdout.split()
    return [os.path.dirname(path) for path in tracked if os.path.isdir(os.path.join(os.path.dirname(path), "src"))]


def module_of(root, path):
    relative = os.path.relpath(path, root)[: -len(".rs")].split(os.sep)
    if relative[-1] in ("mod", "lib", "main"):
        relative = relative[:-1]
    return tuple(relative)


def code_of(text):
    """The code without comments, strings and modules of tests that stand in the file."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text, flags=re.S)
    return re.sub(r"#\[cfg\(test\)\]\s*mod \w+ \{.*\Z", "", text, flags=re.S)


def expand(tree):
    """Paths of a use tree: `a::{b, c::d}` becomes a::b and a::c::d."""
    tree = tree.strip()
    opening = tree.find("{")
    if opening < 0:
        return [re.sub(r"\s+as\s+\w+", "", tree).strip()]
    prefix, body, depth, item, items = tree[:opening], tree[opening + 1 : tree.rfind("}")], 0, "", []
    for character in body:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            items.append(item)
            item = ""
        else:
            item += character
    items.append(item)
    return [prefix.replace(" ", "") + path for part in items if part.strip() for path in expand(part)]


def imports(code):
    for match in re.finditer(r"\buse\s+([^;]+);", code):
        yield from expand(match.group(1))
    rest = re.sub(r"\buse\s+[^;]+;", "", code)
    rest = re.sub(r"\bpub\s*\([^)]*\)", "pub", rest)
    for match in re.finditer(r"(?<![:\w])([a-z_]\w*(?:::\w+)+)", rest):
        yield match.group(1)


def resolve(path, module, modules):
    parts = [part.strip() for part in path.split("::")]
    if parts[0] == "crate":
        base, parts = (), parts[1:]
    elif parts[0] in ("super", "self"):
        base = module
        while parts and parts[0] in ("super", "self"):
            base = base[:-1] if parts[0] == "super" else base
            parts = parts[1:]
    elif module + (parts[0],) in modules:
        base = module
    else:
        return None
    while parts and base + (parts[0],) in modules:
        base, parts = base + (parts[0],), parts[1:]
    return base


def graph(root):
    files = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".rs") and not TEST.search(path) and f"{os.sep}bin{os.sep}" not in path:
                files[module_of(root, path)] = path
    edges = {}
    for module, path in files.items():
        with open(path, encoding="utf-8") as file:
            found = {resolve(item, module, files) for item in imports(code_of(file.read()))}
        edges[module] = {target for target in found if target in files and target != module}
    return edges


def circles(edges):
    """Strongly connected components of more than one module (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in sorted(edges[module]):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            component = []
            while not component or component[-1] != module:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for module in sorted(edges):
        if module not in index:
            visit(module)
    return found


def main():
    sys.setrecursionlimit(10_000)
    failed = False
    for crate in sys.argv[1:] or crates():
        edges = graph(os.path.join(crate, "src"))
        for component in circles(edges):
            failed = True
            print(f"{crate}: a circle of {len(component)} modules:")
            for module in component:
                targets = ", ".join("::".join(("crate",) + target) for target in sorted(edges[module]) if target in component)
                print(f"  {'::'.join(('crate',) + module)} uses {targets}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
