package bench

import (
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/eventstore"
)

// serveHTTP answers over a bare net/http server that verifies nothing: on /echo at
// once, on /append when the sample's lines are on disk. It returns its URL.
func (c *ceiling) serveHTTP() (url string, close func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(c.handleHTTP)}
	go server.Serve(listener) // ends with ErrServerClosed
	return "http://" + listener.Addr().String(), server.Close, nil
}

func (c *ceiling) handleHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, vault.MaxBody)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Path != "/"+echoService {
		done := make(chan error, 1)
		if err := c.committer.Submit(eventstore.Use, ticket{done: done}); err != nil {
			done <- err
		}
		if err := <-done; err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	h := w.Header()
	for name, values := range c.sample.Header {
		h[name] = values
	}
	h["Content-Type"] = []string{"application/x-amz-json-1.1"}
	h["Content-Length"] = []string{strconv.Itoa(len(c.sample.Reply))}
	w.Write(c.sample.Reply)
}
