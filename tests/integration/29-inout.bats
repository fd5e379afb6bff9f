#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many devices in and out.

load lib

setup() {
	bats_require_minimum_version 1.5.0 2>/dev/null || :
	lab_open
	cd "$LAB" || return
}

teardown() {
	cd / || return
	lab_close
}

# devices N: the lines of a CSV file without keys.
devices() {
	echo "id,product,psk"
	seq -f 'unit-%g,argon,' "$1"
}

@test "import: CSV with all there is in it; what comes out goes in again" {
	server_start
	product_add
	release_add 1.0.0
	printf '\xef\xbb\xbf' >in.csv
	ctl group add argon berlin
	ctl product set argon windows='04:00-05:00' time-zone=Europe/Berlin >/dev/null
	printf '%s\r\n' product,id,psk,certificate,plain,lock,hold,group,tags,development,force,disabled,windows,time_zone \
		argon,a,00112233445566778899AABBCCDDEEFF,,,,,,,,,,, \
		'"argon","b",AAECAwQFBgcICQoLDA0ODw==,no,0,"1.0.0",yes,,"",,,,,' \
		'argon,c,,true,,,,berlin,,yes,,,"Mon-Fri 01:00-05:00; Sat,Sun 00:00-24:00",Europe/Paris' \
		argon,d,,,1,,,,,,1,true,,UTC0 argon,e,,,,,,berlin,pilot\ site=x,,,,, >>in.csv
	run ctl device import in.csv
	[ "$status" -eq 1 ]
	[[ $output == *"in.csv:6: no psk, certificate or plain"* ]]
	run ctl device import in.csv --dry-run
	[ "$status" -eq 1 ]
	[[ $output == *"in.csv:6: no psk, certificate or plain"* ]]
	run ctl device import in.csv --psk-out keys.csv --dry-run
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == "5 devices would be imported." ]]
	[ ! -e keys.csv ]
	[ "$(ctl device export | wc -l)" -eq 1 ]
	run ctl device import in.csv --psk-out keys.csv
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == "5 devices imported. One key was drawn, in keys.csv." ]]
	[ "$(stat -c %a keys.csv)" = 600 ]
	[ "$(wc -l <keys.csv)" -eq 2 ]
	grep -q -x -E 'e,argon,[0-9a-f]{64},,,berlin,pilot site=x,,,,,,,' keys.csv
	ctl device export >out.csv
	diff out.csv - <<-END
		id,product,psk,certificate,plain,group,tags,development,windows,time_zone,lock,hold,force,disabled
		a,argon,,,,,,,,,,,,
		b,argon,,,,,,,,,1.0.0,true,,
		c,argon,,true,,berlin,,true,"Mon-Fri 01:00-05:00; Sat,Sun 00:00-24:00",Europe/Paris,,,,
		d,argon,,,true,,,,,UTC0,,,true,true
		e,argon,,,,berlin,pilot site=x,,,,,,,
	END
	ctl -o json device show b | jq -e '.hold.reason == "operator"'
	ctl -o json status | jq -e '[.devices, .held, .disabled] == [5, 1, 1]'
	ctl -o json group show argon berlin | jq -e '.devices == 2'
	ctl -o json audit list --object e | jq -e '.audit[0].after | [.group, .tags[]] == ["berlin", "pilot", "site=x"]'

	# The device has the key that its file says.
	python3 - <<-'END'
		import csv, hashlib
		rows = list(csv.DictReader(open("keys.csv")))
		assert [r["id"] for r in rows] == ["e"] and len(rows[0]["psk"]) == 64
	END
	ctl audit list | grep -q 'device import'
	[ "$(ctl -o json audit list --object e | jq -r '.audit[0] | .act, .after.product' | paste -s -d ' ')" = "device add argon" ]
	ctl audit verify

	# Out, away, in again: the same, whatever the format.
	for format in csv jsonl; do
		ctl device export --format $format >again.$format
		for id in a b c d e; do ctl device remove $id >/dev/null; done
		rm -f keys2.csv
		ctl device import again.$format --psk-out keys2.csv
		ctl device export | diff - out.csv
	done
	ctl device export --format jsonl | head -n 1 | grep -q -x '{"id":"a","product":"argon"}'
	[ "$(ctl device export --state held | wc -l)" -eq 2 ]
	[ "$(ctl device export --group berlin | wc -l)" -eq 3 ]
	[ "$(ctl -o json device export --product argon | wc -l)" -eq 5 ]
}

