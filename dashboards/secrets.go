package dashboards

func secrets() Dashboard {
	return Dashboard{
		UID: "keytrail-secrets", Title: "Keytrail / Secrets",
		Description: "Which secrets there are and under whose keys, which are read, and whose values have grown old.",
		Variables:   []Variable{{Name: "secret", Title: "Secret", Query: `{__name__=~"keytrail_secret_(reads_total|value_timestamp_seconds|deletion_timestamp_seconds)", ON}`, Label: "secret"}},
		Rows: []Row{
			{Title: "Secrets", Height: 6, Panels: []Panel{
				{Kind: BarGauge, Title: "Secrets by key manager", Unit: "short", Width: 6,
					Description: "Secrets by who manages the key they are under (CUSTOMER, or AWS for aws/secretsmanager) and by state.",
					Queries:     []Query{query("{{key_manager}} key, {{state}}", `sum by (key_manager, state) (keytrail_secrets{ON})`)}},
				{Kind: BarGauge, Title: "Secrets by key", Unit: "short", Width: 6,
					Description: "Secrets under a key, for the keys that have most. Who may not use the key cannot read them.",
					Queries:     []Query{query("{{account}} {{key_id}}", `topk(8, sum by (account, key_id) (keytrail_key_secrets{ON}))`)}},
				{Kind: Stat, Title: "Scheduled for deletion", Unit: "short", Width: 3, Thresholds: rising(1, 50),
					Description: "Secrets in their recovery window. RestoreSecret keeps one.",
					Queries:     []Query{query("secrets", `sum(keytrail_secrets{ON, state="PendingDeletion"})`)}},
				{Kind: Stat, Title: "Never rotated", Unit: "short", Width: 3, Thresholds: rising(1, 1000),
					Description: "Secrets that still have their first value.",
					Queries:     []Query{query("secrets", `sum(keytrail_secrets_never_rotated{ON})`)}},
				{Kind: Stat, Title: "Values read", Unit: "ops", Width: 3, Thresholds: []Threshold{{0, plain}},
					Description: "Secret values read a second.",
					Queries:     []Query{query("reads", `sum(rate(keytrail_secret_reads_total{ON, secret=~"$secret"}[$__rate_interval]))`)}},
				{Kind: Stat, Title: "Values written", Unit: "ops", Width: 3, Thresholds: []Threshold{{0, plain}},
					Description: "Secret versions written a second.",
					Queries:     []Query{query("versions", `sum(rate(keytrail_events_total{ON, type="SecretVersionCreated"}[$__rate_interval]))`)}},
			}},
			{Title: "Use", Panels: []Panel{
				{Kind: TimeSeries, Title: "Reads by secret", Unit: "ops",
					Description: "Values read a second of the secrets that are read most; other stands for all without a series of their own (--metrics-named).",
					Queries:     []Query{query("{{account}} {{secret}}", `topk(15, sum by (account, secret) (rate(keytrail_secret_reads_total{ON, secret=~"$secret"}[$__rate_interval])))`)}},
				{Kind: TimeSeries, Title: "Calls by operation", Empty: "No call of Secrets Manager", Unit: "ops",
					Description: "Recorded calls of Secrets Manager a second by operation.",
					Queries:     []Query{query("{{operation}}", `topk(15, sum by (operation) (rate(keytrail_operations_total{ON, service="secretsmanager"}[$__rate_interval])))`)}},
				{Kind: TimeSeries, Title: "Refusals by error", Empty: "No call was refused", Unit: "ops",
					Description: "Calls of Secrets Manager a second that were refused, by error code. AccessDenied on a secret the caller may read is for want of permission on its key.",
					Queries:     []Query{query("{{code}}", `sum by (code) (rate(keytrail_operations_total{ON, service="secretsmanager", outcome!="ok"}[$__rate_interval]))`)}},
			}},
			{Title: "Before they are gone", Height: 6, Panels: []Panel{
				{Kind: Table, Title: "Next deletions", Unit: "s", Width: 12, Pick: pickSecret, Thresholds: falling(3*86400, 7*86400), Empty: "No secret is scheduled for deletion",
					Description: "When the recovery window of a secret ends, the next first. RestoreSecret keeps it until then; after that its values are erased.",
					Queries: []Query{
						column("Deleted in", "", `sort(min by (account, secret) (keytrail_secret_deletion_timestamp_seconds{ON, secret=~"$secret"}) - time())`),
						column("Deleted at", "dateTimeAsIso", `min by (account, secret) (keytrail_secret_deletion_timestamp_seconds{ON, secret=~"$secret"}) * 1000`)}},
				{Kind: TimeSeries, Title: "Deletions and restorations", Unit: "short", Width: 12,
					Description: "Secrets in five minutes that were scheduled for deletion, restored, or deleted for good.",
					Queries:     []Query{query("{{type}}", `sum by (type) (increase(keytrail_events_total{ON, type=~"SecretDeletionScheduled|SecretRestored|SecretDeleted"}[5m]))`)}},
			}},
			{Title: "Age of values", Panels: []Panel{
				{Kind: BarGauge, Title: "Values by age", Unit: "short", Width: 8, Thresholds: rising(1, 1000),
					Description: "Secrets whose current value is older than so many days.",
					Queries:     older("keytrail_secrets_unrotated")},
				{Kind: Table, Title: "Oldest values", Empty: "No secret", Unit: "s", Width: 8, Column: "Age", Pick: pickSecret, Thresholds: rising(180*86400, 365*86400),
					Description: "Age of the current value of the secrets that have gone longest without a new one.",
					Queries:     []Query{now(`sort_desc(topk(20, time() - min by (account, secret) (keytrail_secret_value_timestamp_seconds{ON, secret=~"$secret"})))`)}},
				{Kind: Text, Title: "Look closer", Unit: "none", Width: 8, Description: "From a secret to its records.",
					Markdown: ask("Choose a secret above, or in the table. Who read it, and who could, through its key as well:",
						"keytrail audit query --secret ${secret:text} "+span,
						"keytrail audit query --event GetSecretValue --error AccessDenied "+span,
						"keytrail who-did secretsmanager:GetSecretValue ${secret:text} --since "+from,
						"keytrail who-can secretsmanager:GetSecretValue ${secret:text}",
						lookup("EventName", "GetSecretValue"))},
			}},
		},
	}
}

var pickSecret = &Pick{Column: "secret", Dashboard: "keytrail-secrets", Variable: "secret"}
