package natslog

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/eventstore"
)

func example() *eventstore.Commit {
	return &eventstore.Commit{Subject: eventstore.Use, First: 41, Lines: [][]byte{[]byte("one"), []byte("two")}, Root: eventstore.Hash{1, 2, 3}, ID: "41-abc", After: 7}
}

func TestDecodeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(m *nats.Msg){
		"unknown subject":  func(m *nats.Msg) { m.Subject = "keytrail.log.other" },
		"no first":         func(m *nats.Msg) { m.Header.Del(headerFirst) },
		"first not number": func(m *nats.Msg) { m.Header.Set(headerFirst, "-1") },
		"first too large":  func(m *nats.Msg) { m.Header.Set(headerFirst, "18446744073709551616") },
		"no after":         func(m *nats.Msg) { m.Header.Del(headerAfter) },
		"no count":         func(m *nats.Msg) { m.Header.Del(headerCount) },
		"count zero":       func(m *nats.Msg) { m.Header.Set(headerCount, "0") },
		"count too small":  func(m *nats.Msg) { m.Header.Set(headerCount, "1") },
		"count too large":  func(m *nats.Msg) { m.Header.Set(headerCount, "3") },
		"count huge":       func(m *nats.Msg) { m.Header.Set(headerCount, "18446744073709551615") },
		"no root":          func(m *nats.Msg) { m.Header.Del(headerRoot) },
		"short root":       func(m *nats.Msg) { m.Header.Set(headerRoot, "0102") },
		"no body":          func(m *nats.Msg) { m.Data = nil },
	} {
		m := encode(example(), example().AppendBody(nil))
		spoil(m)
		_, err := decode(m.Subject, 8, time.Now(), m.Header, m.Data)
		var damage *eventstore.UnreadableError
		if !errors.As(err, &damage) || damage.Seq != 8 {
			t.Errorf("%s: %v, want a UnreadableError at 8", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	m := encode(example(), example().AppendBody(nil))
	f.Add(m.Subject, m.Header.Get(headerFirst), m.Header.Get(headerCount), m.Header.Get(headerRoot), m.Header.Get(headerAfter), m.Data)
	f.Add("keytrail.log.state", "0", "1", m.Header.Get(headerRoot), "0", []byte("{}"))
	f.Add("x", "", "99999999999", "zz", "-1", []byte("\n"))
	f.Fuzz(func(t *testing.T, subject, first, count, root, after string, body []byte) {
		header := nats.Header{headerFirst: {first}, headerCount: {count}, headerRoot: {root}, headerAfter: {after}, headerID: {"id"}}
		c, err := decode(subject, 3, time.Time{}, header, body)
		if err != nil {
			return
		}
		m := encode(&c.Commit, c.AppendBody(nil))
		again, err := decode(m.Subject, 3, time.Time{}, m.Header, m.Data)
		if err != nil || again.First != c.First || again.Root != c.Root || again.After != c.After || string(m.Data) != string(body) {
			t.Fatalf("%+v came back as %+v, %v", c, again, err)
		}
	})
}

func FuzzAcknowledged(f *testing.F) {
	f.Add([]byte(`{"stream":"KEYTRAIL","seq":8}`))
	f.Add([]byte(`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"},"stream":"KEYTRAIL","seq":0}`))
	f.Add([]byte(`{"stream":"KEYTRAIL","seq":8,"duplicate":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		seq, err := acknowledged(data, example())
		if err == nil {
			if seq != 8 {
				t.Fatalf("%s acknowledges sequence %d after 7", data, seq)
			}
			return
		}
		classes := 0
		for _, class := range []error{eventstore.ErrFenced, eventstore.ErrNotStored, eventstore.ErrAmbiguous} {
			if errors.Is(err, class) {
				classes++
			}
		}
		if classes != 1 {
			t.Fatalf("%s: %v is of %d classes", data, err, classes)
		}
	})
}

func TestAcknowledgements(t *testing.T) {
	for _, tc := range []struct {
		ack   string
		class error
	}{
		{`{"stream":"KEYTRAIL","seq":8}`, nil},
		{`{"stream":"KEYTRAIL","domain":"hub","seq":8}`, nil},
		{`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"},"stream":"KEYTRAIL","seq":0}`, eventstore.ErrFenced},
		{`{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"KEYTRAIL","seq":0}`, eventstore.ErrFenced},
		{`{"stream":"KEYTRAIL","seq":8,"duplicate":true}`, eventstore.ErrFenced},
		{`{"stream":"KEYTRAIL","seq":3,"duplicate":true}`, eventstore.ErrNotStored},
		{`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"KEYTRAIL","seq":0}`, eventstore.ErrNotStored},
		{`{"error":{"code":503,"err_code":10023,"description":"insufficient resources"},"stream":"KEYTRAIL","seq":0}`, eventstore.ErrNotStored},
		{`{"error":{"code":500,"err_code":10047,"description":"insufficient storage resources available"},"stream":"KEYTRAIL","seq":0}`, eventstore.ErrNotStored},
		{`{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}`, eventstore.ErrAmbiguous},
		{`{"error":{"code":500,"err_code":19999,"description":"something new"}}`, eventstore.ErrAmbiguous},
		{`{"stream":"OTHER","seq":8}`, eventstore.ErrAmbiguous},
		{`{"stream":"KEYTRAIL","seq":9}`, eventstore.ErrAmbiguous},
		{`{}`, eventstore.ErrAmbiguous},
		{``, eventstore.ErrAmbiguous},
		{`+OK`, eventstore.ErrAmbiguous},
	} {
		seq, err := acknowledged([]byte(tc.ack), example())
		if tc.class == nil && (err != nil || seq != 8) || !errors.Is(err, tc.class) {
			t.Errorf("%s: %d, %v, want %v", tc.ack, seq, err, tc.class)
		}
	}
}
