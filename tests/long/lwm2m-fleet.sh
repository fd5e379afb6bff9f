#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/integration/55-lwm2m-life.bats with 1,000 devices.
POSTBOOT_LWM2M_FLEET=1000 exec "${BATS:-bats}" --tap \
	-f 'fleet' "${TOP_SRCDIR:-.}/tests/integration/55-lwm2m-life.bats"
