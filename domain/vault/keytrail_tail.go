package vault

func init() {
	define("keytrail", "TailRecords", use, keytrailTailRecords)
}

type tailRecordsInput struct {
	// Subjects are what is watched, for the record; absent is all records of the account.
	Subjects []string `json:"Subjects" aws:"max=16,each.max=256"`
}

type tailRecordsOutput struct {
	Account string `json:"Account"` // whose records
}

// keytrailTailRecords begins to watch the account's records as they are stored. What
// is watched comes by another way, see MayTail; that somebody watches is on the record.
func keytrailTailRecords(c *call, _ *tailRecordsInput) (*tailRecordsOutput, error) {
	if err := c.authorize("keytrail:TailRecords", plain("*")); err != nil {
		return nil, err
	}
	return &tailRecordsOutput{c.account}, nil
}
