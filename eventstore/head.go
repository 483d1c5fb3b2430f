package eventstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/keytrail/keytrail/eventstore/merkle"
)

// Head says how far the log had come: the commit at sequence Seq made it N
// records with this Merkle root. Nodes are the compact form of that tree, so
// that it can grow again without reading the log from its start.
type Head struct {
	N     uint64
	Root  Hash
	Seq   uint64
	Nodes []Hash // merkle.Tree.Snapshot
}

// HeadOf is the head of a log whose last commit, at sequence seq, left this tree.
func HeadOf(tree *merkle.Tree, seq uint64) Head {
	return Head{N: tree.Size(), Root: tree.Root(), Seq: seq, Nodes: tree.Snapshot(nil)}
}

// tree rebuilds the Merkle tree, and so checks that the head agrees with itself.
func (h *Head) tree() (*merkle.Tree, error) {
	t, err := merkle.Restore(h.N, h.Nodes)
	if err != nil {
		return nil, fmt.Errorf("eventstore: head at n=%d: %w", h.N, err)
	}
	if root := t.Root(); root != h.Root {
		return nil, fmt.Errorf("eventstore: head at n=%d: its nodes give the root %s, not %s", h.N, root, h.Root)
	}
	return t, nil
}

// ErrHeadDamaged: the head file exists but holds no valid head.
var ErrHeadDamaged = errors.New("eventstore: head file is damaged")

// The head file is three slots of one page each. A slot is
//
//	magic 8 | generation 8 | n 8 | seq 8 | root 32 | count 4 | nodes 32*count | SHA-256 of all before 32
//
// big endian, and zero after that. The valid slot of the highest generation
// counts.
const (
	headMagic    = "KTHEAD1\n"
	headSlots    = 3
	headSlotSize = 4096
	headFixed    = len(headMagic) + 3*8 + merkle.HashSize + 4
)

// HeadFile keeps the head outside the log, so that a log that lost its tail, or
// is another log, is noticed at start. It is safe for concurrent use.
//
// Write survives a kill of the process at any point, Sync a loss of power. What
// each crash leaves:
//
//   - killed between an append and Write, or in Write: the head before, or before
//     the last Sync. The log is ahead of it, and Check folds the rest in.
//   - power lost: the head of the last Sync or a later one. The log, synced at
//     every append, is at it or ahead. A tail that the log lost although it was
//     synced is noticed as far as that head knows of it.
//
// For that, the slot that the last Sync made durable is never written to, nor is
// the one that a Sync under way is flushing; that leaves the third to Write.
type HeadFile struct {
	file *os.File

	syncing sync.Mutex // held for a whole Sync; taken before mu

	mu         sync.Mutex
	buf        [headSlotSize]byte
	head       Head
	found      bool   // head is set: read at open or written since
	generation uint64 // of head
	active     int    // the slot that Write uses
	durable    int    // the slot that the last Sync, or the open, left; never active
	dirty      bool   // active was written since the last Sync
	failed     error  // a failed write or fsync is final: the page cache may lie from then on
}

// OpenHead opens the head file, creating it (0600) if there is none. It fails
// with ErrHeadDamaged if the file was written to but holds no valid head.
func OpenHead(path string) (*HeadFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("eventstore: open head: %w", err)
	}
	f := &HeadFile{file: file}
	if err := f.load(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// ReadHead reads the head from a head file without changing anything. ok is
// false if the file does not exist or was never written to.
func ReadHead(path string) (h Head, ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Head{}, false, nil
	}
	if err != nil {
		return Head{}, false, fmt.Errorf("eventstore: read head: %w", err)
	}
	h, _, slot, err := newestHead(data)
	if err != nil {
		return Head{}, false, fmt.Errorf("eventstore: read head %s: %w", path, err)
	}
	return h, slot >= 0, nil
}

func (f *HeadFile) load() error {
	data, err := io.ReadAll(io.LimitReader(f.file, headSlots*headSlotSize))
	if err != nil {
		return fmt.Errorf("eventstore: read head: %w", err)
	}
	h, generation, slot, err := newestHead(data)
	if err != nil {
		return fmt.Errorf("eventstore: open head %s: %w", f.file.Name(), err)
	}
	// What was read may still be in the page cache alone. It becomes durable
	// here, together with the file's name, before Write spares its slot.
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("eventstore: sync head: %w", err)
	}
	if err := syncDir(filepath.Dir(f.file.Name())); err != nil {
		return fmt.Errorf("eventstore: sync the directory of the head: %w", err)
	}
	if slot >= 0 {
		f.head, f.found, f.generation, f.durable = h, true, generation, slot
	} else {
		f.durable = headSlots - 1
	}
	f.active = (f.durable + 1) % headSlots
	return nil
}

