#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

@test "postbootd says its version" {
	run "$POSTBOOTD" --version
	[ "$status" -eq 0 ]
	[[ $output == *postbootd* ]]
}

@test "postbootctl says its version" {
	run "$POSTBOOTCTL" --version
	[ "$status" -eq 0 ]
	[[ $output == *postbootctl* ]]
}

@test "postboot-device says its version" {
	run "$POSTBOOT_DEVICE" --version
	[ "$status" -eq 0 ]
	[[ $output == *postboot-device* ]]
}
