package natslog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// duplicates is how long the stream remembers message ids. The fence already
// keeps a commit from being stored twice; the ids matter to a resend that is
// still on its way. At some thousand commits a second and a hundred bytes each a
// longer memory would cost more than it is worth.
const duplicates = 10 * time.Second

// config is the stream that the log needs: nothing is ever removed from it, and
// every write is on disk before it is acknowledged.
func config(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              StreamName,
		Description:       "Keytrail: the log",
		Subjects:          []string{allSubjects},
		Retention:         jetstream.LimitsPolicy,
		Storage:           jetstream.FileStorage,
		Compression:       jetstream.S2Compression,
		Replicas:          max(replicas, 1),
		Discard:           jetstream.DiscardNew,
		DenyDelete:        true,
		DenyPurge:         true,
		AllowDirect:       true,
		Duplicates:        duplicates,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxMsgsPerSubject: -1,
		MaxConsumers:      -1,
	}
}

// checkConfig refuses a stream that could lose, drop, alter or delay the
// durability of commits, or that cannot be read as Log does.
func checkConfig(c jetstream.StreamConfig) error {
	for _, field := range []struct {
		name string
		ok   bool
		got  any
		want string
	}{
		{"subjects", slices.Equal(c.Subjects, []string{allSubjects}), c.Subjects, "[" + allSubjects + "]"},
		{"storage", c.Storage == jetstream.FileStorage, c.Storage, "File"},
		{"persist_mode", c.PersistMode == jetstream.DefaultPersistMode, c.PersistMode, "default, for any other overrides sync always"},
		{"retention", c.Retention == jetstream.LimitsPolicy, c.Retention, "Limits"},
		{"discard", c.Discard == jetstream.DiscardNew, c.Discard, "DiscardNew"},
		{"deny_delete", c.DenyDelete, c.DenyDelete, "true"},
		{"deny_purge", c.DenyPurge, c.DenyPurge, "true"},
		{"allow_rollup_hdrs", !c.AllowRollup, c.AllowRollup, "false"},
		{"allow_direct", c.AllowDirect, c.AllowDirect, "true"},
		{"max_age", c.MaxAge == 0, c.MaxAge, "unlimited"},
		{"max_msgs_per_subject", c.MaxMsgsPerSubject <= 0, c.MaxMsgsPerSubject, "unlimited"},
		{"allow_msg_ttl", !c.AllowMsgTTL, c.AllowMsgTTL, "false"},
		{"subject_delete_marker_ttl", c.SubjectDeleteMarkerTTL == 0, c.SubjectDeleteMarkerTTL, "none"},
		{"allow_msg_counter", !c.AllowMsgCounter, c.AllowMsgCounter, "false"},
		{"no_ack", !c.NoAck, c.NoAck, "false"},
		{"sealed", !c.Sealed, c.Sealed, "false"},
		{"first_seq", c.FirstSeq <= 1, c.FirstSeq, "1"},
		{"mirror", c.Mirror == nil, c.Mirror, "none"},
		{"sources", len(c.Sources) == 0, c.Sources, "none"},
		{"subject_transform", c.SubjectTransform == nil, c.SubjectTransform, "none"},
	} {
		if !field.ok {
			return fmt.Errorf("stream %s: %s is %v, want %s", StreamName, field.name, field.got, field.want)
		}
	}
	return nil
}

// ErrNotSynced: the servers do not sync every write, or would not say.
var ErrNotSynced = errors.New("the servers are not known to sync every write (jetstream: sync_interval: always)")

// holders names the servers that have the stream on their disks. Outside a
// cluster a stream does not say, and it is the server that was connected to.
func holders(nc *nats.Conn, cluster *jetstream.ClusterInfo) map[string]bool {
	if cluster == nil {
		return map[string]bool{nc.ConnectedServerName(): true}
	}
	out := map[string]bool{cluster.Leader: true}
	for _, r := range cluster.Replicas {
		out[r.Name] = true
	}
	return out
}

// checkSync asks the servers, over the system account, whether they sync every
// write. JetStream tells nobody else.
func checkSync(ctx context.Context, system *nats.Conn, waiting map[string]bool, timeout time.Duration) error {
	if system == nil {
		return fmt.Errorf("%w: only the system account may ask %v, and no connection to it was given", ErrNotSynced, names(waiting))
	}
	inbox := system.NewInbox()
	sub, err := system.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSynced, err)
	}
	defer sub.Unsubscribe()
	if err := system.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", inbox, []byte(`{"config":true}`)); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSynced, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for len(waiting) > 0 {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return fmt.Errorf("%w: no answer about %v: %w", ErrNotSynced, names(waiting), err)
		}
		name, always, err := syncAnswer(m.Data)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotSynced, err)
		}
		if !waiting[name] {
			continue
		}
		if !always {
			return fmt.Errorf("%w: server %s does not", ErrNotSynced, name)
		}
		delete(waiting, name)
	}
	return nil
}

func syncAnswer(data []byte) (server string, always bool, err error) {
	var answer struct {
		Server struct {
			Name string `json:"name"`
		} `json:"server"`
		Data *struct {
			Config struct {
				SyncAlways bool `json:"sync_always"`
			} `json:"config"`
		} `json:"data"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", false, fmt.Errorf("answer of a server: %w", err)
	}
	return answer.Server.Name, answer.Data != nil && answer.Data.Config.SyncAlways, nil
}

func names(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for name := range set {
		out = append(out, name)
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}
