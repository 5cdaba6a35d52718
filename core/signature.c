// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "signature.h"

#include <stdio.h>
#include <string.h>

#define MARKER	   "~Module signature appended~\n"
#define MARKER_LEN (sizeof(MARKER) - 1)
#define TRAILER	   12 /* struct module_signature: five numbers, padding, be32 length */
#define ID_PKCS7   2  /* enum pkey_id_type of include/linux/verification.h */

/* Tags of X.690 */
#define INTEGER	 0x02
#define OID	 0x06
#define SEQUENCE 0x30
#define SET	 0x31
#define KEY_ID	 0x80 /* [0] of SignerIdentifier */

struct der {
	const uint8_t *at, *end;
};

/* The next element; lengths of more than four bytes are refused. False: there is none. */
static bool der_next(struct der *d, uint8_t *tag, struct der *body)
{
	size_t left = (size_t)(d->end - d->at), length, more = 0;

	if (left < 2)
		return false;
	*tag = d->at[0];
	length = d->at[1];
	if (length & 0x80) {
		more = length & 0x7f;
		if (!more || more > 4 || left < 2 + more)
			return false;
		length = 0;
		for (size_t i = 0; i < more; i++)
			length = length << 8 | d->at[2 + i];
	}
	if (length > left - 2 - more)
		return false;
	body->at = d->at + 2 + more;
	body->end = d->at = body->at + length;
	return true;
}

static bool der_enter(struct der *d, uint8_t want, struct der *body)
{
	uint8_t tag;

	return der_next(d, &tag, body) && tag == want;
}

static bool der_is(const struct der *d, const char *bytes, size_t len)
{
	return (size_t)(d->end - d->at) == len && !memcmp(d->at, bytes, len);
}

/* A Name is a sequence of sets of (type, value); 2.5.4.3 is commonName. */
static void read_name(struct der name, char *out, size_t size)
{
	struct der set, pair, type, value;
	uint8_t tag;

	while (der_enter(&name, SET, &set))
		if (der_enter(&set, SEQUENCE, &pair) && der_enter(&pair, OID, &type) &&
		    der_is(&type, "\x55\x04\x03", 3) && der_next(&pair, &tag, &value))
			snprintf(out, size, "%.*s", (int)(value.end - value.at), value.at);
}

static void read_bytes(const struct der *d, char *out, size_t size)
{
	size_t n = 0;

	for (const uint8_t *at = d->at; at < d->end && n + 4 <= size; at++)
		n += (size_t)snprintf(out + n, size - n, "%s%02X", n ? ":" : "", *at);
}

static void read_hash(struct der algorithm, char *out, size_t size)
{
	static const char *const sha2[] = {[1] = "sha256", "sha384", "sha512", "sha224"};
	static const char *const sha3[] = {[7] = "sha3-224", "sha3-256", "sha3-384", "sha3-512"};
	struct der oid;
	uint8_t last;

	/* 2.16.840.1.101.3.4.2.N are NIST's; 1.3.14.3.2.26 is SHA-1 */
	if (!der_enter(&algorithm, OID, &oid))
		return;
	if (der_is(&oid, "\x2b\x0e\x03\x02\x1a", 5))
		snprintf(out, size, "sha1");
	if (oid.end - oid.at != 9 || memcmp(oid.at, "\x60\x86\x48\x01\x65\x03\x04\x02", 8) != 0)
		return;
	last = oid.at[8];
	if (last >= 1 && last <= 4)
		snprintf(out, size, "%s", sha2[last]);
	else if (last >= 7 && last <= 10)
		snprintf(out, size, "%s", sha3[last]);
}

/* SignerInfo of RFC 5652: version, who, digest algorithm, ... */
static void read_signer(struct der info, struct signature *out)
{
	struct der version, who, issuer, serial, algorithm;
	uint8_t tag;

	if (!der_enter(&info, INTEGER, &version) || !der_next(&info, &tag, &who))
		return;
	if (tag == SEQUENCE && der_enter(&who, SEQUENCE, &issuer)) {
		read_name(issuer, out->signer, sizeof(out->signer));
		if (der_enter(&who, INTEGER, &serial))
			read_bytes(&serial, out->key, sizeof(out->key));
	} else if (tag == KEY_ID) {
		read_bytes(&who, out->key, sizeof(out->key));
	}
	if (der_enter(&info, SEQUENCE, &algorithm))
		read_hash(algorithm, out->hash, sizeof(out->hash));
}

/* ContentInfo { OID, [0] SignedData { version, algorithms, content, ..., SET of SignerInfo } } */
static void read_pkcs7(struct der d, struct signature *out)
{
	struct der all, type, content, data, part, info;
	uint8_t tag, last = 0;

	if (!der_enter(&d, SEQUENCE, &all) || !der_enter(&all, OID, &type) ||
	    !der_next(&all, &tag, &content) || !der_enter(&content, SEQUENCE, &data))
		return;
	while (der_next(&data, &tag, &part)) {
		last = tag;
		info = part;
	}
	if (last == SET && der_enter(&info, SEQUENCE, &part))
		read_signer(part, out);
}

size_t signature_read(const uint8_t *file, size_t size, struct signature *out)
{
	const uint8_t *trailer;
	size_t length;

	*out = (struct signature){0};
	if (size < TRAILER + MARKER_LEN ||
	    memcmp(file + size - MARKER_LEN, MARKER, MARKER_LEN) != 0)
		return size;
	trailer = file + size - MARKER_LEN - TRAILER;
	length = (size_t)trailer[8] << 24 | (size_t)trailer[9] << 16 | (size_t)trailer[10] << 8 |
		 trailer[11];
	out->there = true;
	snprintf(out->type, sizeof(out->type), "%s", trailer[2] == ID_PKCS7 ? "PKCS#7" : "unknown");
	if (length > (size_t)(trailer - file))
		return size - MARKER_LEN - TRAILER;
	if (trailer[2] == ID_PKCS7)
		read_pkcs7((struct der){trailer - length, trailer}, out);
	return size - MARKER_LEN - TRAILER - length;
}
