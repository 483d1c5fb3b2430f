package iam

// NearMiss is an Allow statement that speaks about the action and would have
// applied but for one aspect. It answers "why does this statement not help?".
type NearMiss struct {
	Match
	Aspect Aspect
	// Condition is the first condition that failed, "StringEquals
	// kms:viaservice"; empty for the other aspects.
	Condition string
}

// Aspect is a part of a statement that a request has to fit.
type Aspect uint8

const (
	AspectResource  Aspect = iota // Resource or NotResource: such as an alias ARN
	AspectPrincipal               // Principal or NotPrincipal
	AspectCondition
	AspectAction // of a near miss never
)

var aspectNames = [...]string{"resource", "principal", "condition", "action"}

func (a Aspect) String() string { return name(aspectNames[:], uint8(a)) }

// NearMisses lists, in the order of Evaluate, the Allow statements that cover
// the action and fail in exactly one aspect. It is for explaining a denial and
// costs about as much as Evaluate.
func NearMisses(in *Input) []NearMiss {
	r := request{action: in.Action, resource: in.Resource, principal: &in.Principal, context: in.Context}
	if r.context == nil {
		r.context = emptyContext{}
	}
	var list []NearMiss
	visit := func(src *Source, part Part) {
		if src == nil || src.Policy == nil {
			return
		}
		for i := range src.Policy.statements {
			st := &src.Policy.statements[i]
			if st.effect != Allow {
				continue
			}
			if miss, ok := st.nearMiss(&r); ok {
				miss.Match = Match{Source: src.ID, Statement: i, Sid: st.sid, Effect: Allow, Part: part}
				list = append(list, miss)
			}
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
	return list
}

func (st *statement) nearMiss(r *request) (miss NearMiss, ok bool) {
	if st.inert || !st.coversAction(r.action) {
		return miss, false
	}
	failed := 0
	if !st.coversResource(r) {
		miss.Aspect = AspectResource
		failed++
	}
	if st.principals != nil && st.principals.naming(r.principal, st.effect) == notNamed {
		miss.Aspect = AspectPrincipal
		failed++
	}
	for i := range st.conditions {
		if c := &st.conditions[i]; !c.holds(r.context) {
			miss.Aspect, miss.Condition = AspectCondition, c.operator+" "+joinKey(c.name, c.suffix)
			failed++
			break
		}
	}
	return miss, failed == 1
}
