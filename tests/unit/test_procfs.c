// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <string.h>

#include "core/procfs.h"

static void test_frames_are_told_only_of_present_pages_with_a_number(void **state)
{
	uint64_t pfn;

	(void)state;
	assert_true(procfs_frame(1ULL << 63 | 1ULL << 61 | 1ULL << 56 | 0x12345, &pfn));
	assert_int_equal(pfn, 0x12345);
	assert_true(procfs_frame(~0ULL, &pfn));
	assert_int_equal(pfn, (1ULL << 55) - 1);
	assert_false(procfs_frame(0, &pfn));
	assert_false(procfs_frame(1ULL << 62 | 0x12345, &pfn)); /* swapped: a place in the swap */
	assert_false(procfs_frame(1ULL << 63, &pfn));		/* hidden from us */
	assert_int_equal(pfn, 0);
}

static void cgroup_is(const char *text, const char *wanted)
{
	char out[64];

	procfs_cgroup(text, out, sizeof(out));
	assert_string_equal(out, wanted);
}

static void test_cgroup_is_the_memory_controller_s_or_the_unified_one(void **state)
{
	(void)state;
	cgroup_is("0::/user.slice/a b:c\n", "/user.slice/a b:c");
	cgroup_is("0::/\n", "/");
	cgroup_is("12:cpu,memory:/v1\n1:name=systemd:/x\n0::/unified\n", "/v1");
	cgroup_is("0::/unified\n12:cpu,memory:/v1\n", "/v1");
	cgroup_is("3:memorylike:/x\n1:name=systemd:/x\n", "");
	cgroup_is("", "");
	cgroup_is("no colon\none:colon\n0::/here", "/here");
}

static void test_cgroup_is_cut_to_its_room(void **state)
{
	char out[5];

	(void)state;
	procfs_cgroup("0::/abcdef\n", out, sizeof(out));
	assert_string_equal(out, "/abc");
}

#define DEV(major, minor) ((major) << 20 | (minor))

static const char mounts[] = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
			     "23 22 0:5 / /dev rw - devtmpfs udev rw\n"
			     "24 22 8:2 /home/ann /srv/ann rw master:1 - ext4 /dev/sda2 rw\n"
			     "25 22 8:2 /home /home\\040of\\134all rw - ext4 /dev/sda2 rw\n"
			     "26 22 0:40 /x /bound rw - tmpfs none rw\n"
			     "27 22 0:40 / /whole rw - tmpfs none rw\n"
			     "28 22 0:40 / /again rw - tmpfs none rw\n"
			     "29 22 259:1048575 /only/file /run/file rw - xfs /dev/x rw\n";

static void mounted_is(uint32_t dev, const char *path, bool known, const char *wanted)
{
	char out[64];

	assert_int_equal(procfs_mounted(mounts, dev, path, out, sizeof(out)), known);
	assert_string_equal(out, wanted);
}

static void test_path_begins_at_the_mount_of_its_file_system(void **state)
{
	(void)state;
	mounted_is(DEV(8U, 1U), "/usr/lib/x", true, "/usr/lib/x");
	mounted_is(DEV(8U, 1U), "/", true, "/");
	mounted_is(DEV(0U, 5U), "/shm", true, "/dev/shm");
	mounted_is(DEV(0U, 5U), "/", true, "/dev");
}

static void test_mount_of_the_whole_goes_before_one_of_a_part(void **state)
{
	(void)state;
	mounted_is(DEV(0U, 40U), "/x/y", true, "/whole/x/y");
	mounted_is(DEV(8U, 2U), "/home/ann/f", true, "/home of\\all/ann/f");
}

static void test_mount_of_a_part_serves_what_is_in_it(void **state)
{
	(void)state;
	mounted_is(DEV(8U, 2U), "/home/bob", true, "/home of\\all/bob");
	mounted_is(DEV(8U, 2U), "/homes/bob", false, "/homes/bob");
	mounted_is(DEV(8U, 2U), "/var", false, "/var");
	mounted_is(DEV(259U, 1048575U), "/only/file", true, "/run/file");
}

static void test_what_is_mounted_nowhere_keeps_its_path(void **state)
{
	char out[8];

	(void)state;
	mounted_is(DEV(8U, 3U), "/x", false, "/x");
	assert_false(procfs_mounted("", DEV(8U, 1U), "/long/path", out, sizeof(out)));
	assert_string_equal(out, "/long/p");
	assert_false(procfs_mounted("1 1 8:1\n1 1 8:1 /\nx 8:1 / /\n", DEV(8U, 1U), "/a", out,
				    sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_told_only_of_present_pages_with_a_number),
		cmocka_unit_test(test_cgroup_is_the_memory_controller_s_or_the_unified_one),
		cmocka_unit_test(test_cgroup_is_cut_to_its_room),
		cmocka_unit_test(test_path_begins_at_the_mount_of_its_file_system),
		cmocka_unit_test(test_mount_of_the_whole_goes_before_one_of_a_part),
		cmocka_unit_test(test_mount_of_a_part_serves_what_is_in_it),
		cmocka_unit_test(test_what_is_mounted_nowhere_keeps_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
