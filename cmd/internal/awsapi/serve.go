package awsapi

import (
	"net/http"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/sigv4"
	"github.com/keytrail/keytrail/domain/vault"
)

// ServeHTTP carries one request from the wire to the engine and its reply back.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, _ := r.Context().Value(connectionKey{}).(*connection)
	if from == nil {
		from = &connection{}
	}
	a := answer{w: w, id: s.engine.NewRequestID()}
	req, held, err := s.admit(r, from, &a.route)
	if err != nil {
		w.Header()["Connection"] = []string{"close"} // nothing more is read from it
		a.refuse(fault.Of(err))
		return
	}
	defer held.free()
	s.conns.busy(from)
	req.ID = a.id
	a.operation = req.Operation
	s.answer(req, &a)
}

// admit finds out what is asked and by whom. What it refuses is of nobody who is
// known, and is counted, not recorded. held is the body; the caller frees it.
func (s *Service) admit(r *http.Request, from *connection, rt *route) (req *vault.Request, held *body, err error) {
	signed := signedPart(r)
	signature, unsigned := sigv4.Parse(signed)
	accessKey := ""
	if unsigned == nil {
		accessKey = signature.AccessKey
	}
	defer func() {
		if err != nil {
			s.refusals.Note(reasonOf(err), from.source, accessKey)
		}
	}()
	if *rt, err = routeOf(r, signature); err != nil {
		return nil, nil, err
	}
	if unsigned != nil {
		return nil, nil, unsigned
	}
	claim, err := s.judge(signature, rt.service)
	if err != nil {
		return nil, nil, err
	}
	defer claim.key.Zero()
	if held, err = s.readBody(r); err != nil {
		return nil, nil, err
	}
	if err = s.verify(claim, signed, held.bytes); err != nil {
		held.free()
		return nil, nil, err
	}
	req = &vault.Request{
		Service: rt.service, Operation: rt.operation, Credential: claim.credential, Body: held.bytes,
		Source: from.source, Agent: r.UserAgent(), Secure: r.TLS != nil || from.local,
	}
	if rt.query {
		var unreadable error
		if req.Operation, req.Body, unreadable = readQuery(rt.service, held.bytes, r.URL.RawQuery); unreadable != nil {
			req.Unreadable = fault.Of(unreadable)
		}
	}
	return req, held, nil
}

// answer carries the call out and waits for its reply, whether or not the client
// still does: the request's memory is the engine's until then.
func (s *Service) answer(req *vault.Request, a *answer) {
	replied := make(chan vault.Reply, 1)
	s.engine.Do(req, func(r vault.Reply) {
		r.Body = append(make([]byte, 0, len(r.Body)), r.Body...)
		replied <- r
	})
	reply := <-replied
	defer clear(reply.Body)
	a.receipt = reply.Receipt
	if reply.Fault != nil {
		a.refuse(reply.Fault)
		return
	}
	a.succeed(reply.Body)
}
