#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""metric_names.py FILE...: the series that alert rules (YAML) and boards (JSON) ask for, a line each,
and what of their labels they name: NAME or NAME LABEL."""
import json
import re
import sys

WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "and", "or", "unless", "offset", "le", "on"}


def expressions(name):
    with open(name, encoding="utf-8") as f:
        text = f.read()
    if name.endswith(".json"):
        return [t["expr"] for p in json.loads(text)["panels"] for t in p["targets"]]
    # `expr: TEXT`, or `expr: >-` and deeper lines
    found = re.findall(r"^( *)expr: (?:>-\n((?:\1 +.*\n)+)|(.*)\n)", text, re.M)
    return [block or line for _, block, line in found]


for name in sys.argv[1:]:
    all_of = expressions(name)
    if not all_of:
        sys.exit(f"{name}: no expressions")
    for expr in all_of:
        series = set(re.findall(r"\b((?:postboot|process)_[a-z_]+)", expr))
        if not series:
            sys.exit(f"{name}: {expr}: names no metric")
        labels = set(re.findall(r"([a-z_]+)=~?\"", expr))
        for group in re.findall(r"by \(([^)]*)\)", expr):
            labels |= {w.strip() for w in group.split(",")}
        for one in series:
            print(one)
            if len(series) == 1:
                for label in sorted(labels):
                    print(one, label)
