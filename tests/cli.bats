#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
# The command line, on this machine, whatever it permits: nothing here needs tracking or a guest.

bats_require_minimum_version 1.5.0

setup_file() {
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	local given=${PINLEAK:-$root/build/pinleak}
	# Where other users can run it too.
	shared=$(mktemp -d)
	chmod 755 "$shared"
	cp "$given" "$shared/pinleak"
	pinleak=$shared/pinleak
	export root shared pinleak
	export LC_ALL=C.UTF-8 TZ=UTC
	unset NO_COLOR
}

teardown_file() { rm -rf "$shared"; }

teardown() {
	[ -z "${background:-}" ] || kill "$background" 2>/dev/null || true
	[ -z "${hoarder:-}" ] || kill "$hoarder" 2>/dev/null || true
}

commands() { "$pinleak" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'; }

# Wrong usage: status 2, error 87 on standard error, nothing on standard output.
refused() {
	run --separate-stderr timeout 60 "$pinleak" "$@"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ $stderr == "pinleak"*"error 87 ERROR_INVALID_PARAMETER"* ]]
	# shellcheck disable=SC2154 # set by run
	[ "${#stderr_lines[@]}" -eq 2 ]
}

narrow() { ! grep -nE '.{80,}' <<<"$1" >&2; }

# No control character but the end of a line, no mark that turns the writing around, only UTF-8.
harmless() {
	iconv -f UTF-8 -t UTF-8 "$1" >/dev/null
	! LC_ALL=C grep -aqP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]' "$1"
}

# The words that make the command after them nobody's.
nobodys=()
[ "$(id -u)" -ne 0 ] ||
	nobodys=(setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all --)

nobody() { "${nobodys[@]}" "$@"; }

# field EXPRESSION, of the JSON object o on standard input; true and false as in JSON.
field() {
	/usr/bin/python3 -c "import json, sys; o = json.load(sys.stdin); v = $1
print(v if isinstance(v, str) else json.dumps(v))"
}

wait_for_line() {
	for ((i = 0; i < 1200; i++)); do
		if grep -q -e "$2" "$1"; then
			return 0
		fi
		sleep 0.05
	done
	echo "no line like $2 in:" >&2
	cat "$1" >&2
	return 1
}

# In the test's own directory from then on: what is no recording and no BTF, whoever reads it.
make_odd_files() {
	cd "$BATS_TEST_TMPDIR"
	: >empty
	echo text >text
	head -c 100000 /dev/urandom >noise
}

# Pins 2048 pages every 0.3 s and holds them, until it is killed or five minutes are over:
# io_uring's registered buffers.
start_hoarding() {
	[ "$(id -u)" -eq 0 ] || skip "only root may pin so much"
	/usr/bin/python3 - >"$BATS_TEST_TMPDIR/hoard" 2>&1 <<'END' &
import ctypes, mmap, os, resource, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
libc = ctypes.CDLL(None, use_errno=True)
memory = mmap.mmap(-1, 2048 * 4096)
memory.madvise(mmap.MADV_NOHUGEPAGE)  # of a huge page only one pin would be kept
memory.write(b"x" * len(memory))
vector = (ctypes.c_uint64 * 2)(ctypes.addressof(ctypes.c_char.from_buffer(memory)), len(memory))
for n in range(1000):
    ring = libc.syscall(425, 2, ctypes.create_string_buffer(120))  # io_uring_setup
    if ring < 0 or libc.syscall(427, ring, 0, vector, 1):          # io_uring_register
        sys.exit("cannot: " + os.strerror(ctypes.get_errno()))
    if n == 1:
        print("pinned", flush=True)
    time.sleep(0.3)
END
	hoarder=$!
	for ((i = 0; i < 600; i++)); do
		[ ! -s "$BATS_TEST_TMPDIR/hoard" ] || break
		sleep 0.05
	done
	read -r line <"$BATS_TEST_TMPDIR/hoard" || line='cannot: no answer'
	[[ $line == pinned ]] || skip "io_uring $line"
}

# until_suspicious COMMAND...: runs a watch until it has a suspicion, then Ctrl-C; into out and err.
until_suspicious() {
	: >"$BATS_TEST_TMPDIR/out" # not what the one before has written
	"$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null &
	background=$!
	wait_for_line "$BATS_TEST_TMPDIR/out" 'suspicion[":]'
	interrupt "$background"
	status=0
	wait "$background" || status=$?
	background=
}

# The process, or for script(1) what it runs on its terminal.
interrupt() {
	if [ "$(cat "/proc/$1/comm")" = script ]; then
		pkill -INT -P "$1"
	else
		kill -INT "$1"
	fi
}

# ---- wrong usage ----------------------------------------------------------------------------

@test "an unknown command is refused" { refused wacth; }

@test "an option in the place of a command is refused" { refused --json; }

@test "an unknown option is refused by every command" {
	for command in $(commands); do
		refused "$command" --nonsense
		refused "$command" --nonsense=1
		refused "$command" -x
	done
}

@test "an option without its value is refused" {
	for option in interval for track level grace settle references detect table-size listen \
		token-file allow-host omit-hook; do
		refused watch "--$option"
		[[ $stderr == *"--$option needs a value"* ]]
	done
	refused doctor --btf
	for option in grace level allow error-exitcode output junit table-size omit-hook; do
		refused run "--$option"
		[[ $stderr == *"--$option needs a value"* ]]
	done
}

@test "a value for an option that takes none is refused" {
	refused watch --json=yes
	refused watch --samples=
	refused doctor --json=1
	refused run --references=1m -- true
}

@test "an abbreviated option is refused: a later one could be meant" {
	refused watch --inter 1s
	refused watch --tr=auto
}

@test "arguments too many are refused" {
	refused watch now
	refused watch --json -- now
	refused watch -
	refused doctor /dev/null
	refused explain 729 87
}

@test "times that make no sense are refused" {
	for value in 0 0s 5ms 9.9ms -1s abc '' ' ' 1x s 1s1 '1 s' 0x10 0X10 inf nan 1e400 101000000h; do
		refused watch --interval "$value"
		[[ $stderr == *"--interval $value: expected a time"* ]]
	done
	for value in 0 0s 0.1ns -1 forever; do
		refused watch --for "$value"
		refused watch --settle "$value"
	done
	refused watch --grace -1s
	refused watch --references -1s
	"$pinleak" watch --references 0 --help >/dev/null
}

@test "times that make sense are taken" {
	for value in 10ms 1 1s 0.5s 250ms 100000us 2m 2min 1h 7d; do
		"$pinleak" watch --interval "$value" --for "$value" --help >/dev/null
	done
	"$pinleak" watch --interval=1s --grace 0 --help >/dev/null
}

@test "words that an option does not know are refused, and the known ones told" {
	refused watch --track maybe
	[[ $stderr == *"expected auto always never"* ]]
	refused watch --track AUTO
	refused watch --track ''
	refused watch --track 'auto always'
	refused watch --level counters
	[[ $stderr == *"expected light deep"* ]]
}

@test "table sizes out of range are refused" {
	for value in 0 15 -1 67108865 99999999999 99999999999999999999999 1e6 0x100 64k ''; do
		refused watch --table-size "$value"
	done
	"$pinleak" watch --table-size 16 --table-size 67108864 --help >/dev/null
}

@test "a hook that pinleak has never heard of cannot be left out" {
	refused watch --omit-hook no_such_function --for 10ms
	refused doctor --omit-hook no_such_function
}

@test "what is refused is refused before anything is done" {
	run --separate-stderr timeout 60 "$pinleak" watch --track never --interval 20ms --nonsense
	[ "$status" -eq 2 ]
	[ -z "$output" ]
}

