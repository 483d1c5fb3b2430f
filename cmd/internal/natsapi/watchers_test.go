package natsapi_test

import (
	"testing"
	"time"
)

// Who watches is on the record, whether or not it calls TailRecords before: once, of
// its own, and of nobody who could and does not.
func TestWatchersAreOnTheRecord(t *testing.T) {
	w := newWorld(t, setting{})
	admin := w.as(w.admin)
	w.call(admin, "kms", "ListKeys", nil)
	raw, polite, able := w.user("raw", "keytrail:TailRecords"), w.user("polite", "keytrail:TailRecords"), w.user("able", "keytrail:TailRecords", "kms:ListKeys")
	idle := w.as(able)
	w.call(idle, "kms", "ListKeys", nil)

	watcher := w.raw(raw)
	_, err := watcher.SubscribeSync("keytrail.live." + account + ".kms.*.>")
	check(t, err)
	check(t, watcher.Flush())
	stop, err := w.as(polite).Tail(t.Context(), func([]byte) {})
	check(t, err)
	defer stop()
	by := func() map[string]int {
		n := map[string]int{}
		for _, r := range w.recorded("keytrail:TailRecords") {
			if r.Outcome != "ok" || r.Decision == nil || !r.Decision.Allowed {
				t.Errorf("recorded as %+v", r)
			}
			n[r.Who.AccessKey]++
			if r.Who.AccessKey == raw.id && string(r.Params) != `{"subjects":["keytrail.live.`+account+`.kms.*.>"]}` {
				t.Errorf("of what it watches the record says %s", r.Params)
			}
		}
		return n
	}
	eventually(t, "who watches is on the record", func() bool {
		w.call(admin, "kms", "ListKeys", nil)
		n := by()
		return n[raw.id] > 0 && n[polite.id] > 0
	})
	for range 10 {
		w.call(admin, "kms", "ListKeys", nil)
		w.call(idle, "kms", "ListKeys", nil)
		time.Sleep(50 * time.Millisecond)
	}
	if n := by(); n[raw.id] != 1 || n[polite.id] != 1 || len(n) != 2 {
		t.Errorf("records by access key: %v", n)
	}

	// A refusal is on the record as well.
	if stop, err := w.as(w.user("user")).Tail(t.Context(), func([]byte) {}); err == nil {
		stop()
		t.Error("who may not watch watches")
	}
	if all := w.recorded("keytrail:TailRecords"); all[len(all)-1].Outcome != "AccessDenied" {
		t.Errorf("the refusal is recorded as %+v", all[len(all)-1])
	}
}
