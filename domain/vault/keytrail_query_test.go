package vault_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// TestTimesOfQueries: the bounds of a question include the whole of what they name,
// for records have microseconds: a second, or a millisecond.
func TestTimesOfQueries(t *testing.T) {
	v := vaulttest.New(t)
	admin := v.User("admin", vaulttest.Administrator)
	day := time.Date(2026, 11, 23, 10, 4, 57, 0, time.UTC)
	for _, tt := range []struct {
		operation    string
		in           m
		since, until time.Time
	}{
		{"keytrail:QueryAudit", m{"Since": "2026-11-23T10:04:57Z", "Until": "2026-11-23T10:04:57Z"}, day, day.Add(time.Second - time.Microsecond)},
		{"keytrail:QueryAudit", m{"Since": "2026-11-23T10:04:57.123456Z", "Until": "2026-11-23T10:04:57.123456Z"}, day.Add(123 * time.Millisecond), day.Add(124*time.Millisecond - time.Microsecond)},
		{"cloudtrail:LookupEvents", m{"StartTime": 1795428297, "EndTime": 1795428297.5}, day, day.Add(501*time.Millisecond - time.Microsecond)},
		{"cloudtrail:LookupEvents", m{"EndTime": 1795428297}, time.Time{}, day.Add(time.Second - time.Microsecond)},
	} {
		body, err := json.Marshal(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		service, name, _ := strings.Cut(tt.operation, ":")
		q, ok := vault.NeedsTrail(v.State, &vault.Request{Service: service, Operation: name, Credential: admin.Credential, Body: body, Secure: true}, &v.Env)
		if !ok || !q.Since.Equal(tt.since) || !q.Until.Equal(tt.until) {
			t.Errorf("%s: %v from %v to %v, want from %v to %v", body, ok, q.Since, q.Until, tt.since, tt.until)
		}
	}
}
