package natslog

import "slices"

// AccountAuth is the account of the auth callout on external servers.
const AccountAuth = "AUTH"

// Login is one of ours on external servers: its account, and the subjects that it
// needs and is held to.
type Login struct {
	Name      string
	Account   string
	Publish   []string
	Subscribe []string
}

// ExternalLogins are the logins that external servers have to know. Writer and
// responder may do what they may on an embedded server; besides, the writer
// creates the log's stream, for there is nobody else to do it, and sees which
// process writes. Neither can delete, purge or change a stream.
func ExternalLogins() []Login {
	writer, responder := writerPermissions(), responderPermissions()
	return []Login{
		{"writer", AccountVault,
			slices.Concat(writer.Publish.Allow, []string{"$JS.API.STREAM.CREATE." + StreamName, seatSubject, seatAnswers + "*"}),
			slices.Concat(writer.Subscribe.Allow, []string{seatSubject, seatAnswers + "*"})},
		{"responder", AccountClients, responder.Publish.Allow, responder.Subscribe.Allow},
		{"callout", AccountAuth, []string{"$SYS._INBOX.>"}, []string{"$SYS.REQ.USER.AUTH"}},
		{"system", AccountSystem,
			[]string{"$SYS.REQ.SERVER.PING.JSZ", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.KICK"},
			[]string{"_INBOX.>"}},
	}
}
