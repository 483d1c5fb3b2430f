package dashboards

func access() Dashboard {
	return Dashboard{
		UID: "keytrail-access", Title: "Keytrail / Access and denials",
		Description: "Who is let in, what was refused and for want of what, and how the permissions themselves change.",
		Variables:   []Variable{request, {Name: "event", Title: "Operation", Text: "GetSecretValue"}, {Name: "error", Title: "Error", Text: "AccessDenied"}},
		Rows: []Row{
			{Title: "Denials", Panels: []Panel{
				{Kind: TimeSeries, Title: "Denied actions by reason", Empty: "No action was denied", Unit: "ops", Stacked: true,
					Description: "Actions a second that were not allowed, by what was missing: an identity-policy, a key-policy, a delegation, a grant …; explicit-deny for a statement that denies; credentials for callers that are not known. The points are single calls: their link leads to the whole decision.",
					Queries:     []Query{single(query("{{reason}}", `sum by (reason) (rate(keytrail_denials_total{ON}[$__rate_interval]))`))}},
				{Kind: TimeSeries, Title: "Denied actions by access", Empty: "No action was denied", Unit: "ops", Stacked: true,
					Description: "Actions a second that were not allowed, by service and class: use of keys and secrets, read about them, changes of permissions, any other write.",
					Queries:     []Query{query("{{service}} {{access}}", `sum by (service, access) (rate(keytrail_denials_total{ON}[$__rate_interval]))`)}},
				{Kind: Table, Title: "Refusals by operation and error", Unit: "short", Column: "Calls", Empty: "No call was refused in the last hour",
					Pick:        &Pick{Column: "operation", Dashboard: "keytrail-access", Variable: "event", With: map[string]string{"error": "code"}},
					Description: "Recorded calls of the last hour that were refused, by operation and error code. A click on an operation puts both into the command lines below.",
					Queries:     []Query{now(`sort_desc(topk(25, round(sum by (service, operation, code) (increase(keytrail_operations_total{ON, outcome!="ok"}[1h]))) > 0))`)}},
			}},
			{Title: "At the door", Panels: []Panel{
				{Kind: TimeSeries, Title: "Refused before anybody was known", Empty: "Nobody was refused", Unit: "ops", Stacked: true,
					Description: "Connections and messages a second that were refused before anybody was known to be calling, by edge and reason. They are summed up in the log every ten seconds.",
					Queries:     []Query{query("{{edge}}: {{reason}}", `sum by (edge, reason) (rate(keytrail_refused_total{ON}[$__rate_interval])) and sum by (edge, reason) (increase(keytrail_refused_total{ON}[$__range])) > 0`)}},
				{Kind: TimeSeries, Title: "Connections", Unit: "short",
					Description: "Connections by edge: on nats those of known callers, on http all.",
					Queries:     []Query{query("{{instance}} {{edge}}", `keytrail_connections{ON}`)}},
				{Kind: TimeSeries, Title: "Sessions", Unit: "short",
					Description: "Temporary credentials that have not expired, and those issued in five minutes, by operation.",
					Queries: []Query{query("not expired", `sum(keytrail_sessions{ON})`),
						query("{{operation}} in 5 min", `sum by (operation) (increase(keytrail_sessions_issued_total{ON}[5m]))`)}},
			}},
			{Title: "Permissions", Panels: []Panel{
				{Kind: TimeSeries, Title: "Changes of permissions", Empty: "No permission was changed", Unit: "short", Width: 10,
					Description: "Events in five minutes that change who may do what: policies, grants, trust, access keys. A change is in force at its position in the log.",
					Queries:     []Query{query("{{type}}", `sum by (type) (increase(keytrail_events_total{ON, type=~".*Polic.*|Grant.*|Boundary.*|RoleTrustReplaced|AccessKey.*|User.*Group"}[5m])) and sum by (type) (increase(keytrail_events_total{ON}[$__range])) > 0`)}},
				{Kind: BarGauge, Title: "Principals", Unit: "short", Width: 5,
					Description: "IAM users, groups and roles of all accounts.",
					Queries:     []Query{query("{{type}}", `sum by (type) (keytrail_principals{ON})`)}},
				{Kind: Text, Title: "Look closer", Unit: "none", Width: 9, Description: "From a refusal to its reason.",
					Markdown: ask("Every denial says what was missing, and what would be enough:",
						"keytrail audit query --event ${event} --error ${error} "+span,
						"keytrail audit explain ${request}",
						"keytrail who-can kms:Decrypt KEY-ARN",
						lookup("EventName", "PutKeyPolicy"))},
			}},
		},
	}
}
