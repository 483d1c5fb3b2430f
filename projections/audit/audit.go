// Package audit is the view that answers who did what: the records of the whole
// log, found by time, caller, access key, operation, resource, error and request,
// and shown as CloudTrail records (format 1.11) of the account that asks.
//
// # What it keeps
//
// The write path has few microseconds of processor to spare for a record, and one
// row with seven indexes costs twelve. So the view keeps blocks of some 32,768
// records in columns: a value is kept once for a block, a record is a few bytes of
// codes, and each column is a blob of its own beside a Bloom filter of everything
// that the block can be asked for. A query reads the filters, and of the blocks
// that may have an answer the columns that it is about, the ones that leave most
// out first. What was read is kept for the next question, up to recentBytes. The
// lines themselves stay in the log; what an answer shows is rendered from them when
// it is asked for.
//
// The newest records stand in memory only, in a block that is not full. Blocks and
// cursor are rows of one transaction, so they cannot part: a process that dies loses
// the block that was being filled and reads it again from the log.
//
// # The database
//
// SQLite is modernc.org/sqlite: C translated to Go, so that no C compiler and no
// shared library is needed. Measured against github.com/ncruces/go-sqlite3, the
// same C as WebAssembly, it inserted 84,000 against 77,000 rows a second with
// seven indexes; and it is the more used of the two.
//
// The journal is a write-ahead log with synchronous NORMAL: its frames have
// checksums, so that a power loss takes whole transactions from the end and tears
// none, which costs a block or two that are read again. What a disk changes later
// is found by the checksums of each part of a block and of its summary. Damage, and
// a database that belongs to another log, empty the view, and it is built again.
//
// # The table events
//
// A SELECT asks one table, the records that the account may see, in the order of
// n unless it says otherwise. NULL is what a record does not have.
//
//	n                INTEGER  index of the record in the log
//	eventTime        TEXT     UTC with microseconds: 2026-11-23T10:04:57.123456Z
//	eventSource      TEXT     kms.amazonaws.com
//	eventName        TEXT     Decrypt
//	readOnly         INTEGER  0 or 1
//	type             TEXT     of the caller, as in userIdentity: IAMUser, AssumedRole, Root, AWSAccount, …
//	principalId      TEXT     AIDA…, AROA…:session, an account for its root
//	arn              TEXT     of the user, session or root
//	accountId        TEXT     of the caller
//	accessKeyId      TEXT     AKIA… or ASIA…
//	userName         TEXT     what LookupEvents calls Username: user, session, root
//	roleArn          TEXT     of a session's role
//	invokedBy        TEXT     secretsmanager.amazonaws.com, when that service made the call for the caller
//	sourceIPAddress  TEXT     the client, or the service that made the call
//	userAgent        TEXT
//	errorCode        TEXT     AccessDenied; NULL = it was carried out
//	errorMessage     TEXT
//	requestID        TEXT     shared by the records of one call
//	eventID          TEXT     of this record
//	resources        TEXT     ARNs, a JSON list: use json_each
//	keyArn           TEXT     of the first KMS key among them
//	secretArn        TEXT     of the first secret among them
//	record           TEXT     the whole CloudTrail record, JSON: record ->> '$.requestParameters.keyId'
//
// Conditions with = or IN on the columns themselves, and with < and > on n and
// eventTime, leave blocks out; record is read from the log, so the rest should
// have narrowed the rows before. Compare eventTime with text of its own form,
// '2026-11-23' or '2026-11-23T10:04:57', or with strftime('%Y-%m-%dT%H:%M:%S',
// 'now', '-2 hours'): SQLite's own datetime has a space where this has a T, and a
// Z after whole seconds is behind all of their fractions.
//
// The bounds of a SELECT are in sql.go: five seconds, 64 MiB of memory, the rows
// and bytes of one reply, no recursion, nothing but reading.
//
// Nothing here decides who may ask; that is domain/vault. Nothing secret can
// enter, because the log has nothing secret.
package audit

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"os"
	"sync"
	"sync/atomic"

	"github.com/keytrail/keytrail/eventstore"
)

