package iam

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Inspection is everything that one decision looked at, for people: each
// statement of each policy and each grant, with what kept it from applying.
type Inspection struct {
	Statements []InspectedStatement
	Grants     []InspectedGrant
}

// InspectedStatement is one statement as the request met it.
type InspectedStatement struct {
	Match
	Applies bool
	// Fails is what does not fit the request: AspectAction, AspectResource,
	// AspectPrincipal, AspectCondition. Empty where the statement applies.
	Fails []Aspect
	// Conditions of the statement, each with the values that the request had. They
	// are looked at only where the statement covers the action.
	Conditions []InspectedCondition
	Text       json.RawMessage // as the document has it
}

// InspectedCondition is one operator on one key.
type InspectedCondition struct {
	Operator string
	Key      string          // as SplitKey reads it: "kms:encryptioncontext:SecretARN"
	Wanted   json.RawMessage // as the document has it: a value or a list
	Got      []string        // the request's; nil where it has no such key
	Holds    bool
}

// InspectedGrant is one grant as the request met it.
type InspectedGrant struct {
	Grant
	Applies bool
	Fails   []string // "operation", "encryption-context", "grantee"
}

// Inspect looks again at what Evaluate looked at, in the same order. It is for
// explaining a decision and allocates as it likes.
func Inspect(in *Input) Inspection {
	var out Inspection
	r := request{action: in.Action, resource: in.Resource, principal: &in.Principal, context: in.Context}
	if r.context == nil {
		r.context = emptyContext{}
	}
	visit := func(src *Source, part Part) {
		if src == nil || src.Policy == nil {
			return
		}
		texts := src.Policy.statementTexts()
		for i := range src.Policy.statements {
			st := src.Policy.statements[i].inspect(&r, texts[i])
			st.Match.Source, st.Match.Statement, st.Match.Part = src.ID, i, part
			if part == PartResource && st.Applies && st.Effect == Allow {
				if how, _ := src.Policy.statements[i].applies(&r); how == namedByAccount {
					st.Match.Part = PartDelegation
				}
			}
			out.Statements = append(out.Statements, st)
		}
	}
	for i := range in.Identity {
		visit(&in.Identity[i], PartIdentity)
	}
	visit(in.Boundary, PartBoundary)
	for i := range in.Session {
		visit(&in.Session[i], PartSession)
	}
	visit(in.ResourcePolicy, PartResource)
	if in.Model == ModelKey {
		for i := range in.Grants {
			out.Grants = append(out.Grants, in.Grants[i].inspect(in))
		}
	}
	return out
}

func (st *statement) inspect(r *request, text json.RawMessage) InspectedStatement {
	out := InspectedStatement{Match: Match{Sid: st.sid, Effect: st.effect}, Text: text}
	if st.inert || !st.coversAction(r.action) {
		out.Fails = append(out.Fails, AspectAction)
		return out
	}
	if !st.coversResource(r) {
		out.Fails = append(out.Fails, AspectResource)
	}
	if st.principals != nil && st.principals.naming(r.principal, st.effect) == notNamed {
		out.Fails = append(out.Fails, AspectPrincipal)
	}
	failed := false
	for i := range st.conditions {
		c := &st.conditions[i]
		seen := InspectedCondition{Operator: c.operator, Key: joinKey(c.name, c.suffix), Holds: c.holds(r.context),
			Wanted: wanted(text, c)}
		if values, _, ok := r.context.Lookup(c.name, c.suffix); ok {
			seen.Got = values
		}
		failed = failed || !seen.Holds
		out.Conditions = append(out.Conditions, seen)
	}
	if failed {
		out.Fails = append(out.Fails, AspectCondition)
	}
	out.Applies = len(out.Fails) == 0
	return out
}

func (g *Grant) inspect(in *Input) InspectedGrant {
	out := InspectedGrant{Grant: *g}
	operation, ok := grantOperation(in.Action)
	if !ok || !g.permits(operation) {
		out.Fails = append(out.Fails, "operation")
	}
	if takesEncryptionContext(operation) && !g.constraintsMet(in.EncryptionContext) {
		out.Fails = append(out.Fails, "encryption-context")
	}
	if g.granteeNaming(&in.Principal) == notNamed {
		out.Fails = append(out.Fails, "grantee")
	}
	out.Applies = len(out.Fails) == 0
	return out
}

// statementTexts are the statements as the document has them, in its order, as
// many as there are compiled ones.
func (p *Policy) statementTexts() []json.RawMessage {
	texts := make([]json.RawMessage, len(p.statements))
	var document struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(p.document), &document) != nil {
		return texts
	}
	list := []json.RawMessage{document.Statement}
	if text := bytes.TrimSpace(document.Statement); len(text) > 0 && text[0] == '[' {
		list = nil
		if json.Unmarshal(text, &list) != nil {
			return texts
		}
	}
	copy(texts, list)
	return texts
}

// wanted is the value that a statement's text has for a condition.
func wanted(text json.RawMessage, c *condition) json.RawMessage {
	var st struct {
		Condition map[string]map[string]json.RawMessage
	}
	if json.Unmarshal(text, &st) != nil {
		return nil
	}
	for operator, keys := range st.Condition {
		if !strings.EqualFold(operator, c.operator) {
			continue
		}
		for key, value := range keys {
			if name, suffix := SplitKey(key); name == c.name && suffix == c.suffix {
				return value
			}
		}
	}
	return nil
}

// NotedContext is a Context that remembers what it was asked, and what it said.
type NotedContext struct {
	Context
	Noted ContextMap // by the key as SplitKey reads it, joined
}

// Lookup implements Context.
func (n *NotedContext) Lookup(name, suffix string) ([]string, bool, bool) {
	values, multi, ok := n.Context.Lookup(name, suffix)
	if ok {
		if n.Noted == nil {
			n.Noted = ContextMap{}
		}
		n.Noted[joinKey(name, suffix)] = values
	}
	return values, multi, ok
}

// Aspect is a part of a statement that a request has to fit.
type Aspect uint8

const (
	AspectResource  Aspect = iota // Resource or NotResource: such as an alias ARN
	AspectPrincipal               // Principal or NotPrincipal
	AspectCondition
	AspectAction
)

var aspectNames = [...]string{"resource", "principal", "condition", "action"}

func (a Aspect) String() string { return name(aspectNames[:], uint8(a)) }
