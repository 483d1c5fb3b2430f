package vault

import (
	"encoding/base64"
	"strconv"

	"github.com/keytrail/keytrail/domain/fault"
)

// page is one page of a listing in order of creation. Its marker is the serial of
// the last entry shown: it stays good when that entry is deleted meanwhile, and
// shows nothing that is not the caller's.
type page struct {
	limit int
	after uint64
}

func serialPage(limit, usual int, marker string) (page, error) {
	p := page{limit: limit}
	if limit == 0 {
		p.limit = usual
	}
	if marker != "" {
		after, err := strconv.ParseUint(marker, 36, 64)
		if err != nil || after == 0 {
			return page{}, invalidMarker()
		}
		p.after = after
	}
	return p, nil
}

func (p *page) marker() string { return strconv.FormatUint(p.after, 36) }

// nameMarker and markedName are the marker of a listing in order of names.
func nameMarker(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

func markedName(marker string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil {
		return "", invalidMarker()
	}
	return string(name), nil
}

func invalidMarker() error {
	return fault.New(fault.InvalidMarkerException, "Could not deserialize marker")
}
