package audit

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/keytrail/keytrail/domain/vault"
)

func (m *moment) runSQL(ctx context.Context, q *vault.TrailQuery, answer *vault.TrailAnswer) error {
	return errors.New("not yet")
}

// corrupt reports whether SQLite found its file to be none of its own.
func corrupt(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB)
}
