package natsapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/keytrail/keytrail/cmd/internal/natsapi"
)

// Refused connections are in the log in few records, however many there were.
func TestRefusalsAreSummedUp(t *testing.T) {
	w := newWorld(t, setting{api: func(o *natsapi.Options) { o.RefuseEvery = 200 * time.Millisecond }})
	const tries = 150
	for range tries {
		w.refused(credentials{id: w.admin.id, secret: "this is not the secret access key at all"})
	}
	w.refused(credentials{id: "typed my secret here", secret: "x"})
	if _, err := nats.Connect(w.nats.ClientURL()); err == nil {
		t.Fatal("let in without credentials")
	}
	counted := func() map[string]int {
		counts := map[string]int{}
		for _, r := range w.recorded("keytrail:RefuseConnections") {
			var p struct {
				Edge, Reason string
				Count        int
				Sources      []string
				AccessKeyIds []string
			}
			check(t, json.Unmarshal(r.Params, &p))
			counts[p.Reason] += p.Count
			if p.Edge != "nats" || len(p.Sources) != 1 || p.Sources[0] != "127.0.0.1" || len(p.AccessKeyIds) > 1 ||
				len(p.AccessKeyIds) == 1 && p.AccessKeyIds[0] != w.admin.id {
				t.Errorf("record %s", r.Params)
			}
			if r.Who.Type != "AWSService" || r.Outcome != "ok" {
				t.Errorf("record %+v", r)
			}
		}
		return counts
	}
	eventually(t, "every refusal is counted", func() bool {
		c := counted()
		return c["unknown or wrong credentials"] == tries+1 && c["no credentials"] == 1
	})
	if n := len(w.recorded("keytrail:RefuseConnections")); n > 20 {
		t.Errorf("%d records for %d refusals", n, tries+2)
	}
}
