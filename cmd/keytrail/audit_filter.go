package main

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// auditFilter is the conditions that the audit verbs share. All that are given
// hold together.
type auditFilter struct {
	since, until                                       string
	principal, accessKey, event, resource, key, secret string
	failure, source, request                           string
}

func (f *auditFilter) bind(cmd *cobra.Command) {
	s := cmd.Flags()
	s.StringVar(&f.principal, "principal", "", "who called: ARN, unique id or name of a user or role, ARN of a session")
	s.StringVar(&f.accessKey, "access-key", "", "access key id of the caller")
	s.StringVar(&f.event, "event", "", "operation: Decrypt, kms:Decrypt or kms:*")
	s.StringVar(&f.resource, "resource", "", "ARN, id or name of what the call was about")
	s.StringVar(&f.key, "key", "", "KMS key: ARN, id or alias")
	s.StringVar(&f.secret, "secret", "", "secret: ARN or name")
	s.StringVar(&f.failure, "error", "", "error code, for example AccessDenied, or any")
	s.StringVar(&f.source, "source", "", "service, for example kms, or the client's IP address")
	s.StringVar(&f.request, "request", "", "request id")
}

func (f *auditFilter) bindTimes(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.since, "since", "", "from: RFC 3339, a date (UTC), or how long ago: 90s, 2h, 7d")
	cmd.Flags().StringVar(&f.until, "until", "", "to, the same; a date includes its day")
}

// input is the conditions as QueryAudit takes them.
func (f *auditFilter) input(now time.Time) (map[string]any, error) {
	in := map[string]any{
		"Principal": f.principal, "AccessKeyId": f.accessKey, "Event": f.event, "Resource": f.resource,
		"Key": f.key, "Secret": f.secret, "Error": f.failure, "RequestId": f.request,
	}
	if _, err := netip.ParseAddr(f.source); err == nil {
		in["SourceAddress"] = f.source
	} else {
		in["Source"] = f.source
	}
	for name, text := range map[string]string{"Since": f.since, "Until": f.until} {
		if text == "" {
			continue
		}
		at, ok := moment(text, now, name == "Until")
		if !ok {
			return nil, usagef("--%s %s: want a time such as 2026-11-23T10:04:57Z, a date such as 2026-11-23, or a duration such as 90s, 2h or 7d", strings.ToLower(name), text)
		}
		in[name] = at.UTC().Format(time.RFC3339Nano)
	}
	return without(in), nil
}

// moment reads a time as people write it. A date is its first second, or with end
// its last; a duration is that long ago.
func moment(text string, now time.Time, end bool) (time.Time, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n <= 36500 {
			return now.Add(-time.Duration(n * 24 * float64(time.Hour))), true
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), d >= 0
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			at = at.AddDate(0, 0, 1).Add(-time.Second) // the API includes the second
		}
		return at, true
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04"} {
		if at, err := time.Parse(form, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
