#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# postboot-update(7) has every word and every setting that the programs have, and no other.

load lib

setup() {
	PAGE=$TOP_SRCDIR/man/postboot-update.7
	T=$BATS_TEST_TMPDIR
}

# told HEAD: the words that a part of the page explains, from its .Sh or .Ss line to the next.
told() {
	awk -v head="$1" '
		/^\.S[hs] / { inside = substr($0, 5) == head }
		inside && /^\.It Cm / {
			for (i = 3; i <= NF && $i != "Pq" && $i != "No"; i++)
				if ($i != ",")
					print $i
		}' "$PAGE" | sort -u
}

# listed FILE LIST: the words of an X-macro of src/core.
listed() {
	awk -v list="#define $2(X)" '
		index($0, list) { inside = 1 }
		inside { text = text $0 }
		inside && !/\\$/ { exit }
		END {
			n = split(text, row, /X[(]/)
			for (i = 2; i <= n; i++) {
				split(row[i], part, "\"")
				print part[2]
			}
		}' "$TOP_SRCDIR/src/core/$1" | sort -u
}

# golden KIND: the words of that kind that the programs print.
golden() {
	awk -v kind="$1" '$1 == kind { print $2 }' "$TOP_SRCDIR/tests/golden/words.txt" | sort -u
}

same() { # WHAT: $T/told against $T/true
	[ "$(wc -l <"$T/true")" -gt 2 ]
	diff "$T/true" "$T/told" || {
		echo "$1: < the programs, > the page"
		false
	}
}

@test "man: states, ladder, proof and grades are those of the programs" {
	while read -r file list head; do
		listed "$file" "$list" >"$T/true"
		told "$head" >"$T/told"
		same "$head"
	done <<-END
		attempt.h ATTEMPT_STATE_LIST The states of an attempt
		attempt.h RUNG_LIST The ladder
		attempt.h EVIDENCE_LIST PROOF
		attempt.h GRADE_LIST Grades
		attempt.h VIA_LIST Via
	END
}

@test "man: verdicts, holds, blocks, diagnoses and events are those of the programs" {
	{
		told "The only success"
		told "Charged failures"
		told "Ends that are not charged"
	} | sort -u >"$T/told"
	golden verdict >"$T/true"
	same verdicts
	while read -r kind head; do
		golden "$kind" >"$T/true"
		told "$head" >"$T/told"
		same "$head"
	done <<-END
		hold Holds
		blocked_by WHAT BLOCKS AN OFFER
		diagnosis DIAGNOSES
		event EVENTS
	END
}

@test "man: which verdicts hold a device at once" {
	awk '/^\.S[hs] / { inside = /The only success|Charged failures|Ends that are not charged/ }
		inside && /^\.It Cm / { word = $3 }
		inside && /Held at once/ { print word }' "$PAGE" | sort >"$T/told"
	awk '$1 == "verdict" && $3 != "hold=none" { print $2 }' \
		"$TOP_SRCDIR/tests/golden/words.txt" | sort >"$T/true"
	same "held at once"
}

@test "man: which verdicts are charged" {
	told "Charged failures" >"$T/told"
	awk '/#define VERDICT_LIST/ { inside = 1 }
		inside { text = text $0 }
		inside && !/\\$/ { exit }
		END {
			n = split(text, row, /X[(]/)
			for (i = 2; i <= n; i++) {
				split(row[i], part, "\"")
				if (part[3] ~ /^, 1,/)
					print part[2]
			}
		}' "$TOP_SRCDIR/src/core/attempt.h" | sort -u >"$T/true"
	same charged
}

@test "man: the reasons of postboot-protocol(7) are those of the programs" {
	awk '/^\.S[hs] / { inside = /Reasons/ }
		inside && /^\.It [0-9]+ Ta / { print $4 }' "$TOP_SRCDIR/man/postboot-protocol.7" |
		sort -u >"$T/told"
	golden reason >"$T/true"
	same reasons
}

@test "man: every setting has its name, its default and its range" {
	lab_open
	server_start
	product_add
	ctl product add bare >/dev/null
	ctl -o json product show bare | jq -r '.policy | to_entries[] | "\(.key) \(.value)"' |
		sort >"$T/true"
	sed -n '/^\.Sh POLICY/,/^\.Sh EVENTS/s/^\.It Cm \([a-z_]*\) No (\([-0-9]*\) to \(.*\), default \([-0-9]*\))$/\1 \4 \2 \3/p' \
		"$PAGE" | sed 's/a year$/31622400/' | sort >"$T/settings"
	cut -d ' ' -f 1,2 "$T/settings" >"$T/told"
	same "names and defaults"
	while read -r name _ least most; do
		echo "$name: $least to $most"
		# These two depend on each other.
		ctl product set bare backoff-s=0 backoff-max-s=31622400 >/dev/null
		ctl product set bare "$name=$least" >/dev/null
		ctl product set bare "$name=$most" >/dev/null
		run ctl product set bare "$name=$((least - 1))"
		[ "$status" -ne 0 ]
		run ctl product set bare "$name=$((most + 1))"
		[ "$status" -ne 0 ]
		[[ $output == *above* ]]
	done <"$T/settings"
	lab_close
}

# The JSON examples of postboot-events(7), one a line, in the form of jq -c.
event_examples() {
	awk '/^\.Bd -literal/ { inside = 1; next }
		/^\.Ed/ { if (text ~ /^{/) print text; inside = 0; text = "" }
		inside { sub(/^ /, ""); text = text $0 }' "$TOP_SRCDIR/man/postboot-events.7" |
		sed 's/\\e/\\/g' | jq -c . | sort
}

@test "man: postboot-events(7) shows every event as the server writes it" {
	event_examples >"$T/told"
	jq -c . "$TOP_SRCDIR"/tests/golden/view-event-*.json \
		"$TOP_SRCDIR"/tests/golden/view-cloudevent.json | sort >"$T/true"
	same "examples of events"
	sed -n '/^\.Sh TOPICS/,/^\.Sh EXAMPLES/s/^\.Ss \([^ ]*\).*/\1/p' \
		"$TOP_SRCDIR/man/postboot-events.7" | sort -u >"$T/told"
	golden event >"$T/true"
	same topics
	# of topics with data, all of it
	sed -n 's/^\.Ss \([a-z]*\/[a-z]*\)[ ]*/\1|/p' "$TOP_SRCDIR/man/postboot-events.7" |
		awk -F '|' '{ n = split($2, d, ", "); for (i = 1; i <= n; i++) print $1, d[i] }' |
		sort -u >"$T/told"
	jq -r 'select(.data != "" and .data != "none") | "\(.topic) \(.data)"' \
		"$TOP_SRCDIR"/tests/golden/view-event-*.json | sort -u >"$T/true"
	same "data of events"
}

@test "man: the consumer of postboot-events(7) resumes where it was" {
	lab_open
	server_start
	product_add
	device_add argon-1
	ctl device hold argon-1
	ctl device unhold argon-1
	sed -n '/^while :/,/^done/p' "$TOP_SRCDIR/man/postboot-events.7" |
		sed "s|\\\\e|\\\\|g; s|/run/postboot/admin.sock|$POSTBOOT_SOCKET|; s|follow=1&||
			s|sleep 1|exit 0|" >"$T/consumer"
	cd "$T"
	[ "$(bash -eu consumer | wc -l)" -eq 2 ]
	ctl device hold argon-1
	[ "$(bash -eu consumer | jq -r .data)" = "" ]
	[ -z "$(bash -eu consumer)" ]
	echo '0123456789abcdef0123456789abcdef:7' >cursor
	run bash -eu consumer
	[ "$status" -eq 3 ]
	[ "$(jq .status <<<"$output")" -eq 410 ]
	lab_close
}

teardown() {
	[ -z "${LAB-}" ] || lab_close
}

@test "man: the clients of postboot-lwm2m(7) get the account of its example" {
	PAGE=$TOP_SRCDIR/man/postboot-lwm2m.7
	for client in Anjay Zephyr Wakaama; do
		awk -v s="^\\.Ss $client" '$0 ~ s { inside = 1; next } /^\.S[hs]/ { inside = 0 } inside' \
			"$PAGE" >"$T/client"
		sed -n '/^\.Bd/,/^\.Ed/p' "$T/client" >"$T/code"
		grep -q 'HOST' "$T/code"
		grep -q '5684' "$T/code"
		grep -q 'meter-1' "$T/code"
		grep -q '3600' "$T/code"
	done
	printf '00a1ff' >"$T/meter-1.key"
	code=$(sed -n 's/^\.Ql \(sed .*\)$/\1/p' "$PAGE")
	[ "$(cd "$T" && sh -c "$code")" = '0x00, 0xa1, 0xff, ' ]
}

@test "man: the options and the results of LwM2M are those of the programs" {
	PAGE=$TOP_SRCDIR/man/postboot-lwm2m.7
	sed -n 's/^[[:blank:]]*{"\(lwm2m-[a-z-]*\)".*/\1/p' "$TOP_SRCDIR/src/proto/lwm2m_options.c" |
		sort -u >"$T/true"
	sed -n 's/^\.It Cm \(lwm2m-[a-z-]*\)$/\1/p' "$PAGE" | sort -u >"$T/told"
	same options
	# The number, its words and the reason it is taken for; 0 and 1 are none.
	sed -n 's/^[[:blank:]]*X(\([0-9]*\), REASON_\([A-Z_]*\), "\(.*\)").*/\1 \3 \2/p' \
		"$TOP_SRCDIR/src/proto/lwm2m_agent.h" | grep -v 'NONE$' |
		tr '[:upper:]_' '[:lower:]-' >"$T/true"
	sed -n 's/^\.It Li \([0-9]*\) Ta \(.*\) Ta Cm \(.*\)$/\1 \2 \3/p' "$PAGE" |
		tr '[:upper:]' '[:lower:]' >"$T/told"
	same results
}
