// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "deadlines.h"
#include "metrics.h"
#include "readers.h"
#include "web.h"

#define BACKLOG	 64
#define TIMEOUT	 30   /* s without a byte; longer than a reader of events is left in silence */
#define TICK	 1000 /* ms between two looks at the deadlines */
#define HOSTS	 32
#define JSON	 "application/json"
#define EVENTS	 "text/event-stream"
#define SVG	 "image/svg+xml; charset=utf-8"
#define INCIDENT "/api/v1/incidents/"
#define FLAME	 "/flame.svg"

struct server {
	struct server_settings set;
	struct state *state;
	struct MHD_Daemon *daemon;
	struct deadlines *deadlines;
	struct readers *readers;
	struct served served; /* by the thread that answers */
	uint64_t timeouts;    /* by the same */
	const char *hosts[HOSTS + 2];
	int socket;
	uint16_t port;
	pthread_t keeper;
	bool kept;	/* the keeper runs */
	bool ending;	/* atomic */
	size_t pending; /* atomic: bytes of answers that are not sent yet */
};

/* A request, as far as it is of interest. */
struct request {
	struct server *server;
	struct MHD_Connection *connection;
	const char *path;
	const char *host;
	unsigned nr_hosts;
	const char *since; /* of the query */
	unsigned nr_since;
	bool strange; /* the query has something else */
};

/* ---- answers -------------------------------------------------------------------------- */

static void count_answer(struct server *s, unsigned code)
{
	size_t i = 0;

	while (served_codes[i] && served_codes[i] != code)
		i++;
	s->served.by_code[i]++;
}