@test "arguments with escape sequences never reach the terminal raw" {
	printf -v long '%0600d\e[31m' 0
	local evil=($'\e]0;x\a' $'two\nlines' $'\r\e[2K' $'\u009b31m' $'\xff\xfe' $'\u202egnp' $'tab\t' "$long")
	for arg in "${evil[@]}"; do
		for way in "" "watch" "watch --" "watch --interval" "watch --track" "watch --table-size" \
			"watch --references" "census" "census --by" "census --pid" "census --grace" \
			"watch --omit-hook" "run --grace" "run --level" "run --allow" "run --error-exitcode" \
			"run --table-size" "doctor" "doctor --btf" "explain" "explain --"; do
			status=0
			# shellcheck disable=SC2086 # ways are words
			timeout 60 "$pinleak" $way "$arg" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
			[ "$status" -eq 2 ]
			harmless "$BATS_TEST_TMPDIR/said"
			[ "$(wc -l <"$BATS_TEST_TMPDIR/said")" -eq 2 ]
		done
		run "$pinleak" watch "--$arg=1"
		[ "$status" -eq 2 ]
	done
}

# ---- help and version -----------------------------------------------------------------------

@test "pinleak alone ends with 2 and teaches on standard error" {
	run --separate-stderr "$pinleak"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ $stderr == usage:* ]]
	for command in $(commands); do
		[[ $stderr == *"  $command "* ]]
	done
	[[ $stderr == *"pinleak watch"* ]]
}

@test "--help lists the commands, with status 0, on standard output" {
	for way in --help -h help; do
		run --separate-stderr "$pinleak" "$way"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[[ $output == usage:*watch*doctor*explain*"exit status:"* ]]
		narrow "$output"
	done
}

@test "--help of every command ends with 0, fits 80 columns and gives examples" {
	[ "$(commands | wc -l)" -ge 3 ]
	for command in $(commands); do
		for way in --help -h; do
			run --separate-stderr "$pinleak" "$command" "$way"
			[ "$status" -eq 0 ]
			[ -z "$stderr" ]
			[[ $output == "usage: pinleak $command"* ]]
			[[ $output == *$'\n\noptions:\n'* ]]
			[[ $output == *$'\n\nexamples:\n'*"pinleak $command"* ]]
			narrow "$output"
		done
	done
}

@test "the version is told" {
	run --separate-stderr "$pinleak" --version
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output =~ ^pinleak\ [0-9]+\.[0-9]+\.[0-9]+ ]]
}

@test "the version is told alone" {
	refused --version extra
	refused --version --help
}

# ---- explain --------------------------------------------------------------------------------

@test "an error is explained by number, hexadecimal of any case, name of any case and NTSTATUS" {
	want=$("$pinleak" explain 729)
	[[ $want == "error 729 (0x2D9) ERROR_DRIVERS_LEAKING_LOCKED_PAGES"* ]]
	for way in 0729 0x2D9 0x2d9 0X2d9 ERROR_DRIVERS_LEAKING_LOCKED_PAGES \
		error_drivers_leaking_locked_pages 0x4000002D 0x4000002d; do
		run --separate-stderr "$pinleak" explain "$way"
		[ "$status" -eq 0 ]
		[ "$output" = "$want" ]
	done
	[ "$("$pinleak" explain -- 729)" = "$want" ]
}

@test "the Windows bug checks are told with what answers to them here" {
	for way in 0x76:PROCESS_HAS_LOCKED_PAGES 0xcb:DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS \
		0xD9:LOCKED_PAGES_TRACKER_CORRUPTION; do
		run "$pinleak" explain "${way%%:*}"
		[ "$status" -eq 0 ]
		[[ $output == "bug check "*"${way##*:}"*Here:* ]]
	done
}

@test "explain lists every error, each of which it explains, in lines under 80 columns" {
	list=$("$pinleak" explain)
	narrow "$list"
	for code in 2 87 122 729; do
		grep -qE "^ *$code  0x" <<<"$list"
	done
	while read -r code hex rest; do
		by_code=$("$pinleak" explain "$code")
		[[ $by_code == *" $code ($hex) ${rest##* }"* ]]
		[ "$by_code" = "$("$pinleak" explain "$hex")" ]
		[ "$by_code" = "$("$pinleak" explain "${rest##* }")" ]
		[ "$(wc -l <<<"$by_code")" -ge 5 ]
		narrow "$by_code"
	done <<<"$list"
}

@test "an error that is not known is refused" {
	for value in 1 730 0x 0x2DA 0xZZ 729x ' 729' +729 '' ERROR_SUCCESS ERROR_ 4294968025 \
		18446744073709552345 99999999999999999999999; do
		refused explain "$value"
	done
	refused explain -729
}

# ---- limit ----------------------------------------------------------------------------------

@test "limit needs a driver and one amount, above nothing and within the memory" {
	refused limit
	refused limit --pages 5
	refused limit loop
	refused limit loop loop --pages 5
	refused limit loop --pages 5 --bytes 64MiB
	refused limit loop --pages 5 --pages 6
	local amount
	for amount in 0 -1 1.5 many '' 99999999999999999999; do
		refused limit loop --pages "$amount"
		[[ $stderr == *"no more than there is memory"* ]]
	done
	for amount in 0 4095 -4096 64MB 999P; do refused limit loop --bytes "$amount"; done
	for amount in 0 0% -5 101 5%%; do refused limit loop --share "$amount"; done
}

@test "limit without --enforce takes nothing that only matters to those who are refused" {
	refused limit loop --pages 5 --by lsm
	refused limit loop --pages 5 --exempt-pid 1
	refused limit loop --pages 5 --exempt-comm sh
	refused limit loop --pages 5 --allow-ioctl 1
	refused limit loop --pages 5 --refuse-ioctl 1
	refused limit loop --pages 5 --allow-write
	[[ $stderr == *"without --enforce nobody is refused"* ]]
}

@test "limit refuses exemptions that are none" {
	refused limit loop --pages 5 --enforce --exempt-pid 0
	refused limit loop --pages 5 --enforce --exempt-comm ''
	refused limit loop --pages 5 --enforce --exempt-comm a-name-of-16-byte
	refused limit loop --pages 5 --enforce --exempt-cgroup /tmp
	refused limit loop --pages 5 --enforce --allow-ioctl 0x100000000
	refused limit loop --pages 5 --enforce --refuse-ioctl x
	refused limit loop --pages 5 --enforce --refuse-ioctl 5 --allow-ioctl 0x5
	[[ $stderr == *"ioctl 0x5: to be refused, or allowed?"* ]]
	refused limit loop --pages 5 --enforce --by force
	local many=() i
	for ((i = 1; i <= 65; i++)); do many+=(--exempt-pid "$i"); done
	refused limit loop --pages 5 --enforce "${many[@]}"
	[[ $stderr == *"too often"* ]]
}

@test "limit pins what is enforced, without an end, and shows and removes what is pinned" {
	refused limit loop --pages 5 --pin
	refused limit loop --pages 5 --enforce --pin --for 1h
	refused limit loop --pages 5 --enforce --pin --interval 1s
	refused limit loop --pages 5 --enforce --pin --exempt-pid 1
	refused limit --list loop
	refused limit --list --pages 5
	refused limit --unpin
	refused limit loop --unpin --pages 5
	refused limit loop --unpin --list
	refused limit loop --unpin --json
	for name in ../fs . a/b "$(printf 'x%.0s' {1..60})"; do
		run --separate-stderr -2 "$pinleak" limit "$name" --unpin
		[[ $stderr == *"error 2 ERROR_FILE_NOT_FOUND"* ]]
	done
}

@test "limit of a driver or a control group that is not there: error 2, which names it" {
	local name
	for name in no_such_driver .. . ../fs '' "$(printf 'x%.0s' {1..300})"; do
		run --separate-stderr -2 "$pinleak" limit "$name" --pages 5
		[[ $stderr == "pinleak limit: no driver"*"error 2 ERROR_FILE_NOT_FOUND"* ]]
		[ -z "$output" ]
	done
	run --separate-stderr -2 "$pinleak" limit loop --pages 5 --enforce --exempt-cgroup /no/such/group
	[[ $stderr == *"/no/such/group"*"error 2 ERROR_FILE_NOT_FOUND"* ]]
}

@test "a watch takes limits of drivers and pages, one for each driver, and none without hooks" {
	local wrong conf=$BATS_TEST_TMPDIR/conf many=()
	for wrong in '' loop loop: :5 loop:0 loop:-1 loop:many loop:5: loop:5:audit loop:5:enforce: loop:101% \
		loop:999P loop:4095K5 ../fs:5 .:5 "$(printf 'x%.0s' {1..60}):5"; do
		refused watch --for 1ms --limit "$wrong"
	done
	refused watch --for 1ms --limit loop:5 --limit loop:5
	refused watch --for 1ms --limit a-b:5 --limit vivid:5 --limit a_b:6
	refused watch --for 1ms --limit loop:5 --track never
	for wrong in {1..8}; do many+=(--limit "d$wrong:5"); done
	"$pinleak" watch --check-config --config /dev/null "${many[@]}"
	refused watch --check-config --config /dev/null "${many[@]}" --limit another:5
	[[ $stderr == *"no more than 8 drivers"* ]]
	printf '[watch]\nlimit = vivid:64MiB:enforce\n' >"$conf"
	"$pinleak" watch --check-config --config "$conf"
	"$pinleak" watch --check-config --config "$conf" --limit loop:5 --limit vivid:6
	refused watch --check-config --config "$conf" --track never
	printf 'limit = loop:1\n' >>"$conf"
	run "$pinleak" watch --check-config --config "$conf"
	[[ $status -eq 0 && $output == *"2 settings, nothing wrong"* ]]
	printf 'limit = vivid:1\n' >>"$conf"
	run --separate-stderr -2 "$pinleak" watch --check-config --config "$conf"
	[[ $stderr == *"conf:4: --limit: vivid has a limit already"* ]]
	printf '[watch]\nlimit = vivid\n' >"$conf"
	run --separate-stderr -2 "$pinleak" watch --check-config --config "$conf"
	[[ $stderr == *"conf:2: limit = vivid: expected DRIVER:PAGES"* ]]
	printf '[watch]\nlisten = 127.0.0.1:0\nallow-host = a\nallow-host = b\n' >"$conf"
	"$pinleak" watch --check-config --config "$conf"
}

# ---- doctor ---------------------------------------------------------------------------------

# Neither a crash nor a plan: status 2 or 3, with a message.
no_plan() {
	run --separate-stderr timeout 10 "$pinleak" doctor --btf "$1"
	[ "$status" -eq 2 ] || [ "$status" -eq 3 ]
	[ -n "$output$stderr" ]
}

real_btf() {
	[ -r /sys/kernel/btf/vmlinux ] || skip "this kernel has no BTF"
	cat /sys/kernel/btf/vmlinux
}

@test "a BTF file that is not there is error 2" {
	run --separate-stderr "$pinleak" doctor --btf "$BATS_TEST_TMPDIR/none"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ $stderr == *"No such file"*"error 2 ERROR_FILE_NOT_FOUND"* ]]
	run --separate-stderr "$pinleak" doctor --btf ''
	[ "$status" -eq 2 ]
	[[ $stderr == *"error 2 ERROR_FILE_NOT_FOUND"* ]]
}

