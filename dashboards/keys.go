package dashboards

func keys() Dashboard {
	return Dashboard{
		UID: "keytrail-keys", Title: "Keytrail / Keys",
		Description: "Which keys there are and in which state, which are used, which wait to be deleted or have not been rotated.",
		Variables:   []Variable{{Name: "key", Title: "Key", Query: `{__name__=~"keytrail_key_(uses_total|material_timestamp_seconds|deletion_timestamp_seconds)", ON}`, Label: "key_id"}},
		Rows: []Row{
			{Title: "States", Height: 6, Panels: []Panel{
				{Kind: BarGauge, Title: "Keys by state", Unit: "short", Width: 8,
					Description: "KMS keys by key state and manager: CUSTOMER for keys that were made by callers, AWS for those the vault made for a service.",
					Queries:     []Query{query("{{state}} ({{manager}})", `sum by (state, manager) (keytrail_keys{ON})`)}},
				{Kind: Stat, Title: "Scheduled for deletion", Unit: "short", Width: 4, Thresholds: rising(1, 10),
					Description: "Keys in their deletion window. CancelKeyDeletion keeps one.",
					Queries:     []Query{query("keys", `sum(keytrail_keys{ON, state="PendingDeletion"})`)}},
				{Kind: Stat, Title: "Rotate automatically", Unit: "short", Width: 4, Thresholds: []Threshold{{0, plain}},
					Description: "Customer managed keys with automatic rotation.",
					Queries:     []Query{query("keys", `sum(keytrail_keys_rotating{ON})`)}},
				{Kind: Stat, Title: "Grants", Unit: "short", Width: 4, Thresholds: []Threshold{{0, plain}},
					Description: "Grants on KMS keys.",
					Queries:     []Query{query("grants", `sum(keytrail_grants{ON})`)}},
				{Kind: Stat, Title: "Aliases", Unit: "short", Width: 4, Thresholds: []Threshold{{0, plain}},
					Description: "Aliases of KMS keys.",
					Queries:     []Query{query("aliases", `sum(keytrail_aliases{ON})`)}},
			}},
			{Title: "Use", Panels: []Panel{
				{Kind: TimeSeries, Title: "Uses by key", Unit: "ops", Width: 12,
					Description: "Calls a second that used a key, of the keys that are used most; other stands for all without a series of their own (--metrics-named).",
					Queries:     []Query{query("{{account}} {{key_id}}", `topk(15, sum by (account, key_id) (rate(keytrail_key_uses_total{ON, key_id=~"$key"}[$__rate_interval])))`)}},
				{Kind: TimeSeries, Title: "KMS calls", Empty: "No call of KMS", Unit: "ops", Width: 12,
					Description: "Recorded calls of KMS a second by operation.",
					Queries:     []Query{query("{{operation}}", `topk(15, sum by (operation) (rate(keytrail_operations_total{ON, service="kms"}[$__rate_interval])))`)}},
			}},
			{Title: "Before they are gone", Panels: []Panel{
				{Kind: Table, Title: "Next deletions", Unit: "s", Width: 12, Pick: pickKey, Thresholds: falling(3*86400, 7*86400), Empty: "No key is scheduled for deletion",
					Description: "When a key scheduled for deletion is deleted, the next first. After that, what is encrypted under it cannot be read.",
					Queries: []Query{
						column("Deleted in", "", `sort(min by (account, key_id) (keytrail_key_deletion_timestamp_seconds{ON, key_id=~"$key"}) - time())`),
						column("Deleted at", "dateTimeAsIso", `min by (account, key_id) (keytrail_key_deletion_timestamp_seconds{ON, key_id=~"$key"}) * 1000`)}},
				{Kind: TimeSeries, Title: "Uses tried of keys that are to be deleted", Unit: "short", Width: 12, Thresholds: rising(1, 10),
					Description: "Calls in five minutes that were refused because their key is scheduled for deletion. Somebody still needs that key: cancel its deletion or move them to another. The points are single calls: their link leads to who it was.",
					Queries:     []Query{single(query("{{account}} {{key_id}}", `sum by (account, key_id) (increase(keytrail_pending_key_uses_total{ON, key_id=~"$key"}[5m]))`))}},
			}},
			{Title: "Age", Panels: []Panel{
				{Kind: BarGauge, Title: "Key material by age", Unit: "short", Width: 8, Thresholds: rising(1, 100),
					Description: "Customer managed keys whose material is older than so many days.",
					Queries:     older("keytrail_keys_unrotated")},
				{Kind: Table, Title: "Longest without rotation", Empty: "No customer managed key", Unit: "s", Width: 8, Column: "Age", Pick: pickKey, Thresholds: rising(365*86400, 730*86400),
					Description: "Age of the present key material of the customer managed keys that have gone longest without rotation.",
					Queries:     []Query{now(`sort_desc(topk(20, time() - min by (account, key_id) (keytrail_key_material_timestamp_seconds{ON, key_id=~"$key"})))`)}},
				{Kind: Text, Title: "Look closer", Unit: "none", Width: 8, Description: "From a key to its records.",
					Markdown: ask("Choose a key above, or in a table. Who used it, who may, and what became of it:",
						"keytrail audit query --key ${key:text} "+span,
						"keytrail audit query --error KMSInvalidStateException "+span,
						"keytrail who-did kms:Decrypt ${key:text} --since "+from,
						"keytrail who-can kms:Decrypt ${key:text}",
						lookup("EventName", "ScheduleKeyDeletion"))},
			}},
		},
	}
}

var pickKey = &Pick{Column: "key_id", Dashboard: "keytrail-keys", Variable: "key"}
