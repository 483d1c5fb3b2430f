package audit

import (
	"fmt"
	"testing"
)

// TestNamesOfManySessions: to count who did something by role does not keep all
// sessions that there were.
func TestNamesOfManySessions(t *testing.T) {
	names := &actorNames{account: "111122223333", known: map[string]string{}}
	for i := range 3 * mostNames {
		who := fmt.Sprintf(`{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/r/%d","id":"AROA1:%d","account":"111122223333","issuer":"arn:aws:iam::111122223333:role/r"}`, i, i)
		if got := names.of(who); got != "arn:aws:iam::111122223333:role/r" {
			t.Fatalf("session %d is %s", i, got)
		}
	}
	if len(names.known) > mostNames {
		t.Errorf("%d values are kept", len(names.known))
	}
}