@test "a BTF file that may not be read is error 2" {
	echo secret >"$shared/secret"
	chmod 0 "$shared/secret"
	run --separate-stderr nobody "$pinleak" doctor --btf "$shared/secret"
	[ "$status" -eq 2 ]
	[[ $stderr == *"Permission denied"*"error 2 ERROR_FILE_NOT_FOUND"* ]]
}

@test "a directory, an empty file, text, noise and a foreign ELF are no BTF, and said to be none" {
	make_odd_files
	printf '\x9f\xeb\x01\x00' | cat - noise >noisy # BTF's magic number before the noise
	for file in . empty text noise noisy "$pinleak" /dev/null; do
		no_plan "$file"
		[ "$status" -eq 2 ]
		[[ $stderr == *"no BTF in it"*"error 87 ERROR_INVALID_PARAMETER"* ]]
	done
}

@test "a BTF cut anywhere is refused without a crash" {
	real_btf >"$BATS_TEST_TMPDIR/whole"
	size=$(stat -c %s "$BATS_TEST_TMPDIR/whole")
	for length in 1 2 3 4 7 8 12 16 20 23 24 25 28 32 36 40 48 64 100 1000 4096 65536 \
		$((size / 7)) $((size / 3)) $((size / 2)) $((size * 2 / 3)) $((size * 9 / 10)) \
		$((size - 4096)) $((size - 100)) $((size - 2)) $((size - 1)); do
		head -c "$length" "$BATS_TEST_TMPDIR/whole" >"$BATS_TEST_TMPDIR/cut"
		no_plan "$BATS_TEST_TMPDIR/cut"
		[ "$status" -eq 2 ]
	done
	run "$pinleak" doctor --btf "$BATS_TEST_TMPDIR/whole"
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
}

# damaged HOW: a real BTF, damaged; HOW is Python over types (offset, name, kind) and blob.
damaged() {
	real_btf >"$BATS_TEST_TMPDIR/whole"
	/usr/bin/python3 - "$BATS_TEST_TMPDIR" "$1" <<'END'
import random, struct, sys
blob = bytearray(open(sys.argv[1] + "/whole", "rb").read())
header, types_at, types_len, strings_at, strings_len = struct.unpack_from("<IIIII", blob, 4)
strings = bytes(blob[header + strings_at:])
types, at = [], header + types_at
fixed = {1: 4, 3: 12, 14: 4, 17: 4}
each = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
while at < header + types_at + types_len:
    name, info = struct.unpack_from("<II", blob, at)
    kind = info >> 24 & 31
    types.append((at, strings[name:strings.index(b"\0", name)].decode(), kind))
    at += 12 + fixed.get(kind, 0) + (info & 0xffff) * each.get(kind, 0)
random.seed(1)
exec(sys.argv[2])
open(sys.argv[1] + "/damaged", "wb").write(blob)
END
	run timeout 20 "$pinleak" doctor --btf "$BATS_TEST_TMPDIR/damaged"
	[ "$status" -eq 0 ] || [ "$status" -eq 2 ] || [ "$status" -eq 3 ]
	[ -n "$output" ]
}

@test "a BTF without the page structures is said to lack them, in JSON too" {
	damaged 'for at, name, kind in types:
    if name in ("page", "folio"): struct.pack_into("<I", blob, at, 0)'
	[ "$status" -eq 3 ]
	[[ $output == *"no plan: "*"page structures"* ]]
	run -3 "$pinleak" doctor --json --btf "$BATS_TEST_TMPDIR/damaged"
	"$root/tests/schema" <<<"$output"
	[ -n "$(field 'o["missing"]' <<<"$output")" ]
}

@test "names in BTF that point beyond its strings are no crash" {
	damaged 'for at, name, kind in types:
    if kind == 4 and name not in ("page", "folio"): struct.pack_into("<I", blob, at, 0x7fffffff)'
}

@test "types in BTF that refer to themselves are no crash and no endless loop" {
	damaged 'for number, (at, name, kind) in enumerate(types, 1):
    if kind in (2, 8, 9, 10, 11): struct.pack_into("<I", blob, at + 8, number)'
}

@test "BTF with bits turned at random is no crash" {
	for seed in 1 2 3 4 5 6 7 8; do
		damaged "random.seed($seed)
for i in range(3 ** $seed):
    blob[random.randrange(header, len(blob))] ^= 1 << random.randrange(8)"
	done
}

@test "a plan from BTF needs no root and no machine" {
	[ -r /sys/kernel/btf/vmlinux ] || skip "this kernel has no BTF"
	run --separate-stderr nobody "$pinleak" doctor --btf /sys/kernel/btf/vmlinux
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output == *"hook     pin_user_pages"*"by BTF alone: light yes"* ]]
	narrow "$output"
	nobody "$pinleak" doctor --json --btf /sys/kernel/btf/vmlinux >"$BATS_TEST_TMPDIR/plan"
	"$root/tests/schema" "$BATS_TEST_TMPDIR/plan"
	[ "$(field '"ground" in o' <"$BATS_TEST_TMPDIR/plan")" = false ]
}

