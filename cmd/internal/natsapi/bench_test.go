package natsapi_test

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// Requests through the whole of one process with its log in memory: client,
// server, edge and engine share the machine. 64 callers wait for their replies.
func BenchmarkCall(b *testing.B) {
	for _, bench := range []struct {
		name        string
		connections int
		in          func(*world, *client.Client) (service, operation string, in object)
	}{
		{"GetCallerIdentity/connections=1", 1, identityCall},
		{"GetCallerIdentity/connections=8", 8, identityCall},
		{"Decrypt/connections=1", 1, decryptCall},
		{"Decrypt/connections=8", 8, decryptCall},
	} {
		b.Run(bench.name, func(b *testing.B) {
			w := newWorld(b, setting{forget: true})
			var clients []*client.Client
			for range bench.connections {
				clients = append(clients, w.as(w.admin))
			}
			service, operation, in := bench.in(w, clients[0])
			body, err := json.Marshal(in)
			check(b, err)
			const callers = 64
			next := make(chan *client.Client, callers)
			for i := range callers {
				next <- clients[i%len(clients)]
			}
			b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				c := <-next
				for pb.Next() {
					if _, err := c.Call(b.Context(), service, operation, body); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

func identityCall(*world, *client.Client) (service, operation string, in object) {
	return "sts", "GetCallerIdentity", object{}
}

func decryptCall(w *world, c *client.Client) (service, operation string, in object) {
	key := w.call(c, "kms", "CreateKey", nil)["KeyMetadata"].(object)["KeyId"]
	sealed := w.call(c, "kms", "Encrypt", object{"KeyId": key, "Plaintext": "aGVsbG8="})
	return "kms", "Decrypt", object{"CiphertextBlob": sealed["CiphertextBlob"]}
}

func BenchmarkConnect(b *testing.B) {
	w := newWorld(b, setting{forget: true})
	users := map[string]credentials{"user": w.admin, "session": w.session("role", 900)}
	for name, who := range users {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				c, err := client.Connect(b.Context(), who.options(w))
				if err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
}
