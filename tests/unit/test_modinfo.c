// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/elf64.h"
#include "core/initial.h"
#include "core/modinfo.h"
#include "core/signature.h"
#include "modelf.h"

static void test_strings_are_read_and_parameters_joined_in_any_order(void **state)
{
	static const char text[] = "version=1.0\0parm=a:First: of two\0parmtype=b:uint\0"
				   "parmtype=a:int\0license=GPL\0license=again\0intree=Y\0nothing";
	struct modinfo m;

	(void)state;
	assert_int_equal(modinfo_parse(text, sizeof(text), NULL, &m), 0);
	assert_string_equal(m.version, "1.0");
	assert_string_equal(m.license, "GPL");
	assert_true(m.intree);
	assert_false(m.cut);
	assert_int_equal(m.nr, 2);
	assert_string_equal(modinfo_param(&m, "a")->type, "int");
	assert_string_equal(modinfo_param(&m, "a")->text, "First: of two");
	assert_string_equal(modinfo_param(&m, "b")->type, "uint");
	assert_null(modinfo_param(&m, "c"));
	modinfo_free(&m);
}

static void test_of_what_is_built_in_only_the_modules_own_strings_count(void **state)
{
	static const char text[] =
		"one.license=A\0snd-two.license=B\0snd_two.parm=x:text\0snd.parm=y:";
	struct modinfo m;

	(void)state;
	assert_int_equal(modinfo_parse(text, sizeof(text), "snd_two", &m), 0);
	assert_string_equal(m.license, "B");
	assert_int_equal(m.nr, 1);
	modinfo_free(&m);
	assert_int_equal(modinfo_parse(text, sizeof(text), "nobody", &m), -ENOENT);
	modinfo_free(&m);
}

static void test_what_is_too_long_or_has_no_end_is_cut_and_said_to_be(void **state)
{
	char text[200];
	struct modinfo m;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "license=", 8);
	assert_int_equal(modinfo_parse(text, sizeof(text), NULL, &m), 0);
	assert_int_equal(strlen(m.license), sizeof(m.license) - 1);
	assert_true(m.cut);
	modinfo_free(&m);
	assert_int_equal(modinfo_parse("license=GPL", 11, NULL, &m), 0);
	assert_string_equal(m.license, "GPL");
	assert_true(m.cut);
	modinfo_free(&m);
}

static void
test_several_descriptions_are_joined_the_same_one_once_and_cut_where_there_is_no_room(void **state)
{
	static const char few[] = "description=One\0description=Two\0description=One\0description=";
	char many[64 * 21] = "", one[32];
	struct modinfo m;

	(void)state;
	assert_int_equal(modinfo_parse(few, sizeof(few), NULL, &m), 0);
	assert_string_equal(m.description, "One; Two");
	assert_false(m.cut);
	modinfo_free(&m);
	for (int i = 0; i < 64; i++) {
		snprintf(one, sizeof(one), "description=%08d", i);
		memcpy(many + i * 21, one, 21);
	}
	assert_int_equal(modinfo_parse(many, sizeof(many), NULL, &m), 0);
	assert_int_equal(strlen(m.description), 25 * 10 + 5);
	assert_true(m.cut);
	modinfo_free(&m);
}

static void test_a_files_section_and_initial_values_are_found(void **state)
{
	uint8_t file[MODELF_ROOM];
	size_t size = modelf_make(file);
	struct elf64 e;
	struct elf64_section s;
	struct modinfo m;
	char value[16];

	(void)state;
	assert_int_equal(elf64_open(file, size, &e), 0);
	assert_true(elf64_find(&e, ".modinfo", &s));
	assert_int_equal(modinfo_parse((const char *)s.bytes, s.size, NULL, &m), 0);
	assert_string_equal(m.version, "1.2");
	assert_int_equal(m.nr, 2);
	modinfo_free(&m);
	assert_true(initial_value(&e, "count", value, sizeof(value)));
	assert_string_equal(value, "-7");
	assert_true(initial_value(&e, "name", value, sizeof(value)));
	assert_string_equal(value, "abc");
	assert_true(initial_value(&e, "on", value, sizeof(value)));
	assert_string_equal(value, "N");
	assert_true(initial_value(&e, "list", value, sizeof(value)));
	assert_string_equal(value, "1,-2");
	assert_false(initial_value(&e, "list", value, 4)); /* no room for all of it */
	assert_false(initial_value(&e, "own", value, sizeof(value)));
	assert_false(initial_value(&e, "nothing", value, sizeof(value)));
	assert_false(elf64_find(&e, ".nothing", &s));
}

static void test_a_file_cut_anywhere_is_refused_or_read_within_its_bounds(void **state)
{
	uint8_t file[MODELF_ROOM];
	size_t size = modelf_make(file);
	struct elf64 e;

	(void)state;
	assert_int_equal(elf64_open("#!/bin/sh, a file of text", 25, &e), -ENOEXEC);
	for (size_t n = 0; n < size; n++) {
		uint8_t *exact = malloc(n + 1);
		char value[16];
		int err;

		memcpy(exact, file, n);
		err = elf64_open(exact, n, &e);
		assert_true(err == -EBADMSG || err == -ENOEXEC);
		if (!err)
			initial_value(&e, "name", value, sizeof(value));
		free(exact);
	}
}

static void test_a_signature_tells_signer_key_and_hash_and_what_it_covers(void **state)
{
	uint8_t file[MODELF_ROOM];
	size_t size = modelf_make(file), whole;
	struct signature s;

	(void)state;
	assert_int_equal(signature_read(file, size, &s), size);
	assert_false(s.there);
	whole = modelf_sign(file, size);
	assert_int_equal(signature_read(file, whole, &s), size);
	assert_true(s.there);
	assert_string_equal(s.type, "PKCS#7");
	assert_string_equal(s.signer, "Someone X");
	assert_string_equal(s.key, "01:02");
	assert_string_equal(s.hash, "sha256");
}

static void test_a_signature_that_claims_more_than_the_file_is_there_and_unread(void **state)
{
	uint8_t file[MODELF_ROOM];
	size_t size = modelf_sign(file, modelf_make(file));
	struct signature s;

	(void)state;
	file[size - 28 - 4] = 0xff; /* the highest byte of its length */
	assert_int_equal(signature_read(file, size, &s), size - 28 - 12);
	assert_true(s.there);
	assert_string_equal(s.signer, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings_are_read_and_parameters_joined_in_any_order),
		cmocka_unit_test(test_of_what_is_built_in_only_the_modules_own_strings_count),
		cmocka_unit_test(test_what_is_too_long_or_has_no_end_is_cut_and_said_to_be),
		cmocka_unit_test(
			test_several_descriptions_are_joined_the_same_one_once_and_cut_where_there_is_no_room),
		cmocka_unit_test(test_a_files_section_and_initial_values_are_found),
		cmocka_unit_test(test_a_file_cut_anywhere_is_refused_or_read_within_its_bounds),
		cmocka_unit_test(test_a_signature_tells_signer_key_and_hash_and_what_it_covers),
		cmocka_unit_test(
			test_a_signature_that_claims_more_than_the_file_is_there_and_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
