package bench

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/eventstore"
)

// recordsPerCommit of a made log, as group commit has them under load.
const recordsPerCommit = 64

// madeLog is a log of as many records as wanted that takes no memory: each commit
// is made when it is read, always the same. Its records are reads of secrets, in
// pairs of GetSecretValue and the Decrypt that it caused, by some thousand callers
// of as many secrets; some are refused.
type madeLog struct {
	eventstore.Log
	records int
}

// Last is the sequence of the last commit.
func (l *madeLog) Last(context.Context) (uint64, error) {
	return uint64((l.records + recordsPerCommit - 1) / recordsPerCommit), nil
}

// Get makes one commit.
func (l *madeLog) Get(ctx context.Context, seq uint64) (eventstore.Stored, error) {
	if last, _ := l.Last(ctx); seq == 0 || seq > last {
		return eventstore.Stored{}, eventstore.ErrNotFound
	}
	first := (seq - 1) * recordsPerCommit
	c := eventstore.Stored{Seq: seq}
	c.Subject, c.First, c.After = eventstore.Use, first, seq-1
	for n := first; n < min(first+recordsPerCommit, uint64(l.records)); n++ {
		c.Lines = append(c.Lines, madeLine(n))
	}
	return c, nil
}

// Read makes all commits from a sequence on.
func (l *madeLog) Read(ctx context.Context, from uint64, _ []eventstore.Subject, fn func(eventstore.Stored) error) error {
	last, _ := l.Last(ctx)
	for seq := max(from, 1); seq <= last; seq++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := l.Get(ctx, seq)
		if err == nil {
			err = fn(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	madeAccount = "111122223333"
	madeCallers = 1000
	madeSecrets = 3000
)

var madeBegin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// The callers, secrets and keys of a made log, made once.
var (
	whos    = made(madeCallers, madeCaller)
	secrets = made(madeSecrets, madeSecret)
	keys    = made(50, func(i uint64) string {
		return fmt.Sprintf("arn:aws:kms:us-east-1:%s:key/0a1b2c3d-0000-4000-8000-%012d", madeAccount, i)
	})
	addresses = made(madeCallers, func(i uint64) string { return fmt.Sprintf("10.0.%d.%d", i/250, i%250) })
)

func made[T any](n int, one func(uint64) T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = one(uint64(i))
	}
	return all
}

func madeSecret(i uint64) string {
	return fmt.Sprintf("arn:aws:secretsmanager:us-east-1:%s:secret:app/%04d-AbCdEf", madeAccount, i)
}

func madeCaller(i uint64) event.Who {
	return event.Who{Type: "IAMUser", ARN: fmt.Sprintf("arn:aws:iam::%s:user/app-%03d", madeAccount, i), ID: fmt.Sprintf("AIDA%017d", i),
		Account: madeAccount, AccessKey: fmt.Sprintf("AKIA%016d", i), Name: fmt.Sprintf("app-%03d", i)}
}

func madeRequest(pair uint64) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[0:], pair*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(raw[8:], pair)
	var id [36]byte
	for i, part := range [][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		hex.Encode(id[2*part[0]+i:], raw[part[0]:part[1]])
	}
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}

// madeLine is the record n. What a caller does is spread over the whole log.
func madeLine(n uint64) []byte {
	pair := n / 2
	who := pair * 7919 % madeCallers
	secret, key := secrets[pair*104729%madeSecrets], keys[pair%50]
	r := event.Record{N: n, At: madeBegin.Add(time.Duration(n) * 2 * time.Millisecond), Request: madeRequest(pair), Who: whos[who],
		Outcome: event.OutcomeOK, Decision: &event.Decision{Allowed: true}}
	if n%2 == 0 {
		r.Op, r.Via, r.Source, r.Agent = "kms:Decrypt", "secretsmanager", "secretsmanager.amazonaws.com", "secretsmanager.amazonaws.com"
		r.Params = []byte(`{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"SecretARN":"` + secret + `","SecretVersionId":"a4d1f0a2-9b1c-4b43-8e2f-7f2f1f0f5c11"}}`)
		r.Resources = []string{key}
		r.Events = []event.Event{&event.Decrypted{Key: key, Material: "9c1f"}}
	} else {
		r.Op, r.Source, r.Agent = "secretsmanager:GetSecretValue", addresses[who], "aws-sdk-go-v2/1.41.0"
		r.Params = []byte(`{"secretId":"` + secret + `"}`)
		r.Resources = []string{secret}
	}
	if pair%1009 == 3 {
		r.Outcome, r.Message, r.Decision.Allowed, r.Events = "AccessDenied", "Access to KMS is not allowed", false, nil
	}
	line, err := r.AppendLine(make([]byte, 0, 1024))
	if err != nil {
		panic(err) // an event of ours that cannot be encoded
	}
	return line
}
