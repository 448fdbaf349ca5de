"""Checks of the code blocks of Markdown pages: each command block says which test runs it, or that none does.

    ```sh run=pages        the test `pages` of e2e runs it (e2e/tests/pages)
    ```sh run=bundled_etcd a file of e2e/tests/scenarios, or a function, whose test runs the same commands
    ```sh norun            no test runs it

Manifests of our kinds in ```yaml blocks are sent to an API server by the same test `pages`; ```yaml fragment marks what
is no whole object.
"""
import os
import re

FENCE = re.compile(r"^(\s*)```(\S*)([^\n]*)$")


def fences(text):
    """Language and words of each block, with its line number and its text."""
    opened, found, body = None, [], []
    for number, line in enumerate(text.split("\n"), 1):
        match = FENCE.match(line)
        if match and opened is None:
            opened, body = (number, match.group(2), match.group(3).split()), []
        elif match:
            found.append((*opened, "\n".join(body)))
            opened = None
        elif opened:
            body.append(line)
    return found


def runner_exists(name, functions):
    return name == "pages" or name in functions or os.path.exists(f"e2e/tests/scenarios/{name}.rs")


def marks(text, functions):
    """Findings about the marks of command blocks and manifests. `functions` are the names of all tests."""
    for number, language, words, body in fences(text):
        where = f"the block at line {number}"
        if language in ("bash", "shell", "console"):
            yield f"{where} is of {language}: write ```sh and a mark"
        elif language == "sh" and len(words) != 1:
            yield f"{where} has no mark: write ```sh run=TEST, or ```sh norun where no test runs it"
        elif language == "sh" and words[0] != "norun":
            name = words[0].removeprefix("run=")
            if name == words[0] or not runner_exists(name, functions):
                yield f"{where} has the mark {words[0]!r}, which names no test: write run=TEST or norun"
        elif language == "yaml" and words and words != ["fragment"]:
            yield f"{where} has the mark {words[0]!r}: manifests have the mark fragment or none"
        elif language == "yaml" and not words and not re.search(r"^kind:", body, flags=re.M):
            yield f"{where} is no whole object: write ```yaml fragment"