@test "import: all that is wrong is told with its line, and nothing is done" {
	server_start
	product_add
	ctl device add old --product argon --plain >/dev/null
	cat >bad.csv <<-END
		id,product,psk,plain,group,tags,colour
		a,argon,,yes,,,red
		old,argon,,yes,,,
		b,none,,yes,,,
		c d,argon,,yes,berlin,,
		a,argon,,maybe,,,
		e,argon,00112233445566778899aabbccddeeff,,,,
		f,argon,00112233445566778899aabbccddeeff,,,"x -y",
		g,argon,00112233445566778899aabbccddeeff,yes,,,
		h,argon,zz,yes
		i"
	END
	run ctl device import bad.csv
	[ "$status" -eq 1 ]
	echo "$output"
	[[ $output == *'bad.csv:1: "colour" is not the name of a column; known are id, product,'* ]]
	[[ $output == *'bad.csv:3: device "old" exists already'* ]]
	[[ $output == *'bad.csv:4: product: there is no product "none"'* ]]
	[[ $output == *'bad.csv:5: id: "c d" is not a name'* ]]
	[[ $output == *'bad.csv:5: group: product argon has no group "berlin"'* ]]
	[[ $output == *'bad.csv:6: plain: "maybe" is neither true nor false'* ]]
	[[ $output == *'bad.csv:6: device "a" is there twice, first in line 2'* ]]
	[[ $output == *'bad.csv:8: tags: "-y" is not a tag'* ]]
	[[ $output == *'bad.csv:8: psk: another line has this key; every device needs its own, first in line 7'* ]]
	[[ $output == *'bad.csv:9: give one of psk, certificate and plain'* ]]
	[[ $output == *'bad.csv:10: 4 fields where the first line names 7'* ]]
	[[ $output == *'bad.csv:11: field 1: a quote'* ]]
	[[ $output == *'bad.csv: 12 errors; nothing was imported'* ]]
	[ "$(grep -o '^bad.csv:[0-9]*' <<<"$output" | sort -c -t: -k2n && echo sorted)" = sorted ]
	[ "$(ctl device export | wc -l)" -eq 2 ]

	# More than are told are counted.
	devices 150 | sed 's/-\(.*\),argon/-\1,none-\1/' >many.csv
	run ctl device import many.csv --psk-out k.csv
	[ "$status" -eq 1 ]
	[ "$(grep -c 'many.csv:' <<<"$output")" -eq 101 ]
	[[ $output == *"50 more are not told"*"150 errors"* ]]
	# The same again and again is told three times, then counted: what is found in the file, what
	# the server knows, and both for the same lines.
	devices 20000 | awk -F , -v OFS=, 'NR == 1 { print $0, "lock", "hold"; next }
		{ print $0, "9.9", (NR > 101 ? "perhaps" : "") }' >same.csv
	run ctl device import same.csv --psk-out k.csv
	[ "$status" -eq 1 ]
	[ "$(grep -c 'same.csv:[0-9]' <<<"$output")" -eq 6 ]
	[[ $output == *'same.csv:4: lock: product argon has no release "9.9"; and 19,997 more lines with the same'* ]]
	[[ $output == *'same.csv:104: hold: "perhaps" is neither true nor false; and 19,897 more lines with the same'* ]]
	[[ $output != *"not told"* ]]
	[[ $output == *": same.csv: 39900 errors; nothing was imported" ]]
	[ ! -e k.csv ]
	[ "$(ctl -o json audit list | jq '[.audit[] | select(.act == "device import")] | length')" -eq 0 ]
}

