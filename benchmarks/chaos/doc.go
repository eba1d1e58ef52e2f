// Command chaos shows that nothing is lost and nothing doubled: several
// processes of the real program read one topic of Apache Kafka and write to one
// ClickHouse, while processes, broker and store are killed, stopped, frozen,
// added and removed at random. Afterwards the tables must equal, row for row,
// those of one process that read the same topic undisturbed.
//
//	go run ./benchmarks/chaos                 3 processes, 2,000,000 posts, 5 minutes of faults
//	go run ./benchmarks/chaos -seeds 100      100 short schedules of random seeds
//	go run ./benchmarks/chaos -seed 7         one again: the faults, input and settings are those of the seed
//
// It is run from the root of the repository after `make build` (or `make
// chaos`), with CHDB_LIB_PATH and KAFKA_LIB_PATH set to what deploy/chdb/fetch.sh
// and deploy/kafka/fetch.sh print. Without KAFKA_LIB_PATH the broker is
// librdkafka's mock cluster, which can not be stopped. The exit status is 1
// when anything differs.
//
// # What happens
//
// A schedule is a pure function of the seed: see schedule.go. Each target (a
// process, the broker, the store) has a timeline of its own, so faults overlap.
// When the last fault is over, all is started again, and the run goes on until
// the ledger of epochs says that all was written. Then the processes are
// stopped by SIGTERM, one process reads the topic into another database, and
// the tables are compared.
//
// # What is compared
//
//   - posts, rejected and detections by partition: every row, all columns, and
//     how often it is there; detections as they are, before the table folds
//     equal ones.
//   - rules and the rollups as they read (FINAL), states as their result.
//   - each acknowledged message: the post that was produced is at its
//     partition and offset once, and no post is anywhere else.
//   - the ledger: the epochs of each partition join without gap and overlap
//     from its begin to its end.
//   - the group's offsets: they are the ends of the partitions.
//
// Columns that the store's clock fills (inserted_at, first_seen) are left out.
// The ledger is not compared with the undisturbed run's: where an epoch ends
// depends on time.
package main