/* What every answer carries; a page of this server may load from this server only. */
static void add_headers(struct MHD_Response *r, const char *type)
{
	static const char *const headers[][2] = {
		{"Content-Security-Policy",
		 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
		 "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Cache-Control", "no-store"},
		{"Connection", "close"}, /* a deadline is that of one request */
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		MHD_add_response_header(r, headers[i][0], headers[i][1]);
	MHD_add_response_header(r, "Content-Type", type);
}

static enum MHD_Result send_response(const struct request *q, unsigned code, const char *type,
				     struct MHD_Response *r)
{
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	add_headers(r, type);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	if (code == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
	if (code == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(r, "Retry-After", "5");
	count_answer(q->server, code);
	result = MHD_queue_response(q->connection, code, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result send_fixed(const struct request *q, unsigned code, const char *type,
				  const void *data, size_t size)
{
	return send_response(q, code, type,
			     MHD_create_response_from_buffer(size, (void *)data,
							     MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result send_error(const struct request *q, unsigned code, const char *text)
{
	return send_fixed(q, code, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result send_busy(const struct request *q)
{
	return send_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "busy: try again in some seconds\n");
}

/* A text that is counted until it has been sent. */
struct pending {
	struct server *server;
	struct body body;
};

static void free_pending(void *ctx)
{
	struct pending *p = ctx;

	__atomic_sub_fetch(&p->server->pending, p->body.size, __ATOMIC_RELAXED);
	free(p->body.data);
	free(p);
}

static enum MHD_Result send_body(const struct request *q, const char *type, int err,
				 struct body *body)
{
	struct server *s = q->server;
	struct MHD_Response *response;
	struct pending *p;

	if (!err && !body->data)
		return send_error(q, MHD_HTTP_NOT_FOUND, "not found\n");
	p = err ? NULL : malloc(sizeof(*p));
	if (!p || __atomic_load_n(&s->pending, __ATOMIC_RELAXED) + body->size > SERVER_PENDING) {
		free(p);
		free(body->data);
		return send_busy(q);
	}
	*p = (struct pending){s, *body};
	__atomic_add_fetch(&s->pending, body->size, __ATOMIC_RELAXED);
	response = MHD_create_response_from_buffer_with_free_callback_cls(body->size, body->data,
									  free_pending, p);
	if (!response) {
		free_pending(p);
		return MHD_NO;
	}
	return send_response(q, MHD_HTTP_OK, type, response);
}

/* ---- routes --------------------------------------------------------------------------- */

static enum MHD_Result get_health(const struct request *q)
{
	return send_error(q, MHD_HTTP_OK, "ok\n");
}

static const char *header(const struct request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result get_metrics(const struct request *q)
{
	struct server *s = q->server;
	bool open = accept_openmetrics(header(q, "Accept"));
	struct body body = {0};
	FILE *to = open_memstream(&body.data, &body.size);
	struct facts f;

	if (!to)
		return send_busy(q);
	state_facts(s->state, &f);
	s->served.events_readers = readers_count(s->readers);
	s->served.events_dropped = readers_dropped(s->readers);
	s->served.overdue = deadlines_passed(s->deadlines) + s->timeouts;
	metrics_print(to, &f, &s->served, open);
	return send_body(q, open ? METRICS_OPEN : METRICS_TEXT, fclose(to), &body);
}

static enum MHD_Result get_status(const struct request *q)
{
	struct body body = {0};
	int err = api_status(q->server->state, &body);

	return send_body(q, JSON, err, &body);
}

static enum MHD_Result get_samples(const struct request *q)
{
	struct body body = {0};
	int64_t since = 0;
	int err;

	if (q->since && since_parse(q->since, &since))
		return send_error(q, MHD_HTTP_BAD_REQUEST,
				  "since: seconds since 1970 are expected\n");
	err = api_samples(q->server->state, since, &body);
	return send_body(q, JSON, err, &body);
}

static enum MHD_Result get_drivers(const struct request *q)
{
	struct body body = {0};
	int err = api_drivers(q->server->state, &body);

	if (!err && !body.data) /* nothing has been tracked yet */
		return send_fixed(q, MHD_HTTP_NO_CONTENT, JSON, "", 0);
	return send_body(q, JSON, err, &body);
}

static enum MHD_Result get_incidents(const struct request *q)
{
	struct body body = {0};
	int err = api_incidents(q->server->state, &body);

	return send_body(q, JSON, err, &body);
}

static enum MHD_Result get_incident(const struct request *q)
{
	const char *rest = q->path + strlen(INCIDENT);
	size_t len = strcspn(rest, "/");
	bool flame = !strcmp(rest + len, FLAME);
	struct body body = {0};
	char number[24];
	uint64_t id;
	int err = 0;

	if (len >= sizeof(number) || (rest[len] && !flame))
		return send_body(q, JSON, 0, &body);
	memcpy(number, rest, len);
	number[len] = '\0';
	if (id_parse(number, &id) || number[0] == '0')
		return send_body(q, JSON, 0, &body);
	err = flame ? api_flame(q->server->state, id, &body)
		    : api_incident(q->server->state, id, &body);
	return send_body(q, flame ? SVG : JSON, err, &body);
}

static enum MHD_Result get_events(const struct request *q)
{
	const char *after = header(q, "Last-Event-ID");
	uint64_t last = state_last_event(q->server->state);
	const union MHD_ConnectionInfo *info;
	struct MHD_Response *r;

	if (after && id_parse(after, &last))
		return send_error(q, MHD_HTTP_BAD_REQUEST, "Last-Event-ID: a number is expected\n");
	r = readers_add(q->server->readers, q->connection, last);
	if (!r)
		return send_busy(q);
	info = MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	if (info && info->socket_context)
		deadlines_lift(q->server->deadlines, info->socket_context);
	return send_response(q, MHD_HTTP_OK, EVENTS, r);
}

static const struct route {
	const char *path;
	bool begins; /* the path is a beginning */
	bool secret; /* wants the token, if there is one */
	enum MHD_Result (*get)(const struct request *q);
} routes[] = {
	{"/healthz", false, false, get_health},
	{"/metrics", false, true, get_metrics},
	{"/api/v1/status", false, true, get_status},
	{"/api/v1/samples", false, true, get_samples},
	{"/api/v1/drivers", false, true, get_drivers},
	{"/api/v1/incidents", false, true, get_incidents},
	{"/api/v1/events", false, true, get_events},
	{INCIDENT, true, true, get_incident},
};

static bool is_at(const struct route *r, const char *path)
{
	return r->begins ? !strncmp(path, r->path, strlen(r->path)) : !strcmp(path, r->path);
}

static bool may_read(const struct request *q)
{
	return !q->server->set.token || bearer_is(header(q, "Authorization"), q->server->set.token);
}

static enum MHD_Result answer_route(const struct request *q, const struct route *r)
{
	if (q->strange || q->nr_since > 1 || (q->nr_since && r->get != get_samples))
		return send_error(q, MHD_HTTP_BAD_REQUEST, "there is no such parameter\n");
	if (r->secret && !may_read(q))
		return send_error(q, MHD_HTTP_UNAUTHORIZED, "a token is needed\n");
	return r->get(q);
}

static enum MHD_Result answer_path(const struct request *q)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		if (is_at(&routes[i], q->path))
			return answer_route(q, &routes[i]);
	for (const struct web_file *f = web_files; f->path; f++)
		if (!strcmp(q->path, f->path))
			return send_fixed(q, MHD_HTTP_OK, f->type, f->data, f->size);
	return send_error(q, MHD_HTTP_NOT_FOUND, "not found\n");
}

/* ---- requests ------------------------------------------------------------------------- */

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *key,
				 const char *value)
{
	struct request *q = ctx;

	(void)kind;
	if (!strcasecmp(key, "Host")) {
		q->host = value;
		q->nr_hosts++;
	}
	return MHD_YES;
}

static enum MHD_Result on_parameter(void *ctx, enum MHD_ValueKind kind, const char *key,
				    const char *value)
{
	struct request *q = ctx;

	(void)kind;
	if (!strcmp(key, "since") && value) {
		q->since = value;
		q->nr_since++;
	} else {
		q->strange = true;
	}
	return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **request_ctx)
{
	struct request q = {.server = ctx, .connection = c, .path = url};

	(void)version, (void)upload, (void)upload_size, (void)request_ctx;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_error(&q, MHD_HTTP_METHOD_NOT_ALLOWED,
				  "this server can be read only\n");
	MHD_get_connection_values(c, MHD_HEADER_KIND, on_header, &q);
	MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, on_parameter, &q);
	if (q.nr_hosts != 1)
		return send_error(&q, MHD_HTTP_BAD_REQUEST, "one Host is expected\n");
	if (!host_is_ours(q.host, q.server->hosts))
		return send_error(&q, MHD_HTTP_MISDIRECTED_REQUEST,
				  "this server does not go by that name: see --allow-host\n");
	return answer_path(&q);
}

/* A path is taken as it is: no route has anything in it that must be written otherwise. */
static size_t leave(void *ctx, struct MHD_Connection *c, char *text)
{
	(void)ctx, (void)c;
	return strlen(text);
}

static void on_connection(void *ctx, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct server *s = ctx;
	const union MHD_ConnectionInfo *info;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		deadlines_end(s->deadlines, *context);
		return;
	}
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	*context = info ? deadlines_begin(s->deadlines, info->connect_fd) : NULL;
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **request_ctx,
			 enum MHD_RequestTerminationCode why)
{
	struct server *s = ctx;

	(void)c, (void)request_ctx;
	s->timeouts += why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED;
}

/* ---- the threads ---------------------------------------------------------------------- */

static void *keep(void *ctx)
{
	struct server *s = ctx;
	uint64_t seen = state_last_event(s->state);

	while (!__atomic_load_n(&s->ending, __ATOMIC_ACQUIRE)) {
		state_wait(s->state, seen, TICK);
		seen = state_last_event(s->state);
		readers_wake(s->readers);
		deadlines_sweep(s->deadlines);
	}
	return NULL;
}

static int start_daemon(struct server *s)
{
	s->daemon =
		MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL |
					 MHD_ALLOW_SUSPEND_RESUME,
				 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, s->socket,
				 MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS,
				 MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)SERVER_PER_ADDRESS,
				 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT,
				 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_HEADERS,
				 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
				 on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				 MHD_OPTION_UNESCAPE_CALLBACK, leave, NULL, MHD_OPTION_END);
	return s->daemon ? 0 : -ECANCELED;
}

/* Signals are for who watches. */
static int start_threads(struct server *s)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = start_daemon(s);
	if (!err) {
		err = -pthread_create(&s->keeper, NULL, keep, s);
		s->kept = !err;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* ---- the beginning and the end -------------------------------------------------------- */

static int open_socket(struct server *s)
{
	const struct listen_address *at = &s->set.at;
	struct sockaddr_storage got;
	socklen_t size = sizeof(got);
	int one = 1;

	s->socket = socket(at->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->socket < 0)
		return -errno;
	setsockopt(s->socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->to.any.sa_family == AF_INET6)
		setsockopt(s->socket, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(s->socket, &at->to.any, at->size) || listen(s->socket, BACKLOG) ||
	    getsockname(s->socket, (struct sockaddr *)&got, &size))
		return -errno;
	s->port = ntohs(got.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&got)->sin6_port
						  : ((struct sockaddr_in *)&got)->sin_port);
	return 0;
}

static void list_hosts(struct server *s)
{
	size_t n = 0;

	if (!s->set.at.every)
		s->hosts[n++] = s->set.at.host;
	for (size_t i = 0; s->set.hosts && s->set.hosts[i] && n <= HOSTS; i++)
		s->hosts[n++] = s->set.hosts[i];
}

static int start(struct server *s)
{
	int err = open_socket(s);

	if (err)
		return err;
	list_hosts(s);
	s->deadlines = deadlines_create(SERVER_CONNECTIONS, SERVER_DEADLINE_S);
	s->readers = readers_create(s->state, SERVER_READERS);
	return s->deadlines && s->readers ? start_threads(s) : -ENOMEM;
}

int server_start(const struct server_settings *set, struct state *state, struct server **out)
{
	struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct server){.set = *set, .state = state, .socket = -1};
	err = start(s);
	if (err)
		server_stop(s);
	else
		*out = s;
	return err;
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	__atomic_store_n(&s->ending, true, __ATOMIC_RELEASE);
	if (s->kept) {
		state_wake(s->state);
		pthread_join(s->keeper, NULL);
	}
	if (s->daemon) {
		readers_end(s->readers);
		MHD_stop_daemon(s->daemon); /* closes the socket */
	} else if (s->socket >= 0) {
		close(s->socket);
	}
	readers_destroy(s->readers);
	deadlines_destroy(s->deadlines);
	free(s);
}

void server_url(const struct server *s, char *out)
{
	snprintf(out, SERVER_URL, "http://%s:%u/", s->set.at.host, s->port);
}
