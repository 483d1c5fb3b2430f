package vault

import (
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/fault"
)

func init() {
	define("keytrail", "ListProjections", use, keytrailListProjections)
	define("keytrail", "RebuildProjection", use, keytrailRebuildProjection)
}

// Projection is a view of the log in the process that answers. Positions are
// stream sequences of commits.
type Projection struct {
	Name    string `json:"Name"`
	Cursor  uint64 `json:"Cursor"` // the last commit that the view holds
	LogEnd  uint64 `json:"LogEnd"`
	Lag     uint64 `json:"Lag"`  // commits that it does not hold yet
	Size    int64  `json:"Size"` // bytes on disk
	Rebuild bool   `json:"Rebuilding"`
	Target  uint64 `json:"RebuildTarget,omitempty"` // where the log ended when the rebuild was asked for
}

// AsksProjections reports whether the operation is about the views.
func AsksProjections(service, name string) bool {
	return service == "keytrail" && (name == "ListProjections" || name == "RebuildProjection")
}

// NeedsProjections reports whether the caller of the request may see something of the
// views as the state is now. It is decided again when the call is.
func NeedsProjections(st *State, req *Request, env *Env) bool {
	c, ok := asking(st, req, env)
	return ok && AsksProjections(req.Service, req.Operation) && c.fromManagement("keytrail:"+req.Operation) == nil
}

// errProjectionsAbsent: there is always one at least.
var errProjectionsAbsent = fault.New(fault.ServiceUnavailable, "The views of the log cannot be asked at present. Try again.")

type listProjectionsOutput struct {
	Projections []Projection `json:"Projections"`
}

// keytrailListProjections is for the management account: the views are those of
// all accounts.
func keytrailListProjections(c *call, _ *struct{}) (*listProjectionsOutput, error) {
	if err := c.fromManagement("keytrail:ListProjections"); err != nil {
		return nil, err
	}
	if len(c.req.Projections) == 0 {
		return nil, errProjectionsAbsent
	}
	return &listProjectionsOutput{c.req.Projections}, nil
}

type rebuildProjectionInput struct {
	Name string `json:"Name" aws:"required,min=1,max=64" audit:"name"`
}

// keytrailRebuildProjection has a view thrown away and built again, once this
// record is on disk. ListProjections tells how far it has come.
func keytrailRebuildProjection(c *call, in *rebuildProjectionInput) (*Projection, error) {
	if err := c.fromManagement("keytrail:RebuildProjection"); err != nil {
		return nil, err
	}
	if len(c.req.Projections) == 0 {
		return nil, errProjectionsAbsent
	}
	i := slices.IndexFunc(c.req.Projections, func(p Projection) bool { return p.Name == in.Name })
	if i < 0 {
		var names []string
		for _, p := range c.req.Projections {
			names = append(names, p.Name)
		}
		return nil, fault.New(fault.ResourceNotFoundException, "There is no projection %s. Projections: %s.", in.Name, strings.Join(names, ", "))
	}
	p := c.req.Projections[i]
	if p.Rebuild {
		return nil, fault.New(fault.InvalidRequestException, "The projection %s is being rebuilt already.", in.Name)
	}
	c.dec.Rebuild = in.Name
	p.Cursor, p.Lag, p.Rebuild, p.Target = 0, p.LogEnd, true, p.LogEnd
	return &p, nil
}
