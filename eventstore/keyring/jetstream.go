package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// StreamName is the stream that holds the ring.
	StreamName = "KEYTRAIL_KEYRING"

	subjectPrefix = "keytrail.ring."
)

// Config says how a ring is kept. The zero value is one replica on a server
// whose files this process cannot reach.
type Config struct {
	// Replicas of the stream, if Open creates it; 0 is 1.
	Replicas int

	// BlockDir is where an embedded server keeps the files of the stream, see
	// BlockDir. The server syncs the file that an erasure rewrites, but not
	// its directory, so that a power failure could bring the old file back;
	// Erase syncs the directory. Empty for an external server.
	BlockDir string

	// AckTimeout bounds the wait for the server, in one step, where the
	// context has no deadline; 0 is 10 s.
	AckTimeout time.Duration
}

// BlockDir is the directory of the ring's files under the store directory and
// account of an embedded server.
func BlockDir(storeDir, account string) string {
	return filepath.Join(storeDir, "jetstream", account, "streams", StreamName, "msgs")
}

// window bounds the entries of one Put that are on their way at a time.
const window = 256

// JetStream is a Ring on a stream with one message per entry, and all of it in
// memory besides. The server must sync always.
type JetStream struct {
	js       jetstream.JetStream
	stream   jetstream.Stream
	blockDir string
	timeout  time.Duration

	mu    sync.RWMutex
	index *index // nil once closed
}

var _ Ring = (*JetStream)(nil)

// Open finds or creates the stream and reads all of it into memory. js must be
// allowed to create and look up the stream and consumers on it, to get and
// delete its messages, and to publish under keytrail.ring. An existing stream
// that could lose, keep back or obscure entries is refused.
func Open(ctx context.Context, js jetstream.JetStream, cfg Config) (*JetStream, error) {
	r := &JetStream{js: js, blockDir: cfg.BlockDir, timeout: cfg.AckTimeout, index: newIndex()}
	if r.timeout == 0 {
		r.timeout = 10 * time.Second
	}
	var err error
	if r.stream, err = openStream(ctx, js, max(cfg.Replicas, 1)); err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	if err := r.load(ctx); err != nil {
		return nil, fmt.Errorf("open keyring: load: %w", err)
	}
	return r, nil
}

func openStream(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, StreamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name:        StreamName,
			Description: "Keytrail: sealed keys, erasable",
			Subjects:    []string{subjectPrefix + "*"},
			Storage:     jetstream.FileStorage,
			Compression: jetstream.NoCompression,
			Replicas:    replicas,
			DenyPurge:   true,
			// An entry is never replaced: the second message of a subject is
			// refused.
			MaxMsgsPerSubject:    1,
			Discard:              jetstream.DiscardNew,
			DiscardNewPerSubject: true,
		})
	}
	if err != nil {
		return nil, err
	}
	return stream, checkStream(stream.CachedInfo().Config)
}

func checkStream(c jetstream.StreamConfig) error {
	for _, fault := range []struct {
		is   bool
		what string
	}{
		{!slices.Equal(c.Subjects, []string{subjectPrefix + "*"}), "has other subjects"},
		{c.Storage != jetstream.FileStorage, "is not on disk"},
		{c.Compression != jetstream.NoCompression, "is compressed"},
		{c.DenyDelete || c.Sealed, "cannot erase"},
		{c.Retention != jetstream.LimitsPolicy || c.MaxAge != 0, "expires entries"},
		{c.Discard != jetstream.DiscardNew || !c.DiscardNewPerSubject || c.MaxMsgsPerSubject != 1, "replaces entries"},
		{c.NoAck, "does not acknowledge"},
	} {
		if fault.is {
			return fmt.Errorf("stream %s %s", c.Name, fault.what)
		}
	}
	return nil
}

// load reads every message of the stream as it is now.
func (r *JetStream) load(ctx context.Context) error {
	info, err := r.stream.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.Msgs == 0 {
		return nil
	}
	consumer, err := r.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(20_000, 8<<20))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		r.remember(msg.Subject()[len(subjectPrefix):], msg.Data(), meta.Sequence.Stream)
		if meta.NumPending == 0 || meta.Sequence.Stream >= info.State.LastSeq {
			return nil
		}
	}
}

// remember adds an entry that is on disk to the memory.
func (r *JetStream) remember(id string, sealed []byte, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.index == nil {
		return
	}
	if _, _, there := r.index.get(id); !there {
		r.index.put(id, sealed, seq)
	}
}

// Put implements Ring. The entries of one call are on their way together.
func (r *JetStream) Put(ctx context.Context, entries ...Entry) error {
	if err := checkEntries(entries); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	for some := range slices.Chunk(entries, window) {
		if err := r.put(ctx, some); err != nil {
			return fmt.Errorf("put: %w", err)
		}
	}
	return nil
}

