package audit

import "github.com/keytrail/keytrail/domain/event"

// parseUUID reads a UUID as request ids have it, in quotes or not. Anything else
// is not one.
func parseUUID(text []byte, id *[16]byte) bool {
	if len(text) == 38 && text[0] == '"' && text[37] == '"' {
		text = text[1:37]
	}
	parsed, ok := event.ParseUUID(text)
	if ok {
		*id = parsed
	}
	return ok
}

func formatUUID(id []byte) string { return event.FormatUUID([16]byte(id)) }

// eventID is the id of the record n of an installation.
func eventID(installation [16]byte, n uint64) string { return event.ID(installation, n) }

// recordOf is the n that eventID made the id of.
func recordOf(installation [16]byte, id string) (n uint64, ok bool) {
	return event.NumberOf(installation, id)
}