// newestHead finds the head in the bytes of a head file; slot is -1 if it was
// never written to.
func newestHead(data []byte) (newest Head, generation uint64, slot int, err error) {
	slot = -1
	for i := 0; i*headSlotSize < len(data); i++ {
		h, g, ok := decodeHead(data[i*headSlotSize : min(len(data), (i+1)*headSlotSize)])
		if ok && (slot < 0 || g > generation) {
			newest, generation, slot = h, g, i
		}
	}
	if slot < 0 && len(bytes.Trim(data, "\x00")) > 0 {
		return Head{}, 0, -1, ErrHeadDamaged
	}
	return newest, generation, slot, nil
}

// Head is the last head written or found; ok is false if there is none yet.
func (f *HeadFile) Head() (h Head, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h = f.head
	h.Nodes = append([]Hash(nil), h.Nodes...)
	return h, f.found
}

// Write puts the head into the file, in one pwrite and without a sync. It keeps
// nothing of h. After an error of Write or Sync, every later call returns it.
func (f *HeadFile) Write(h Head) error {
	if len(h.Nodes) > merkle.MaxNodes {
		return fmt.Errorf("eventstore: write head: %d nodes, more than %d", len(h.Nodes), merkle.MaxNodes)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		return f.failed
	}
	clear(f.buf[:])
	encodeHead(f.buf[:0], &h, f.generation+1)
	if _, err := f.file.WriteAt(f.buf[:], int64(f.active)*headSlotSize); err != nil {
		f.failed = fmt.Errorf("eventstore: write head: %w", err)
		return f.failed
	}
	f.generation++
	f.head = Head{N: h.N, Root: h.Root, Seq: h.Seq, Nodes: append(f.head.Nodes[:0], h.Nodes...)}
	f.found, f.dirty = true, true
	return nil
}

// Sync makes the heads written so far durable: it returns after an fsync, or at
// once if nothing was written since the last. Writes go on meanwhile.
func (f *HeadFile) Sync() error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.mu.Lock()
	if f.failed != nil || !f.dirty {
		defer f.mu.Unlock()
		return f.failed
	}
	flushing := f.active
	f.active = headSlots - flushing - f.durable // the third of 0, 1, 2
	f.dirty = false
	f.mu.Unlock()

	err := f.file.Sync()

	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.failed = fmt.Errorf("eventstore: sync head: %w", err)
		return f.failed
	}
	f.durable = flushing
	return nil
}

// Close syncs and closes the file.
func (f *HeadFile) Close() error {
	err := f.Sync()
	return errors.Join(err, f.file.Close())
}

func encodeHead(dst []byte, h *Head, generation uint64) []byte {
	start := len(dst)
	dst = append(dst, headMagic...)
	dst = binary.BigEndian.AppendUint64(dst, generation)
	dst = binary.BigEndian.AppendUint64(dst, h.N)
	dst = binary.BigEndian.AppendUint64(dst, h.Seq)
	dst = append(dst, h.Root[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(h.Nodes)))
	for i := range h.Nodes {
		dst = append(dst, h.Nodes[i][:]...)
	}
	sum := sha256.Sum256(dst[start:])
	return append(dst, sum[:]...)
}

func decodeHead(slot []byte) (h Head, generation uint64, ok bool) {
	if len(slot) < headFixed || string(slot[:len(headMagic)]) != headMagic {
		return Head{}, 0, false
	}
	fixed := slot[len(headMagic):]
	generation = binary.BigEndian.Uint64(fixed)
	h.N = binary.BigEndian.Uint64(fixed[8:])
	h.Seq = binary.BigEndian.Uint64(fixed[16:])
	copy(h.Root[:], fixed[24:])
	count := int(binary.BigEndian.Uint32(fixed[24+merkle.HashSize:]))
	if count > merkle.MaxNodes || len(slot) < headFixed+(count+1)*merkle.HashSize {
		return Head{}, 0, false
	}
	end := headFixed + count*merkle.HashSize
	sum := sha256.Sum256(slot[:end])
	if !bytes.Equal(sum[:], slot[end:end+sha256.Size]) {
		return Head{}, 0, false
	}
	h.Nodes = make([]Hash, count)
	for i := range h.Nodes {
		copy(h.Nodes[i][:], slot[headFixed+i*merkle.HashSize:])
	}
	return h, generation, true
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
