package natsapi

import (
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/keytrail/keytrail/cmd/internal/refusals"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/identity"
)

// Authenticator judges the connections of an embedded server, which needs it at
// its start. It refuses all of them until a Service serves.
type Authenticator struct {
	serving atomic.Pointer[Service]
}

var _ server.Authentication = (*Authenticator)(nil)

// NewAuthenticator returns one that refuses everybody.
func NewAuthenticator() *Authenticator { return &Authenticator{} }

// Check lets a connection in or not: it implements server.Authentication. User is
// the access key id, password the secret access key, and for temporary
// credentials the auth token is the session token. A client that can send no
// token besides a user may append it to the password behind a colon, which
// neither contains.
//
// A connection that was let in may publish requests under its own access key id,
// ask for service discovery, and subscribe below its own inbox and, when its
// principal may tail, to its account's live records. It may do nothing else.
func (a *Authenticator) Check(c server.ClientAuthentication) bool {
	s := a.serving.Load()
	if s == nil || s.options.Server == nil {
		return false
	}
	presented := presentedBy(c)
	user, reason := s.admit(connectionID{"", c.GetID()}, &presented)
	if reason != "" {
		s.refusals.Note(reason, presented.origin.source, presented.accessKey)
		return false
	}
	user.Account = s.options.Server.Clients()
	c.RegisterUser(user)
	return true
}

// presented is what a connection says of itself and what the server saw of it.
type presented struct {
	accessKey, secret, token string
	origin                   origin
	client                   bool // and not a leaf node, a route or a gateway
}

func presentedBy(c server.ClientAuthentication) presented {
	o := c.GetOpts()
	p := presented{
		accessKey: o.Username, secret: o.Password, token: o.Token,
		client: c.Kind() == server.CLIENT,
	}
	local := false
	p.origin.source, local = sourceOf(c.RemoteAddress())
	p.origin.secure = local || c.GetTLSConnectionState() != nil
	p.complete(o.Name, o.Lang, o.Version)
	return p
}

// complete fills in what clients may say in more than one way.
func (p *presented) complete(name, lang, version string) {
	if p.origin.agent = name; name == "" {
		p.origin.agent = "nats-" + lang + "/" + version
	}
	if p.token == "" {
		p.secret, p.token, _ = strings.Cut(p.secret, ":")
	}
}

// sourceOf is the address without its port, and whether it is on this machine.
func sourceOf(a net.Addr) (source string, local bool) {
	if a == nil || a.Network() == "pipe" {
		return "127.0.0.1", true
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return "", false
	}
	ip := net.ParseIP(host)
	return host, ip != nil && ip.IsLoopback()
}

// admit judges what was presented and enters the connection. The connection is
// entered before its credential is resolved for the last time: a credential that
// is revoked meanwhile is found either here or by the review that follows the
// revocation.
func (s *Service) admit(id connectionID, p *presented) (*server.User, refusals.Reason) {
	switch {
	case !p.client:
		return nil, refusals.NotAClient
	case !p.origin.secure:
		return nil, refusals.Unencrypted
	case p.accessKey == "" || p.secret == "":
		return nil, refusals.NoCredentials
	case !validAccessKey(p.accessKey):
		return nil, refusals.BadCredentials
	}
	credential, actor, err := s.engine.Authenticate(p.accessKey, p.secret, p.token)
	if err != nil {
		if fault.Is(err, fault.ExpiredTokenException) {
			return nil, refusals.Expired
		}
		return nil, refusals.BadCredentials
	}
	if credential.Session != nil {
		credential.Session.Secret.Zero() // verified; nothing here needs it again
	}
	c := &connection{id: id, origin: p.origin, since: s.options.Now(), tails: s.mayTail(actor, p.origin)}
	if !s.callers.add(c, credential, actor.Principal.Account) {
		return nil, refusals.SecondConnect
	}
	if _, err := s.engine.Resolve(credential); err != nil {
		s.callers.remove(id)
		return nil, refusals.BadCredentials
	}
	return &server.User{
		Username:           p.accessKey,
		Permissions:        permissions(p.accessKey, id.number, actor, c.tails),
		ConnectionDeadline: deadline(credential),
	}, ""
}

// deadline is when the server itself ends the connection of a session.
func deadline(c identity.Credential) time.Time {
	if c.Session == nil {
		return time.Time{}
	}
	return c.Session.Expires
}

func permissions(accessKey string, id uint64, actor *identity.Actor, tails bool) *server.Permissions {
	subscribe := []string{inboxPrefix + accessKey + ".>"}
	if tails {
		subscribe = append(subscribe, livePrefix+actor.Principal.Account+".>")
	}
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			apiPrefix + accessKey + ".*.*",
			apiPrefix + accessKey + "." + strconv.FormatUint(id, 10) + ".*.*",
			"$SRV.PING", "$SRV.PING.>",
			"$SRV.INFO", "$SRV.INFO.>",
			"$SRV.STATS", "$SRV.STATS.>",
		}},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
	}
}
