#!/usr/bin/env bats
# vm/run and vm/kernel, by really booting kernels: a minute or so. A boot is some seconds, so a test
# of what holds inside the guest looks at several things in one.

bats_require_minimum_version 1.5.0

setup_file() {
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	export root
	# Fetching is no test's time.
	"$root/vm/kernel" 6.12 >/dev/null
	"$root/vm/kernel" 6.1 >/dev/null
}

vm() { "$root/vm/run" "$@"; }

# A command of this test's own, in a directory whose name needs quoting.
script() {
	dir="$BATS_TEST_TMPDIR/it's a \"dir\""
	mkdir -p "$dir"
	cd "$dir"
	cat >script
	chmod +x script
}

hex() { od -An -v -tx1 | tr -d ' \n'; }

@test "arguments, directory and environment arrive as they are" {
	script <<'END'
#!/bin/bash
printf '[%s]' "$#" "$@" "$PWD" "$PINLEAK_SEEN" "$GIVEN" "$TAKEN" "${LEFT-unset}" "$TERM" "$(id -u)"
exec 2>&1
cat <&0
echo
END
	export PINLEAK_SEEN='a  b' TAKEN=$'two\nlines' LEFT=left
	run vm --env 'GIVEN=x="y"' --env TAKEN -- ./script 'two words' '' "it's" '"$HOME" \ `id`' $'new\nline' '*' 'é' -- --help
	[ "$status" -eq 0 ]
	[ "$output" = "[9][two words][][it's][\"\$HOME\" \\ \`id\`]["$'new\nline'"][*][é][--][--help][$dir][a  b][x=\"y\"]["$'two\nlines'"][unset][dumb][0]" ]
}

@test "both streams come through apart and byte for byte, then the status" {
	local bytes='' i
	for ((i = 1; i < 256; i++)); do
		printf -v bytes '%s%b' "$bytes" "\\x$(printf %x "$i")"
	done
	script <<'END'
#!/bin/bash
for ((i = 0; i < 256; i++)); do
	printf "\\x$(printf %x "$i")"
	printf "\\x$(printf %x $((255 - i)))" >&2
done
printf '\n%s\n' "$1" >&2
head -c 3000000 /dev/zero
echo 'to a name' >/dev/stderr
sleep 1000 & # left running, with both streams open
printf 'no newline at the end'
exit 255
END
	status=0
	vm -- ./script "$bytes" >out 2>err || status=$?
	[ "$status" -eq 255 ]
	[ "$(head -c 256 out | hex)" = "$(printf %02x {0..255})" ]
	[ "$(head -c 256 err | hex)" = "$(printf %02x {255..0})" ]
	[ "$(tail -c +258 err | head -c 255 | hex)" = "$(printf %02x {1..255})" ]
	[ "$(tail -c +514 err)" = 'to a name' ]
	[ "$(wc -c <out)" -eq $((256 + 3000000 + 21)) ]
	[ "$(tail -c 21 out)" = 'no newline at the end' ]
}

@test "output is seen while the command runs, and the guest ends when nobody reads it any more" {
	run bash -c "'$root/vm/run' -- sh -c 'echo first; while sleep 0.1; do echo more; done' | head -n 1; echo \${PIPESTATUS[0]}"
	[ "$output" = $'first\n141' ]
}

@test "6.12: modules load by hand and by themselves, BPF and BTF are there, files of the kernel are mounted" {
	script <<'END'
#!/bin/bash
set -e
uname -r
sh -c 'readlink "/proc/$$/exe"; type dmesg'
modprobe null_blk
test -b /dev/nullb0
grep -q ^dummy /proc/modules && exit 40
ip link add d0 type dummy # the kernel calls modprobe
grep -q ^dummy /proc/modules
test -s /sys/kernel/btf/vmlinux
bpftool prog list
grep -q . /sys/kernel/tracing/available_events
test -d /sys/kernel/debug/tracing
test -e /sys/fs/cgroup/cgroup.controllers
mountpoint -q /sys/fs/bpf
mountpoint -q /dev/shm
: >/dev/ptmx
ip -br addr show lo | grep -q 127.0.0.1
echo written >/tmp/of-the-guest
echo written >>script
exit 3
END
	run vm --kernel 6.12 -- ./script
	[ "$status" -eq 3 ]
	[[ ${lines[0]} == 6.12.*-amd64 ]]
	[ "${lines[1]}" = "$(readlink -f /bin/sh)" ]
	[ "${lines[2]}" = "dmesg is $(type -P dmesg)" ]
	[ ! -e /tmp/of-the-guest ]
	! grep -q '^written' script
}

