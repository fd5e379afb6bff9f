#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# /metrics: well-formed, told in postboot-metrics(7) one by one, and true; and the TCP address.

load lib

setup() {
	lab_open
	command -v python3 >/dev/null || skip "no python3"
}

teardown() {
	[ -z "${LAB-}" ] || lab_close
}

read_page() {
	python3 -B "$TOP_SRCDIR/tests/support/metrics.py" "$@"
}

page() {
	curl -sS --fail --unix-socket "$POSTBOOT_SOCKET" "$@" http://localhost/metrics
}

# value SERIES: of the page in $LAB/page.
value() {
	awk -v series="$1" '$1 == series { print $2 }' "$LAB/page"
}

updated() {
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	device_add argon-2
	ctl product target argon 1.1.0
	device_start argon-1 1.0.0
	wait_event 30 '.data == "success"'
}

@test "metrics: the checker finds what is wrong" {
	bad() {
		printf '%b' "$1" >"$LAB/bad"
		run read_page <"$LAB/bad"
		[ "$status" -eq 1 ]
	}
	printf '# HELP a_total x\n# TYPE a_total counter\na_total{b="c"} 1\n' | read_page
	bad '# HELP a_total x\n# TYPE a_total counter\na_total{b="c"} 1'
	bad '# HELP a x\n# TYPE a counter\na 1\n'
	bad '# HELP a_total x\n# TYPE a_total gauge\na_total 1\n'
	bad '# HELP a x\n# TYPE a gauge\na 1\na 2\n'
	bad '# HELP a x\n# TYPE a gauge\nb 1\n'
	bad '# HELP a x\na 1\n'
	bad '# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n'
	bad '# HELP a x\n# TYPE a gauge\na one\n'
	bad '# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n'
}

@test "metrics: every family is well-formed and told in its man page, and no other" {
	server_start
	updated
	page >"$LAB/page"
	read_page <"$LAB/page" | sort >"$LAB/true"
	sed -n 's/^\.It Cm //p' "$TOP_SRCDIR/man/postboot-metrics.7" | sort >"$LAB/told"
	diff "$LAB/true" "$LAB/told"
	page -H 'Accept: application/openmetrics-text; version=1.0.0' | read_page --openmetrics
	[[ $(page -D - -o "$LAB/page") == *"text/plain; version=0.0.4; charset=utf-8"* ]]
	if command -v promtool >/dev/null; then
		promtool check metrics <"$LAB/page"
	fi
	# Never a device.
	[ "$(grep -c "argon-" "$LAB/page")" -eq 0 ]
}

@test "metrics: what happened is what is told" {
	server_start
	updated
	told=$(ctl -o json status | jq .head)
	page >"$LAB/page"
	[ "$(value 'postboot_attempts_closed_total{verdict="updated"}')" -eq 1 ]
	[ "$(value postboot_devices)" -eq 2 ]
	[ "$(value postboot_devices_online)" -eq 1 ]
	[ "$(value postboot_releases)" -eq 2 ]
	[ "$(value postboot_sessions)" -ge 1 ]
	[ "$(value 'postboot_handshakes_total{result="ok"}')" -ge 2 ]
	[ "$(value postboot_image_bytes_total)" -ge "$IMAGE_BYTES" ]
	[ "$(value postboot_event_head)" -le "$(ctl -o json status | jq .head)" ]
	[ "$(value postboot_event_head)" -ge "$told" ]
	[ "$(value postboot_event_oldest)" -eq 1 ]
	[ "$(value 'postboot_coap_responses_total{code="2.05"}')" -ge 240 ]
	[ "$(value postboot_store_commit_seconds_count)" -ge 5 ]
	ctl device hold argon-2
	ctl product target argon 1.0.0
	wait_event 30 '.topic == "flash/status" and .data == "started"'
	page >"$LAB/page"
	[ "$(value postboot_devices_held)" -eq 1 ]
	ctl device remove argon-2
	# After a restart gauges are as they were, from the database.
	device_stop argon-1
	server_stop
	server_start
	page >"$LAB/page"
	[ "$(value postboot_devices)" -eq 1 ]
	[ "$(value postboot_devices_held)" -eq 0 ]
	open=$(ctl -o json attempt list --open | jq '.attempts | length')
	[ "$(awk '/^postboot_attempts_open/ { n += $2 } END { print n }' "$LAB/page")" -eq "$open" ]
}

