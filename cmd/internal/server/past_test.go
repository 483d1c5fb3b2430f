package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// TestTheAnswersOfThePast: what WhoCan said at each moment it says again when it is
// asked about that moment, of many at a time, while the log grows.
func TestTheAnswersOfThePast(t *testing.T) {
	w := startWorld(t)
	var secret struct{ ARN string }
	if err := json.Unmarshal(w.must("secretsmanager:CreateSecret", map[string]any{"Name": "s", "SecretString": "x"}), &secret); err != nil {
		t.Fatal(err)
	}
	who := func(at any) (principals json.RawMessage, records uint64, fault error) {
		in := map[string]any{"Action": "secretsmanager:GetSecretValue", "Resource": secret.ARN}
		if at != nil {
			in["AtRecord"] = at
		}
		body, fault := w.ask("keytrail:WhoCan", in)
		if fault != nil {
			return nil, 0, fault
		}
		var out struct {
			Principals json.RawMessage
			At         struct{ Records uint64 }
		}
		if err := json.Unmarshal(body, &out); err != nil {
			t.Fatal(err)
		}
		return out.Principals, out.At.Records, nil
	}
	n := func() uint64 { // of the last record: that of the question itself
		var out struct{ Records []struct{ N uint64 } }
		if err := json.Unmarshal(w.must("keytrail:QueryAudit", map[string]any{"MaxResults": 1}), &out); err != nil {
			t.Fatal(err)
		}
		return out.Records[0].N
	}
	type moment struct {
		n    uint64
		said json.RawMessage
	}
	var moments []moment
	for i := range 12 {
		name := fmt.Sprint("u", i)
		w.must("iam:CreateUser", map[string]any{"UserName": name})
		w.must("iam:PutUserPolicy", map[string]any{"UserName": name, "PolicyName": "p",
			"PolicyDocument": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}}`})
		if i%3 == 2 {
			w.must("iam:DeleteUserPolicy", map[string]any{"UserName": fmt.Sprint("u", i-1), "PolicyName": "p"})
		}
		said, _, fault := who(nil)
		if fault != nil {
			t.Fatal(fault)
		}
		moments = append(moments, moment{n(), said})
	}
	if bytes.Equal(moments[0].said, moments[11].said) {
		t.Fatal("all moments are alike")
	}
	var asking sync.WaitGroup
	for g := range 2 { // as many as the engine lets look back at a time
		asking.Go(func() {
			for i := range moments {
				m := moments[(i*5+g*7)%len(moments)]
				said, records, fault := who(m.n)
				if fault != nil {
					t.Errorf("at %d: %v", m.n, fault)
				} else if !bytes.Equal(said, m.said) || records != m.n+1 {
					t.Errorf("at %d, %d records: %s\nand it was %s", m.n, records, said, m.said)
				}
			}
		})
	}
	asking.Wait()
	if _, _, fault := who(uint64(1) << 40); fault == nil {
		t.Error("there is no such record yet")
	}
}