@test "the name of a BTF file is shown without its escape sequences" {
	name=$BATS_TEST_TMPDIR/$'\e]0;x\a\n'
	real_btf >"$name"
	run "$pinleak" doctor --btf "$name"
	"$pinleak" doctor --btf "$name" >"$BATS_TEST_TMPDIR/said" || true
	harmless "$BATS_TEST_TMPDIR/said"
	"$pinleak" doctor --json --btf "$name" | "$root/tests/schema"
}

@test "a hook left out is in the plan as omitted" {
	[ -r /sys/kernel/btf/vmlinux ] || skip "this kernel has no BTF"
	run "$pinleak" doctor --btf /sys/kernel/btf/vmlinux --omit-hook pin_user_pages_fast
	[[ $output == *"omitted  pin_user_pages_fast"* ]]
}

@test "doctor ends with 0 when every level works, else with 3 and what is refused" {
	run --separate-stderr "$pinleak" doctor --json
	[ -z "$stderr" ]
	json=$output
	"$root/tests/schema" <<<"$json"
	why=$(field 'o["ground"]["why"]' <<<"$json")
	works=$(field 'o["light"]["works"] and o["deep"]["works"]' <<<"$json")
	run "$pinleak" doctor
	narrow "$output"
	if [ "$works" = true ]; then
		[ "$status" -eq 0 ]
		[ -z "$why" ]
		[ "$(field 'o["ground"]["tracing"]' <<<"$json")" = true ]
		[ "$(field 'all(c["ok"] or not c["tried"] for l in ("light", "deep") for c in o[l]["calibration"])' <<<"$json")" = true ]
		[ "$(field 'any(c["tried"] for c in o["deep"]["calibration"])' <<<"$json")" = true ]
	else
		[ "$status" -eq 3 ]
		if [ -n "$why" ]; then
			[[ $output == *"no tracking here: $why"*"what still works"* ]]
			[[ $output == *"$(field 'o["ground"]["todo"]' <<<"$json")"* ]]
			[ "$(field 'o["light"]["works"] or o["deep"]["works"]' <<<"$json")" = false ]
		else
			[ "$(field 'bool(o["light"]["error"] or o["deep"]["error"] or o["missing"])' <<<"$json")" = true ]
		fi
	fi
	if [ "$(field 'o["ground"]["tracing"]' <<<"$json")" = false ]; then
		[[ $output == *"NO   tracing programs are accepted"* ]]
	fi
}

@test "doctor without root says so" {
	run --separate-stderr nobody "$pinleak" doctor
	[ "$status" -eq 3 ]
	[[ $output == *"NO   root"*"no tracking here: no root"*sudo* ]]
}

# ---- watch ----------------------------------------------------------------------------------

@test "watch without root says so and goes on with the counters" {
	run --separate-stderr nobody "$pinleak" watch --interval 100ms --for 300ms
	[ "$status" -eq 0 ]
	[[ $stderr == *"no root"*sudo*"going on with the counters alone"* ]]
	[[ $output == "pinleak watches"*"summary"*"no driver was found to leak"* ]]
	narrow "$output"
	narrow "$stderr"
}

@test "watch without root that must track ends with 3 at once" {
	run --separate-stderr nobody timeout 60 "$pinleak" watch --track always
	[ "$status" -eq 3 ]
	[ -z "$output" ]
	[[ $stderr == *"no root"*sudo* ]]
}

@test "watch that need not track has nothing to say about root" {
	run --separate-stderr nobody "$pinleak" watch --track never --for 50ms
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}

@test "watch that must track and may not ends with 3 and says why" {
	why=$("$pinleak" doctor --json | field 'o["ground"]["why"]')
	[ -n "$why" ] || skip "this machine permits tracking"
	run --separate-stderr timeout 60 "$pinleak" watch --track always
	[ "$status" -eq 3 ]
	[ -z "$output" ]
	[[ $stderr == *"$why"* ]]
}

@test "every line of watch --json is valid by the schema, from a sample to the summary" {
	cd "$BATS_TEST_TMPDIR"
	"$pinleak" watch --json --track never --interval 50ms --for 3s >never
	"$pinleak" watch --json --interval 50ms --for 3s >auto 2>/dev/null
	"$root/tests/schema" never auto
	for file in never auto; do
		[ "$(head -n 1 $file | field 'o["type"]')" = sample ]
		[ "$(tail -n 1 $file | field 'o["type"]')" = summary ]
		[ "$(grep -c '"type":"summary"' $file)" -eq 1 ]
		n=$(grep -c '"type":"sample"' $file)
		[ "$n" -ge 5 ] && [ "$n" -le 62 ]
	done
}

@test "the schema refuses a line that lacks a field, has one more, or has another type" {
	cd "$BATS_TEST_TMPDIR"
	"$pinleak" watch --json --track never --for 20ms >lines
	for change in 'del o["acquired"]' 'o["more"] = 1' 'o["exact"] = 1' 'o["time"] = "now"' \
		'o["type"] = "simple"' 'o["level"] = "none"' 'o["released"] = -1'; do
		head -n 1 lines | /usr/bin/python3 -c "import json, sys; o = json.load(sys.stdin)
$change
print(json.dumps(o))" >changed
		run "$root/tests/schema" changed
		[ "$status" -eq 1 ]
		[[ $output == "schema: changed:1: "* ]]
	done
	for text in '' '\n' '{}\n' '[]\n' '{"type":"sample"' 'null\n' '{"a":1,"a":1}\n'; do
		run "$root/tests/schema" < <(printf "$text")
		[ "$status" -eq 1 ]
	done
	run "$root/tests/schema" lines /dev/null
	[ "$status" -eq 1 ]
}

@test "--samples prints a line for every look" {
	run "$pinleak" watch --track never --samples --interval 50ms --for 3s
	[ "$status" -eq 0 ]
	[ "$(grep -cE '^\[[0-9:]{8}\] -?[0-9,]+ pins outstanding, level counters$' <<<"$output")" -ge 5 ]
	narrow "$output"
}

@test "--for ends in time, also when it is shorter than the interval" {
	SECONDS=0
	timeout 60 "$pinleak" watch --track never --interval 1h --for 200ms
	[ "$SECONDS" -le 30 ]
}

@test "SIGINT and SIGTERM end watch with a summary and status 0" {
	for signal in INT TERM; do
		SECONDS=0
		"$pinleak" watch --track never --samples --interval 1h --for 600s >"$BATS_TEST_TMPDIR/$signal" &
		background=$!
		wait_for_line "$BATS_TEST_TMPDIR/$signal" outstanding
		kill "-$signal" "$background"
		status=0
		wait "$background" || status=$?
		background=
		[ "$status" -eq 0 ]
		[ "$SECONDS" -le 30 ]
		grep -q 'summary of' "$BATS_TEST_TMPDIR/$signal"
	done
}

@test "a reader that goes away ends watch, without a message" {
	for options in --json --samples; do
		run --separate-stderr timeout 10 bash -c \
			'"$pinleak" watch --track never --interval 20ms '$options' | head -n 1; exit "${PIPESTATUS[0]}"'
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
	done
}

