package dashboards

func secrets() Dashboard {
	return Dashboard{
		UID: "keytrail-secrets", Title: "Keytrail / Secrets",
		Description: "Which secrets there are and under whose keys, which are read, and whose values have grown old.",
		Rows: []Row{
			{Title: "Secrets", Height: 6, Panels: []Panel{
				{Kind: BarGauge, Title: "Secrets by key", Unit: "short", Width: 8,
					Description: "Secrets by who manages the key they are under (CUSTOMER, or AWS for aws/secretsmanager) and by state.",
					Queries:     []Query{query("{{key_manager}} key, {{state}}", `sum by (key_manager, state) (keytrail_secrets{ON})`)}},
				{Kind: Stat, Title: "Scheduled for deletion", Unit: "short", Width: 4, Thresholds: rising(1, 50),
					Description: "Secrets in their recovery window. RestoreSecret keeps one.",
					Queries:     []Query{query("secrets", `sum(keytrail_secrets{ON, state="PendingDeletion"})`)}},
				{Kind: Stat, Title: "Never rotated", Unit: "short", Width: 4, Thresholds: rising(1, 1000),
					Description: "Secrets that still have their first value.",
					Queries:     []Query{query("secrets", `sum(keytrail_secrets_never_rotated{ON})`)}},
				{Kind: Stat, Title: "Values read", Unit: "ops", Width: 4, Thresholds: []Threshold{{0, plain}},
					Description: "Secret values read a second.",
					Queries:     []Query{query("reads", `sum(rate(keytrail_secret_reads_total{ON}[$__rate_interval]))`)}},
				{Kind: Stat, Title: "Values written", Unit: "ops", Width: 4, Thresholds: []Threshold{{0, plain}},
					Description: "Secret versions written a second.",
					Queries:     []Query{query("versions", `sum(rate(keytrail_events_total{ON, type="SecretVersionCreated"}[$__rate_interval]))`)}},
			}},
			{Title: "Use", Panels: []Panel{
				{Kind: TimeSeries, Title: "Reads by secret", Unit: "ops",
					Description: "Values read a second of the secrets that are read most; other stands for all without a series of their own (--metrics-named).",
					Queries:     []Query{query("{{account}} {{secret}}", `topk(15, sum by (account, secret) (rate(keytrail_secret_reads_total{ON}[$__rate_interval])))`)}},
				{Kind: TimeSeries, Title: "Calls by operation", Unit: "ops",
					Description: "Recorded calls of Secrets Manager a second by operation.",
					Queries:     []Query{query("{{operation}}", `topk(15, sum by (operation) (rate(keytrail_operations_total{ON, service="secretsmanager"}[$__rate_interval])))`)}},
				{Kind: TimeSeries, Title: "Refusals by error", Unit: "ops",
					Description: "Calls of Secrets Manager a second that were refused, by error code. AccessDenied on a secret the caller may read is for want of permission on its key.",
					Queries:     []Query{query("{{code}}", `sum by (code) (rate(keytrail_operations_total{ON, service="secretsmanager", outcome!="ok"}[$__rate_interval]))`)}},
			}},
			{Title: "Age of values", Panels: []Panel{
				{Kind: BarGauge, Title: "Values by age", Unit: "short", Width: 8, Thresholds: rising(1, 1000),
					Description: "Secrets whose current value is older than so many days.",
					Queries:     []Query{query("over {{older_than_days}} days", `sum by (older_than_days) (keytrail_secrets_unrotated{ON})`)}},
				{Kind: Table, Title: "Oldest values", Unit: "s", Width: 8, Thresholds: rising(180*86400, 365*86400),
					Description: "Age of the current value of the secrets that have gone longest without a new one.",
					Queries:     []Query{now(`topk(20, time() - min by (account, secret) (keytrail_secret_value_timestamp_seconds{ON}))`)}},
				{Kind: Text, Title: "Look closer", Unit: "none", Width: 8, Description: "From a secret to its records.",
					Markdown: ask("Who read a secret, and who could, through its key as well:", "keytrail audit query --since 24h --secret NAME",
						"keytrail audit query --since 24h --event GetSecretValue --error AccessDenied", "keytrail who-can secretsmanager:GetSecretValue NAME", "keytrail who-did secretsmanager:GetSecretValue NAME --since 24h")},
			}},
		},
	}
}