@test "import: what is there can be skipped; keys only of those that came" {
	server_start
	product_add
	devices 300 >all.csv
	sed -n '1p;5,9p;100p' all.csv >some.csv
	ctl device import some.csv --psk-out k1.csv
	run ctl device import all.csv --psk-out k1.csv
	[ "$status" -eq 1 ] # the file is never written over
	[[ $output == *"k1.csv: File exists"* ]]
	run ctl device import all.csv --psk-out k2.csv
	[ "$status" -eq 1 ]
	[ ! -e k2.csv ]
	run ctl device import all.csv --psk-out k2.csv --skip-existing
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == "294 devices imported. 6 skipped: there already. Keys were drawn, in k2.csv." ]]
	cat k1.csv k2.csv | cut -d , -f 1 | grep -v '^id$' | sort >got
	tail -n +2 all.csv | cut -d , -f 1 | sort | diff - got
	run ctl -o json device import all.csv --psk-out k3.csv --skip-existing
	[ "$(jq -c . <<<"$output")" = '{"devices":0,"skipped":300}' ]
	[ ! -e k3.csv ]
	ctl device import - --product argon --psk-out k4.csv <<<$'id\nfrom-stdin'
	[ "$(grep -c from-stdin k4.csv)" -eq 1 ]
	[ "$(ctl device export | wc -l)" -eq 302 ]
	[ "$(ctl -o json device list | jq '.devices | length')" -eq 301 ]
}

@test "import: drawn keys are those of a fleet, of which a part goes wrong" {
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	seq -f 'fleet-%05g,argon' 5 | sed '1i id,product' >fleet.csv
	ctl device import fleet.csv --psk-out keys.csv
	fleet() { # becomes it, so that the job's process is its
		exec "$POSTBOOT_DEVICE" --server "$SERVER_URI" --id fleet --count 5 --psk-list keys.csv \
			--state "$LAB/fleet" --hardware argon --version 1.0.0 --image "$LAB/1.0.0.bin" \
			--interval 1 --boot-time 300 "$@" 3>&-
	}
	run fleet --fault no-confirm@6
	[ "$status" -eq 2 ]
	[[ $output == *"--fault no-confirm@...: there are 5 devices"* ]]
	run fleet --fault no-confirm@
	[ "$status" -eq 2 ]
	[[ $output == *"--fault no-confirm@: expected no-confirm"* ]]
	fleet --fault bootloader-reject@2-3 --fault wrong-label:9@1% --seed 4 >fleet.log 2>&1 &
	# shellcheck disable=SC2034,SC2154 # lab_close uses it
	DEVICE_PID[fleet]=$!
	# Those that fail begin again, as often as their policy lets them.
	ends() { ctl -o json event list --after 0 | jq -e '[.events[] | select(.verdict) | .device] | unique | length == 5'; }
	until_true 60 ends
	ctl -o json event list --after 0 | jq -r '.events[] | select(.verdict) | "\(.device) \(.verdict)"' >verdicts
	cat verdicts
	[ "$(sort -u verdicts | grep -c -x 'fleet-0000[23] device-failed')" -eq 2 ]
	[ "$(grep -c -x 'fleet-0000[145] updated' verdicts)" -eq 2 ]
	[ "$(grep -c -x 'fleet-0000[145] label-mismatch' verdicts)" -eq 1 ]
	[ "$(grep -c 'went back\|rejected' fleet.log)" -ge 2 ]
	head -n 1 keys.csv >none.csv
	run "$POSTBOOT_DEVICE" --server "$SERVER_URI" --id fleet-00001 --psk-list none.csv --state "$LAB/one" --version 1
	[ "$status" -eq 2 ]
	[[ $output == *"none.csv: no key for fleet-00001"* ]]
	tr , ';' <keys.csv >bad.csv
	run "$POSTBOOT_DEVICE" --server "$SERVER_URI" --id fleet-00001 --psk-list bad.csv --state "$LAB/one" --version 1
	[ "$status" -eq 2 ]
	[[ $output == *"bad.csv:1: neither id:hex nor CSV with columns id and psk"* ]]
}

