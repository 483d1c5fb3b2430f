package iam_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

func TestNearMisses(t *testing.T) {
	in := call{who: alice, model: iam.ModelKey,
		identity: []string{doc(allow("kms:Decrypt", alias), allow("kms:Encrypt", "*"), deny("kms:Decrypt", secret))},
		policy: doc(
			allow("kms:Decrypt", "*", to(readerARN)),
			allow("kms:Decrypt", "*", to(aliceARN), when(`'StringEquals':{'kms:ViaService':'secretsmanager.us-east-1.amazonaws.com'}`)),
			allow("kms:Decrypt", "*", to(readerARN), when(`'StringEquals':{'kms:ViaService':'x'}`)),
			allow("kms:Decrypt", "*", to(aliceARN)))}.input(t)
	want := []string{"identity#0 resource ", "policy#0 principal ", "policy#1 condition StringEquals kms:viaservice"}
	var got []string
	for _, m := range iam.NearMisses(in) {
		got = append(got, m.String()+" "+m.Aspect.String()+" "+m.Condition)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestConcurrentUse: a compiled policy serves many goroutines, for the race
// detector to watch.
func TestConcurrentUse(t *testing.T) {
	in := call{who: alice, model: iam.ModelKey, policy: secretsManagerKey, identity: []string{administrator},
		context: iam.ContextMap{"kms:CallerAccount": {account}, "kms:ViaService": {"secretsmanager.us-east-1.amazonaws.com"}}}.input(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if d := iam.Evaluate(in); d.Road != iam.RoadKeyPolicy {
					t.Errorf("road %v", d.Road)
					return
				}
				in.ResourcePolicy.Policy.Bind(map[string]string{aliceARN: "AIDANEW0000000000001"})
			}
		})
	}
	wg.Wait()
}
