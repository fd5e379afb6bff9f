#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands for the unit tests where configure found no cmocka: that is a failure, not a skip.
echo 1..1
echo "not ok 1 - unit tests: cmocka was not found, install the Debian package libcmocka-dev"
