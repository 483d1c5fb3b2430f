package vault

import (
	"slices"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
)

func init() { define("secretsmanager", "BatchGetSecretValue", use, batchGetSecretValue) }

// BatchGetSecretValueInput is the request of secretsmanager:BatchGetSecretValue:
// secrets by id or by filter, never both. MaxResults and NextToken go with filters.
type BatchGetSecretValueInput struct {
	SecretIDList []string       `json:"SecretIdList" aws:"min=1,max=20,each.min=1,each.max=2048"`
	Filters      []SecretFilter `json:"Filters" aws:"max=10"`
	MaxResults   int            `json:"MaxResults" aws:"min=1,max=20"`
	NextToken    string         `json:"NextToken" aws:"min=1,max=4096"`
}

// BatchGetSecretValueOutput is the reply of secretsmanager:BatchGetSecretValue.
type BatchGetSecretValueOutput struct {
	values    []*GetSecretValueOutput
	errors    []batchError
	nextToken string
}

type batchError struct {
	secretID string
	fault    *fault.Fault
}

// AppendJSON appends the reply. It grows dst for all values first, so that none of
// them has to.
func (o *BatchGetSecretValueOutput) AppendJSON(dst []byte) []byte {
	size := 256
	for _, v := range o.values {
		size += v.size(v.secret.Stages(v.version)) + 1
	}
	dst = slices.Grow(dst, size)
	dst = append(dst, `{"SecretValues":[`...)
	for i, v := range o.values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = v.AppendJSON(dst)
	}
	dst = append(dst, `],"Errors":[`...)
	for i, e := range o.errors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = event.AppendString(append(dst, `{"SecretId":`...), e.secretID)
		dst = event.AppendString(append(dst, `,"ErrorCode":`...), string(e.fault.Code))
		dst = event.AppendString(append(dst, `,"Message":`...), e.fault.Message)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if o.nextToken != "" {
		dst = event.AppendString(append(dst, `,"NextToken":`...), o.nextToken)
	}
	return append(dst, '}')
}

func (o *BatchGetSecretValueOutput) wipe() {
	for _, v := range o.values {
		v.wipe()
	}
}

// batchGetSecretValue reads up to 20 secrets. Each is a GetSecretValue of its own:
// judged, recorded and refused by itself.
func batchGetSecretValue(c *call, in *BatchGetSecretValueInput) (*BatchGetSecretValueOutput, error) {
	switch {
	case len(in.SecretIDList) > 0 && len(in.Filters) > 0:
		return nil, invalid("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(in.SecretIDList) == 0 && len(in.Filters) == 0:
		return nil, invalid("Either 'SecretIdList' or 'Filters' must be provided.")
	case len(in.SecretIDList) > 0 && in.MaxResults != 0:
		return nil, invalid("'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.")
	case len(in.SecretIDList) > 0 && in.NextToken != "":
		return nil, invalid("'Filters' not specified. 'Filters' must also be specified when 'NextToken' is provided.")
	}
	if err := c.authorize("secretsmanager:BatchGetSecretValue", plain("*")); err != nil {
		return nil, err
	}
	out := &BatchGetSecretValueOutput{}
	ids := in.SecretIDList
	if len(in.Filters) > 0 {
		if err := c.authorize("secretsmanager:ListSecrets", plain("*")); err != nil {
			return nil, err
		}
		limit := in.MaxResults
		if limit == 0 {
			limit = secret.MaxBatch
		}
		filters, err := readFilters(in.Filters)
		if err != nil {
			return nil, err
		}
		found, next, err := c.listSecrets(&listing{filters: filters, limit: limit, token: in.NextToken})
		if err != nil {
			return nil, err
		}
		out.nextToken = next
		for _, s := range found {
			ids = append(ids, s.ARN)
		}
	}
	for _, id := range ids {
		value, err := c.readOne(id)
		if err != nil {
			out.errors = append(out.errors, batchError{id, fault.Of(err)})
			continue
		}
		out.values = append(out.values, value)
	}
	return out, nil
}

// readOne is a GetSecretValue within the call: by the same caller and from the same
// place, not on anyone's behalf.
func (c *call) readOne(id string) (*GetSecretValueOutput, error) {
	in := &GetSecretValueInput{SecretID: id}
	op := table[operationName{"secretsmanager", "GetSecretValue"}]
	part := &call{
		st: c.st, req: c.req, env: c.env, dec: c.dec, service: c.service, kind: use,
		actor: c.actor, account: c.account, via: c.via,
		rec: event.Record{
			At: c.rec.At, Request: c.rec.Request, Op: op.recorded, Who: c.rec.Who, Via: c.rec.Via,
			Source: c.rec.Source, Agent: c.rec.Agent, Params: op.shape.AppendAudit(nil, in),
		},
	}
	out, err := getSecretValue(part, in)
	if err != nil {
		part.finish(nil, err)
		return nil, err
	}
	part.finish(out, nil)
	return out, nil
}
