package metrics

import "time"

// longestSession is how long temporary credentials last at most: GetSessionToken
// gives up to 129,600 seconds.
const longestSession = 36 * time.Hour

// expiring counts sessions by the minute, of the Unix time, in which they expire.
// Sessions are stateless, so this is the one place that knows how many there are.
// It holds no more than 8,192 minutes, 36 hours being 2,160.
type expiring map[int64]uint64

const mostMinutes = 8192

// add counts a session; what is no time is none.
func (e expiring) add(expires []byte) {
	at, err := time.Parse(time.RFC3339Nano, string(expires))
	if err != nil {
		return
	}
	e[at.Unix()/60]++
	if len(e) <= mostMinutes {
		return
	}
	// When the one that lasts longest was issued, those 36 hours before its end had
	// expired. So what is dropped depends on the log alone and on no clock.
	var last int64
	for minute := range e {
		last = max(last, minute)
	}
	for minute := range e {
		if minute < last-int64(longestSession/time.Minute) {
			delete(e, minute)
		}
	}
}

// after counts the sessions that expire later than now, to the minute.
func (e expiring) after(now time.Time) uint64 {
	var n uint64
	for minute, sessions := range e {
		if minute >= now.Unix()/60 {
			n += sessions
		}
	}
	return n
}
