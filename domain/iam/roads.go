package iam

import "math/bits"

// roads are the ways in which the model could allow a request, the preferred
// one first, each with what it lacks. A road that lacks nothing is open.
type roads struct {
	list [3]struct {
		road  Road
		lacks lacks
	}
	n int
}

func (r *roads) add(road Road, l lacks) {
	r.list[r.n].road, r.list[r.n].lacks = road, l
	r.n++
}

// lacks is a set of Needs.
type lacks uint16

func lacksUnless(ok bool, need Need) lacks {
	if ok {
		return 0
	}
	return 1 << need
}

// onResourceSide are the needs that only the owner of the resource can meet.
const onResourceSide lacks = 1<<NeedSameAccount | 1<<NeedResourcePolicy | 1<<NeedKeyPolicy |
	1<<NeedTrustPolicy | 1<<NeedDelegation | 1<<NeedGrant

// conclude puts together what the statements and grants said.
func (e *evaluation) conclude() {
	r := e.roads()
	d := &e.decision
	for i := range r.list[:r.n] {
		if r.list[i].lacks != 0 {
			continue
		}
		d.Open |= 1 << r.list[i].road
		if d.Road == DeniedImplicit {
			d.Road = r.list[i].road
		}
	}
	d.Allowed = d.Open != 0 && !e.denied
	if d.Open == 0 {
		if r.list[r.n-1].road == RoadGrant && !grantable(e.in.Action) {
			r.n--
		}
		d.Missing = r.missing()
	}
	if e.denied {
		d.Road = DeniedExplicit
	}
}

// roads implements the order of evaluation. Boundary and session policies
// intersect with what identity policies give, with an Allow to the caller's
// role, and with grants; they do not limit an Allow that names the user or the
// session itself, or everybody. In another account the caller's side must allow
// in any case.
func (e *evaluation) roads() (r roads) {
	in := e.in
	kind := in.Principal.Type
	// Nothing but the resource's own policy speaks for a caller without an account.
	same := in.ResourceAccount == "" || in.ResourceAccount == in.Principal.Account || kind == Federated || kind == Service
	hasSession := in.HasSession || len(in.Session) > 0

	identity := lacksUnless(e.identity || kind == Root, NeedIdentityPolicy)
	limits := lacksUnless(e.boundary || in.Boundary == nil || kind == Root, NeedBoundary) |
		lacksUnless(e.session || !hasSession, NeedSessionPolicy)

	// byPolicy is the road of a resource's policy that names the caller itself.
	byPolicy := func(need Need) lacks {
		switch {
		case !same:
			return lacksUnless(e.resource != notNamed || e.delegated, need) | identity | limits
		case e.resource == namedByRole:
			return limits
		}
		return lacksUnless(e.resource == namedDirectly, need)
	}
	identityRoad := RoadIdentity
	if kind == Root {
		identityRoad = RoadRoot
	}

	switch in.Model {
	case ModelIdentity:
		r.add(identityRoad, identity|limits|lacksUnless(same, NeedSameAccount))
	case ModelResource:
		r.add(RoadResourcePolicy, byPolicy(NeedResourcePolicy))
		if same {
			r.add(identityRoad, identity|limits)
		}
	case ModelKey:
		r.add(RoadKeyPolicy, byPolicy(NeedKeyPolicy))
		if same {
			r.add(RoadKeyPolicyDelegation, lacksUnless(e.delegated, NeedDelegation)|identity|limits)
		}
		grant := lacksUnless(e.grant != notNamed, NeedGrant) | limits
		if !same || e.grant == namedByAccount {
			grant |= identity
		}
		r.add(RoadGrant, grant)
	case ModelTrust:
		r.add(RoadTrustPolicy, byPolicy(NeedTrustPolicy))
		if same {
			r.add(RoadTrustPolicyDelegation, lacksUnless(e.delegated, NeedDelegation)|identity|limits)
		}
	}
	return r
}

// missing lists what the roads lack: first the roads that the resource's side
// has opened already, where the caller's own side is the reason of the refusal,
// and among those the ones that lack least.
func (r *roads) missing() []Missing {
	n := 0
	for i := range r.list[:r.n] {
		n += r.list[i].lacks.count()
	}
	list := make([]Missing, 0, n)
	for _, opened := range [2]bool{true, false} {
		for count := 1; count <= int(needs); count++ {
			for i := range r.list[:r.n] {
				l := r.list[i].lacks
				if (l&onResourceSide == 0) != opened || l.count() != count {
					continue
				}
				for need := Need(0); need < needs; need++ {
					if l&(1<<need) != 0 {
						list = append(list, Missing{Road: r.list[i].road, Need: need})
					}
				}
			}
		}
	}
	return list
}

func (l lacks) count() int { return bits.OnesCount16(uint16(l)) }
