package natsapi_test

import (
	"testing"
)

// A call goes through with nothing but an access key, and its receipt names its
// record.
func TestVertical(t *testing.T) {
	for name, onDisk := range map[string]bool{"memory": false, "jetstream": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setting{onDisk: onDisk})
			c := w.as(w.admin)
			reply, err := c.Call(t.Context(), "sts", "GetCallerIdentity", nil)
			check(t, err)
			records := w.recorded("sts:GetCallerIdentity")
			if len(records) != 1 || records[0].N != reply.N || records[0].Request != reply.RequestID || reply.Seq < 2 {
				t.Fatalf("reply %+v, records %+v", reply, records)
			}
			r := records[0]
			if r.Who.AccessKey != w.admin.id || r.Source != "127.0.0.1" || r.Agent != "test/1" || r.Via != "" {
				t.Errorf("record %+v", r)
			}

			key := w.call(c, "kms", "CreateKey", object{})["KeyMetadata"].(object)["KeyId"]
			sealed := w.call(c, "kms", "Encrypt", object{"KeyId": key, "Plaintext": "aGVsbG8="})
			plain := w.call(c, "kms", "Decrypt", object{"CiphertextBlob": sealed["CiphertextBlob"]})
			if plain["Plaintext"] != "aGVsbG8=" {
				t.Errorf("decrypted %v", plain)
			}
		})
	}
}
