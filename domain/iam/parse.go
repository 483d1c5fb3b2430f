package iam

import "fmt"

// The messages AWS sends for documents it refuses. They are part of the
// protocol: people and their tools search for them.
const (
	textSyntax      = "Syntax errors in policy."
	textVersion     = "Policy document must be version 2012-10-17 or greater."
	textLegacy      = "The policy failed legacy parsing"
	textSidUnique   = "Statement IDs (SID) in a single policy must be unique."
	textSidAlphabet = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	textActions     = "Policy statement must contain actions."
	textResources   = "Policy statement must contain resources."
	textVendor      = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	textOneColon    = "Actions/Condition can contain only one colon."
	textVendorName  = "Vendor %s is not valid"
	textNoPrincipal = "Policy document should not specify a principal."
	textPrincipal   = "Missing required field Principal"
	textProhibited  = "Has prohibited field Resource"
	textTooLong     = "Policy document length exceeds 131072."

	// A trust policy is refused in words of its own.
	textTrustJSON           = "This policy contains invalid Json"
	textTrustActions        = "AssumeRole policy may only specify STS AssumeRole actions."
	textTrustNoAction       = "Missing required field Action"
	textTrustNotResource    = "AssumeRole policy must not contain resources."
	textTrustNotPrincipal   = "AssumeRole policy must not contain NotPrincipal field."
	textTrustAllowNot       = "Allow with NotPrincipal is not allowed."
	textTrustStatementTwice = "The Statement Ids in the policy are not unique"

	// InvalidPrincipals is what KMS says about a principal that does not exist.
	InvalidPrincipals = "Policy contains a statement with one or more invalid principals."
)

func malformed(format string, args ...any) error {
	if len(args) == 0 {
		return &MalformedError{Text: format}
	}
	return &MalformedError{Text: fmt.Sprintf(format, args...)}
}

// Parse compiles a document once, for any number of evaluations. It refuses
// what AWS refuses, with a *MalformedError of AWS's text: duplicate members,
// unknown elements, ill-formed values, more than MaxDocument bytes.
//
// Identity and boundary policies must be of version 2012-10-17. The other kinds
// may be of version 2008-10-17 or have none, and then know no variables. Key
// policies may have statements without actions or resources (which never apply),
// free Sids, and Sids that repeat.
//
// Documents are stored, and compiled again by Restore when state is rebuilt.
func Parse(kind Kind, document []byte) (*Policy, error) {
	src, err := read(kind, document)
	if err != nil {
		return nil, err
	}
	if err := src.check(kind); err != nil {
		return nil, err
	}
	return src.compile(kind, string(document))
}

// Restore compiles a document that was accepted before, perhaps by the rules of an
// earlier release. It asks for what compiling needs and nothing more: a rule that is
// added to Parse, which is done in check, keeps no log from being read. What read and
// compile accept, and what it means, must stay as it is for good.
func Restore(kind Kind, document []byte) (*Policy, error) {
	src, err := read(kind, document)
	if err != nil {
		return nil, err
	}
	return src.compile(kind, string(document))
}

// read takes a document apart.
func read(kind Kind, document []byte) (*source, error) {
	if len(document) > MaxDocument {
		return nil, malformed(textTooLong)
	}
	root, err := parseJSON(document)
	if err != nil {
		if kind == TrustPolicy {
			return nil, malformed(textTrustJSON)
		}
		return nil, malformed(textSyntax)
	}
	src, err := readDocument(root)
	if err != nil {
		return nil, malformed(textSyntax)
	}
	return src, nil
}

// source is a document whose shape is right and whose values are unread.
type source struct {
	version, id string
	statements  []sourceStatement
}

type sourceStatement struct {
	sid, effect        string
	actions, resources []string
	has                map[string]bool // the elements present
	principal          node
	conditions         []sourceCondition
}

type sourceCondition struct {
	operator, key string
	values        []string
}

// readDocument checks elements, their types and those that exclude each other.
func readDocument(root node) (*source, error) {
	if root.kind != objectNode {
		return nil, errJSON
	}
	src := &source{}
	var statements *node
	for i, name := range root.names {
		value := &root.items[i]
		switch name {
		case "Version":
			if value.kind != stringNode || value.text != "2012-10-17" && value.text != "2008-10-17" {
				return nil, errJSON
			}
			src.version = value.text
		case "Id":
			if value.kind != stringNode {
				return nil, errJSON
			}
			src.id = value.text
		case "Statement":
			statements = value
		default:
			return nil, errJSON
		}
	}
	if statements == nil {
		return nil, errJSON
	}
	list := statements.items
	if statements.kind == objectNode {
		list = []node{*statements}
	} else if statements.kind != listNode || len(list) == 0 {
		return nil, errJSON
	}
	for _, n := range list {
		st, err := readStatement(n)
		if err != nil {
			return nil, err
		}
		src.statements = append(src.statements, st)
	}
	return src, nil
}

