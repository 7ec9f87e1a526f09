# SPDX-License-Identifier: ISC
"""The rows of a run: one figure each, with a name that stays.

    rows.add("file.mtu9000.ethernet.A.goodput", "Gbit/s", [6.1, 6.2, 5.9], command)
    rows.absent("udpcast.mtu1500.goodput", "Gbit/s", "udp-sender is not installed", command)

The value is the median. A row that could not be measured has value null, n 0 and a note that
says why: it is there so that nobody takes its absence for a success.
"""

import json
import statistics

KEYS = ("name", "value", "unit", "min", "max", "n", "command")


class Rows:
    """All rows in the order in which they were measured; `show` is called with each."""

    def __init__(self, show=None):
        self._rows = {}
        self._show = show

    def _put(self, row):
        self._rows[row["name"]] = row
        if self._show:
            self._show(row)

    def add(self, name, unit, samples, command, note=None):
        """SAMPLES: a number, or several of which the median is the value."""
        samples = list(samples) if isinstance(samples, (list, tuple)) else [samples]
        row = {"name": name, "value": _short(statistics.median(samples)), "unit": unit,
               "min": _short(min(samples)), "max": _short(max(samples)), "n": len(samples),
               "command": command}
        if note:
            row["note"] = note
        self._put(row)
        return row["value"]

    def absent(self, name, unit, why, command):
        self._put({"name": name, "value": None, "unit": unit, "min": None, "max": None,
                   "n": 0, "command": command, "note": why})

    def take(self, text, command):
        """Rows as the C programs print them: one JSON object a line, or one array. Their
        names; what was measured is not what was asked for when there are none."""
        found = (json.loads(text) if text.lstrip().startswith("[")
                 else [json.loads(line) for line in text.splitlines()])
        for row in found:
            self._put({**{key: row.get(key) for key in KEYS}, "command": command})
        return [row["name"] for row in found]

    def value(self, name, default=None):
        row = self._rows.get(name)
        return default if row is None or row["value"] is None else row["value"]

    def named(self, prefix):
        return [row for name, row in self._rows.items() if name.startswith(prefix)]

    def __iter__(self):
        return iter(self._rows.values())

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("[\n" + ",\n".join(json.dumps(row) for row in self) + "\n]\n")


def _short(value):
    """Six significant digits: no figure here is better than that."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
