package natsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/keytrail/keytrail/cmd/internal/refusals"
	"github.com/keytrail/keytrail/eventstore/natslog"
)

// Callout is how this process judges the connections of external servers: by
// their auth callout, with the same verdict as Check. The servers' configuration
// names the account of Conn, its login and the issuer:
//
//	authorization { auth_callout { issuer: <public key>, account: AUTH, auth_users: [keytrail] } }
//
// Connections are entered by the id of their server and their own.
type Callout struct {
	Conn   *nats.Conn    // a login of auth_users
	System *nats.Conn    // to the system account: ends connections and hears which are there
	Issuer nkeys.KeyPair // an account's seed

	// Servers are tried before the first call is answered, each as a client with
	// Options: whether they ask this process, and take its answer.
	Servers []string
	Options []nats.Option

	probe probe
}

const (
	calloutSubject = "$SYS.REQ.USER.AUTH"
	// grace is how long a connection may be missing in the answer of its server, or
	// here, before it is forgotten or ended.
	grace = 10 * time.Second
	// page is how many connections one answer of a server lists.
	page = 1024
	// quiet ends the wait for the answers of all servers.
	quiet = 500 * time.Millisecond
)

// serveCallout begins to judge. Connections that another process let in are
// unknown here, and with them the sessions behind them: they are ended, so that
// their clients connect again.
func (s *Service) serveCallout(c *Callout) error {
	if c.Conn == nil || c.System == nil || c.Issuer == nil {
		return errors.New("auth callout needs a login, a system login and an issuer")
	}
	sub, err := c.Conn.QueueSubscribe(calloutSubject, queueGroup, func(m *nats.Msg) { s.judge(c, m) })
	if err != nil {
		return err
	}
	s.others = append(s.others, sub)
	if err := c.Conn.Flush(); err != nil {
		return err
	}
	if err := c.try(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return s.reconcile(ctx, c, 0)
}

// judge answers one request of a server. The server gives no access without an
// answer, and tells the client nothing of the reason in it.
func (s *Service) judge(c *Callout, m *nats.Msg) {
	req, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
	if err != nil {
		s.refusals.Note(refusals.Malformed, "", "")
		return
	}
	answer := jwt.NewAuthorizationResponseClaims(req.UserNkey)
	answer.Audience = req.Server.ID
	if answer.Jwt, err = s.verdict(c, req); err != nil {
		answer.Error = "refused"
	}
	if signed, err := answer.Encode(c.Issuer); err == nil {
		_ = m.Respond([]byte(signed))
	}
}

var errRefused = errors.New("refused")

func (s *Service) verdict(c *Callout, req *jwt.AuthorizationRequestClaims) (string, error) {
	p := presentedTo(req)
	if c.probe.is(&p) {
		claims := jwt.NewUserClaims(req.UserNkey)
		claims.Name, claims.Audience = probeUser, natslog.AccountClients
		claims.Pub.Deny, claims.Sub.Deny = jwt.StringList{">"}, jwt.StringList{">"}
		return claims.Encode(c.Issuer)
	}
	user, reason := s.admit(connectionID{req.Server.ID, req.ClientInformation.ID}, &p)
	if reason != "" {
		s.refusals.Note(reason, p.origin.source, p.accessKey)
		return "", errRefused
	}
	claims := jwt.NewUserClaims(req.UserNkey)
	claims.Name, claims.Audience = user.Username, natslog.AccountClients
	claims.Pub.Allow, claims.Sub.Allow = user.Permissions.Publish.Allow, user.Permissions.Subscribe.Allow
	if !user.ConnectionDeadline.IsZero() {
		claims.Expires = user.ConnectionDeadline.Unix()
	}
	return claims.Encode(c.Issuer)
}

func presentedTo(req *jwt.AuthorizationRequestClaims) presented {
	o := req.ConnectOptions
	ip := net.ParseIP(req.ClientInformation.Host)
	p := presented{
		accessKey: o.Username, secret: o.Password, token: o.Token,
		origin: origin{source: req.ClientInformation.Host, secure: req.TLS != nil || ip != nil && ip.IsLoopback()},
		client: req.ClientInformation.Kind == "Client",
	}
	p.complete(o.Name, o.Lang, o.Version)
	return p
}

// kick ends a connection of an external server, which does nothing for a request
// without a reply subject. Its answer is not waited for.
func (c *Callout) kick(id connectionID) {
	if body, err := json.Marshal(server.KickClientReq{CID: id.number}); err == nil {
		_ = c.System.PublishRequest("$SYS.REQ.SERVER."+id.server+".KICK", c.System.NewRespInbox(), body)
	}
}

// reconcile holds our connections against those that the servers have: it forgets
// what is gone and ends what is unknown here and older there than age. Ours may be
// younger than a server's answer, so they have a grace.
func (s *Service) reconcile(ctx context.Context, c *Callout, age time.Duration) error {
	present, answered := map[connectionID]bool{}, map[string]bool{}
	for offset := 0; ; offset += page {
		more := false
		err := c.connections(ctx, server.ConnzOptions{Offset: offset, Limit: page}, func(r *server.ServerAPIConnzResponse) {
			answered[r.Server.ID] = true
			more = more || len(r.Data.Conns) == page
			for _, conn := range r.Data.Conns {
				id := connectionID{r.Server.ID, conn.Cid}
				present[id] = true
				if validAccessKey(conn.AuthorizedUser) && r.Data.Now.Sub(conn.Start) >= age && !s.callers.has(id) {
					c.kick(id)
				}
			}
		})
		if err != nil {
			return fmt.Errorf("list the connections of the servers: %w", err)
		}
		if !more {
			break
		}
	}
	s.callers.forget(func(conn *connection) bool {
		return answered[conn.id.server] && !present[conn.id] && s.options.Now().Sub(conn.since) >= grace
	})
	return nil
}

// connections asks all servers for a page of their clients.
func (c *Callout) connections(ctx context.Context, page server.ConnzOptions, each func(*server.ServerAPIConnzResponse)) error {
	page.Account, page.Username = natslog.AccountClients, true
	body, err := json.Marshal(page)
	if err != nil {
		return err
	}
	inbox := c.System.NewRespInbox()
	sub, err := c.System.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	if err := c.System.PublishRequest("$SYS.REQ.SERVER.PING.CONNZ", inbox, body); err != nil {
		return err
	}
	for {
		wait, cancel := context.WithTimeout(ctx, quiet)
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if err != nil {
			return ctx.Err() // nil: silence has ended the wait
		}
		var r server.ServerAPIConnzResponse
		if json.Unmarshal(m.Data, &r) == nil && r.Server != nil && r.Data != nil {
			each(&r)
		}
	}
}
