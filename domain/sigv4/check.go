package sigv4

import (
	"slices"
	"strconv"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
)

// Bounds of time, those of AWS.
const (
	MaxSkew        = 5 * time.Minute
	defaultExpires = 15 * time.Minute // of a presigned request that does not say
	longestExpires = 7 * 24 * 60 * 60 // seconds
)

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidSignatureException, format, args...)
}

// CheckTime tells whether the signature may be used now: signed at most MaxSkew
// ago or ahead, or for a presigned request at most MaxSkew ahead and not yet
// expired.
func (s *Signature) CheckTime(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	if day := s.stamp[:len("yyyymmdd")]; s.Date != day {
		return invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", s.Date, day, s.stamp)
	}
	age := MaxSkew
	if s.Presigned {
		age = s.expires
	}
	if oldest := now.Add(-age); s.Time.Before(oldest) {
		return invalid("Signature expired: %s is now earlier than %s (%s - %s.)", s.stamp, oldest.Format(basicISO), now.Format(basicISO), minutes(age))
	}
	if latest := now.Add(MaxSkew); s.Time.After(latest) {
		return invalid("Signature not yet current: %s is still later than %s (%s + %s.)", s.stamp, latest.Format(basicISO), now.Format(basicISO), minutes(MaxSkew))
	}
	return nil
}

// minutes writes a duration in AWS's words.
func minutes(d time.Duration) string {
	if d%time.Minute != 0 {
		return d.String()
	}
	return strconv.Itoa(int(d/time.Minute)) + " min"
}

// CheckScope tells whether the signature is for the service and for one of the
// Regions.
func (s *Signature) CheckScope(service string, regions ...string) error {
	if s.Service != service {
		return invalid("Credential should be scoped to correct service: '%s'. ", service)
	}
	if !slices.Contains(regions, s.Region) {
		return invalid("Credential should be scoped to a valid region, not '%s'. ", s.Region)
	}
	return nil
}
