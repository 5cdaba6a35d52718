// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "core/holder.h"

static struct holder_facts anon(const char *ops)
{
	return (struct holder_facts){.ops = ops, .module = "", .mode = 0600};
}

static struct holder_facts device(uint32_t major, const char *module, enum holder_reach reach)
{
	return (struct holder_facts){.ops = "x_fops",
				     .module = module,
				     .module_reach = reach,
				     .mode = S_IFCHR | 0600,
				     .rdev = major << 20};
}

static void is(struct holder_facts f, enum holder_kind kind, enum holder_reach reach)
{
	struct holder_class c = holder_classify(&f);

	assert_int_equal(c.kind, kind);
	assert_int_equal(c.reach, reach);
}

static void test_what_is_known_to_register_memory_can_pin(void **state)
{
	(void)state;
	is(anon("io_uring_fops"), HOLDER_IO_URING, HOLDER_PINS);
	is(anon("dma_buf_fops"), HOLDER_DMABUF, HOLDER_PINS);
	is(anon("kvm_vcpu_fops"), HOLDER_KVM, HOLDER_PINS);
	is(anon("aio_ring_fops"), HOLDER_DIRECT, HOLDER_IN_FLIGHT);
}

static void test_what_is_known_to_keep_nothing_is_harmless(void **state)
{
	struct holder_facts f = anon("eventpoll_fops");

	(void)state;
	is(f, HOLDER_OTHER, HOLDER_NOTHING);
	f.mode = S_IFREG | 0600; /* as from 6.16 on */
	is(f, HOLDER_OTHER, HOLDER_NOTHING);
}

static void test_unknown_file_of_the_kernel_could_pin(void **state)
{
	(void)state;
	is(anon("new_in_some_kernel_fops"), HOLDER_OTHER, HOLDER_PINS);
	is(anon(""), HOLDER_OTHER, HOLDER_PINS);
}

static void test_a_module_that_borrows_a_harmless_name_is_judged_by_its_calls(void **state)
{
	struct holder_facts f = anon("watchdog_fops");

	(void)state;
	f.module = "vendor";
	f.module_reach = HOLDER_PINS;
	is(f, HOLDER_OTHER, HOLDER_PINS);
	f.module_reach = HOLDER_NOTHING;
	is(f, HOLDER_OTHER, HOLDER_NOTHING);
}

static void test_device_is_judged_by_its_module(void **state)
{
	(void)state;
	is(device(240, "leaky", HOLDER_PINS), HOLDER_CHAR, HOLDER_PINS);
	is(device(116, "snd", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_NOTHING);
	is(device(240, "scsi", HOLDER_IN_FLIGHT), HOLDER_CHAR, HOLDER_IN_FLIGHT);
	is(device(240, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_PINS);
}

static void test_terminals_memory_and_input_are_harmless(void **state)
{
	(void)state;
	is(device(1, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_NOTHING);
	is(device(4, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_NOTHING);
	is(device(13, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_NOTHING);
	is(device(136, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_NOTHING);
	is(device(143, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_NOTHING);
	is(device(144, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_PINS);
	is(device(10, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_PINS);
	is(device(256 + 1, "", HOLDER_NOTHING), HOLDER_CHAR, HOLDER_PINS);
}

static void socket_is(uint16_t family, enum holder_kind kind, enum holder_reach reach)
{
	struct holder_facts f = {.ops = "socket_file_ops",
				 .module = "",
				 .mode = S_IFSOCK,
				 .family = family};

	is(f, kind, reach);
}

static void test_sockets_by_their_family(void **state)
{
	(void)state;
	socket_is(44, HOLDER_XDP, HOLDER_PINS);
	socket_is(21, HOLDER_SOCKET, HOLDER_PINS); /* RDS */
	socket_is(38, HOLDER_SOCKET, HOLDER_PINS); /* AF_ALG */
	socket_is(2, HOLDER_SOCKET, HOLDER_REFERENCES);
	socket_is(16, HOLDER_SOCKET, HOLDER_NOTHING);
	socket_is(0, HOLDER_SOCKET, HOLDER_PINS);
	socket_is(256 + 2, HOLDER_SOCKET, HOLDER_PINS);
}

static void test_direct_io_is_in_flight_only(void **state)
{
	struct holder_facts f = {.ops = "ext4_file_operations",
				 .module = "ext4",
				 .mode = S_IFREG | 0644,
				 .flags = O_DIRECT};

	(void)state;
	is(f, HOLDER_DIRECT, HOLDER_IN_FLIGHT);
	f.mode = S_IFBLK;
	f.flags = 0;
	is(f, HOLDER_BLOCK, HOLDER_IN_FLIGHT);
	f.mode = S_IFIFO;
	is(f, HOLDER_PIPE, HOLDER_REFERENCES);
}

static void test_imports_tell_what_a_module_can_hold(void **state)
{
	(void)state;
	assert_int_equal(holder_import("x", "pin_user_pages_fast"), HOLDER_PINS);
	assert_int_equal(holder_import("x", "memfd_pin_folios"), HOLDER_PINS);
	assert_int_equal(holder_import("tee", "iov_iter_extract_pages"), HOLDER_PINS);
	assert_int_equal(holder_import("netfs", "iov_iter_extract_pages"), HOLDER_IN_FLIGHT);
	assert_int_equal(holder_import("netfs", "pin_user_pages"), HOLDER_PINS);
	assert_int_equal(holder_import("9pnet_virtio", "iov_iter_get_pages_alloc2"),
			 HOLDER_IN_FLIGHT);
	assert_int_equal(holder_import("nfs", "iov_iter_get_pages_alloc2"), HOLDER_REFERENCES);
	assert_int_equal(holder_import("drm", "dma_buf_get"), HOLDER_PINS);
	assert_int_equal(holder_import("sg", "blk_rq_map_user_io"), HOLDER_IN_FLIGHT);
	assert_int_equal(holder_import("x", "get_user_pages_fast"), HOLDER_REFERENCES);
	assert_int_equal(holder_import("x", "unpin_user_page"), HOLDER_NOTHING);
	assert_int_equal(holder_import("x", "printk"), HOLDER_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_known_to_register_memory_can_pin),
		cmocka_unit_test(test_what_is_known_to_keep_nothing_is_harmless),
		cmocka_unit_test(test_unknown_file_of_the_kernel_could_pin),
		cmocka_unit_test(test_a_module_that_borrows_a_harmless_name_is_judged_by_its_calls),
		cmocka_unit_test(test_device_is_judged_by_its_module),
		cmocka_unit_test(test_terminals_memory_and_input_are_harmless),
		cmocka_unit_test(test_sockets_by_their_family),
		cmocka_unit_test(test_direct_io_is_in_flight_only),
		cmocka_unit_test(test_imports_tell_what_a_module_can_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
