#!/usr/bin/env python3
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
"""Owns what the documents show of a bench: makes docs/lookup.svg, and the part of docs/PERFORMANCE.md
between its markers, from bench.json.

Usage: tests/bench/plot.py [BENCH.JSON], on the machine where it was measured. Needs all parts' rows.
"""

import json
import math
import os
import platform
import re
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PICTURE = "Nanoseconds a lookup, for up to 100 000 bindings: sksteer, a hash of ports, and the floor"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
CURVE = re.compile(r"curve (ours|seed|floor) (\d+)$")
PEER = re.compile(
    r"peer (.*) (CPU per connection|p50 connect latency|p99 connect latency|set-up time|kernel memory)"
    r"(?: for (.*))?$"
)

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 24, 60
LABELS = {"ours": "sksteer", "seed": "hash of ports", "floor": "floor"}


def curves(rows):
    """{"ours": [(bindings, ns), ...], ...}"""
    found = {}
    for row in rows:
        match = CURVE.match(row["name"])
        if match:
            found.setdefault(match[1], []).append((int(match[2]), row["value"]))
    return {name: sorted(points) for name, points in found.items()}


def thousands(number):
    return f"{number:,}".replace(",", "\u202f")


class Plot:
    """Bindings on a logarithmic axis, ns from 0 on a linear one."""

    def __init__(self, lines):
        points = [point for line in lines.values() for point in line]
        self.decades = max(1, math.ceil(math.log10(max(n for n, _ in points)) - 1e-9))
        self.step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if s * 8 > max(y for _, y in points))
        self.top = self.step * (math.floor(max(y for _, y in points) / self.step) + 1)
        self.out = []

    def x(self, bindings):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(bindings) / self.decades

    def y(self, ns):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ns / self.top

    def text(self, x, y, text, anchor="middle", extra=""):
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{text}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def axes(self):
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for ns in range(0, self.top + 1, self.step):
            self.line(LEFT, self.y(ns), right, self.y(ns), "grid" if ns else "axis")
            self.text(LEFT - 8, self.y(ns) + 4, str(ns), "end")
        for decade in range(self.decades + 1):
            x = self.x(10**decade)
            self.line(x, bottom, x, bottom + 5, "axis")
            self.text(x, bottom + 20, thousands(10**decade))
        self.text((LEFT + right) / 2, HEIGHT - 12, "bindings in the namespace (ports on any address)")
        middle = (TOP + bottom) / 2
        self.text(18, middle, "ns a lookup, less an empty program", extra=f' transform="rotate(-90 18 {middle:.0f})"')

    def curve(self, name, points):
        path = " ".join(f"{self.x(n):.1f},{self.y(ns):.1f}" for n, ns in points)
        self.out.append(f'<polyline points="{path}" class="line {name}"/>')
        for n, ns in points:
            self.out.append(
                f'<circle cx="{self.x(n):.1f}" cy="{self.y(ns):.1f}" r="3.5" class="dot {name}">'
                f"<title>{LABELS[name]}, {thousands(n)}: {ns:.1f} ns</title></circle>"
            )

    def labels(self, lines):
        """Beside the ends of the lines, apart from each other."""
        below = math.inf
        for name, points in sorted(lines.items(), key=lambda line: line[1][-1][1]):
            n, ns = points[-1]
            below = min(self.y(ns) + 4, below - 17)
            self.text(self.x(n) + 10, below, f"{LABELS[name]}, {ns:.1f} ns", "start", f' class="{name}"')


STYLE = """text { font: 13px system-ui, sans-serif; fill: #57606a }
.axis { stroke: #57606a } .grid { stroke: #57606a; stroke-opacity: .2 }
.line { fill: none; stroke-width: 2.5 }
.line.ours { stroke: #0969da } .dot.ours, text.ours { fill: #0969da }
.line.seed { stroke: #bc4c00 } .dot.seed, text.seed { fill: #bc4c00 }
.line.floor { stroke: #6e7781; stroke-dasharray: 6 4 } .dot.floor, text.floor { fill: #6e7781 }
@media (prefers-color-scheme: dark) {
  text { fill: #adbac7 } .axis { stroke: #adbac7 } .grid { stroke: #adbac7 }
  .line.ours { stroke: #58a6ff } .dot.ours, text.ours { fill: #58a6ff }
  .line.seed { stroke: #f0883e } .dot.seed, text.seed { fill: #f0883e }
  .line.floor { stroke: #909dab } .dot.floor, text.floor { fill: #909dab }
}"""


