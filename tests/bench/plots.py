# SPDX-License-Identifier: ISC
"""Plots of a run as SVG files that any browser shows, written without a library."""

import math
import os
from xml.sax.saxutils import escape

import setting

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 24, 48, 56
COLOURS = ("#1f5fa8", "#d1662b", "#3a8a4b", "#8a4fa3", "#7a7a7a")


class Svg:
    """A drawing: shapes are added, text() is the file."""

    def __init__(self, title, width=WIDTH, height=HEIGHT):
        self.width, self.height = width, height
        self.parts = []
        self.label(width / 2, 24, title, size=16, anchor="middle")

    def rect(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
                          f'height="{height:.1f}" fill="{colour}"/>')

    def line(self, points, colour="#000", width=1):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          f'stroke-width="{width}"/>')

    def dot(self, x, y, colour):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def label(self, x, y, text, size=12, anchor="start", colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}">{escape(text)}</text>')

    def text(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" '
                f'height="{self.height}" viewBox="0 0 {self.width} {self.height}" '
                'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def bars(title, unit, values):
    """Horizontal bars. VALUES: [(label, value, min, max, colour)]."""
    left, step = 250, 26
    svg = Svg(title, height=TOP + step * len(values) + 30)
    most = max([high for _, _, _, high, _ in values] + [1e-12])
    scale = (svg.width - left - 110) / most
    for i, (name, value, low, high, colour) in enumerate(values):
        y = TOP + i * step
        svg.label(left - 8, y + 14, name, anchor="end")
        svg.rect(left, y + 3, value * scale, step - 9, colour)
        svg.line([(left + low * scale, y + step / 2 - 1.5), (left + high * scale,
                                                             y + step / 2 - 1.5)])
        svg.label(left + high * scale + 6, y + 14, f"{value:.3g} {unit}")
    return svg.text()


class Axis:
    """A linear or logarithmic axis from value to place."""

    def __init__(self, values, begin, end, log):
        self.log, self.begin, self.end = log, begin, end
        low, high = min(values), max(values)
        if log:
            low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
            high = max(high, low * 10)
        else:
            low, high = 0.0, high * 1.05 or 1.0
        self.low, self.high = low, high

    def at(self, value):
        if self.log:
            share = math.log10(value / self.low) / math.log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        if not self.log:
            return [self.low + (self.high - self.low) * i / 5 for i in range(6)]
        decades = round(math.log10(self.high / self.low))
        return [self.low * 10.0 ** i for i in range(0, decades + 1, max(1, decades // 8))]


def frame(title, x_name, y_name, x, y):
    svg = Svg(title)
    for tick in x.ticks():
        svg.line([(x.at(tick), y.begin), (x.at(tick), y.end)], "#e4e4e4")
        svg.label(x.at(tick), y.begin + 18, f"{tick:.4g}", anchor="middle")
    for tick in y.ticks():
        svg.line([(x.begin, y.at(tick)), (x.end, y.at(tick))], "#e4e4e4")
        svg.label(x.begin - 8, y.at(tick) + 4, f"{tick:.3g}", anchor="end")
    svg.line([(x.begin, y.end), (x.begin, y.begin), (x.end, y.begin)])
    svg.label((x.begin + x.end) / 2, svg.height - 12, x_name, anchor="middle")
    svg.label(12, TOP - 8, y_name)
    return svg


def curves(title, x_name, y_name, series, log_x=False, log_y=False):
    """Lines with dots. SERIES: {name: [(x, y)]}; on a logarithmic axis zeros lie at its foot."""
    points = [p for line in series.values() for p in line]
    positive = [y for _, y in points if y > 0] or [1.0]
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, log_x)
    y = Axis(positive if log_y else [p[1] for p in points], HEIGHT - BOTTOM, TOP, log_y)
    svg = frame(title, x_name, y_name, x, y)
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [(x.at(a), y.at(max(b, y.low))) for a, b in line]
        svg.line(places, colour, 2)
        for place in places:
            svg.dot(*place, colour)
        svg.rect(LEFT + 12, TOP + 8 + 18 * i, 12, 12, colour)
        svg.label(LEFT + 30, TOP + 18 + 18 * i, name)
    return svg.text()


# -- what is drawn --------------------------------------------------------------------------

def _goodput(rows, _):
    """Every file row beside what limits it."""
    found = []
    for mtu in setting.MTUS:
        for framing in setting.FRAMINGS:
            for regime in setting.REGIMES:
                name = f"mtu{mtu}.{framing}.{regime}"
                for key, text, colour in (
                        (f"limit.{name}.raw", "raw link", "#b9c3cf"),
                        (f"limit.{name}.speed_of_light", "speed of light", "#7f9bbd"),
                        (f"file.{name}.goodput", "product", "#1f5fa8")):
                    found += [(f"{name} {text}", row["value"], row["min"], row["max"], colour)
                              for row in rows.named(key) if row["name"] == key and row["n"]]
    found += [(row["name"], row["value"], row["min"], row["max"], "#d1662b")
              for row in rows.named("udpcast.") if row["unit"] == "Gbit/s" and row["n"]]
    return bars("Goodput of one large file", "Gbit/s", found) if found else None


def _terms(rows, _):
    """What the speed of light is made of."""
    name = "limit.mtu9000.ethernet.A.term."
    found = [(row["name"][len(name):], row["value"], row["min"], row["max"], COLOURS[0])
             for row in rows.named(name)]
    title = "Terms of the speed of light, MTU 9000, ethernet, A"
    return bars(title, "ns/byte", found) if found else None


def _numbered(rows, prefix, end):
    """[(number, value)] of rows PREFIX + number + END."""
    return sorted((int(row["name"][len(prefix):-len(end)]), row["value"])
                  for row in rows.named(prefix)
                  if row["name"].endswith(end) and row["n"]
                  and row["name"][len(prefix):-len(end)].isdigit())


def _loss_iid(rows, _):
    series = {"in memory": _numbered(rows, "loss.iid.", ".residual"),
              "over the link": _numbered(rows, "loss.link.iid.", ".residual")}
    series = {name: [(x / 1e6, y) for x, y in line] for name, line in series.items() if line}
    return series and curves("Residual loss against random loss, (160,16) x 63",
                             "loss of each frame", "source symbols missing (0: at the foot)",
                             series, log_x=True, log_y=True)


def _loss_burst(rows, _):
    series = {"in memory": _numbered(rows, "loss.burst.", ".residual"),
              "over the link": _numbered(rows, "loss.link.burst.", ".residual")}
    series = {name: line for name, line in series.items() if line}
    return series and curves("Residual loss against length of a burst, (160,16) x 63",
                             "frames lost in a row", "source symbols missing", series)


def _latency(_, bench):
    series = {}
    for name, bins in getattr(bench, "histograms", {}).items():
        total = sum(count for _, count in bins)
        series[name] = [(low / 1e3, count / total) for low, count in bins]
    series = {name: line for name, line in series.items() if line}
    return series and curves("Latency of a message", "ms", "share of the messages", series,
                             log_x=True)


def _count(rows, _):
    line = _numbered(rows, "cost.count.", ".us_per_object")
    return line and curves("Cost of an object of 4 KiB against their number", "objects",
                           "us per object", {"time": line}, log_x=True, log_y=True)


PLOTS = (("goodput", _goodput), ("terms", _terms), ("loss-random", _loss_iid),
         ("loss-burst", _loss_burst), ("latency", _latency), ("cost-count", _count))


def write(rows, bench, directory):
    """Write what there are rows for; the paths."""
    os.makedirs(directory, exist_ok=True)
    paths = []
    for name, draw in PLOTS:
        text = draw(rows, bench)
        if text:
            paths.append(os.path.join(directory, name + ".svg"))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
    return paths
