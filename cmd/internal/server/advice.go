package server

import (
	"errors"
	"fmt"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/eventstore"
)

// advise adds the way out to a reason not to start.
func (d *dataDir) advise(err error) error {
	var damage *eventstore.IntegrityError
	var unreadable *eventstore.UnreadableError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &damage), errors.As(err, &unreadable):
		return fmt.Errorf("%w\n  Nothing is served from a damaged log. Keep a copy of %s as it is, see how far the damage goes with"+
			"\n  keytrail verify --data-dir %s, and put %s and %s back from one backup", err, d.path, d.path, d.file(natsDir), d.file(headFile))
	case errors.Is(err, eventstore.ErrHeadDamaged):
		return fmt.Errorf("%w\n  Walk the log and write the head file anew: keytrail verify --data-dir %s --write-head", err, d.path)
	case errors.Is(err, engine.ErrWrongRootKey):
		return fmt.Errorf("%w\n  Put the root key of this vault back in %s", err, d.file(rootKeyFile))
	case errors.Is(err, engine.ErrKeyringIncomplete):
		return fmt.Errorf("%w\n  Put %s and %s back from one backup", err, d.file(natsDir), d.file(headFile))
	}
	return err
}
