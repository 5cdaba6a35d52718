/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Who signed a module, by what stands at the end of its file (kernel/module_signature.c). Nothing
 * is verified: the kernel did that, or did not, when it loaded the module.
 */
#ifndef PINLEAK_CORE_SIGNATURE_H
#define PINLEAK_CORE_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct signature {
	bool there;
	char type[16];	  /* "PKCS#7"; "unknown" */
	char signer[128]; /* common name of the certificate's issuer; "" when it cannot be read */
	char key[192];	  /* serial number of the certificate, "3B:0F:..." */
	char hash[16];	  /* "sha256" */
};

/* Never fails: what cannot be read is "". Returns the bytes of the file without its signature. */
size_t signature_read(const uint8_t *file, size_t size, struct signature *out);

#endif