func readStatement(n node) (st sourceStatement, err error) {
	if n.kind != objectNode {
		return st, errJSON
	}
	st.has = make(map[string]bool, len(n.names))
	for i, name := range n.names {
		value := n.items[i]
		st.has[name] = true
		switch name {
		case "Sid", "Effect":
			if value.kind != stringNode {
				return st, errJSON
			}
			if name == "Sid" {
				st.sid = value.text
			} else {
				st.effect = value.text
			}
		case "Action", "NotAction":
			st.actions, err = value.strings()
		case "Resource", "NotResource":
			st.resources, err = value.strings()
		case "Principal", "NotPrincipal":
			st.principal = value
		case "Condition":
			st.conditions, err = readConditions(value)
		default:
			err = errJSON
		}
		if err != nil {
			return st, err
		}
	}
	for _, pair := range [][2]string{{"Action", "NotAction"}, {"Resource", "NotResource"}, {"Principal", "NotPrincipal"}} {
		if st.has[pair[0]] && st.has[pair[1]] {
			return st, errJSON
		}
	}
	if lower := lowerASCII(st.effect); lower != "allow" && lower != "deny" {
		return st, errJSON
	}
	return st, nil
}

func readConditions(n node) ([]sourceCondition, error) {
	if n.kind != objectNode {
		return nil, errJSON
	}
	var list []sourceCondition
	for i, operator := range n.names {
		block := n.items[i]
		if block.kind != objectNode || !knownOperator(operator) && len(block.names) > 0 {
			return nil, errJSON
		}
		for j, key := range block.names {
			values, err := block.items[j].scalars()
			if err != nil {
				return nil, err
			}
			list = append(list, sourceCondition{operator, key, values})
		}
	}
	return list, nil
}

// compile turns a checked source into a Policy.
func (src *source) compile(kind Kind, document string) (*Policy, error) {
	var allow syntax
	if src.version == "2012-10-17" {
		allow = withVariables
	}
	p := &Policy{kind: kind, document: document, id: src.id, variables: allow != 0, statements: make([]statement, len(src.statements))}
	for i := range src.statements {
		in, st := &src.statements[i], &p.statements[i]
		st.sid = intern(in.sid)
		if in.effect == "Allow" {
			st.effect = Allow
		}
		st.notAction, st.notResource = in.has["NotAction"], in.has["NotResource"]
		st.everywhere = kind == TrustPolicy
		st.inert = len(in.actions) == 0 || len(in.resources) == 0 && !st.everywhere
		for _, a := range in.actions {
			st.actions = append(st.actions, compilePattern(lowerASCII(a), withWildcards))
		}
		for _, r := range in.resources {
			st.resources = append(st.resources, compileARN(r, withWildcards|allow))
		}
		for _, c := range in.conditions {
			compiled, err := compileCondition(c.operator, c.key, c.values, allow)
			if err != nil {
				return nil, malformed(textLegacy)
			}
			st.conditions = append(st.conditions, compiled)
		}
		if kind.namesPrincipals() {
			ps, typ, refused, err := parsePrincipals(in.principal, in.has["NotPrincipal"])
			if err != nil {
				return nil, malformed(textSyntax)
			}
			if refused != "" {
				return nil, InvalidPrincipal(kind, typ, refused)
			}
			st.principals = ps
		}
	}
	return p, nil
}

// InvalidPrincipal is the refusal of a policy because of one principal, in the
// words of the service that owns the kind: one that is ill-formed, or that the
// caller of Parse found not to exist. typ is "AWS", "Service" or "Federated".
func InvalidPrincipal(kind Kind, typ, name string) *MalformedError {
	switch kind {
	case TrustPolicy:
		return &MalformedError{Text: fmt.Sprintf("Invalid principal in policy: %q:%q", typ, name)}
	case ResourcePolicy:
		return &MalformedError{Text: "This resource policy contains an unsupported principal."}
	}
	return &MalformedError{Text: InvalidPrincipals}
}