@test "6.1 is another kernel, and a signal's status is 128 and its number" {
	run vm --kernel 6.1 --cpus 1 --memory 1024 -- sh -c 'uname -r; modprobe null_blk && ls /dev/nullb0; nproc; kill -9 $$'
	[ "$status" -eq 137 ]
	[[ ${lines[0]} == 6.1.*-amd64 ]]
	[ "${lines[1]}" = /dev/nullb0 ]
	[ "${lines[2]}" = 1 ]
}

@test "a panic while the command runs is 121, with what went before it and the kernel's words" {
	run --separate-stderr vm -- sh -c 'echo before; sleep 5; echo c >/proc/sysrq-trigger; echo after'
	[ "$status" -eq 121 ]
	[ "$output" = before ]
	[[ $stderr == *"vm/run: the guest's kernel panicked (Kernel panic"*'sysrq triggered crash'*') while the command ran' ]]
}

@test "a command that takes too long is 122" {
	run --separate-stderr vm --timeout 10 -- sh -c 'echo before; sleep 1000'
	[ "$status" -eq 122 ]
	[ "$output" = before ]
	[[ $stderr == *'vm/run: the command took longer than 10 s'* ]]
}

@test "a guest that does not come up is tried three times, then 120" {
	run vm --append rdinit=/nonexistent -- true
	[ "$status" -eq 120 ]
	[[ $output == *'(try 3 of 3)'*'Kernel panic'*'vm/run: the guest did not come up'* ]]
	run vm --qemu '-device no-such-device' -- true
	[ "$status" -eq 120 ]
	[[ $output == *no-such-device* ]]
}

@test "told to end, it takes qemu and its files with it" {
	export TMPDIR=$BATS_TEST_TMPDIR
	cd "$TMPDIR"
	"$root/vm/run" -- sh -c 'echo up; sleep 1000' >up &
	run=$!
	for ((i = 0; i < 3000; i++)); do
		[ ! -s up ] || break
		sleep 0.1
	done
	[ -s up ]
	qemu=$(pgrep -f "$TMPDIR/pinleak-vm.*/[c]onsole" | wc -l)
	[ "$qemu" -gt 0 ]
	kill -TERM "$run"
	status=0
	wait "$run" || status=$?
	[ "$status" -eq 143 ]
	! pgrep -f "$TMPDIR/pinleak-vm.*/[c]onsole"
	! ls -d "$TMPDIR"/pinleak-vm.*
}

@test "wrong usage is 2 and says what to do" {
	for wrong in '' '--' '--no-such -- true' '--kernel' '--kernel ../x -- true' '--memory much -- true' \
		'--timeout 0 -- true' '--env 1=2 -- true'; do
		# shellcheck disable=SC2086 # several words on purpose
		run vm $wrong
		[ "$status" -eq 2 ]
		[[ $output == *vm/* ]]
	done
	run "$root/vm/kernel"
	[ "$status" -eq 2 ]
	run "$root/vm/kernel" 6.12 6.1
	[ "$status" -eq 2 ]
}

@test "--help of all three names every exit status" {
	run vm --help
	[ "$status" -eq 0 ]
	for code in 120 121 122 123 ' 2 '; do
		[[ $output == *"$code"* ]]
	done
	run "$root/vm/kernel" --help
	[ "$status" -eq 0 ]
	run "$root/setup" --help
	[ "$status" -eq 0 ]
}

@test "a machine without qemu is 123 and is told of ./setup" {
	PATH=$BATS_TEST_TMPDIR run -123 /bin/bash "$root/vm/run" -- true
	[[ $output == *qemu-system-x86_64*'./setup'* ]]
}

@test "a kernel that was fetched needs neither apt nor any other program" {
	dir=$(PATH=$BATS_TEST_TMPDIR /bin/bash "$root/vm/kernel" 6.12)
	[ -r "$dir/vmlinuz" ]
	read -r release <"$dir/release"
	[ "$(PATH=$BATS_TEST_TMPDIR /bin/bash "$root/vm/kernel" "${release%-amd64}")" = "$dir" ]
}