@test "a standard output that is closed from the beginning is no crash" {
	for command in 'watch --track never --for 50ms' 'watch --track never --for 50ms --json' \
		explain doctor 'doctor --json' --help --version; do
		status=0
		# shellcheck disable=SC2086 # words
		timeout 10 "$pinleak" $command >&- || status=$?
		[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
		# shellcheck disable=SC2086
		timeout 10 "$pinleak" $command >&- 2>&- <&- || [ $? -eq 3 ]
	done
}

@test "output that cannot be written is no success" {
	[ -c /dev/full ] || skip "no /dev/full"
	for command in 'watch --track never --for 50ms --json' 'explain 729' explain --help; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr bash -c '"$pinleak" "$@" >/dev/full' bash $command
		[ "$status" -eq 3 ]
		[[ $stderr == *"could not be written"* ]]
	done
}

@test "pins that keep rising are suspected from the counters alone, without root" {
	start_hoarding
	until_suspicious "${nobodys[@]}" "$pinleak" watch --json --track never --interval 50ms
	[ "$status" -eq 0 ]
	"$root/tests/schema" "$BATS_TEST_TMPDIR/out"
	grep '"type":"suspicion"' "$BATS_TEST_TMPDIR/out" | head -n 1 | field 'o["pins"]'
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out" | field 'o["suspicions"] > 0')" = true ]
}

@test "a suspicion that cannot be followed up ends with 3" {
	start_hoarding
	until_suspicious "${nobodys[@]}" "$pinleak" watch --interval 50ms
	[ "$status" -eq 3 ]
	output=$(cat "$BATS_TEST_TMPDIR/out")
	[[ $output == *"suspicion:"*"cannot be had: no root"*"tracking could not be switched on"* ]]
	narrow "$output"
}

# on_terminal ENVIRONMENT...: what watch writes about a suspicion on a terminal, into out
on_terminal() {
	until_suspicious env TERM=xterm "$@" script -qec \
		"stty cols 80; exec $pinleak watch --track never --interval 50ms" "$BATS_TEST_TMPDIR/typescript"
	[ "$status" -eq 0 ]
}

coloured() { grep -q $'\e' "$1"; }

plain() { ! coloured "$1"; }

@test "colours are used on a terminal, unless NO_COLOR or a dumb terminal forbids" {
	start_hoarding
	on_terminal
	coloured "$BATS_TEST_TMPDIR/out"
	grep -q $'\e\[33msuspicion:\e\[0m' "$BATS_TEST_TMPDIR/out"
	on_terminal NO_COLOR=1
	plain "$BATS_TEST_TMPDIR/out"
	on_terminal TERM=dumb
	plain "$BATS_TEST_TMPDIR/out"
	on_terminal NO_COLOR=
	coloured "$BATS_TEST_TMPDIR/out"
}

@test "there are no colours when the output is no terminal" {
	start_hoarding
	until_suspicious env TERM=xterm "$pinleak" watch --track never --interval 50ms
	harmless "$BATS_TEST_TMPDIR/out"
}

@test "at level counters watch needs under 24 MiB, with all libraries, and 0.5 % of a processor" {
	"$pinleak" watch --samples --for 600s >"$BATS_TEST_TMPDIR/out" 2>/dev/null &
	background=$!
	wait_for_line "$BATS_TEST_TMPDIR/out" outstanding
	ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$background/stat"; }
	for ((i = 0; i < 5; i++)); do # what else the machine does only adds to it: the least counts
		before=$(ticks)
		sleep 5
		used=$(($(ticks) - before))
		[ "$used" -ge 3 ] || break
	done
	peak=$(awk '/^VmHWM:/ { print $2 }' "/proc/$background/status")
	echo "$used ticks of $(getconf CLK_TCK) a second in 5 s, $peak KiB" >&2
	[ "$used" -lt 3 ]
	! ldd "$pinleak" | grep -q libasan || skip "memory is not measured with a sanitizer in it"
	[ "$peak" -lt 24576 ]
}

@test "at level counters nothing is attached to the kernel, and nothing stays" {
	PATH=$PATH:/usr/sbin:/sbin
	programs() { bpftool -j prog list 2>/dev/null | /usr/bin/python3 -c \
		'import json, sys; print(*[p["id"] for p in json.load(sys.stdin)])'; }
	before=$(programs) || skip "bpftool cannot list programs here"
	"$pinleak" watch --track never --samples --interval 20ms --for 20s >"$BATS_TEST_TMPDIR/out" &
	background=$!
	wait_for_line "$BATS_TEST_TMPDIR/out" outstanding
	[ "$(programs)" = "$before" ]
	kill "$background"
	wait "$background"
	background=
	"$pinleak" doctor >/dev/null || true
	[ "$(programs)" = "$before" ]
}

# ---- run ------------------------------------------------------------------------------------

@test "run without a command is refused" {
	refused run
	refused run --
	refused run --json --quiet
	[[ $stderr == *"which command"* ]]
}

@test "what run is told to allow must be a driver and a number of pins" {
	for value in '' leaky leaky= =4 leaky=x leaky=-1 leaky=4.5 leaky=0x4 'leaky= 4' leaky=4x 4 \
		leaky=99999999999999999999 "$(printf '%080d' 0)=4"; do
		refused run --allow "$value" -- true
		[[ $stderr == *"expected a driver and a number of pins"* ]]
	done
	"$pinleak" run --allow leaky=0 --allow rdma-rxe=9223372036854775807 --help >/dev/null
}

@test "exit statuses, times, levels and table sizes that run cannot use are refused" {
	for value in 0 256 -1 x '' 99x 1e2; do
		refused run --error-exitcode "$value" -- true
		[[ $stderr == *"expected a number from 1 to 255"* ]]
	done
	for value in -1s abc ''; do
		refused run --grace "$value" -- true
	done
	for value in counters DEEP ''; do
		refused run --level "$value" -- true
		[[ $stderr == *"expected light deep"* ]]
	done
	refused run --table-size 15 -- true
	refused run --omit-hook no_such_function -- true
	"$pinleak" run --error-exitcode 1 --error-exitcode 255 --grace 0 --level light --help >/dev/null
}