// schema is the layout of the database; schemaVersion changes with it, with what a
// part holds and with what terms a filter has. Pages are large, for nearly everything is parts of some
// ten or hundred kilobytes; the write-ahead log is kept as short as with small ones.
const (
	schemaVersion = 3
	settings      = "?_pragma=page_size(16384)&_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(256)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)"
	schema        = `CREATE TABLE block (
	first    INTEGER PRIMARY KEY, -- n of the first record
	records  INTEGER NOT NULL,
	firstSeq INTEGER NOT NULL,    -- sequence of the first commit
	lastSeq  INTEGER NOT NULL,
	earliest INTEGER NOT NULL,    -- microseconds since the Unix epoch
	latest   INTEGER NOT NULL,
	checksum INTEGER NOT NULL     -- of the columns above
) STRICT;
CREATE TABLE part (
	row   INTEGER PRIMARY KEY, -- 16 * first + which part
	bytes BLOB NOT NULL
) STRICT`
)

// View is the audit view. Query may be called concurrently with everything else;
// Apply, Reset and Close by one goroutine at a time.
type View struct {
	path string
	log  eventstore.Log

	damaged atomic.Bool // found by a query: the next Cursor empties the view
	recent  recent      // parts, decoded

	mu     sync.RWMutex // guards what follows
	db     *sql.DB
	read   *sql.Stmt // a part by its row
	blocks []summary // of the stored blocks, oldest first
	tail   *builder
	seen   uint64 // sequence of the last commit in the view

	full   int               // records of a full block
	newest eventstore.Stored // the last commit in the tail
}

