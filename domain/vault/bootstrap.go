package vault

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
)

// Founding is what an operator decides about a new vault.
type Founding struct {
	Region  string // such as us-east-1: in every ARN, for good
	Account string // twelve digits: the management account
}

var regionName = regexp.MustCompile(`^[a-z]{2,}(-[a-z0-9]+)+$`)

// Validate tells what is wrong with the Region or the account.
func (f Founding) Validate() error {
	if !arn.IsAccount(f.Account) {
		return fmt.Errorf("account %q does not have twelve digits", f.Account)
	}
	if !regionName.MatchString(f.Region) {
		return fmt.Errorf("region %q is not the name of one", f.Region)
	}
	return nil
}

// Bootstrap decides the first record of an empty log: the installation, its
// first account, and an administrator with an access key. The decision holds one
// record and one seal and goes to keyring and log like any other; what is
// returned beside it is the only copy of the secret.
func Bootstrap(f Founding, env *Env) (*Decision, Administrator, error) {
	none := Administrator{}
	if err := f.Validate(); err != nil {
		return nil, none, fmt.Errorf("vault: bootstrap: %w", err)
	}
	var random [32]byte // installation id and request id
	if _, err := io.ReadFull(env.Entropy, random[:]); err != nil {
		return nil, none, fmt.Errorf("vault: draw the installation id: %w", err)
	}
	params, err := json.Marshal(map[string]string{"account": f.Account, "region": f.Region})
	if err != nil {
		return nil, none, fmt.Errorf("vault: bootstrap: %w", err)
	}
	c := &call{st: NewState(), req: &Request{}, env: env, dec: &Decision{}, service: "keytrail", kind: internal}
	c.rec = event.Record{
		At: env.Now.UTC().Truncate(time.Microsecond), Request: uuid([16]byte(random[16:])), Op: "keytrail:Initialize",
		Who: event.Who{Type: "AWSService", ID: "keytrail"}, Params: params,
	}
	c.emit(&event.VaultInitialized{Installation: hex.EncodeToString(random[:16]), Region: f.Region, RootKey: env.Root.ID()})
	admin, err := c.foundAccount(f.Account, "")
	if err == nil {
		err = c.dec.Broken
	}
	if err != nil {
		admin.Secret.Zero()
		return nil, none, fmt.Errorf("vault: bootstrap: %w", err)
	}
	c.finish(nil, nil)
	c.dec.Changed = true
	return c.dec, admin, nil
}

// uuid writes random bytes as a UUID of version 4.
func uuid(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