def draw(lines):
    plot = Plot(lines)
    plot.axes()
    for name, points in lines.items():
        plot.curve(name, points)
    plot.labels(lines)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">'
    title = "<title>Cost of a lookup against the number of bindings</title>"
    notice = "<!-- SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause); made by tests/bench/plot.py -->"
    return "\n".join([head, notice, title, f"<style>{STYLE}</style>", *plot.out, "</svg>"]) + "\n"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = re.search(r"^model name\s*:\s*(.*)$", info.read(), re.M)
    kernel = re.match(r"\d+(\.\d+)*", platform.release())[0]
    return f"{os.cpu_count()} CPUs ({model[1] if model else platform.machine()}), Linux {kernel}"


def figure(row):
    value, unit = row["value"], row["unit"]
    number = thousands(round(value)) if abs(value) >= 1000 else f"{value:.4g}"
    return number + " " + re.sub(r"^x\b", "×", unit).replace("us", "µs")


def goals(rows):
    met = {True: "yes", False: "**no**"}
    lines = ["| what | measured | goal | met |", "|---|---|---|---|"]
    for row in rows:
        goal = row["goal"].replace("<=", "≤").replace(">=", "≥")
        lines.append(f"| {row['name']} | {figure(row)} | {goal} | {met[row['ok']]} |")
    return lines


def others(rows):
    lines = ["| what | measured |", "|---|---|"]
    return lines + [f"| {row['name']} | {figure(row)} |" for row in rows]


def peers(rows):
    """A line a peer, a column for each thing that was measured of it."""
    found, columns = {}, []
    for row in rows:
        name, what, ports = PEER.match(row["name"]).groups()
        found.setdefault(name, {})[what] = figure(row)
        if ports and ports != "30 000 ports":
            found[name]["ports"] = " " + (ports.removeprefix("30 000 ports ") if "(" in ports else f"({ports})")
        columns += [] if what in columns else [what]
    lines = ["| 30 000 ports by | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, of in found.items():
        cells = " | ".join(of.get(column, "") for column in columns)
        lines.append(f"| {name}{of.get('ports', '')} | {cells} |")
    return lines


def section(title, lines):
    return ["", f"### {title}", "", *lines] if len(lines) > 2 else []


def tables(rows, when):
    rows = [row for row in rows if not CURVE.match(row["name"])]
    kinds = {"goal": [], "peer": [], "other": []}
    for row in rows:
        kinds["goal" if row["goal"] else "peer" if PEER.match(row["name"]) else "other"].append(row)
    lines = [f"Measured on {time.strftime('%Y-%m-%d', time.gmtime(when))}: {machine()}."]
    lines += section("The goals", goals(kinds["goal"]))
    lines += section("What explains them", others(kinds["other"]))
    lines += section("What a user would pick instead", peers(kinds["peer"]))
    lines += section("Cost of a lookup against the number of bindings", ["![" + PICTURE + "](lookup.svg)", "", ""])
    return "\n".join(lines).rstrip()


def main():
    source = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "bench.json")
    with open(source, encoding="utf-8") as file:
        rows = json.load(file)
    lines = curves(rows)
    if not lines:
        sys.exit(f"{source}: no curve")
    with open(os.path.join(ROOT, "docs", "lookup.svg"), "w", encoding="utf-8") as file:
        file.write(draw(lines))
    page = os.path.join(ROOT, "docs", "PERFORMANCE.md")
    with open(page, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{page}: no markers")
    with open(page, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{tables(rows, os.path.getmtime(source))}\n{END}{after}")


if __name__ == "__main__":
    main()