@test "import: a bar on a terminal while it is sent, and none is left" {
	command -v script || skip "no script(1)"
	server_start
	product_add
	devices 3000 >bar.csv
	run script -qec "LC_ALL=C $POSTBOOTCTL device import bar.csv --psk-out k1.csv --dry-run" \
		/dev/null </dev/null
	[ "$status" -eq 0 ]
	[[ $output == *$'\r\e[Kdevices  ################################ 100 %\r\e[K3,000 devices would be imported.'* ]]
	# Percents rise, and each is drawn once.
	grep -o '[0-9]* %' <<<"$output" | sort -c -u -n
	run script -qec "LC_ALL=C $POSTBOOTCTL -o json device import bar.csv --psk-out k2.csv --dry-run" \
		/dev/null </dev/null
	[[ $output != *$'\e['* ]]
	run ctl device import bar.csv --psk-out k3.csv
	[ "$output" = "3,000 devices imported. Keys were drawn, in k3.csv." ]
}

# LIMIT_IMPORT_LINE, LIMIT_TAGS, LIMIT_IMPORT_ERRORS, LIMIT_IMPORT_ROWS, LIMIT_IMPORT_BYTES
@test "import: limits of the API, and nobody comes between" {
	server_start
	product_add
	send() { # CURL-ARGUMENT...: the status, and the answer in the file answer
		curl -sS --max-time 60 -o answer -w '%{http_code}\n' --unix-socket "$POSTBOOT_SOCKET" \
			-H 'Content-Type: application/x-ndjson' "$@" http://localhost/v1/imports
	}
	line='{"id":"a","product":"argon","plain":true'
	printf '%s%*s}\n' "$line" $((4096 - ${#line} - 1)) '' >fits
	printf '%s%*s}\n' "$line" $((4096 - ${#line})) '' >long
	[ "$(send --data-binary @long)" = 400 ]
	[ "$(jq -r '.errors[0].detail' answer)" = "a line has at most 4096 bytes" ]
	[ "$(send --data-binary @fits)" = 200 ]
	jq -n -c '{id: "t", product: "argon", plain: true, tags: [range(17) | "t\(.)"]}' >many
	[ "$(send --data-binary @many)" = 400 ]
	[ "$(jq -r '.errors[0].detail' answer)" = "tags: a device has at most 16 tags" ]
	release_add 1.0.0
	[ "$(send --data-binary '{"id":"w","product":"argon","plain":true,"windows":"8-9","time_zone":"Mars/Base"}')" = 400 ]
	jq -e '[.errors[].detail | split(":")[0]] == ["windows", "time_zone"]' answer
	ctl release quarantine argon 1.0.0
	[ "$(send --data-binary '{"id":"l","product":"argon","plain":true,"lock":"1.0.0","x":1}')" = 400 ]
	jq -e '[.errors[].detail] | length == 2 and (.[0] | startswith("\"x\" is not known here; known are id, product, psk")) and
		.[1] == "lock: release 1.0.0 is quarantined; only an active one can be a target"' answer
	seq -f '{"id":"n%g","product":"none","plain":true}' 101 >same
	sed 's/"id":"n\([0-9]*\)","product":"none/&-\1/' same >many
	[ "$(send --data-binary @many)" = 400 ]
	[ "$(jq -c '[.wrong, (.errors | length)]' answer)" = '[101,100]' ]
	[ "$(send --data-binary @same)" = 400 ]
	[ "$(jq -c '[.wrong, (.errors[] | .line, .more)]' answer)" = '[101,1,null,2,null,3,98]' ]
	seq -f '{"id":"m%g","product":"argon","plain":true}' 200001 >many
	[ "$(send --data-binary @many)" = 400 ]
	[ "$(jq -c '[.wrong, .errors[0].line]' answer)" = '[1,200001]' ]
	[ "$(send -H 'Content-Length: 67108865' --data-binary x)" = 413 ]
	[ "$(ctl device export | wc -l)" -eq 2 ]

	# LIMIT_IMPORT_PART devices are one transaction: a whole one, one more, and two.
	all=2
	for n in 63 64 65 128 129; do
		ctl group add argon "of-$n"
		seq -f "{\"id\":\"p$n-%g\",\"product\":\"argon\",\"plain\":true,\"group\":\"of-$n\"}" "$n" >part
		[ "$(send --data-binary @part)" = 200 ]
		ctl -o json group show argon "of-$n" | jq -e --argjson n "$n" '.devices == $n'
		all=$((all + n))
		[ "$(ctl device export | wc -l)" -eq "$all" ]
	done

	# A second one, and whoever adds a device, hears that one is under way.
	ctl group add argon some
	head -n 20000 many | sed 's/}$/,"group":"some"}/' >some
	send --data-binary @some 3>&- >first &
	pid=$!
	until_true 30 bash -c '"$1" audit list | grep -q "device import" ||
		[ "$(curl -sS -o /dev/null -w "%{http_code}" --unix-socket "$POSTBOOT_SOCKET" \
			-H "Content-Type: application/x-ndjson" --data-binary x http://localhost/v1/imports)" = 409 ]' _ "$POSTBOOTCTL"
	run ctl group remove argon some
	[ "$status" -eq 1 ]
	[[ $output == *"an import of devices is under way"* || $output == *"devices are in the group"* ]]
	wait "$pid"
	[ "$(cat first)" = 200 ]
	ctl -o json group show argon some | jq -e '.devices == 20000'
	[ "$(ctl device export | wc -l)" -eq $((all + 20000)) ]
	ctl device add later --product argon --plain
}

@test "import: killed at any moment, all are there or none" {
	local round n
	server_start
	product_add
	ctl group add argon crowd
	devices 3000 | sed '1s/$/,group,tags,lock,time_zone/;2,$s/$/,crowd,one two,1.0.0,UTC0/' >all.csv
	release_add 1.0.0
	for round in 1 2 3 4; do
		ctl device import all.csv --psk-out "k$round.csv" 2>/dev/null &
		sleep "0.$((round * 15))"
		kill -9 "$SERVER_PID"
		wait "$SERVER_PID" 2>/dev/null || :
		wait || :
		server_start
		n=$(($(ctl device export | wc -l) - 1))
		echo "round $round: $n"
		[ "$n" -eq 0 ] || [ "$n" -eq 3000 ]
		[ "$(ctl device export | grep -c ',crowd,one two,,,UTC0,1.0.0,')" -eq "$n" ]
		ctl -o json group show argon crowd | jq -e ".devices == $n"
		ctl audit verify
		[ "$n" -eq 0 ] || break
	done
	if [ "$n" -eq 0 ]; then
		rm -f k9.csv
		ctl device import all.csv --psk-out k9.csv
	fi
	[ "$(ctl device export | wc -l)" -eq 3001 ]
}

# updated: one device that was updated, and acts beside it.
updated() {
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	ctl product target argon 1.1.0 >/dev/null
	device_start argon-1 1.0.0
	wait_event 40 '.data == "success"'
	ctl device hold argon-1 >/dev/null
}

@test "audit: what a success rests on is in the log; its export is verified by anybody" {
	updated
	ctl audit verify
	ctl -o json audit list --object argon-1 | jq -e '.audit[] | select(.act == "update proved") |
		.who == "postbootd" and .after.version == "1.1.0" and (.after.sha256 | length) == 64 and
		.after.report.version == "1.1.0" and (.after.report.boot_id | length) > 0 and
		.after.from.version == "1.0.0" and ([.after.evidence[] | .held] | all)'
	ctl audit export >log
	[ "$(grep -c '"update proved"' log)" -eq 1 ]
	run ctl audit verify --file log
	[ "$status" -eq 0 ]
	[[ $output == "The export is whole: "*" rows, 1 of them proofs."* ]]
	head=$(ctl -o json audit verify | jq -r '"\(.rows):\(.hash)"')
	[[ $output == *"$head"* ]]
	ctl audit verify --file log --head "$head"
	ctl audit verify --file - <log

	# With nothing of ours, as the man page tells.
	sed -n '/^import hashlib/,/^\.Ed/p' "$TOP_SRCDIR/man/postboot-api.7" |
		sed -e '$d' -e 's/\\en/\\n/' >verify.py
	[ "$(wc -l <verify.py)" -gt 10 ]
	python3 verify.py <log | grep -q 'rows are whole'
	for object in argon argon-1; do
		ctl audit export --object $object >part
		[ "$(wc -l <part)" -ge 3 ]
		python3 verify.py <part
		ctl audit verify --file part
	done
	ctl audit export --since 1h --until 2200-01-01T00:00:00Z >part
	[ "$(wc -l <part)" -eq "$(wc -l <log)" ]
	ctl audit verify --file part
	[ "$(ctl audit export --since 2200-01-01T00:00:00Z | wc -l)" -eq 1 ]

	finds() { # FILE WORDS
		run ctl audit verify --file "$1"
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"$2"* ]]
	}
	sed '3s/"who": *"[a-z0-9 ]*"/"who": "mallory"/' log >bad
	run cmp -s log bad
	[ "$status" -eq 1 ]
	finds bad "bad:3: row 3 was changed"
	sed '3s/"time": *"20[0-9][0-9]/"time":"2001/' log >later
	finds later "later:3: row 3 was changed: its time is not that of at_ms"
	sed '3s/"who":/"note":"evil","who":/' log >extra
	finds extra "extra:3: row 3 was changed: it has more than a row has"
	run python3 verify.py <bad
	[ "$status" -eq 1 ]
	sed 4d log >bad
	finds bad "bad:4: row 4 is missing"
	run python3 verify.py <bad
	[ "$status" -eq 1 ]
	sed 4d log | sed 's/"rows": *\([0-9]*\)/"rows": 5/' >bad
	sed -i "s/\"rows\": *5/\"rows\": $(($(wc -l <bad) - 1))/" bad
	finds bad "bad:4: row 4 is missing"
	sed '4{h;d};5{G}' log >bad
	finds bad "row 4 comes after row 5: the rows were moved"
	sed '$d' log >bad
	finds bad "the end is missing: the file was cut off"
	head -n 3 log >bad
	finds bad "the file was cut off"
	sed '1,2d' log >bad
	finds bad "rows 1 to 2 are missing"
	sed '$!{$!d}' part | sed 's/"rows": *[0-9]*/"rows": 7/' >bad
	finds bad "the last line counts 7 rows, there are 0"
	{
		head -n 3 log
		tail -n 1 log | sed 's/"rows": *[0-9]*/"rows": 3/'
	} >bad
	finds bad "rows 4 to"
	finds /dev/null "the end is missing"
	run ctl audit verify --file log --head "3:$(printf 'a%.0s' {1..64})"
	[ "$status" -eq 1 ]
	[[ $output == *"row 3 has another hash than --head says"* ]]
	run ctl audit verify --file log --head "99:$(printf 'a%.0s' {1..64})"
	[ "$status" -eq 1 ]
	[[ $output == *"row 99 of --head is not in it"* ]]
	run ctl audit verify --head 1:x
	[ "$status" -eq 2 ]

	# What was exported may go; what is left, and what went, verify together.
	rows=$(($(wc -l <log) - 1))
	ctl audit export --object argon >part
	run ctl audit prune part
	[[ $status -eq 1 && $output == *"not all acts"* ]]
	head -n 3 log >bad
	run ctl audit prune bad
	[[ $status -eq 1 && $output == *"the file was cut off"* ]]
	ctl audit prune log | grep -x "  *head  *$head"
	[ "$(ctl -o json audit list | jq -c '[.audit[] | [.seq, .act]]')" = "[[$((rows + 1)),\"audit prune\"]]" ]
	ctl audit verify | grep -x "Rows 1 to $rows were taken out before."
	ctl audit verify --known "$head"
	run ctl audit verify --known "1:${head#*:}"
	[[ $status -eq 1 && $output == *"was taken out"* ]]
	run ctl audit prune log
	[ "$status" -eq 0 ] # nothing of it is left to be done
	# of two at once the later one is told what has happened
	run -22 curl -sf --unix-socket "$POSTBOOT_SOCKET" -H 'Content-Type: application/json' \
		-d "{\"through\": $rows, \"hash\": \"${head#*:}\"}" http://x/v1/audit/prune
	run curl -s --unix-socket "$POSTBOOT_SOCKET" -H 'Content-Type: application/json' \
		-d "{\"through\": $rows, \"hash\": \"${head#*:}\"}" http://x/v1/audit/prune
	[[ $output == *"these rows are out of the log already: another audit prune"* ]]
	ctl audit export >rest
	ctl audit verify --file rest --head "$head" | grep "Rows 1 to $rows were taken out"
	python3 verify.py <rest
	ctl audit verify --file log
	ctl product add later >/dev/null
	server_stop
	"$POSTBOOTD" --check-db -c "$LAB/postbootd.conf"
	sqlite3 "$LAB/state/postboot.db" "UPDATE audit SET who = who || 'x' WHERE seq = $((rows + 2))"
	run "$POSTBOOTD" --check-db -c "$LAB/postbootd.conf"
	echo "$output"
	[[ $status -ne 0 && $output == *"audit entry $((rows + 2)): row $((rows + 2)) was changed"* ]]
	sqlite3 "$LAB/state/postboot.db" "UPDATE audit SET who = rtrim(who, 'x') WHERE seq = $((rows + 2))"
}

@test "history: a device's attempts as a story" {
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	[ "$(ctl device history argon-1)" = "Device argon-1 was never offered anything." ]
	ctl product target argon 1.1.0 >/dev/null
	device_start argon-1 1.0.0 --fault bootloader-reject
	wait_event 40 '.data == "failed"'
	device_stop argon-1
	run ctl device history argon-1
	echo "$output"
	[ "$status" -eq 0 ]
	text=$(tr '\n' ' ' <<<"$output" | tr -s ' ')
	[[ $text == *": device-failed "*"it ran 1.0.0 and was offered 1.1.0. It began to download after "* ]]
	[[ $text == *"restarted "*" later"*"it counts as a failure. Likely cause:"* ]]
	ctl -o json device history argon-1 | jq -e '.attempts[0].story | contains("was offered 1.1.0")'
	run ctl device history nobody
	[ "$status" -eq 1 ]
}

@test "device list: in any order, stable" {
	server_start
	product_add
	ctl product add blinky >/dev/null
	release_add 1.0.0
	release_add 1.9.0
	release_add 1.10.0
	printf 'id,product,plain,lock,hold\nd,blinky,1,,\nc,argon,1,1.10.0,\nb,argon,1,1.9.0,yes\na,argon,1,1.0.0,\n' >in.csv
	ctl device import in.csv
	order() { ctl -o json device list "$@" | jq -r '[.devices[].id] | join("")'; }
	[ "$(order)" = abcd ]
	[ "$(order --sort id)" = abcd ]
	[ "$(order --sort -id)" = dcba ]
	[ "$(order --sort product)" = abcd ]
	[ "$(order --sort -product)" = dabc ]
	[ "$(order --sort target)" = dabc ]
	[ "$(order --sort -target)" = cbad ]
	[ "$(order --sort seen)" = abcd ]
	[ "$(order --sort -state --product argon)" = acb ]
	run ctl device list --sort colour
	[ "$status" -eq 2 ]
	[[ $output == *'--sort wants id, product, state, seen, version or target, not "colour"'* ]]
}

@test "device list --watch: redraws on a terminal, repeats what changed elsewhere, ends with Ctrl-C" {
	server_start
	product_add
	ctl device add first --product argon --plain >/dev/null
	cat >watch.py <<-'END'
		import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time
		ctl = sys.argv[1]
		pid, fd = pty.fork()
		if pid == 0:
		    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
		    os.environ["TERM"] = "xterm"
		    os.execv(ctl, [ctl, "device", "list", "--watch"])
		seen = b""
		def until(what):
		    global seen
		    end = time.time() + 60
		    while what not in seen:
		        if time.time() > end:
		            sys.exit("never came: %r in %r" % (what, seen[-500:]))
		        if select.select([fd], [], [], 1)[0]:
		            seen += os.read(fd, 65536)
		until(b"first")
		assert seen.index(b"\033[?1049h") < seen.index(b"first")
		subprocess.run([ctl, "device", "add", "second", "--product", "argon", "--plain"], check=True, stdout=subprocess.DEVNULL)
		until(b"second")
		# Each frame goes over the one before: the screen is cleared once only.
		assert seen.count(b"\033[2J") == 0 and seen.count(b"\033[H\033[J") == 1
		seen = b""
		fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 4, 60, 0, 0))
		for i in range(6):
		    subprocess.run([ctl, "device", "add", "more-%d" % i, "--product", "argon", "--plain"], check=True, stdout=subprocess.DEVNULL)
		until(b"...\033[K")
		seen = b""
		os.write(fd, b"\003")
		until(b"\033[?25h\033[?1049l")
		status = os.waitpid(pid, 0)[1]
		assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
	END
	python3 watch.py "$POSTBOOTCTL"

	"$POSTBOOTCTL" device list --watch >plain 3>&- &
	pid=$!
	until_true 20 grep -q more-5 plain
	ctl device add later --product argon --plain >/dev/null
	until_true 20 grep -q later plain
	kill -TERM "$pid"
	wait "$pid"
	[ "$(grep -c $'\033' plain)" -eq 0 ]
	[ "$(grep -c '^DEVICE' plain)" -ge 2 ]
}

@test "complete: names by prefix" {
	server_start
	product_add
	ctl product add blinky >/dev/null
	release_add 1.0.0
	release_add 1.1.0
	{
		echo id,product,plain
		seq -f 'unit-%04g,argon,1' 350
		echo 'unis,argon,1'
		echo 'unit,argon,1'
	} >in.csv
	ctl device import in.csv
	complete() { ctl complete "$@" | paste -s -d ' '; }
	[ "$(complete product)" = "argon blinky" ]
	[ "$(complete product b)" = blinky ]
	[ "$(complete device unit-034)" = "$(seq -f 'unit-%04g' 340 349 | paste -s -d ' ')" ]
	[ "$(complete device unis)" = unis ]
	[ "$(complete device unit | cut -d ' ' -f 1)" = unit ]
	[ "$(ctl complete device | wc -l)" -eq 200 ]
	[ "$(complete device unit-0350)" = unit-0350 ]
	[ -z "$(complete device unit-0351)" ]
	[ "$(complete release 1.1 argon)" = 1.1.0 ]
	[ "$(complete release '' blinky)" = "" ]
	[ "$(complete release 1)" = "1.0.0 1.1.0" ]
	[ -z "$(complete attempt)" ]
	run ctl complete nonsense x
	[ "$status" -eq 2 ]
	[ "$(ctl help | grep -c complete)" -eq 0 ]
}
