package vault

import (
	"encoding/json"
	"strings"

	"github.com/keytrail/keytrail/domain/event"
)

func init() {
	define("keytrail", "ExplainRequest", use, keytrailExplainRequest)
}

type explainInput struct {
	RequestID string `json:"RequestId" aws:"required,min=1,max=64" audit:"requestId"`
}

type explainOutput struct {
	RequestID string           `json:"RequestId"`
	Records   []explainedCall  `json:"Records"`
	Remedies  []explainedRemed `json:"Remedies,omitempty"`
}

// explainedCall is one record of the request with everything that was judged.
type explainedCall struct {
	N         uint64           `json:"N"`
	At        string           `json:"At"`
	Operation string           `json:"Operation"`
	Via       string           `json:"Via,omitempty"`
	Principal string           `json:"Principal"`
	Outcome   string           `json:"Outcome"`
	Message   string           `json:"Message,omitempty"`
	Checks    []explainedCheck `json:"Checks,omitempty"`
}

type explainedCheck struct {
	Action   string   `json:"Action"`
	Resource string   `json:"Resource"`
	Allowed  bool     `json:"Allowed"`
	Road     string   `json:"Road"`
	By       []string `json:"By,omitempty"`
	Missing  []string `json:"Missing,omitempty"`
}

// explainedRemed is one way to allow what was denied, smallest first, ready to
// be used.
type explainedRemed struct {
	Road     string `json:"Road"`
	Where    string `json:"Where"`
	Document any    `json:"Document"`
}

// keytrailExplainRequest tells why a request was allowed or refused: what was
// judged, what decided, and for a denial what each road would need.
func keytrailExplainRequest(c *call, in *explainInput) (*explainOutput, error) {
	if err := c.authorize("keytrail:ExplainRequest", plain("*")); err != nil {
		return nil, err
	}
	records, err := c.evidence(nil, in.RequestID)
	if err != nil {
		return nil, err
	}
	out := &explainOutput{RequestID: in.RequestID}
	for _, r := range records {
		call := explainedCall{
			N: r.N, At: r.At.Format("2006-01-02T15:04:05.000000Z"), Operation: r.Op, Via: r.Via,
			Principal: r.Who.ARN, Outcome: r.Outcome, Message: r.Message,
		}
		if r.Decision != nil {
			for _, check := range r.Decision.Checks {
				call.Checks = append(call.Checks, explainedCheck(check))
				if !check.Allowed {
					out.Remedies = append(out.Remedies, remedies(r.Record, &check)...)
				}
			}
		}
		out.Records = append(out.Records, call)
	}
	return out, nil
}

// statement is a policy statement as a person would paste it.
type statement struct {
	Sid       string         `json:"Sid,omitempty"`
	Effect    string         `json:"Effect"`
	Principal any            `json:"Principal,omitempty"`
	Action    string         `json:"Action"`
	Resource  string         `json:"Resource"`
	Condition map[string]any `json:"Condition,omitempty"`
}

// remedies gives the smallest missing statement or grant for every road that the
// denied check names. An explicit deny has none: it has to be found and lifted.
func remedies(r *event.Record, check *event.Check) []explainedRemed {
	principal := r.Who.ARN
	if r.Who.IssuerARN != "" {
		principal = r.Who.IssuerARN
	}
	var out []explainedRemed
	for _, missing := range check.Missing {
		road, need, _ := strings.Cut(missing, " lacks ")
		remedy := explainedRemed{Road: road}
		switch need {
		case "identity-policy":
			remedy.Where = "identity policy of " + principal
			remedy.Document = statement{Effect: "Allow", Action: check.Action, Resource: check.Resource}
		case "key-policy", "resource-policy", "trust-policy":
			remedy.Where = need + " of " + check.Resource
			remedy.Document = statement{Effect: "Allow", Principal: map[string]string{"AWS": principal},
				Action: check.Action, Resource: "*", Condition: viaCondition(r)}
		case "delegation":
			remedy.Where = "key-policy of " + check.Resource
			remedy.Document = statement{Sid: "Enable IAM User Permissions", Effect: "Allow",
				Principal: map[string]string{"AWS": "arn:aws:iam::" + r.Who.Account + ":root"}, Action: "kms:*", Resource: "*"}
		case "grant":
			remedy.Where = "kms CreateGrant"
			remedy.Document = grantRemedy(r, check, principal)
		case "boundary", "session-policy":
			remedy.Where = need + " of " + principal
			remedy.Document = statement{Effect: "Allow", Action: check.Action, Resource: check.Resource}
		default:
			continue
		}
		out = append(out, remedy)
	}
	return out
}

func viaCondition(r *event.Record) map[string]any {
	if r.Via == "" || len(r.Resources) == 0 {
		return nil
	}
	region := strings.Split(r.Resources[0], ":")
	if len(region) < 4 {
		return nil
	}
	return map[string]any{"StringEquals": map[string]string{"kms:ViaService": r.Via + "." + region[3] + ".amazonaws.com"}}
}

func grantRemedy(r *event.Record, check *event.Check, principal string) any {
	grant := map[string]any{
		"KeyId": check.Resource, "GranteePrincipal": principal,
		"Operations": []string{strings.TrimPrefix(check.Action, "kms:")},
	}
	var params struct {
		EncryptionContext map[string]string `json:"encryptionContext"`
	}
	if json.Unmarshal(r.Params, &params) == nil && len(params.EncryptionContext) > 0 {
		subset := params.EncryptionContext
		if r.Via == "secretsmanager" {
			subset = map[string]string{"SecretARN": params.EncryptionContext["SecretARN"]}
		}
		grant["Constraints"] = map[string]any{"EncryptionContextSubset": subset}
	}
	return grant
}
