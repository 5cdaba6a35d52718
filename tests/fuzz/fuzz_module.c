// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* The file of a module: its signature, its sections, its strings and its initial values. */
#include <stdio.h>
#include <string.h>

#include "core/elf64.h"
#include "core/initial.h"
#include "core/modinfo.h"
#include "core/signature.h"
#include "fuzz.h"
#include "unit/modelf.h"

size_t fuzz_seed(unsigned nth, uint8_t *out, size_t room)
{
	uint8_t file[MODELF_ROOM];
	size_t size = modelf_make(file);

	if (nth == 1)
		size = modelf_sign(file, size);
	if (nth > 1 || size > room)
		return 0;
	memcpy(out, file, size);
	return size;
}

static void check_strings(const char *text, size_t size, const char *module, const struct elf64 *e)
{
	struct modinfo m;
	char value[64];

	if (!modinfo_parse(text, size, module, &m))
		for (size_t i = 0; i < m.nr; i++) {
			FUZZ_CHECK(memchr(m.params[i].text, '\0', sizeof(m.params[i].text)));
			FUZZ_CHECK(modinfo_param(&m, m.params[i].name) == &m.params[i]);
			if (e && initial_value(e, m.params[i].name, value, sizeof(value)))
				FUZZ_CHECK(memchr(value, '\0', sizeof(value)));
		}
	FUZZ_CHECK(m.nr <= MODINFO_PARAMS);
	modinfo_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = {"count", "name", "on", "own", "list"};
	struct elf64_section info;
	struct signature s;
	struct elf64 e;
	char value[8];
	size_t covered = signature_read(data, size, &s);

	FUZZ_CHECK(covered <= size && (s.there || covered == size));
	FUZZ_CHECK(memchr(s.signer, '\0', sizeof(s.signer)) && memchr(s.key, '\0', sizeof(s.key)));
	check_strings((const char *)data, size, "leaky", NULL);
	if (elf64_open(data, covered, &e))
		return 0;
	for (size_t i = 0; i < sizeof(params) / sizeof(*params); i++)
		initial_value(&e, params[i], value, sizeof(value));
	if (elf64_find(&e, ".modinfo", &info) && info.bytes)
		check_strings((const char *)info.bytes, info.size, NULL, &e);
	return 0;
}
