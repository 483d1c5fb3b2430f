package iam

import (
	"fmt"
	"strings"
)

// check applies the rules of one kind of document, in the order in which AWS
// reports them.
func (src *source) check(kind Kind) error {
	identity := kind == IdentityPolicy || kind == BoundaryPolicy || kind == SessionPolicy
	if kind != SessionPolicy && identity && src.version != "2012-10-17" {
		return malformed(textVersion)
	}
	for i := range src.statements {
		if effect := src.statements[i].effect; effect != "Allow" && effect != "Deny" {
			return malformed(textLegacy)
		}
	}
	if err := src.checkPrincipalElements(kind); err != nil {
		return err
	}
	formatError := ""
	if identity {
		var err error
		if formatError, err = src.checkResourceFormats(); err != nil {
			return err
		}
	}
	if err := src.checkSids(kind); err != nil {
		return err
	}
	for i := range src.statements {
		st := &src.statements[i]
		switch {
		case kind == TrustPolicy && st.has["Resource"]:
			return malformed(textProhibited)
		case kind == TrustPolicy && st.has["NotResource"]:
			return malformed(textTrustNotResource)
		case kind == TrustPolicy && len(st.actions) == 0:
			return malformed(textTrustNoAction)
		case kind != KeyPolicy && len(st.actions) == 0:
			return malformed(textActions)
		case kind != KeyPolicy && kind != TrustPolicy && len(st.resources) == 0:
			return malformed(textResources)
		}
	}
	if formatError != "" {
		return &MalformedError{Text: formatError}
	}
	return src.checkActions(kind)
}

func (src *source) checkPrincipalElements(kind Kind) error {
	for i := range src.statements {
		st := &src.statements[i]
		named := st.has["Principal"] || st.has["NotPrincipal"]
		switch {
		case named && !kind.namesPrincipals():
			return malformed(textNoPrincipal)
		case !named && kind.namesPrincipals():
			return malformed(textPrincipal)
		case kind == TrustPolicy && st.has["NotPrincipal"] && st.effect == "Allow":
			return malformed(textTrustAllowNot)
		case kind == TrustPolicy && st.has["NotPrincipal"]:
			return malformed(textTrustNotPrincipal)
		}
	}
	return nil
}

// checkSids: key policies take any Sid, and the same one twice; the default
// policy of AWS itself has blanks, that of aws/secretsmanager a repetition.
func (src *source) checkSids(kind Kind) error {
	if kind == KeyPolicy {
		return nil
	}
	seen := map[string]bool{}
	for i := range src.statements {
		sid := src.statements[i].sid
		if sid == "" {
			continue
		}
		if seen[sid] {
			if kind == TrustPolicy {
				return malformed(textTrustStatementTwice)
			}
			return malformed(textSidUnique)
		}
		seen[sid] = true
		if kind != ResourcePolicy && !alphanumeric(sid, "") {
			return malformed(textSidAlphabet)
		}
	}
	return nil
}

func (src *source) checkActions(kind Kind) error {
	for i := range src.statements {
		for _, action := range src.statements[i].actions {
			if kind == TrustPolicy {
				if !trustAction(action) {
					return malformed(textTrustActions)
				}
				continue
			}
			if action != "*" {
				vendor, name, ok := strings.Cut(action, ":")
				switch {
				case !ok:
					return malformed(textVendor)
				case strings.Contains(name, ":"):
					return malformed(textOneColon)
				case vendor != "*" && (vendor == "" || !alphanumeric(vendor, "-.")):
					return malformed(textVendorName, vendor)
				}
			}
		}
		for _, c := range src.statements[i].conditions {
			if !strings.Contains(c.key, ":") {
				return malformed(textVendor)
			}
		}
	}
	return nil
}

var trustActions = []string{
	"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity",
	"sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext",
}

// trustAction accepts the actions of assuming a role and patterns among sts
// that cover one of them.
func trustAction(action string) bool {
	lower := lowerASCII(action)
	if !strings.HasPrefix(lower, "sts:") {
		return false
	}
	p := compilePattern(lower, withWildcards)
	for _, known := range trustActions {
		if p.matchFold(known) {
			return true
		}
	}
	return false
}

// checkResourceFormats returns the first fault in a resource name that AWS
// reports after the rules for statements, and as an error those it reports
// before them.
func (src *source) checkResourceFormats() (first string, err error) {
	for i := range src.statements {
		for _, resource := range src.statements[i].resources {
			if first == "" {
				first = resourceFormat(resource)
			}
			if first == "" && !legacyResource(resource) {
				return "", malformed(textLegacy)
			}
		}
	}
	return first, nil
}

var partitions = map[string]bool{"aws": true, "aws-cn": true, "aws-us-gov": true}

var iamResources = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/",
	"policy/", "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
}

// resourceFormat returns the message for an ill-formed resource, or "".
func resourceFormat(resource string) string {
	if strings.Trim(resource, "*") == "" && resource != "" {
		return ""
	}
	parts := strings.SplitN(resource, ":", 6)
	if len(parts) < 2 {
		return fmt.Sprintf("Resource %s must be in ARN format or \"*\".", resource)
	}
	if !partitions[parts[1]] {
		rest := append(parts[2:len(parts):len(parts)], "*", "*", "*", "*")
		return fmt.Sprintf("Partition %q is not valid for resource \"arn:%s:%s\".", parts[1], parts[1], strings.Join(rest[:4], ":"))
	}
	if len(parts) < 3 || strings.ContainsAny(parts[2], "*?") {
		return "Resource vendor must be fully qualified and cannot contain regexes."
	}
	if parts[2] == "iam" && len(parts) > 3 && parts[3] != "" {
		return fmt.Sprintf("IAM resource %s cannot contain region information.", resource)
	}
	if parts[2] == "s3" && len(parts) > 3 && parts[3] != "" && parts[3] != "*" {
		return fmt.Sprintf("Resource %s can not contain region information.", resource)
	}
	if parts[2] == "iam" && len(parts) == 6 && parts[5] != "*" && parts[5] != "root" {
		for _, start := range iamResources {
			if strings.HasPrefix(parts[5], start) {
				return ""
			}
		}
		return "IAM resource path must either be \"*\", root, or start with " + strings.Join(iamResources, ", ") + "."
	}
	return ""
}

// legacyResource: a name begins with arn and has a service; one that is cut
// short has no empty part.
func legacyResource(resource string) bool {
	if strings.Trim(resource, "*") == "" {
		return true
	}
	parts := strings.SplitN(resource, ":", 6)
	if parts[0] != "arn" || len(parts) < 3 || parts[2] == "" {
		return false
	}
	if len(parts) < 6 {
		for _, part := range parts {
			if part == "" {
				return false
			}
		}
	}
	return true
}

func alphanumeric(s, also string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(also, c) >= 0) {
			return false
		}
	}
	return true
}
