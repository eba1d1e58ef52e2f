// Package embedded is the ClickHouse engine without a server to install: a
// child process of the same binary that holds libchdb and speaks ClickHouse's
// HTTP interface on loopback. clickhouse-go (Protocol HTTP, native API and
// database/sql), curl, Grafana and every other HTTP client work on it, and a
// crash of either side does not take the other down.
//
// [Start] is for the process that needs a store: it starts the child, starts it
// again when it dies, and keeps the address. [Serve] is the child's main; it
// also serves a folder on its own (sluice clickhouse serve). [Locate] finds the
// engine that runs on a folder.
//
// # What the interface has
//
// GET (read-only) and POST on /; /ping and /replicas_status. The statement in
// the URL (query) or the body or both; data of an INSERT of any format, taken
// from the body as it comes, in bounded memory; settings, param_*, database,
// default_format, query_id, session_id, wait_end_of_query, buffer_size,
// compress and decompress, Content-Encoding and Accept-Encoding in the URL and
// headers; results streamed where the format allows it, and errors as
// ClickHouse gives them. A statement is cancelled when its client goes away.
//
// Not there: external tables in multipart bodies, several statements in a
// request, roles, INTO OUTFILE, progress headers, and what the engine itself
// lacks (Replicated tables, users, system.query_log, async inserts).
//
// # Who may do what
//
// The writer (user "sluice", with a generated password) may do everything.
// Anybody else who reaches the address is an analyst: reads only, within limits
// of time and memory, no files, no network. Requests that a web page of another
// site could make a browser send are refused.
package embedded