@test "metrics-listen: /metrics and /v1/health on TCP, and nothing else" {
	server_start 'metrics-listen = 127.0.0.1:0'
	at=$(sed -n 's|^<6>metrics on=||p' "$LAB/postbootd.log")
	[[ $at == http://127.0.0.1:* ]]
	curl -sS --fail "$at/metrics" | read_page >/dev/null
	curl -sS --fail "$at/v1/health" | jq -e '.health == "ok"'
	for path in /v1/status /v1/devices /v1/events?follow=1 /; do
		[ "$(curl -sS --max-time 10 -o /dev/null -w '%{http_code}' "$at$path")" = 404 ]
	done
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -X POST -d '{}' "$at/v1/products")" = 404 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' -X POST -d '{}' "$at/metrics")" = 405 ]
	# What was asked there is counted in one place.
	page >"$LAB/page"
	[ "$(value 'postboot_admin_requests_total{code="404"}')" -eq 5 ]
}

@test "health: every condition is told in postbootd(8) with its severity, and no other" {
	sed -n '/^\.Sh WHEN SOMETHING BREAKS/,/^\.Sh LOG/p' "$TOP_SRCDIR/man/postbootd.8" |
		awk '/^\.It Cm / { name = $3 } /^(Failure|Warning):/ { print name, $1 == "Failure:" }' >"$LAB/told"
	sed -n 's/^	X(HEALTH_[A-Z_]*, "\([a-z-]*\)", \([a-z]*\)).*/\1 \2/p' "$TOP_SRCDIR/src/daemon/health.h" |
		sed 's/true/1/; s/false/0/' >"$LAB/true"
	[ "$(wc -l <"$LAB/true")" -gt 8 ]
	diff "$LAB/true" "$LAB/told"
}

@test "metrics: alert rules and board name only what there is" {
	server_start
	updated
	ctl hook add crm http://127.0.0.1:1/ >/dev/null
	page >"$LAB/page"
	{
		sed -n 's/^\([a-z_]*\)[{ ].*/\1/p' "$LAB/page"
		awk '/^[a-z_]*{/ { name = $0; sub(/{.*/, "", name); at = $0
			while (match(at, /[a-z_]+="/)) {
				print name, substr(at, RSTART, RLENGTH - 2)
				at = substr(at, RSTART + RLENGTH)
			} }' "$LAB/page"
	} | sort -u >"$LAB/true"
	for file in prometheus-rules.yml grafana.json; do
		python3 -B "$TOP_SRCDIR/tests/support/metric_names.py" "$TOP_SRCDIR/conf/$file" | sort -u >"$LAB/told"
		[ "$(wc -l <"$LAB/told")" -gt 10 ]
		[ -z "$(comm -23 "$LAB/told" "$LAB/true" | tee /dev/stderr)" ]
	done
	echo 'expr: postboot_nothing > 1' >"$LAB/bad.yml"
	[ "$(python3 -B "$TOP_SRCDIR/tests/support/metric_names.py" "$LAB/bad.yml")" = postboot_nothing ]
	if command -v promtool >/dev/null; then
		promtool check rules "$TOP_SRCDIR/conf/prometheus-rules.yml"
	fi
	# what the rules' verdicts are, is a verdict
	"$TOP_BUILDDIR/tests/support/contract" | jq -r '.words.Verdict[]' | sort -u >"$LAB/verdicts"
	sed -n 's/.*verdict=~"\([^"]*\)".*/\1/p' "$TOP_SRCDIR/conf/prometheus-rules.yml" | tr '|' '\n' |
		sort -u >"$LAB/told"
	[ -s "$LAB/told" ]
	[ -z "$(comm -23 "$LAB/told" "$LAB/verdicts")" ]
	# how it ended, by release and group
	grep -q '^postboot_outcomes_total{product="argon",release="1.1.0",group="",verdict="updated"} 1$' "$LAB/page"
	grep -q '^postboot_update_seconds_count 1$' "$LAB/page"
}

@test "metrics: open rollouts, with what came of their members, and no others" {
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	device_add argon-2
	device_start argon-1 1.0.0
	ctl rollout add argon 1.1.0 --waves 100% join=1
	ctl rollout add argon 1.1.0 --name never
	page >"$LAB/page"
	[ "$(grep -c '^postboot_rollout_' "$LAB/page")" -eq 0 ]
	ctl rollout start argon 1.1.0
	wait_event 30 '.data == "success"'
	labels='product="argon",rollout="1.1.0"'
	told() {
		page >"$LAB/page"
		[ "$(value "postboot_rollout_members{$labels,result=\"updated\"}")" = 1 ] &&
			[ "$(value "postboot_rollout_members_reached{$labels}")" = 2 ]
	}
	until_true 20 told
	[ "$(value "postboot_rollout_state{$labels,state=\"running\"}")" = 1 ]
	[ "$(value "postboot_rollout_members{$labels,result=\"none\"}")" = 1 ]
	[ "$(grep -c '^postboot_rollout_state' "$LAB/page")" -eq 1 ]
	read_page <"$LAB/page" >/dev/null
	ctl rollout abort argon 1.1.0
	page >"$LAB/page"
	[ "$(grep -c '^postboot_rollout_' "$LAB/page")" -eq 0 ]
}
