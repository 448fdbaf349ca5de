#!/usr/bin/env python3
"""Draws the dashboards of config/monitoring as SVG, with the data of a Prometheus; no Grafana is needed.

    .ci/dashboards.py http://127.0.0.1:9090 SECONDS OUT [VARIABLE=VALUE ...]

One file for each dashboard: its panels at their places, each with what its queries give for the last SECONDS.
"""
import glob
import json
import math
import os
import sys
import time
import urllib.parse
import urllib.request
from html import escape

COLUMN, ROW, GAP = 50, 34, 6  # of the grid of 24 columns, in pixels
COLOURS = ["#3274d9", "#e0752d", "#2e9e4f", "#a352cc", "#c4162a", "#0d96a5", "#b58b00", "#6e7079"]
HIDDEN = {"__name__", "instance", "job", "endpoint", "service", "container", "pod", "namespace"}
POINTS = 60


def ask(url, path, query):
    text = urllib.parse.urlencode(query)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{text}", timeout=20) as answer:
        return json.load(answer)["data"]["result"]


def shown(value, unit):
    """A number as people read it, in its unit."""
    if math.isnan(value):
        return "-"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        for name in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024 or name == "GiB":
                return f"{value:.4g} {name}"
            value /= 1024
    if unit == "s":
        for most, size, name in ((1e-3, 1e-6, "µs"), (1, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
            if abs(value) < most and value:
                return f"{value / size:.3g} {name}"
        days = value / 86400
        return "0 s" if not value else f"{days / 365.25:.4g} y" if days > 1000 else f"{days:.4g} d"
    text = f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"
    return text + (" /s" if unit == "reqps" else "")


def text_at(x, y, words, size=12, **attributes):
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}"{more}>{escape(str(words))}</text>'


def cut(words, width, size=12):
    most = max(int(width / (size * 0.56)), 3)
    return words if len(words) <= most else words[: most - 1] + "…"


def legend(target, labels):
    """The name of a series, as Grafana makes it of the legend's pattern."""
    pattern = target.get("legendFormat", "__auto")
    if pattern == "__auto":
        return ", ".join(f"{k}={v}" for k, v in sorted(labels.items()) if k not in HIDDEN)
    for name, value in labels.items():
        pattern = pattern.replace("{{%s}}" % name, value)
    while "{{" in pattern:
        before, rest = pattern.split("{{", 1)
        pattern = before + rest.split("}}", 1)[1]
    return pattern.strip()


class Panel:
    def __init__(self, panel, box, data):
        self.panel, (self.x, self.y, self.w, self.h), self.data = panel, box, data
        self.unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "none")

    def now(self):
        """Name and value of each series of the last moment."""
        series = [(legend(t, s["metric"]), float(s["value"][1])) for t, found in self.data for s in found]
        # Of durations the shortest comes first: it is the one that a person has to know.
        sign = 1 if self.unit == "s" and self.panel["type"] == "stat" else -1
        return sorted(series, key=lambda one: sign * one[1] if not math.isnan(one[1]) else 0)

    def draw(self):
        kind = self.panel["type"]
        if kind == "row":
            return [text_at(self.x + 2, self.y + 24, self.panel["title"], 15, font_weight="bold")]
        out = [f'<rect x="{self.x}" y="{self.y}" width="{self.w}" height="{self.h}" rx="3" fill="#fff" stroke="#d8d9da"/>']
        out.append(text_at(self.x + 10, self.y + 20, cut(self.panel["title"], self.w - 20, 13), 13, font_weight="bold"))
        if not any(found for _, found in self.data):
            return out + [text_at(self.x + self.w / 2, self.y + self.h / 2, "No data", 14, fill="#999", text_anchor="middle")]
        return out + getattr(self, kind)()

    def stat(self):
        series, out = self.now()[:3], []
        width = (self.w - 20) / len(series)
        for index, (name, value) in enumerate(series):
            middle = self.x + 10 + width * (index + 0.5)
            words = shown(value, self.unit)
            big = min(34, width * 1.4 / max(len(words), 3))
            out.append(text_at(middle, self.y + self.h / 2 + 18, words, round(big), text_anchor="middle", fill=COLOURS[2]))
            if name and (len(series) > 1 or self.panel["targets"][0].get("legendFormat") != "__auto"):
                out.append(text_at(middle, self.y + self.h - 22, cut(name, width, 11), 11, text_anchor="middle", fill="#555"))
        return out

    def table(self):
        rows = [s["metric"] for _, found in self.data for s in found]
        names = [n for n in sorted({k for row in rows for k in row}) if n not in HIDDEN]
        # Each column as wide as its longest text asks for.
        need = {n: max([len(n)] + [len(row.get(n, "")) for row in rows]) + 2 for n in names}
        total, x, out = sum(need.values()), self.x + 10, []
        size = 11 if total * 6.4 < self.w else 9
        for name in names:
            width = (self.w - 20) * need[name] / total
            out.append(text_at(x, self.y + 44, cut(name, width - 4, size), size, fill="#3274d9"))
            for index, row in enumerate(rows[: int((self.h - 60) / 20) + 1]):
                out.append(text_at(x, self.y + 66 + 20 * index, cut(row.get(name, ""), width - 4, size), size))
            x += width
        return out

    def barchart(self):
        series = self.now()[: max(int((self.h - 40) / 22), 1)]
        most = max(value for _, value in series) or 1
        names, out = min(self.w * 0.4, 8 + 6.6 * max(len(name) for name, _ in series)), []
        for index, (name, value) in enumerate(series):
            y = self.y + 34 + 22 * index
            length = max((self.w - names - 110) * value / most, 1)
            out.append(text_at(self.x + names + 4, y + 13, cut(name, names - 6, 11), 11, text_anchor="end"))
            out.append(f'<rect x="{self.x + names + 10:.0f}" y="{y}" width="{length:.0f}" height="16" fill="{COLOURS[0]}"/>')
            out.append(text_at(self.x + names + 16 + length, y + 13, shown(value, self.unit), 11))
        return out

    def piechart(self):
        series = [one for one in self.now() if one[1] > 0]
        total, angle, out = sum(value for _, value in series), -math.pi / 2, []
        radius = min(self.h - 60, self.w / 2 - 20) / 2
        cx, cy = self.x + radius + 16, self.y + 36 + radius
        for index, (name, value) in enumerate(series):
            colour, end = COLOURS[index % len(COLOURS)], angle + 2 * math.pi * value / total
            if value == total:
                out.append(f'<circle cx="{cx:.0f}" cy="{cy:.0f}" r="{radius:.0f}" fill="{colour}"/>')
            else:
                points = [(cx + radius * math.cos(a), cy + radius * math.sin(a)) for a in (angle, end)]
                large = int(end - angle > math.pi)
                out.append(f'<path d="M{cx:.0f},{cy:.0f} L{points[0][0]:.1f},{points[0][1]:.1f} A{radius:.0f},{radius:.0f} 0 {large} 1 '
                           f'{points[1][0]:.1f},{points[1][1]:.1f} Z" fill="{colour}"/>')
            angle, x, y = end, cx + radius + 16, self.y + 50 + 20 * index
            if y < self.y + self.h - 6:
                out.append(f'<rect x="{x:.0f}" y="{y - 10}" width="10" height="10" fill="{colour}"/>')
                out.append(text_at(x + 15, y, cut(f"{name} {shown(value, self.unit)}", self.x + self.w - x - 20, 11), 11))
        return out

    def timeseries(self):
        series = [(legend(t, s["metric"]), [(float(at), float(v)) for at, v in s["values"] if v != "NaN"]) for t, found in self.data for s in found]
        series = sorted((one for one in series if one[1]), key=lambda one: one[0])[:15]
        if not series:
            return [text_at(self.x + self.w / 2, self.y + self.h / 2, "No data", 14, fill="#999", text_anchor="middle")]
        moments = [at for _, points in series for at, _ in points]
        values = [value for _, points in series for _, value in points]
        first, last, low, high = min(moments), max(moments), min(0, *values), max(values) * 1.1
        high = high if high > low else low + 1
        lines = min(len(series), 6)
        left, right = self.x + 70, self.x + self.w - 12
        top, bottom = self.y + 34, self.y + self.h - 26 - 15 * ((lines + 1) // 2)
        out = []
        for part in range(4):
            y = bottom - (bottom - top) * part / 3
            out.append(f'<path d="M{left:.0f},{y:.0f} H{right:.0f}" stroke="#eee"/>')
            out.append(text_at(left - 6, y + 4, shown(low + (high - low) * part / 3, self.unit), 10, text_anchor="end", fill="#555"))
        for moment, anchor, x in ((first, "start", left), (last, "end", right)):
            ago = f"-{last - moment:.0f} s" if moment < last else "now"
            out.append(text_at(x, bottom + 13, ago, 10, text_anchor=anchor, fill="#555"))
        for index, (name, points) in enumerate(series):
            colour = COLOURS[index % len(COLOURS)]
            place = lambda at, value: (left + (right - left) * (at - first) / max(last - first, 1), bottom - (bottom - top) * (value - low) / (high - low))
            line = " ".join(f"{x:.0f},{y:.1f}" for x, y in (place(*point) for point in points))
            out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
            if index < lines:
                half = (self.w - 20) / 2
                x, y = self.x + 12 + half * (index % 2), bottom + 29 + 15 * (index // 2)
                out.append(f'<rect x="{x:.0f}" y="{y - 7:.0f}" width="9" height="4" fill="{colour}"/>')
                out.append(text_at(x + 14, y, cut(name, half - 20, 11), 11))
        return out


def data_of(panel, url, variables, span):
    """The queries of a panel, each with what Prometheus answers."""
    found = []
    for target in panel.get("targets", []):
        query = target["expr"]
        for name, value in variables.items():
            query = query.replace("$" + name, value)
        if panel["type"] == "timeseries":
            end = time.time()
            step = max(span / POINTS, 1)
            answer = ask(url, "query_range", {"query": query, "start": end - span, "end": end, "step": step})
        else:
            answer = ask(url, "query", {"query": query})
        found.append((target, answer))
    return found


def draw(dashboard, url, variables, span):
    """The whole dashboard as SVG."""
    panels, height = [], 0
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        box = (at["x"] * COLUMN + GAP, at["y"] * ROW + GAP + 40, at["w"] * COLUMN - GAP, at["h"] * ROW - GAP)
        height = max(height, box[1] + box[3] + GAP)
        panels += Panel(panel, box, data_of(panel, url, variables, span)).draw()
    width = 24 * COLUMN + GAP
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="sans-serif" fill="#222">')
    title = text_at(GAP + 2, 28, dashboard["title"], 18, font_weight="bold")
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>', title, *panels, "</svg>", ""])


def main(url, span, out, *variables):
    os.makedirs(out, exist_ok=True)
    folder = os.path.join(os.path.dirname(__file__), "../config/monitoring/dashboards")
    for path in sorted(glob.glob(f"{folder}/*.json")):
        with open(path) as file:
            dashboard = json.load(file)
        name = os.path.basename(path).removesuffix(".json")
        with open(f"{out}/dashboard-{name}.svg", "w") as file:
            file.write(draw(dashboard, url, dict(v.split("=", 1) for v in variables), int(span)))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
