package server

import (
	"errors"
	"fmt"

	"github.com/keytrail/keytrail/cmd/internal/engine"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/keyring"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// advise adds the way out to a reason not to start.
func (s *Server) advise(err error) error {
	if s.out == nil {
		return s.dir.advise(err)
	}
	var damage *eventstore.IntegrityError
	var unreadable *eventstore.UnreadableError
	switch {
	case errors.Is(err, eventstore.ErrNoHead), errors.Is(err, eventstore.ErrHeadDamaged), errors.Is(err, engine.ErrWrongRootKey):
		return fmt.Errorf("%w\n  The log on %s was founded from another data directory. To serve or stand by from %s, copy %s and %s from that of a process that serves it",
			err, s.opts.NATSURL, s.dir.path, rootKeyFile, headFile)
	case errors.As(err, &damage), errors.As(err, &unreadable):
		return fmt.Errorf("%w\n  Nothing is served from a damaged log: restore the streams %s and %s together from one backup", err, natslog.StreamName, keyring.StreamName)
	case errors.Is(err, engine.ErrKeyringIncomplete):
		return fmt.Errorf("%w\n  Restore the streams %s and %s together from one backup", err, natslog.StreamName, keyring.StreamName)
	}
	return err
}

// advise is that of the embedded server.
func (d *dataDir) advise(err error) error {
	var damage *eventstore.IntegrityError
	var unreadable *eventstore.UnreadableError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &damage), errors.As(err, &unreadable):
		return fmt.Errorf("%w\n  Nothing is served from a damaged log. Keep a copy of %s as it is (after an unclean stop %s has the log's files as"+
			"\n  they were before this start), see how far the damage goes with keytrail verify --data-dir %s, and put %s and %s back from one backup",
			err, d.path, beforeDir, d.path, d.file(natsDir), d.file(headFile))
	case errors.Is(err, eventstore.ErrHeadDamaged):
		return fmt.Errorf("%w\n  Walk the log and write the head file anew: keytrail verify --data-dir %s --write-head", err, d.path)
	case errors.Is(err, engine.ErrWrongRootKey):
		return fmt.Errorf("%w\n  Put the root key of this vault back in %s", err, d.file(rootKeyFile))
	case errors.Is(err, engine.ErrKeyringIncomplete):
		return fmt.Errorf("%w\n  Put %s and %s back from one backup", err, d.file(natsDir), d.file(headFile))
	}
	return err
}