@test "a file that run cannot write is refused before the command is run" {
	for option in output junit; do
		run --separate-stderr "$pinleak" run "--$option" "$BATS_TEST_TMPDIR/no/file" -- touch "$BATS_TEST_TMPDIR/ran"
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[[ $stderr == "pinleak run: --$option "*"No such file"*"error 2 ERROR_FILE_NOT_FOUND"* ]]
	done
	refused run --nonsense -- touch "$BATS_TEST_TMPDIR/ran"
	[ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

# not_run COMMAND...: runs `... pinleak run`, which may not track: status 3, why, nothing is run.
not_run() {
	cd "$BATS_TEST_TMPDIR"
	run --separate-stderr "$@" -- touch ran
	[ "$status" -eq 3 ]
	[ -z "$output" ]
	[ ! -e ran ]
	[[ $stderr == *"pinleak: no tracking here"* ]]
}

@test "run without root says so and does not run the command, quiet or not" {
	not_run nobody "$pinleak" run
	[[ $stderr == *"no root"*sudo* ]]
	narrow "$stderr"
	not_run nobody "$pinleak" run --quiet --error-exitcode 1
	[[ $stderr == *"no root"*sudo* ]]
}

@test "run that may not track says why, in JSON and for JUnit too" {
	why=$("$pinleak" doctor --json | field 'o["ground"]["why"]')
	[ -n "$why" ] || skip "this machine permits tracking"
	not_run "$pinleak" run --json --output out --junit out.xml
	[[ $(tr '\n' ' ' <<<"$stderr" | tr -s ' ') == *"$why"* ]]
	"$root/tests/schema" out
	[ "$(field 'o["trouble"]' <out)" = "$why" ]
	[ "$(field '[o["type"], o["exit_status"], o["status"]]' <out)" = '["run", 3, null]' ]
	/usr/bin/python3 - "$why" <<'END'
import sys
import xml.etree.ElementTree as ET
suite = ET.parse("out.xml").getroot().find("testsuite")
assert suite.get("errors") == "1" and suite.get("tests") == "1", suite.attrib
assert suite.find("testcase/error").get("message") == sys.argv[1]
END
}

@test "the command's options are not pinleak's" {
	run "$pinleak" run -- true --help
	[[ $output != usage:* ]]
	run "$pinleak" run true --nonsense
	[ "$status" -ne 2 ]
}

# ---- census ---------------------------------------------------------------------------------

@test "a table that a census has not is refused, and those that it has are named" {
	for value in nonsense Driver drivers '' ' ' 'driver site'; do
		refused census --by "$value"
		[[ $stderr == *"driver site process object mapping cgroup size node zone"* ]]
	done
}

@test "a number that no process can have is refused" {
	for value in 0 -1 abc 99999999 4194305 1x '' ' ' 0x1 1.0 18446744073709551617; do
		refused census --pid "$value"
		[[ $stderr == *"--pid $value: expected a number from 1 to 4194304"* ]]
	done
}

@test "a census of a process that is not there is refused, with or without root" {
	for run in "" nobody; do
		run --separate-stderr $run "$pinleak" census --pid 4194304
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[[ $stderr == "pinleak census: --pid 4194304: there is no such process"*"error 87 "* ]]
	done
}

@test "a census takes no arguments, and no values for what needs none" {
	refused census now
	refused census --json now
	refused census --json -- now
	refused census -
	refused census --folios --verify # both at once in JSON only
	for option in folios verify fail json; do
		refused census "--$option=1"
	done
	for option in by pid grace; do
		refused census "--$option"
		[[ $stderr == *"--$option needs a value"* ]]
	done
	refused census --grace soon
	refused census --grace=-1s
}

@test "where the kernel permits no census it says why and what to do, and ends with 3" {
	for options in '' --json --folios '--by zone' --verify --fail '--pid 1'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr nobody timeout 20 "$pinleak" census $options
		[ "$status" -eq 3 ]
		[ -z "$output" ]
		[ "${stderr_lines[0]}" = "pinleak: no census here" ]
		[ "${#stderr_lines[@]}" -ge 3 ]
		[[ $stderr == *root* ]]
		narrow "$stderr"
	done
}

@test "a census shows no progress where nobody looks" {
	run --separate-stderr timeout 60 "$pinleak" census --grace 0
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
	[[ $stderr != *$'\r'* ]]
	[[ $stderr != *$'\e'* ]]
}

# ---- inspect --------------------------------------------------------------------------------

# Files of modules made by hand, plain, signed, packed, cut and no modules at all.
make_module_files() {
	make_odd_files
	[ -x "$root/build/tests/fuzz_module" ] || skip "build/tests/fuzz_module is not built"
	"$root/build/tests/fuzz_module" -w .
	mv seed-00 plain && mv seed-01 signed
	xz -k plain && gzip -k plain && zstd -qk plain
	for name in plain signed plain.xz plain.gz plain.zst; do
		head -c "$(($(stat -c %s "$name") * 2 / 3))" "$name" >"cut.$name"
	done
}

# of_file FILE EXPRESSION: of what is told of a module that is not loaded, with this file
of_file() {
	"$pinleak" inspect --no-census --json --file "$1" pinleak_nothing >told
	"$root/tests/schema" told
	field "$2" <told
}

@test "inspect needs one driver or node, after the options" {
	refused inspect
	refused inspect loop loop
	refused inspect --no-census=1 loop
	refused inspect --file
	refused inspect loop --json
}

@test "a driver or a node that is not there is error 2, what is no node error 87" {
	for what in nosuch /dev/nosuch . .. ../module '' 'a b' $'\e[31m' "$(printf 'x%.0s' {1..300})"; do
		run --separate-stderr timeout 60 "$pinleak" inspect -- "$what"
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[[ $stderr == *"error 2 ERROR_FILE_NOT_FOUND"* ]]
		[[ $stderr != *$'\e'* ]]
	done
	refused inspect /etc/passwd
	refused inspect /etc
}

@test "a module's file is read plain, signed, and packed by xz, gzip and zstd" {
	make_module_files
	for file in plain signed plain.xz plain.gz plain.zst; do
		[ "$(of_file $file 'o["identity"]["version"]')" = 1.2 ]
		[ "$(field '{p["name"]: p["default"] for p in o["parameters"]}' <told)" = \
			'{"count": "-7", "name": "abc"}' ]
	done
	[ "$(of_file plain 'o["identity"]["signature"]["signed"]')" = false ]
	[ "$(of_file signed 'o["identity"]["signature"]["signer"]')" = 'Someone X' ]
	[ "$(field 'o["identity"]["signature"]["key"]' <told)" = 01:02 ]
}

@test "a module's file that is cut, packed and cut, missing or none is named, and the rest told" {
	make_module_files
	for file in cut.plain cut.signed cut.plain.xz cut.plain.gz cut.plain.zst; do
		[[ $(of_file $file 'o["not_seen"][0]["why"]') == *"/$file: it is cut off or damaged" ]]
	done
	for file in empty text noise; do
		[[ $(of_file $file 'o["not_seen"][0]["why"]') == *"/$file: it is no 64-bit ELF file" ]]
	done
	mkfifo fifo
	for file in . fifo; do
		[[ $(of_file $file 'o["not_seen"][0]["why"]') == *": it is no regular file" ]]
	done
	[[ $(of_file nothing 'o["not_seen"][0]["why"]') == *"nothing: No such file"* ]]
	[ "$(field 'o["identity"]["file_read"]' <told)" = false ]
}

@test "inspect tells of a module of this machine, with root or without, and what it cannot see" {
	local module
	for module in $(cd /sys/module && ls); do
		[ ! -d "/sys/module/$module/parameters" ] || break
	done
	for run in "" nobody; do
		$run "$pinleak" inspect --no-census --json "$module" >"$BATS_TEST_TMPDIR/told"
		"$root/tests/schema" "$BATS_TEST_TMPDIR/told"
		[ "$(field 'o["driver"]' <"$BATS_TEST_TMPDIR/told")" = "$module" ]
		[ "$(field 'len(o["parameters"]) > 0' <"$BATS_TEST_TMPDIR/told")" = true ]
		$run "$pinleak" inspect --no-census "$module" >"$BATS_TEST_TMPDIR/shown"
		harmless "$BATS_TEST_TMPDIR/shown"
	done
}

# ---- completions and man pages --------------------------------------------------------------

# completes WORD...: what bash would offer, one a line; the last word is being typed.
completes() {
	bash -c 'source "$root/completions/pinleak"
		COMP_WORDS=(pinleak "$@") COMP_CWORD=$#
		_pinleak pinleak "${!#}" pinleak
		((!${#COMPREPLY[@]})) || printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | sort
}

@test "bash is told of the completion when the file is loaded" {
	[ "$(bash -c 'source "$root/completions/pinleak"; complete -p pinleak')" = 'complete -F _pinleak pinleak' ]
}

@test "bash completes commands, options and their values" {
	[ "$(completes doc)" = doctor ]
	[ "$(completes --v)" = --version ]
	[ "$(completes watch --in)" = --interval ]
	[ "$(completes watch --json --tr)" = --track ]
	[ "$(completes watch --track '' | paste -sd ' ')" = 'always auto never' ]
	[ "$(completes watch --track a | paste -sd ' ')" = 'always auto' ]
	[ "$(completes watch --track = n)" = never ]
	[ "$(completes watch --level =  | paste -sd ' ')" = 'deep light' ]
	[ "$(completes explain 7)" = 729 ]
	[ "$(completes run --level d)" = deep ]
	[ "$(completes census --by m)" = mapping ]
	[ "$(completes census --by = z)" = zone ]
	[[ $'\n'$(completes census --pid $$)$'\n' == *$'\n'"$$"$'\n'* ]]
	[ -z "$(completes watch --references '')" ]
	[ "$(completes run --references --er)" = --error-exitcode ]
	[ "$(completes run --references -- fals | uniq)" = false ]
	[ "$(completes run --json --er)" = --error-exitcode ]
	[ "$(completes run --grace 2s -- fals | uniq)" = false ]
	[ "$(completes run fals | uniq)" = false ]
	[ -z "$(completes run fals --js)" ]
	[ "$(completes explain ERROR_F)" = ERROR_FILE_NOT_FOUND ]
	[ -z "$(completes watch --interval '')" ]
	[ -z "$(completes nonsense --)" ]
}

@test "bash completes the files of --btf, blanks and all" {
	cd "$BATS_TEST_TMPDIR"
	touch 'a kernel' 'another'
	[ "$(completes doctor --btf a | paste -sd ,)" = 'a kernel,another' ]
	[ "$(completes run --output a | paste -sd ,)" = 'a kernel,another' ]
	[ "$(completes run --quiet -- cat a | paste -sd ,)" = 'a kernel,another' ]
	[ "$(completes doctor --btf = 'a k')" = 'a kernel' ]
}

@test "zsh can read its completion" {
	command -v zsh >/dev/null || skip "zsh is not installed"
	zsh -n "$root/completions/_pinleak"
}

@test "fish completes commands, options and their values" {
	command -v fish >/dev/null || skip "fish is not installed"
	offers() { fish --no-config -c 'source $root/completions/pinleak.fish; complete -C $argv[1]' "$1" | cut -f 1; }
	[ "$(offers 'pinleak do')" = doctor ]
	[ "$(offers 'pinleak watch --in')" = --interval ]
	[ "$(offers 'pinleak watch --track ' | sort | paste -sd ' ')" = 'always auto never' ]
	[ "$(offers 'pinleak explain ERROR_F')" = ERROR_FILE_NOT_FOUND ]
}

@test "the man pages are clean mdoc that fits 80 columns" {
	command -v mandoc >/dev/null || skip "mandoc is not installed"
	for page in "$root"/man/*.1; do
		run mandoc -T lint -W warning "$page"
		[ -z "$output" ]
		narrow "$(mandoc -T ascii -O width=79 "$page" | col -b)"
		for title in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES 'SEE ALSO' BUGS; do
			grep -q "^\.Sh $title\$" "$page"
		done
	done
}

# ---- record, replay -------------------------------------------------------------------------

recorded() {
	recording=$BATS_TEST_TMPDIR/recording
	TZ=UTC "$pinleak" record --track never --interval 20ms --for 400ms "$@" "$recording" \
		>"$BATS_TEST_TMPDIR/live" 2>/dev/null
}

# Neither a crash nor a word on standard output: status 3, and what it is.
no_recording() {
	run --separate-stderr timeout 10 "$pinleak" replay "$1"
	[ "$status" -eq 3 ]
	[ -z "$output" ]
	[[ $stderr == "pinleak: "*"$2"* ]]
}

@test "record and replay need one FILE, after the options" {
	refused record
	refused record --json
	refused record --track never one two
	refused record one --json
	refused replay
	refused replay --json
	refused replay one two
	refused replay one --json
	refused replay --interval 1s one
	refused record --interval 5ms "$BATS_TEST_TMPDIR/none"
	[ ! -e "$BATS_TEST_TMPDIR/none" ]
}

@test "a recording of the counters is replayed as it was printed, in text and JSON" {
	for way in --samples --json ''; do
		# shellcheck disable=SC2086 # nothing, or one word
		recorded $way
		# shellcheck disable=SC2086
		"$pinleak" replay $way "$recording" | cmp - "$BATS_TEST_TMPDIR/live"
	done
	"$pinleak" replay - <"$recording" | cmp - "$BATS_TEST_TMPDIR/live"
	cat <"$recording" | "$pinleak" replay - | cmp - "$BATS_TEST_TMPDIR/live"
	"$pinleak" replay --json "$recording" >"$BATS_TEST_TMPDIR/json"
	"$root/tests/schema" <"$BATS_TEST_TMPDIR/json"
}

@test "a recording is for its owner alone" {
	recorded
	[ "$(stat -c %a "$recording")" -eq 600 ]
}

@test "a recording that is not there, or may not be opened, is error 2" {
	for path in '' / "$BATS_TEST_TMPDIR/none/file"; do
		run --separate-stderr "$pinleak" record --for 1s "$path"
		[ "$status" -eq 2 ]
		[[ $stderr == *"error 2 ERROR_FILE_NOT_FOUND"* ]]
	done
	run --separate-stderr "$pinleak" replay "$BATS_TEST_TMPDIR/none"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ $stderr == *"No such file"*"error 2 ERROR_FILE_NOT_FOUND"* ]]
	echo secret >"$shared/recording"
	chmod 0 "$shared/recording"
	run --separate-stderr nobody "$pinleak" replay "$shared/recording"
	[ "$status" -eq 2 ]
	[[ $stderr == *"Permission denied"*"error 2 ERROR_FILE_NOT_FOUND"* ]]
}

@test "a directory, an empty file, text, noise and zeros are no recordings, and said to be none" {
	recorded
	make_odd_files
	head -c 12 "$recording" >nothing # magic and version
	cat nothing noise >noisy
	no_recording . "Is a directory"
	for file in empty text noise noisy nothing /dev/null "$pinleak"; do
		no_recording "$file" "no recording, or its beginning is damaged"
	done
	no_recording /dev/zero "no recording"
}

@test "a recording of a newer format is refused with its number" {
	recorded
	printf '\x07' | dd of="$recording" bs=1 seek=8 conv=notrunc status=none
	no_recording "$recording" "format version 7; pinleak "
}

@test "a cut or damaged recording is shown as far as it goes, and where it ends is told" {
	recorded --samples
	size=$(stat -c %s "$recording")
	head -c $((size - 3)) "$recording" >"$BATS_TEST_TMPDIR/cut"
	run --separate-stderr "$pinleak" replay --samples "$BATS_TEST_TMPDIR/cut"
	[ "$status" -eq 3 ]
	[[ $output == "pinleak watches "* ]]
	[[ $stderr == *"damaged at byte "*": it is cut off"* ]]
	cat "$recording" "$recording" >"$BATS_TEST_TMPDIR/both"
	run --separate-stderr "$pinleak" replay --samples "$BATS_TEST_TMPDIR/both"
	[ "$status" -eq 3 ]
	[ "$output" = "$(cat "$BATS_TEST_TMPDIR/live")" ]
	[[ $stderr == *"damaged at byte $size: it makes no sense"* ]]
	printf '\xff\xff' | dd of="$recording" bs=1 seek=$((size - 6)) conv=notrunc status=none
	run --separate-stderr "$pinleak" replay "$recording"
	[ "$status" -eq 3 ]
	[[ $stderr == *": the checksum is wrong"* ]]
}

@test "a pinleak that decides otherwise says from when on" {
	recorded
	/usr/bin/python3 - "$recording" <<'END'
import struct, subprocess, sys, zlib
def zstd(data, *args):
    return subprocess.run(["zstd", "-q", "-c", *args], input=data, stdout=subprocess.PIPE, check=True).stdout
blob = open(sys.argv[1], "rb").read()
at, packed = 12, b""
while at < len(blob):
    length = struct.unpack_from("<I", blob, at)[0]
    packed += blob[at + 8:at + 8 + length]
    at += 8 + length
entries = zstd(packed, "-d")
assert entries.endswith(b"\x06\x00"), entries  # the end: well
data = zstd(entries[:-2] + b"\x03\x01\x00", "--zstd=wlog=17")  # references tracked
length = struct.pack("<I", len(data))
open(sys.argv[1], "wb").write(blob[:12] + length + struct.pack("<I", zlib.crc32(length + data)) + data)
END
	run --separate-stderr "$pinleak" replay "$recording"
	[ "$status" -eq 3 ]
	[[ $output == *"summary of "* ]]
	[[ $stderr =~ "this pinleak decides otherwise from "[0-9:]{8}" on" ]]
	[[ $stderr == *"the recording was made by 0."* ]]
}

@test "a full disk ends the recording, not the watch, and the status tells" {
	[ -w /dev/full ] || skip "no /dev/full"
	run --separate-stderr "$pinleak" record --track never --interval 20ms --for 200ms /dev/full
	[ "$status" -eq 3 ]
	[[ $output == *"summary of "* ]]
	[[ $stderr == *"the recording ends here, the watch goes on: No space left on device"* ]]
	cd "$BATS_TEST_TMPDIR"
	(ulimit -f 0 && "$pinleak" record --track never --for 100ms large) 2>&1 | cat >shown || true
	grep -q 'the watch goes on: File too large' shown
	grep -q '^\[.*summary of ' shown
}

@test "a recording that is killed is replayed up to its last seconds" {
	"$pinleak" record --track never --interval 1s --samples "$BATS_TEST_TMPDIR/killed" \
		>"$BATS_TEST_TMPDIR/live" 2>/dev/null &
	background=$!
	wait_for_line "$BATS_TEST_TMPDIR/live" outstanding
	for ((i = 0; i < 140 && $(wc -l <"$BATS_TEST_TMPDIR/live") < 8; i++)); do sleep 0.1; done
	kill -KILL "$background"
	wait "$background" || true
	run --separate-stderr "$pinleak" replay --samples "$BATS_TEST_TMPDIR/killed"
	[ "$status" -eq 3 ]
	[ "$(grep -c outstanding <<<"$output")" -ge 4 ]
	[[ $output == *"summary of "* ]]
	[[ $stderr == *"it is cut off"* ]]
}

@test "names of recordings never reach the terminal raw" {
	for name in $'\e[31m' $'a\nb' $'\xff'; do
		: >"$BATS_TEST_TMPDIR/$name"
		for path in "$BATS_TEST_TMPDIR/$name" "$name"; do
			status=0
			"$pinleak" replay "$path" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
			[ "$status" -ge 2 ]
			harmless "$BATS_TEST_TMPDIR/said"
		done
	done
}

# ---- the configuration, the service, the journal ----------------------------------------------

@test "each wrong line of a configuration is told with its number" {
	cat >"$BATS_TEST_TMPDIR/conf" <<'CONF'
interval = 1s
[watch]
  interval = 2s ; and a comment
  interval = 3s
garbage
track = sometimes
json = maybe
on-verdict = sh -c "open
config = other
[watch
CONF
	printf 'samples = %300s\n' x >>"$BATS_TEST_TMPDIR/conf"
	run --separate-stderr "$pinleak" watch --check-config --config "$BATS_TEST_TMPDIR/conf"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[ "$(sed -E 's/.*conf:([0-9]+): .*/\1/' <<<"$stderr" | xargs)" = '1 4 5 6 7 8 9 10 11' ]
	[[ $stderr == *"conf:4: interval is given twice"* ]]
	[[ $stderr == *"conf:6: track = sometimes: expected auto always never"* ]]
	run --separate-stderr "$pinleak" watch --track never --for 1s --config "$BATS_TEST_TMPDIR/conf"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
}

@test "a configuration that is right is counted; one that is not there is an error" {
	printf '[watch]\ninterval=1s\njson = no\n' >"$BATS_TEST_TMPDIR/conf"
	run --separate-stderr "$pinleak" watch --check-config --config "$BATS_TEST_TMPDIR/conf"
	[ "$status" -eq 0 ]
	[ "$output" = "$BATS_TEST_TMPDIR/conf: 2 settings, nothing wrong" ]
	run --separate-stderr "$pinleak" watch --check-config --config "$root/systemd/pinleak.conf"
	[ "$status" -eq 0 ]
	run --separate-stderr "$pinleak" watch --config "$BATS_TEST_TMPDIR/none"
	[ "$status" -eq 2 ]
	[[ $stderr == *"none: No such file or directory"* ]]
	head -c 70000 /dev/zero >"$BATS_TEST_TMPDIR/large"
	run --separate-stderr "$pinleak" watch --config "$BATS_TEST_TMPDIR/large"
	[ "$status" -eq 2 ]
}

@test "the example has the keys of the option table and their defaults" {
	sed -E 's/^# ([a-z-]+ = )/\1/' "$root/systemd/pinleak.conf" >"$BATS_TEST_TMPDIR/conf"
	run --separate-stderr "$pinleak" watch --check-config --config "$BATS_TEST_TMPDIR/conf"
	[ "$status" -eq 0 ]
	[[ $output == *": 4 settings, nothing wrong" ]]
}

@test "SIGHUP reads the configuration again; what is wrong with it changes nothing" {
	local conf=$BATS_TEST_TMPDIR/conf out=$BATS_TEST_TMPDIR/out
	printf '[watch]\ninterval = 50ms\nsamples = yes\n' >"$conf"
	"$pinleak" watch --track never --config "$conf" >"$out" 2>&1 &
	background=$!
	wait_for_line "$out" 'level counters'
	printf '[watch]\ninterval = 50ms\nlevel = deep\n' >"$conf"
	kill -HUP "$background"
	wait_for_line "$out" 'conf was read again; some of it needs a new start'
	local before
	before=$(grep -c 'level counters' "$out")
	echo nonsense >>"$conf"
	kill -HUP "$background"
	wait_for_line "$out" 'conf:4: expected KEY = VALUE'
	wait_for_line "$out" 'the settings stay as they were'
	[ "$(grep -c 'level counters' "$out")" -le $((before + 1)) ]
	kill -INT "$background"
	wait "$background"
	background=
}

@test "the command line wins over the configuration" {
	printf '[watch]\nfor = 1000s\njson = yes\n' >"$BATS_TEST_TMPDIR/conf"
	run --separate-stderr timeout 60 "$pinleak" watch --track never --for 100ms --config "$BATS_TEST_TMPDIR/conf"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == '{"type":"sample"'* ]]
}

# told SECONDS OPTION...: what a service manager hears of a watch.
told() {
	/usr/bin/python3 - "$pinleak" "$@" <<'END'
import os, socket, subprocess, sys
path = os.path.join(os.environ["BATS_TEST_TMPDIR"], "notify")
heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
heard.bind(path)
heard.settimeout(0.1)
env = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}
p = subprocess.Popen([sys.argv[1], "watch", *sys.argv[2:]], env=env, stdout=subprocess.DEVNULL)
while True:
    try:
        print(heard.recv(4096).decode().replace("\n", " "))
    except socket.timeout:
        if p.poll() is not None:
            break
sys.exit(p.returncode)
END
}

@test "a service manager is told of the first look, of life between two looks, and of the end" {
	"$pinleak" watch --journal --for 10ms --track never >/dev/null || skip 'built without libsystemd'
	run --separate-stderr told --track never --interval 10s --for 2s
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "READY=1 WATCHDOG=1 STATUS=level counters, "*" pins outstanding, no driver leaks" ]]
	[ "$(grep -c '^WATCHDOG=1$' <<<"$output")" -ge 10 ]
	[[ $output == *"STOPPING=1 STATUS=ending"* ]]
	[ "$(grep -c READY=1 <<<"$output")" -eq 1 ]
}

@test "a command for verdicts is taken apart before anything is watched" {
	refused watch --on-verdict 'sh -c "open'
	refused watch --on-verdict ''
}

@test "the catalog explains the very message that verdicts have" {
	local id
	id=$(sed -n 's/.*JOURNAL_VERDICT "\(.*\)"/\1/p' "$root/journal.h")
	[[ $id =~ ^[0-9a-f]{32}$ ]]
	[ "$(grep -c "$id" "$root/systemd/pinleak.catalog")" -eq 2 ]
	grep -q "$id" "$root/man/pinleak-watch.1"
	command -v journalctl >/dev/null || skip 'no journalctl here'
	mkdir -p "$BATS_TEST_TMPDIR/root/usr/lib/systemd/catalog" "$BATS_TEST_TMPDIR/root/var/lib/systemd/catalog"
	cp "$root/systemd/pinleak.catalog" "$BATS_TEST_TMPDIR/root/usr/lib/systemd/catalog/"
	journalctl --root="$BATS_TEST_TMPDIR/root" --update-catalog
	run journalctl --root="$BATS_TEST_TMPDIR/root" --dump-catalog "$id"
	[[ $output == *"leaks locked I/O pages (error 729)"* ]]
}