func (r *JetStream) put(ctx context.Context, entries []Entry) error {
	ctx, cancel := r.bound(ctx)
	defer cancel()
	acks := make([]jetstream.PubAckFuture, len(entries))
	for i, e := range entries {
		switch stored, err := r.holds(e); {
		case err != nil:
			return err
		case stored:
			continue
		}
		ack, err := r.js.PublishAsync(subjectPrefix+e.ID, e.Sealed)
		if err != nil {
			return fmt.Errorf("%s: %w", e.ID, err)
		}
		acks[i] = ack
	}
	var failed error
	for i, ack := range acks {
		if ack == nil {
			continue
		}
		select {
		case stored := <-ack.Ok():
			r.remember(entries[i].ID, entries[i].Sealed, stored.Sequence)
		case err := <-ack.Err():
			if err := r.settle(ctx, entries[i], err); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", entries[i].ID, err))
			}
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", entries[i].ID, ctx.Err())
		}
	}
	return failed
}

// holds reports whether the memory has e already.
func (r *JetStream) holds(e Entry) (bool, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.index == nil {
		return false, ErrClosed
	}
	sealed, _, there := r.index.get(e.ID)
	if there && !bytes.Equal(sealed, e.Sealed) {
		return false, fmt.Errorf("%s: %w", e.ID, ErrConflict)
	}
	return there, nil
}

// settle finds out what became of an entry that the server refused. It refuses
// the second message of a subject, which may be this entry in an earlier Put
// that did not hear of its success.
func (r *JetStream) settle(ctx context.Context, e Entry, refusal error) error {
	if api := (*jetstream.APIError)(nil); !errors.As(refusal, &api) {
		return refusal
	}
	there, err := r.stream.GetLastMsgForSubject(ctx, subjectPrefix+e.ID)
	switch {
	case err != nil:
		return refusal
	case !bytes.Equal(there.Data, e.Sealed):
		return ErrConflict
	}
	r.remember(e.ID, e.Sealed, there.Sequence)
	return nil
}

// Get implements Ring.
func (r *JetStream) Get(id string) ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.index == nil {
		return nil, fmt.Errorf("get %s: %w", id, ErrClosed)
	}
	sealed, _, ok := r.index.get(id)
	if !ok {
		return nil, fmt.Errorf("get %s: %w", id, ErrNotFound)
	}
	return bytes.Clone(sealed), nil
}

// Erase implements Ring. The server writes the file of an erased entry anew,
// up to 4 MiB, so that erasing costs milliseconds.
func (r *JetStream) Erase(ctx context.Context, ids ...string) error {
	if err := checkIDs(ids); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	seqs, err := r.forget(ids)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	for i, id := range ids {
		if err := r.erase(ctx, id, seqs[i]); err != nil {
			return fmt.Errorf("erase %s: %w", id, err)
		}
	}
	if r.blockDir != "" && len(ids) > 0 {
		if err := syncDir(r.blockDir); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	return nil
}

// forget takes ids out of the memory and gives the sequences of their
// messages, 0 for one that the memory did not have.
func (r *JetStream) forget(ids []string) ([]uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.index == nil {
		return nil, ErrClosed
	}
	seqs := make([]uint64, len(ids))
	for i, id := range ids {
		_, seqs[i], _ = r.index.get(id)
		r.index.remove(id)
	}
	return seqs, nil
}

func (r *JetStream) erase(ctx context.Context, id string, seq uint64) error {
	ctx, cancel := r.bound(ctx)
	defer cancel()
	if seq == 0 {
		// Unknown here, and yet on disk perhaps: put or erased by a call that
		// failed.
		msg, err := r.stream.GetLastMsgForSubject(ctx, subjectPrefix+id)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil
		case err != nil:
			return err
		}
		seq = msg.Sequence
	}
	refusal := r.stream.SecureDeleteMsg(ctx, seq)
	if refusal == nil {
		return nil
	}
	if _, err := r.stream.GetMsg(ctx, seq); errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // erased before, by a call that did not hear of its success
	}
	return refusal
}

// IDs implements Ring.
func (r *JetStream) IDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		var ids []string
		for chunk := 0; ; chunk++ {
			var more bool
			if ids, more = r.chunkIDs(ids[:0], chunk); !more {
				return
			}
			for _, id := range ids {
				if !yield(id) {
					return
				}
			}
		}
	}
}

func (r *JetStream) chunkIDs(dst []string, chunk int) ([]string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.index == nil {
		return nil, false
	}
	return r.index.chunkIDs(dst, chunk)
}

// Len is the number of entries.
func (r *JetStream) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.index == nil {
		return 0
	}
	return r.index.n
}

// Close implements Ring. The connection remains its owner's.
func (r *JetStream) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.index = nil
	return nil
}

func (r *JetStream) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, r.timeout)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
