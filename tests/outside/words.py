# SPDX-License-Identifier: Apache-2.0
"""The words of postboot-update(7) and the numbers of postboot-protocol(7)."""

RESETS = {0: "unknown", 1: "power-on", 2: "pin", 3: "software", 4: "update", 5: "watchdog",
          6: "panic", 7: "brown-out", 8: "wake", 9: "other"}
UNCLEAN = (5, 6, 7)
WAKE = 8

APPLICATION, UPDATER, SAFE = 0, 1, 2

DOWNLOADING, VERIFIED, APPLYING, REFUSED, DEFERRED, FAILED = 1, 2, 3, 4, 5, 6

REASONS = ("none", "no-space", "bad-digest", "bad-signature", "wrong-hardware", "downgrade",
           "storage-io", "dependency", "unsupported", "boot-loader", "other", "busy",
           "low-power", "updates-disabled", "deferred")
SOFT = ("busy", "low-power", "updates-disabled", "deferred")
HOLDS_AT_ONCE = ("wrong-hardware", "bad-signature", "unsupported")

# Verdicts that are never charged (TRUTH section 5).
UNCHARGED = ("superseded", "cancelled", "base-changed", "identity-conflict", "updated")
VERDICT_HOLDS = ("label-mismatch", "digest-mismatch", "unexpected-version")

CAN_FRESH = 2
FLAG_FRESH, FLAG_FORCE = 1, 2

KINDS = {0: "file", 1: "mcuboot", 2: "esp-appended", 16: "vendor-0"}
