package natslog

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// The server's own logins. Their passwords are new in every process, and they
// count on connections from inside it alone.
const (
	loginWriter    = "keytrail-writer"
	loginResponder = "keytrail-responder"
	loginSetup     = "keytrail-setup"
)

const keyringStream = "KEYTRAIL_KEYRING"

// logins is the judge of every connection: it knows the server's own and asks
// the caller's about the others.
type logins struct {
	users     map[string]*server.User
	passwords map[string]string
	clients   server.Authentication
}

func newLogins(others server.Authentication) (*logins, error) {
	l := &logins{users: map[string]*server.User{}, passwords: map[string]string{}, clients: others}
	for login, user := range map[string]*server.User{
		loginWriter:    {Permissions: writerPermissions()},
		loginSetup:     {Permissions: setupPermissions()},
		loginResponder: {Permissions: responderPermissions()},
	} {
		var secret [32]byte
		if _, err := rand.Read(secret[:]); err != nil {
			return nil, fmt.Errorf("password of %s: %w", login, err)
		}
		user.Username = login
		l.users[login], l.passwords[login] = user, hex.EncodeToString(secret[:])
	}
	return l, nil
}

// enter gives the logins their accounts. It comes before the first connection.
func (l *logins) enter(vault, clients *server.Account) {
	l.users[loginWriter].Account = vault
	l.users[loginSetup].Account = vault
	l.users[loginResponder].Account = clients
}

// Check implements server.Authentication.
func (l *logins) Check(c server.ClientAuthentication) bool {
	options := c.GetOpts()
	user, own := l.users[options.Username]
	if !own {
		return l.clients != nil && l.clients.Check(c)
	}
	// A pipe has no address in a network: the connection is from this process.
	if address := c.RemoteAddress(); address == nil || address.Network() != "pipe" {
		return false
	}
	if subtle.ConstantTimeCompare([]byte(options.Password), []byte(l.passwords[user.Username])) != 1 {
		return false
	}
	c.RegisterUser(user)
	return true
}

// writerPermissions let the writer append to the log and read it, and keep the
// keyring. It can neither delete nor purge nor change a stream, even if what it
// is told to write were to come from an attacker.
func writerPermissions() *server.Permissions {
	publish := []string{
		"keytrail.log.*",
		"keytrail.ring.*",
		"$JS.API.INFO",
		"$JS.API.STREAM.CREATE." + keyringStream,
		// Erasing keys is what the keyring is for.
		"$JS.API.STREAM.MSG.DELETE." + keyringStream,
		"$JS.ACK.>",
		"$JS.FC.>",
	}
	for _, stream := range []string{StreamName, keyringStream} {
		publish = append(publish,
			"$JS.API.STREAM.INFO."+stream,
			"$JS.API.STREAM.MSG.GET."+stream,
			"$JS.API.DIRECT.GET."+stream,
			"$JS.API.DIRECT.GET."+stream+".>",
			"$JS.API.CONSUMER.CREATE."+stream+".>",
			"$JS.API.CONSUMER.INFO."+stream+".>",
			"$JS.API.CONSUMER.DELETE."+stream+".>",
			"$JS.API.CONSUMER.MSG.NEXT."+stream+".>",
		)
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}
}

func setupPermissions() *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"$JS.API.INFO", "$JS.API.STREAM.CREATE." + StreamName}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}
}

// responderPermissions let the responder hear calls and service discovery, and
// answer them. It may publish to inboxes and live subjects only: a caller who
// names another caller's request subject as the reply subject would otherwise
// have the responder publish there.
func responderPermissions() *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"_INBOX.>", "keytrail.live.>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"keytrail.api.>", "$SRV.>", "_INBOX.>"}},
	}
}
