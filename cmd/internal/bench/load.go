package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// warmUp comes before every slice: connections, caches and processor clocks
	// settle, and the load before has died down.
	warmUp = 200 * time.Millisecond
	// replyTimeout is how long a caller waits; a call that takes longer has failed.
	replyTimeout = 10 * time.Second
)

// Headers of replies, by the contract of the request-reply endpoints.
const (
	headerReceipt = "Keytrail-Receipt"
	headerError   = "Nats-Service-Error"
)

// call is what one caller asks again and again.
type call struct {
	service, operation string
	subject            string // over NATS
	body               []byte
	want               []byte // part of every right reply's body
}

// load is callers that ask a child, each waiting for its reply before it asks
// again. The same code loads the vault and the ceiling.
type load struct {
	name   string
	child  *child
	conns  []conn
	calls  []call // one for each caller
	made   atomic.Int64
	slices []Figures
}

func (l *load) close() {
	for _, c := range l.conns {
		c.Close()
	}
}

// phases of a slice.
const (
	warming = iota
	counting
	over
)

// run loads the child for one slice and keeps its figures.
func (l *load) run(ctx context.Context, length time.Duration) error {
	var (
		phase   atomic.Int32
		callers sync.WaitGroup
		took    = make([][]time.Duration, len(l.calls))
		failed  = make(chan error, len(l.calls))
	)
	for i := range l.calls {
		callers.Go(func() {
			conn := l.conns[i%len(l.conns)]
			for phase.Load() != over {
				began := time.Now()
				err := conn.ask(&l.calls[i])
				if err != nil {
					failed <- err
					return
				}
				l.made.Add(1)
				if phase.Load() == counting {
					took[i] = append(took[i], time.Since(began))
				}
			}
		})
	}
	slice, err := l.window(ctx, &phase, length, failed)
	phase.Store(over)
	callers.Wait()
	if err == nil {
		select { // a failure in the last calls counts as well
		case err = <-failed:
		default:
		}
	}
	if err != nil {
		return err
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		return errors.New("not one reply within a slice")
	}
	slices.Sort(all)
	slice.figures.P50, slice.figures.P99 = milliseconds(percentile(all, 50)), milliseconds(percentile(all, 99))
	slice.figures.Rate = float64(len(all)) / slice.length.Seconds()
	slice.figures.CPU = float64(slice.cpu.Microseconds()) / float64(len(all))
	l.slices = append(l.slices, slice.figures)
	return nil
}

// slice is one window of measurement.
type slice struct {
	figures Figures
	length  time.Duration
	cpu     time.Duration // of the child
}

// window waits for the warm-up, opens the window, and closes it when it has had
// its length. The child's counters are read outside of it.
func (l *load) window(ctx context.Context, phase *atomic.Int32, length time.Duration, failed <-chan error) (*slice, error) {
	if err := wait(ctx, warmUp, failed); err != nil {
		return nil, err
	}
	before, err := l.child.counters(ctx)
	if err != nil {
		return nil, err
	}
	cpu, began := l.child.cpu(), time.Now()
	phase.Store(counting)
	err = wait(ctx, length, failed)
	phase.Store(over)
	s := &slice{length: time.Since(began), cpu: l.child.cpu() - cpu}
	if err != nil {
		return nil, err
	}
	after, err := l.child.counters(ctx)
	if err != nil {
		return nil, err
	}
	if commits := after.commits - before.commits; commits > 0 {
		s.figures.RecordsPerCommit = (after.records - before.records) / commits
	}
	return s, nil
}

func wait(ctx context.Context, d time.Duration, failed <-chan error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-failed:
		return err
	case <-time.After(d):
		return nil
	}
}

// check tells whether a reply is the right one.
func (c *call) check(receipt string, reply []byte) error {
	if receipt == "" {
		return fmt.Errorf("%s: a reply without a receipt", c.operation)
	}
	if !bytes.Contains(reply, c.want) {
		return fmt.Errorf("%s: a reply of %d bytes that is not the right one", c.operation, len(reply))
	}
	return nil
}

// figures are the medians of the slices, each figure for itself.
func (l *load) figures() Figures {
	median := func(of func(*Figures) float64) float64 {
		values := make([]float64, len(l.slices))
		for i := range l.slices {
			values[i] = of(&l.slices[i])
		}
		return median(values)
	}
	return Figures{
		Rate:             median(func(f *Figures) float64 { return f.Rate }),
		P50:              median(func(f *Figures) float64 { return f.P50 }),
		P99:              median(func(f *Figures) float64 { return f.P99 }),
		RecordsPerCommit: median(func(f *Figures) float64 { return f.RecordsPerCommit }),
		CPU:              median(func(f *Figures) float64 { return f.CPU }),
	}
}

// median of values that are not empty; of two in the middle, their mean.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// percentile p of sorted values that are not empty, by the nearest rank.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
