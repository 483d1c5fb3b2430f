package vault

import (
	"fmt"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

// What IAM says about a member that does not match the pattern of its model: names
// and paths have sentences of their own, which leave the pattern out.
var iamPatternTexts = map[string]string{
	"userName": iamNameText, "newUserName": iamNameText, "groupName": iamNameText, "newGroupName": iamNameText,
	"roleName": iamNameText, "policyName": iamNameText, "instanceProfileName": iamNameText,
	"path": iamPathText, "newPath": iamPathText,
	"accountAlias":   "It must contain only digits, lowercase letters, and hyphens (-), but cannot begin or end with a hyphen.",
	"pathPrefix":     "It must begin with the / character and contain only alphanumeric characters and/or / characters.",
	"policyDocument": iamDocumentText, "assumeRolePolicyDocument": iamDocumentText,
}

const (
	iamNameText     = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
	iamPathText     = "It must begin and end with / and contain only alphanumeric characters and/or / characters."
	iamDocumentText = "It must contain only printable ASCII characters."

	patternConstraint = "Member must satisfy regular expression pattern: "
)

// invalidIAM is a violated model in the words of IAM, which never shows the value.
// Its own sentences come only when nothing else is wrong, as it asks for patterns
// last.
func invalidIAM(v *shape.ValidationError) error {
	plain := shape.ValidationError{Total: v.Total}
	first := ""
	for _, one := range v.Violations {
		text, ours := iamPatternTexts[one.Path]
		if ours && strings.HasPrefix(one.Constraint, patternConstraint) {
			if first == "" {
				first = fmt.Sprintf("The specified value for %s is invalid. %s", one.Path, text)
			}
			plain.Total--
			continue
		}
		one.Value = ""
		plain.Violations = append(plain.Violations, one)
	}
	if len(plain.Violations) == 0 {
		return fault.New(fault.ValidationError, "%s", first)
	}
	return fault.New(fault.ValidationError, "%s", plain.Error())
}
