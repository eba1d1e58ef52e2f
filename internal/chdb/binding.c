#include "binding.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char sluice_empty[1] = "";

typedef chdb_result *(*query_fn)(chdb_connection, const char *, size_t, const char *, size_t,
	const char *const *, const size_t *, const char *const *, const size_t *, size_t);
typedef chdb_insert_stream (*insert_fn)(chdb_connection, const char *, size_t, const char *, size_t,
	const char *const *, const size_t *, const char *const *, const size_t *, size_t);

struct sluice_chdb {
	void *handle;
	const char *(*version)(void);
	void (*set_signals)(int);
	chdb_connection *(*connect)(int, char **);
	void (*close_conn)(chdb_connection *);
	int (*shutdown)(void);
	int (*classify)(chdb_connection, const char *, size_t, const char *, size_t, sluice_class *);
	query_fn query;
	query_fn stream;
	chdb_result *(*fetch)(chdb_connection, chdb_result *);
	void (*cancel)(chdb_connection, chdb_result *);
	insert_fn insert;
	int (*append)(chdb_insert_stream, const void *, size_t);
	chdb_result *(*done)(chdb_insert_stream);
	void (*cancel_insert)(chdb_insert_stream);
	const char *(*insert_error)(chdb_insert_stream);
	void (*destroy_insert)(chdb_insert_stream);
	char *(*buffer)(chdb_result *);
	size_t (*length)(chdb_result *);
	const char *(*error)(chdb_result *);
	double (*elapsed)(chdb_result *);
	uint64_t (*rows)(chdb_result *);
	uint64_t (*bytes)(chdb_result *);
	uint64_t (*storage_rows)(chdb_result *);
	uint64_t (*storage_bytes)(chdb_result *);
	uint64_t (*rows_written)(chdb_result *);
	uint64_t (*bytes_written)(chdb_result *);
	void (*destroy)(chdb_result *);
};

