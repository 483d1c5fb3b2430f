package vault

import "github.com/keytrail/keytrail/domain/vault/shape"

func init() {
	define("keytrail", "RefuseConnections", internal, keytrailRefuseConnections)
}

// Refusals sums up what was refused before anybody was known to be calling:
// connections with wrong credentials, requests that are none. It is the input of
// keytrail:RefuseConnections, which the edges call at most once in an interval
// for each reason, so that an attacker cannot fill the log.
type Refusals struct {
	Edge       string          `json:"Edge" aws:"required,min=1,max=16"` // nats, https
	Reason     string          `json:"Reason" aws:"required,min=1,max=64"`
	Count      int64           `json:"Count" aws:"required,min=1"`
	First      shape.Timestamp `json:"First" aws:"required"`
	Last       shape.Timestamp `json:"Last" aws:"required"`
	Sources    []string        `json:"Sources" aws:"max=16,each.max=64"` // the first addresses seen
	AccessKeys []string        `json:"AccessKeyIds" aws:"max=16,each.max=128"`
	More       bool            `json:"More"` // there were more sources or access keys
}

// keytrailRefuseConnections has nothing to decide: the record is all of it.
func keytrailRefuseConnections(*call, *Refusals) (*struct{}, error) { return nil, nil }
