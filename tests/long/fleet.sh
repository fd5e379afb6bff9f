#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/scenario/fleet with 100,000 devices.
FLEET_DEVICES=100000 exec tests/scenario/fleet