// Signals whose handlers belong to the Go runtime (preemption, nil checks,
// profiling, crash reports) and that the engine resets or takes over.
static const int guarded[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGURG, SIGTRAP,
	SIGSYS, SIGTSTP, SIGPIPE, SIGPROF, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
enum { guarded_count = sizeof(guarded) / sizeof(guarded[0]) };

static void save_signals(struct sigaction *old) {
	for (int i = 0; i < guarded_count; i++)
		sigaction(guarded[i], NULL, &old[i]);
}

static void restore_signals(const struct sigaction *old) {
	for (int i = 0; i < guarded_count; i++)
		sigaction(guarded[i], &old[i], NULL);
}

static int resolve(sluice_chdb *l, const char **missing) {
	const struct {
		const char *name;
		void **slot;
	} table[] = {
		{"chdb_version", (void **)&l->version},
		{"chdb_set_signal_handlers_enabled", (void **)&l->set_signals},
		{"chdb_connect", (void **)&l->connect},
		{"chdb_close_conn", (void **)&l->close_conn},
		{"chdb_shutdown", (void **)&l->shutdown},
		{"chdb_classify_query_n", (void **)&l->classify},
		{"chdb_query_with_params_n", (void **)&l->query},
		{"chdb_stream_query_with_params_n", (void **)&l->stream},
		{"chdb_stream_fetch_result", (void **)&l->fetch},
		{"chdb_stream_cancel_query", (void **)&l->cancel},
		{"chdb_stream_insert_with_params_n", (void **)&l->insert},
		{"chdb_stream_append", (void **)&l->append},
		{"chdb_stream_done", (void **)&l->done},
		{"chdb_stream_cancel_insert", (void **)&l->cancel_insert},
		{"chdb_stream_insert_error", (void **)&l->insert_error},
		{"chdb_destroy_insert_stream", (void **)&l->destroy_insert},
		{"chdb_result_buffer", (void **)&l->buffer},
		{"chdb_result_length", (void **)&l->length},
		{"chdb_result_error", (void **)&l->error},
		{"chdb_result_elapsed", (void **)&l->elapsed},
		{"chdb_result_rows_read", (void **)&l->rows},
		{"chdb_result_bytes_read", (void **)&l->bytes},
		{"chdb_result_storage_rows_read", (void **)&l->storage_rows},
		{"chdb_result_storage_bytes_read", (void **)&l->storage_bytes},
		{"chdb_result_rows_written", (void **)&l->rows_written},
		{"chdb_result_bytes_written", (void **)&l->bytes_written},
		{"chdb_destroy_query_result", (void **)&l->destroy},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		*table[i].slot = dlsym(l->handle, table[i].name);
		if (*table[i].slot == NULL) {
			*missing = table[i].name;
			return -1;
		}
	}
	return 0;
}

sluice_chdb *sluice_chdb_load(const char *path, char **err) {
	struct sigaction old[guarded_count];
	const char *missing = NULL;
	sluice_chdb *l = calloc(1, sizeof(*l));

	*err = NULL;
	if (l == NULL) {
		*err = strdup("out of memory");
		return NULL;
	}
	save_signals(old);
	l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (l->handle == NULL) {
		const char *why = dlerror();
		*err = strdup(why ? why : "dlopen failed");
	} else if (resolve(l, &missing) != 0) {
		char text[256];
		snprintf(text, sizeof(text), "it lacks the function %s", missing);
		*err = strdup(text);
	} else {
		// Must come before the first connection. It also resets the current
		// handlers to their defaults at once, which the restore below undoes.
		l->set_signals(0);
	}
	restore_signals(old);
	if (*err != NULL) {
		// The handle stays open: unloading an engine whose constructors have
		// run is not supported by it.
		free(l);
		return NULL;
	}
	return l;
}

const char *sluice_chdb_version(sluice_chdb *l) { return l->version(); }

chdb_connection *sluice_chdb_connect(sluice_chdb *l, int argc, char **argv) {
	struct sigaction old[guarded_count];
	save_signals(old);
	chdb_connection *conn = l->connect(argc, argv);
	restore_signals(old);
	return conn;
}

void sluice_chdb_close(sluice_chdb *l, chdb_connection *conn) { l->close_conn(conn); }

int sluice_chdb_shutdown(sluice_chdb *l) { return l->shutdown(); }

int sluice_chdb_classify(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t len, sluice_class *out) {
	out->struct_size = sizeof(*out);
	return l->classify(*conn, sql, len, NULL, 0, out);
}

chdb_result *sluice_chdb_query(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t sql_len,
	const char *format, size_t format_len, const sluice_params *p) {
	return l->query(*conn, sql, sql_len, format, format_len, p->names, p->name_lens, p->values, p->value_lens, p->count);
}

chdb_result *sluice_chdb_stream(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t sql_len,
	const char *format, size_t format_len, const sluice_params *p) {
	return l->stream(*conn, sql, sql_len, format, format_len, p->names, p->name_lens, p->values, p->value_lens, p->count);
}

chdb_result *sluice_chdb_fetch(sluice_chdb *l, chdb_connection *conn, chdb_result *stream) {
	return l->fetch(*conn, stream);
}

void sluice_chdb_cancel(sluice_chdb *l, chdb_connection *conn, chdb_result *stream) { l->cancel(*conn, stream); }

chdb_insert_stream sluice_chdb_insert(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t sql_len,
	const char *format, size_t format_len, const sluice_params *p) {
	return l->insert(*conn, sql, sql_len, format, format_len, p->names, p->name_lens, p->values, p->value_lens, p->count);
}

int sluice_chdb_append(sluice_chdb *l, chdb_insert_stream s, const void *data, size_t len) {
	return l->append(s, data, len);
}

chdb_result *sluice_chdb_done(sluice_chdb *l, chdb_insert_stream s) { return l->done(s); }
void sluice_chdb_cancel_insert(sluice_chdb *l, chdb_insert_stream s) { l->cancel_insert(s); }
const char *sluice_chdb_insert_error(sluice_chdb *l, chdb_insert_stream s) { return l->insert_error(s); }
void sluice_chdb_destroy_insert(sluice_chdb *l, chdb_insert_stream s) { l->destroy_insert(s); }

void sluice_chdb_stats(sluice_chdb *l, chdb_result *r, sluice_stats *out) {
	memset(out, 0, sizeof(*out));
	if (r == NULL) {
		out->error = "the engine returned no result";
		return;
	}
	out->error = l->error(r);
	if (out->error != NULL)
		return;
	out->buffer = l->buffer(r);
	out->length = l->length(r);
	out->elapsed = l->elapsed(r);
	out->rows = l->rows(r);
	out->bytes = l->bytes(r);
	out->storage_rows = l->storage_rows(r);
	out->storage_bytes = l->storage_bytes(r);
	out->rows_written = l->rows_written(r);
	out->bytes_written = l->bytes_written(r);
}

void sluice_chdb_destroy(sluice_chdb *l, chdb_result *r) {
	if (r != NULL)
		l->destroy(r);
}
