#!/usr/bin/env python3
"""Runs commands in a terminal and draws what they showed, and when, as an SVG that plays.

    .ci/record.py OUT.svg < COMMANDS

Each line of COMMANDS is typed and run by sh, one after another; a command that fails ends the recording with its code. A
pause longer than IDLE seconds is shortened to that. Without animations, the picture shows all lines.
"""
import os
import pty
import re
import subprocess
import sys
import time
from html import escape

IDLE, TYPED = 1.5, 0.6  # seconds
COLUMNS, WIDTH, HEIGHT = 118, 7.25, 17  # characters of a line; pixels of one
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341"}
ESCAPE = re.compile("\x1b\\[([0-9;]*)m")


def run(command):
    """What a command shows, as pieces with the seconds since its start, and its exit code."""
    ours, theirs = pty.openpty()
    started = time.monotonic()
    shape = f"stty cols {COLUMNS} rows 40 2>/dev/null; {command}"
    process = subprocess.Popen(["sh", "-c", shape], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    pieces = []
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the last program at the other end is gone
            break
        if not data:
            break
        pieces.append((time.monotonic() - started, data.decode("utf-8", "replace").replace("\r", "")))
    os.close(ours)
    return pieces, process.wait()


def lines_of(pieces):
    """Whole lines, each with the time of its end."""
    text, found = "", []
    for at, piece in pieces:
        text += piece
        while "\n" in text:
            line, text = text.split("\n", 1)
            found.append((at, line))
    if text:
        found.append((pieces[-1][0], text))
    return found


def spans(line):
    """A line as SVG, with the colours that a terminal shows."""
    drawn, colour, at = [], None, 0
    for match in list(ESCAPE.finditer(line)) + [None]:
        text = line[at : match.start() if match else len(line)]
        if text:
            fill = f' fill="{colour}"' if colour else ""
            drawn.append(f"<tspan{fill}>{escape(text)}</tspan>")
        if match:
            colour, at = COLOURS.get(match.group(1)), match.end()
    return "".join(drawn)


def wrapped(line):
    """A line cut where a terminal would begin the next one; escapes take no room."""
    rows, row, seen = [], "", 0
    for part in re.split("(\x1b\\[[0-9;]*m)", line):
        if ESCAPE.fullmatch(part):
            row += part
            continue
        for character in part:
            if seen == COLUMNS:
                rows, row, seen = rows + [row], "", 0
            row, seen = row + character, seen + 1
    return rows + [row]


def main():
    out = sys.argv[1]
    commands = [line.strip() for line in sys.stdin if line.strip()]
    shown, clock = [], 0.0
    for command in commands:
        shown.append((clock, f"\x1b[32m$\x1b[0m {command}"))
        clock += TYPED
        pieces, code = run(command)
        before = 0.0
        for at, line in lines_of(pieces):
            clock += min(at - before, IDLE)
            before = at
            shown += [(clock, row) for row in wrapped(line)]
        clock += IDLE
        if code:
            sys.stderr.write("\n".join(ESCAPE.sub("", line) for _, line in shown) + "\n")
            sys.exit(f"record.py: `{command}` ended with {code}")
    width, height = COLUMNS * WIDTH + 24, len(shown) * HEIGHT + 24
    rows = [
        f'<text x="12" y="{24 + number * HEIGHT}" style="animation-delay:{at:.2f}s">{spans(line)}</text>'
        for number, (at, line) in enumerate(shown)
    ]
    style = (
        "text{font:12px monospace;fill:#e6edf3;white-space:pre;animation:show .01s steps(1) backwards}"
        "@keyframes show{from{opacity:0}}@media(prefers-reduced-motion){text{animation:none}}"
    )
    with open(out, "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
            f'viewBox="0 0 {width:.0f} {height}"><style>{style}</style>'
            f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n' + "\n".join(rows) + "\n</svg>\n"
        )


if __name__ == "__main__":
    main()
