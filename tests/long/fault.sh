#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/fault with every way of failing at every operation.
FAULT_LONG=1 exec "${TOP_BUILDDIR:-build}/tests/fault/test_fault"
