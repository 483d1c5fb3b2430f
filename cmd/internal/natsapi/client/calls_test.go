package client

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

const inbox = "_INBOX.AKIAIOSFODNN7EXAMPLE.X."

func message(token string, body string, headers ...string) *nats.Msg {
	m := &nats.Msg{Subject: inbox + token, Data: []byte(body), Header: nats.Header{}}
	for i := 0; i < len(headers); i += 2 {
		m.Header[headers[i]] = []string{headers[i+1]}
	}
	return m
}

func TestReceive(t *testing.T) {
	for name, tc := range map[string]struct {
		msg     *nats.Msg
		ignored bool
		reply   Reply
		err     error
	}{
		"success": {msg: message("1", `{"A":1}`, "Keytrail-Request-Id", "r", "Keytrail-Receipt", "n=7 seq=3"),
			reply: Reply{Body: []byte(`{"A":1}`), RequestID: "r", N: 7, Seq: 3}},
		"refusal": {msg: message("1", `{"__type":"X","message":"m"}`, "Keytrail-Request-Id", "r", "Nats-Service-Error-Code", "403"),
			err: &APIError{Code: "X", Message: "m", Status: 403, RequestID: "r"}},
		"refusal with a record": {msg: message("1", `{"__type":"X","message":"m"}`, "Keytrail-Request-Id", "r", "Nats-Service-Error-Code", "403", "Keytrail-Receipt", "n=7 seq=3"),
			err: &APIError{Code: "X", Message: "m", Status: 403, RequestID: "r", Recorded: true}},
		"refusal of Secrets Manager": {msg: message("1", `{"__type":"X","Message":"m"}`, "Keytrail-Request-Id", "r", "Nats-Service-Error-Code", "400"),
			err: &APIError{Code: "X", Message: "m", Status: 400, RequestID: "r"}},
		"refusal by its header": {msg: message("1", ``, "Keytrail-Request-Id", "r", "Nats-Service-Error-Code", "503", "Nats-Service-Error", "X: m: n"),
			err: &APIError{Code: "X", Message: "m: n", Status: 503, RequestID: "r"}},
		"nobody there":                     {msg: message("1", ``, "Status", "503"), err: ErrNoServer},
		"success without a receipt":        {msg: message("1", `{}`, "Keytrail-Request-Id", "r"), err: errAny},
		"receipt of nonsense":              {msg: message("1", `{}`, "Keytrail-Request-Id", "r", "Keytrail-Receipt", "n=x seq=3"), err: errAny},
		"somebody else's answer":           {msg: message("1", `{"A":2}`), ignored: true},
		"answer of discovery":              {msg: message("1", `{"name":"keytrail"}`, "Nats-Service-Error-Code", "400"), ignored: true},
		"answer to another call":           {msg: message("2", `{}`, "Keytrail-Request-Id", "r", "Keytrail-Receipt", "n=7 seq=3"), ignored: true},
		"answer to no number":              {msg: message("!", `{}`, "Keytrail-Request-Id", "r", "Keytrail-Receipt", "n=7 seq=3"), ignored: true},
		"503 that has a body is no status": {msg: message("1", `{}`, "Status", "503"), ignored: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCalls(inbox)
			var got *Reply
			var failed error
			runs := 0
			if _, subject := s.add(func(r *Reply, err error) { got, failed = r, err; runs++ }); subject != inbox+"1" {
				t.Fatalf("reply subject %s", subject)
			}
			s.receive(tc.msg)
			s.receive(tc.msg) // an answer counts once
			if want := map[bool]int{true: 0, false: 1}[tc.ignored]; runs != want {
				t.Fatalf("the call was told %d times, want %d", runs, want)
			}
			if tc.ignored {
				return
			}
			var refused *APIError
			switch {
			case tc.err == errAny:
				if failed == nil {
					t.Error("no error")
				}
			case errors.As(tc.err, &refused):
				var is *APIError
				if !errors.As(failed, &is) || *is != *refused {
					t.Errorf("%v, want %v", failed, refused)
				}
			case tc.err != nil:
				if !errors.Is(failed, tc.err) {
					t.Errorf("%v, want %v", failed, tc.err)
				}
			case failed != nil || string(got.Body) != string(tc.reply.Body) || got.RequestID != tc.reply.RequestID || got.N != tc.reply.N || got.Seq != tc.reply.Seq:
				t.Errorf("%+v, %v, want %+v", got, failed, tc.reply)
			}
		})
	}
}

var errAny = errors.New("any")

func TestFailEndsEveryCall(t *testing.T) {
	s := newCalls(inbox)
	ended := 0
	for range 3 {
		s.add(func(_ *Reply, err error) {
			if errors.Is(err, ErrOutcomeUnknown) {
				ended++
			}
		})
	}
	id, _ := s.add(func(*Reply, error) { t.Error("a forgotten call was told") })
	if !s.forget(id) || s.forget(id) {
		t.Error("forget does not know whether the call was waiting")
	}
	s.fail(ErrOutcomeUnknown)
	s.fail(ErrOutcomeUnknown)
	if ended != 3 {
		t.Errorf("%d calls ended, want 3", ended)
	}
}

func TestInboxesDiffer(t *testing.T) {
	a, err := newInbox("AKIAIOSFODNN7EXAMPLE")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := newInbox("AKIAIOSFODNN7EXAMPLE")
	if a == b || !strings.HasPrefix(a, "_INBOX.AKIAIOSFODNN7EXAMPLE.") || !strings.HasSuffix(a, ".") || len(a) < 50 {
		t.Errorf("%s, %s", a, b)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add("1", `{"A":1}`, "r", "n=7 seq=3", "", "")
	f.Add("1", `{"__type":"X","message":"m"}`, "r", "", "403", "X: m")
	f.Add("1", `null`, "r", "n= seq=", "x", "")
	f.Fuzz(func(t *testing.T, token, body, id, receipt, status, text string) {
		s := newCalls(inbox)
		runs := 0
		s.add(func(r *Reply, err error) {
			runs++
			if (r == nil) == (err == nil) {
				t.Errorf("reply %v and error %v", r, err)
			}
		})
		s.receive(message(token, body, "Keytrail-Request-Id", id, "Keytrail-Receipt", receipt, "Nats-Service-Error-Code", status, "Nats-Service-Error", text))
		if runs > 1 || runs == 1 && id == "" {
			t.Errorf("told %d times, request id %q", runs, id)
		}
	})
}
