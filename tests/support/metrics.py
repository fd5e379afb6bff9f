#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a metrics page (standard input) strictly: the text format 0.0.4, or OpenMetrics with
--openmetrics. Prints the names of the families, or says what is wrong and exits with 1."""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
PAIR = r'[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*"'
# One label, or more.
SAMPLE = re.compile(
    rf'({NAME})(?:\{{([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n]*)"((?:,{PAIR})*)\}})? (\S+)'
)
UNITS = ("_seconds", "_bytes", "_total", "_info", "_seconds_total", "_bytes_total")


def wrong(text):
    print(f"metrics: {text}", file=sys.stderr)
    sys.exit(1)


def family_check(name, kind, samples, openm):
    base = name + ("_total" if openm and kind == "counter" else "")
    if kind == "counter" and not base.endswith("_total"):
        wrong(f"{name}: a counter ends with _total")
    if kind != "counter" and name.endswith("_total"):
        wrong(f"{name}: only a counter ends with _total")
    if re.search(r"_(ms|us|kb|mb|milliseconds|kilobytes|percent)(_|$)", name):
        wrong(f"{name}: not a base unit")
    seen = set()
    for sample, label, word, value in samples:
        if (sample, label, word) in seen:
            wrong(f"{sample}{{{label}={word}}} stands twice")
        seen.add((sample, label, word))
        try:
            number = float(value)
        except ValueError:
            wrong(f"{sample}: {value} is no number")
        if kind == "counter" and number < 0:
            wrong(f"{sample}: a counter below 0")
        tails = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        if sample not in [base + t for t in tails]:
            wrong(f"{sample} among the samples of {base}")
    if kind == "histogram":
        histogram_check(name, samples)


def histogram_check(name, samples):
    buckets = [(w, float(v)) for s, l, w, v in samples if s == name + "_bucket"]
    bounds = [float(w.replace("+Inf", "inf")) for w, _ in buckets]
    counts = [v for _, v in buckets]
    total = [float(v) for s, _, _, v in samples if s == name + "_count"]
    if bounds != sorted(set(bounds)) or bounds[-1] != float("inf"):
        wrong(f"{name}: bounds {bounds}")
    if counts != sorted(counts) or [counts[-1]] != total:
        wrong(f"{name}: the buckets are not cumulative, or their sum is not the count")


def main():
    openm = "--openmetrics" in sys.argv[1:]
    text = sys.stdin.read()
    if not text.endswith("\n") or "\r" in text or "\n\n" in text:
        wrong("lines end with one newline each")
    lines = text.split("\n")[:-1]
    if openm:
        if lines.pop() != "# EOF":
            wrong("# EOF is missing")
    families = {}
    name = kind = None
    samples = []
    for line in lines + ["# HELP end end"]:
        if line.startswith("# HELP "):
            if name:
                if kind is None:
                    wrong(f"{name}: no TYPE")
                family_check(name, kind, samples, openm)
            name, _, told = line[7:].partition(" ")
            if not re.fullmatch(NAME, name) or not told or name in families:
                wrong(f"{line}: a name that is none or stands twice, or no words")
            families[name] = True
            kind, samples = None, []
        elif line.startswith("# TYPE "):
            which, _, kind = line[7:].partition(" ")
            if which != name or kind not in ("counter", "gauge", "histogram") or samples:
                wrong(f"{line}: not behind its HELP, or no type")
        else:
            m = SAMPLE.fullmatch(line)
            if not m or kind is None:
                wrong(f"{line}: no sample")
            sample, label, word, second, value = m.groups()
            samples.append((sample, label, (word or "") + (second or ""), value))
    del families["end"]
    print("\n".join(families))


main()
