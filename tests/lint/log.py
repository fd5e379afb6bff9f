#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every line of the log, by its format string: words of the form key=value, with at most one bare
word before them; a value with spaces is quoted (postbootd(8), section LOG)."""
import glob
import os
import re
import sys

CALL = re.compile(r'\blog_(?:err|warn|info|debug|peer)\(((?:[^"]*?,)?)\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
SPEC = re.compile(r'%[-0-9.*]*(?:l{0,2}|z)[a-zA-Z]|%%')
BARE = r'[^\s"=]+'
LINE = re.compile(rf'(?:[a-z][a-z-]*(?= |$))?(?:(?:^|(?<!^) ?)[a-z][a-z0-9_-]*=(?:{BARE}|"[^"]*"))*')


def problems(path, text):
    text = re.sub(r'" PRI[duxX]64 "', "llu", text).replace('" PRId64', 'lld"').replace('" PRIu64', 'llu"')
    for call in CALL.finditer(text):
        fmt = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', call.group(2))).replace('\\"', '"')
        sample = SPEC.sub("v", fmt)
        line = text.count("\n", 0, call.start()) + 1
        if sample == "v":
            yield f'{path}:{line}: a line that is nothing but a value: "{fmt}"'
        elif not LINE.fullmatch(sample):
            yield f'{path}:{line}: not key=value: "{fmt}"'


def main():
    top = os.environ.get("TOP_SRCDIR") or sys.argv[1]
    found = []
    count = 0
    for path in sorted(glob.glob(f"{top}/src/*/*.c")):
        # The folder of the source alone: the tree may lie in one that is called ctl.
        if os.path.basename(os.path.dirname(path)) in ("emu", "ctl") or path.endswith("base/log.c"):
            continue
        with open(path, encoding="utf-8") as f:
            text = f.read()
        count += len(CALL.findall(text))
        found += problems(path, text)
    print("\n".join(found) if found else f"{count} calls")
    sys.exit(1 if found or count < 30 else 0)


main()
