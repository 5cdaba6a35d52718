// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "serving.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/errors.h"

#define TOKEN_LEAST 16 /* characters */

/* ---- the command line ----------------------------------------------------------------- */

int serving_listen(const struct command *c, const struct option_row *row, const char *value,
		   struct serving_settings *s)
{
	if (listen_parse(value, &s->at))
		return option_bad(c, row, value,
				  "an address and a port, like 127.0.0.1:9729 or [::1]:9729");
	s->on = true;
	return STATUS_OK;
}

int serving_allow(const struct command *c, const struct option_row *row, const char *value,
		  struct serving_settings *s)
{
	if (!host_is_name(value))
		return option_bad(c, row, value, "a name of this machine, without a port");
	if (s->nr_hosts == SERVING_HOSTS)
		return option_bad(c, row, value, "sixteen names at most");
	s->hosts[s->nr_hosts++] = value;
	return STATUS_OK;
}

static int bad_token(const struct command *c, const struct serving_settings *s, const char *why)
{
	return usage_error(c, ERROR_INVALID_PARAMETER, "--token-file %s: %s", s->token_file, why);
}

/* The first line, without the blanks after it. */
static int read_token(const struct command *c, struct serving_settings *s)
{
	FILE *f = fopen(s->token_file, "re");
	struct stat st;
	char line[SERVING_TOKEN + 2] = "";
	size_t len;

	if (!f || fstat(fileno(f), &st)) {
		int err = errno;

		if (f)
			fclose(f);
		return usage_error(c, ERROR_FILE_NOT_FOUND, "--token-file %s: %s", s->token_file,
				   strerror(err));
	}
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, " \t\r\n")] = '\0';
	len = strlen(line);
	if (S_ISREG(st.st_mode) && st.st_mode & 077)
		return bad_token(c, s, "others may read it: chmod 600");
	if (len < TOKEN_LEAST || len > SERVING_TOKEN)
		return bad_token(c, s, "a token of 16 to 256 characters is expected");
	for (size_t i = 0; i < len; i++)
		if (line[i] < '!' || line[i] > '~')
			return bad_token(c, s, "a token has letters, digits and punctuation only");
	memcpy(s->token, line, len + 1);
	return STATUS_OK;
}

int serving_check(const struct command *c, struct serving_settings *s)
{
	if (!s->on && (s->token_file || s->nr_hosts))
		return usage_error(c, ERROR_INVALID_PARAMETER,
				   "--token-file and --allow-host need --listen");
	if (s->on && !s->at.loopback && !s->token_file)
		return usage_error(c, ERROR_INVALID_PARAMETER,
				   "--listen %s: others could read it: --token-file is needed",
				   s->at.host);
	return s->token_file ? read_token(c, s) : STATUS_OK;
}

/* ---- the beginning and the end -------------------------------------------------------- */

int serving_start(struct serving *v, const struct serving_settings *set, const struct render *r,
		  uint64_t interval_ns, struct tee *tee)
{
	struct server_settings server = {.at = set->at,
					 .token = set->token_file ? set->token : NULL,
					 .hosts = set->hosts};
	int err;

	if (!set->on)
		return STATUS_OK;
	v->state = state_create(r, interval_ns);
	err = v->state ? server_start(&server, v->state, &v->server) : -ENOMEM;
	if (!err) {
		tee_add(tee, &state_reporter, v->state);
		return STATUS_OK;
	}
	fprintf(stderr, "pinleak: cannot listen on %s: %s\n", set->at.host, strerror(-err));
	if (err == -EADDRINUSE)
		fprintf(stderr, "  is another one there? choose another port: --listen %s:PORT\n",
			set->at.host);
	return STATUS_CANNOT;
}

void serving_stop(struct serving *v)
{
	server_stop(v->server);
	state_destroy(v->state);
	*v = (struct serving){0};
}

void serving_set_clock(struct serving *v, const struct render *r, int64_t step)
{
	if (v->state)
		state_set_clock(v->state, r->real_offset, step);
}

void serving_tell(const struct serving *v, FILE *to)
{
	char url[SERVER_URL];

	if (!v->server)
		return;
	server_url(v->server, url);
	fprintf(to, "pinleak serves %s\n", url);
	fflush(to);
}