// checksum is what tells a summary from what a disk has made of it: a query
// leaves out blocks by their summary alone.
func (s *summary) checksum() uint32 {
	var b []byte
	for _, v := range []uint64{s.first, s.records, s.firstSeq, s.lastSeq, uint64(s.earliest), uint64(s.latest)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return crc32.Checksum(b, castagnoli)
}

// Open opens the view's database, and makes or empties it when there is none, when
// it is damaged, or when it was made of another log.
func Open(ctx context.Context, path string, log eventstore.Log) (*View, error) {
	v := &View{path: path, log: log, full: blockRecords}
	if _, err := sqlEngine(); err != nil {
		return nil, err
	}
	err := v.open(ctx)
	if err == nil {
		err = v.check(ctx)
	}
	if err == nil {
		return v, nil
	}
	if ctx.Err() != nil || errors.Is(err, errUnreachable) {
		return nil, errors.Join(fmt.Errorf("audit: open %s: %w", path, err), v.Close())
	}
	if err := v.Reset(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

var errUnreachable = errors.New("the log cannot be asked")

func (v *View) open(ctx context.Context) error {
	// SQLite gives the files beside the database its mode.
	f, err := os.OpenFile(v.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(v.path)+settings)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.db, v.read, v.blocks, v.tail, v.seen = db, nil, nil, newBuilder(), 0
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == 0 {
		var tables int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
			return err
		}
		if tables == 0 {
			if _, err := db.ExecContext(ctx, "BEGIN; "+schema+fmt.Sprintf("; PRAGMA user_version = %d; COMMIT", schemaVersion)); err != nil {
				return err
			}
			version = schemaVersion
		}
	}
	if version != schemaVersion {
		return fmt.Errorf("%w: schema version %d", errDamaged, version)
	}
	if v.read, err = db.PrepareContext(ctx, "SELECT bytes FROM part WHERE row = ?"); err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, "SELECT first, records, firstSeq, lastSeq, earliest, latest, checksum FROM block ORDER BY first")
	if err != nil {
		return err
	}
	defer rows.Close()
	var n, seq uint64
	for rows.Next() {
		var s summary
		var checksum uint32
		if err := rows.Scan(&s.first, &s.records, &s.firstSeq, &s.lastSeq, &s.earliest, &s.latest, &checksum); err != nil {
			return err
		}
		if checksum != s.checksum() {
			return fmt.Errorf("%w: the summary of the block of n=%d has another checksum than it was written with", errDamaged, s.first)
		}
		if s.first != n || s.records == 0 || s.firstSeq != seq+1 || s.lastSeq < s.firstSeq {
			return fmt.Errorf("%w: no block of n=%d, sequence %d", errDamaged, n, seq+1)
		}
		n, seq = n+s.records, s.lastSeq
		v.blocks = append(v.blocks, s)
	}
	v.seen = seq
	return rows.Err()
}

// check holds the last block against the log: a database of another log, or of
// this one as it was before it was put back from a backup, is of no use.
func (v *View) check(ctx context.Context) error {
	if len(v.blocks) == 0 {
		return nil
	}
	m, err := v.moment()
	if err != nil {
		return err
	}
	commits, err := m.stored(ctx, v.blocks[len(v.blocks)-1]).part(partCommits)
	if err != nil {
		return err
	}
	c, err := v.log.Get(ctx, v.seen)
	if errors.Is(err, eventstore.ErrNotFound) {
		return fmt.Errorf("%w: the log ends before sequence %d", errDamaged, v.seen)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	if fingerprint(&c) != commits.end {
		return fmt.Errorf("%w: the log has another commit at sequence %d", errDamaged, v.seen)
	}
	return nil
}

// Name is "audit".
func (v *View) Name() string { return "audit" }

// Cursor is the sequence of the last commit in the view. A view that was found
// damaged is emptied first.
func (v *View) Cursor(ctx context.Context) (uint64, error) {
	if v.damaged.Load() {
		if err := v.Reset(ctx); err != nil {
			return 0, err
		}
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.seen, nil
}

// Apply takes commits into the block that is being filled, and stores it when it
// is full. After an error the view stands at the last stored block.
func (v *View) Apply(ctx context.Context, commits []eventstore.Stored) error {
	if v.damaged.Load() {
		return errDamaged
	}
	for i := range commits {
		if err := v.apply(ctx, &commits[i]); err != nil {
			v.restart()
			return err
		}
	}
	return nil
}

func (v *View) apply(ctx context.Context, c *eventstore.Stored) error {
	if c.Seq != v.seen+1 {
		return fmt.Errorf("audit: sequence %d after %d", c.Seq, v.seen)
	}
	if !v.tail.room(len(c.Lines), v.full) {
		if err := v.store(ctx); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tail.records == 0 && c.First != v.next() {
		return fmt.Errorf("audit: sequence %d begins at n=%d, not %d", c.Seq, c.First, v.next())
	}
	if err := v.tail.add(c); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	v.seen, v.newest = c.Seq, *c
	return nil
}

func (v *View) next() uint64 {
	if n := len(v.blocks); n > 0 {
		return v.blocks[n-1].next()
	}
	return 0
}

// store writes the block that is full, in one transaction. A reader finds its
// records in memory until they are on disk.
func (v *View) store(ctx context.Context) error {
	b := v.tail.block()
	b.held[partCommits].end = fingerprint(&v.newest)
	b.held[partFilter] = &content{bytes: newFilter(b.terms())}
	if err := v.insert(ctx, b); err != nil {
		return fmt.Errorf("audit: store the block of n=%d: %w", b.first, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.blocks, v.tail = append(v.blocks, b.summary), newBuilder()
	return nil
}

func (v *View) insert(ctx context.Context, b *block) error {
	tx, err := v.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)",
		int64(b.first), int64(b.records), int64(b.firstSeq), int64(b.lastSeq), b.earliest, b.latest, b.checksum())
	for p := range parts {
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT INTO part VALUES (?, ?)", rowOf(b.first, p), b.encode(p))
		}
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// restart forgets what is not stored, after a commit was taken half.
func (v *View) restart() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tail, v.seen = newBuilder(), 0
	if n := len(v.blocks); n > 0 {
		v.seen = v.blocks[n-1].lastSeq
	}
}

// Reset puts an empty database in the place of the view's.
func (v *View) Reset(ctx context.Context) error {
	if err := v.Close(); err != nil {
		return fmt.Errorf("audit: empty the view: %w", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(v.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("audit: empty the view: %w", err)
		}
	}
	v.recent.forget()
	if err := v.open(ctx); err != nil {
		return fmt.Errorf("audit: make %s: %w", v.path, err)
	}
	v.damaged.Store(false)
	return nil
}

// Close closes the database. Queries that are running fail.
func (v *View) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.db == nil {
		return nil
	}
	err := v.db.Close()
	v.db = nil
	return err
}
