#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/scenario/stampede with 100,000 devices.
STAMPEDE_DEVICES=100000 exec tests/scenario/stampede
