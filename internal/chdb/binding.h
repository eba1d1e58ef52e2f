// The part of libchdb's C interface that Sluice calls. The types and
// signatures follow chdb.h of chdb-core 26.7; the engine is found at run time
// by dlopen, so nothing here links against it.
#ifndef SLUICE_CHDB_BINDING_H
#define SLUICE_CHDB_BINDING_H

#include <stddef.h>
#include <stdint.h>

typedef struct sluice_chdb sluice_chdb;
typedef struct chdb_result chdb_result;
typedef struct chdb_connection_s *chdb_connection;
typedef struct chdb_insert_stream_s *chdb_insert_stream;

// sluice_params is a set of query parameters laid out for the *_with_params_n
// calls: parallel arrays of count names and values.
typedef struct {
	const char *const *names;
	const size_t *name_lens;
	const char *const *values;
	const size_t *value_lens;
	size_t count;
} sluice_params;

// sluice_class is what chdb_classify_query_n found out about a statement.
typedef struct {
	uint32_t struct_size;
	uint32_t statement_count;
	uint32_t flags;
	uint32_t query_class;
} sluice_class;

// sluice_empty is an empty string to point to; nobody writes to it.
extern char sluice_empty[1];

// sluice_chdb_load opens the library at path. On failure it returns NULL and
// *err is a message to be freed by the caller.
sluice_chdb *sluice_chdb_load(const char *path, char **err);

const char *sluice_chdb_version(sluice_chdb *l);
chdb_connection *sluice_chdb_connect(sluice_chdb *l, int argc, char **argv);
void sluice_chdb_close(sluice_chdb *l, chdb_connection *conn);
int sluice_chdb_shutdown(sluice_chdb *l);
int sluice_chdb_classify(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t len, sluice_class *out);

chdb_result *sluice_chdb_query(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t sql_len,
	const char *format, size_t format_len, const sluice_params *p);
chdb_result *sluice_chdb_stream(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t sql_len,
	const char *format, size_t format_len, const sluice_params *p);
chdb_result *sluice_chdb_fetch(sluice_chdb *l, chdb_connection *conn, chdb_result *stream);
void sluice_chdb_cancel(sluice_chdb *l, chdb_connection *conn, chdb_result *stream);

chdb_insert_stream sluice_chdb_insert(sluice_chdb *l, chdb_connection *conn, const char *sql, size_t sql_len,
	const char *format, size_t format_len, const sluice_params *p);
int sluice_chdb_append(sluice_chdb *l, chdb_insert_stream s, const void *data, size_t len);
chdb_result *sluice_chdb_done(sluice_chdb *l, chdb_insert_stream s);
void sluice_chdb_cancel_insert(sluice_chdb *l, chdb_insert_stream s);
const char *sluice_chdb_insert_error(sluice_chdb *l, chdb_insert_stream s);
void sluice_chdb_destroy_insert(sluice_chdb *l, chdb_insert_stream s);

// sluice_stats gathers a result's counters and buffer in one crossing.
typedef struct {
	char *buffer;
	size_t length;
	const char *error;
	double elapsed;
	uint64_t rows, bytes;
	uint64_t storage_rows, storage_bytes;
	uint64_t rows_written, bytes_written;
} sluice_stats;

void sluice_chdb_stats(sluice_chdb *l, chdb_result *r, sluice_stats *out);
void sluice_chdb_destroy(sluice_chdb *l, chdb_result *r);

#endif
