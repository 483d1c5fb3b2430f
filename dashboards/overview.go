package dashboards

import "strings"

func overview() Dashboard {
	return Dashboard{
		UID: "keytrail-overview", Title: "Keytrail / Overview",
		Description: "Is the vault serving, is what it answers on disk, who is asking for what, and does anything need a person.",
		Variables:   []Variable{request},
		Rows: []Row{
			{Title: "Now", Height: 5, Panels: []Panel{
				{Kind: Stat, Title: "Takes records", Unit: "short", Width: 4, Thresholds: writes(), Names: writesNames,
					Description: "Whether the log takes records. While it does not, no call is answered: without a record there is no reply. One process writes a log; others stand by and take over when it ends.",
					Queries:     []Query{writing()}},
				{Kind: Stat, Title: "On disk when answered", Unit: "short", Width: 4, Thresholds: yes(), Names: map[string]string{"0": "NO", "1": "yes"},
					Description: "Whether the server waits for the disk before it answers. NO means --unsafe-no-sync: answered calls can be lost with the power.",
					Queries:     []Query{query("{{instance}}", `keytrail_log_durable{ON}`)}},
				{Kind: Stat, Title: "Calls", Unit: "ops", Width: 4, Thresholds: []Threshold{{0, plain}},
					Description: "Recorded calls a second, forwarded ones included: reading a secret is a call of Secrets Manager and one of KMS.",
					Queries:     []Query{query("calls", `sum(rate(keytrail_operations_total{ON}[$__rate_interval]))`)}},
				{Kind: Stat, Title: "Denied", Unit: "percentunit", Width: 4, Thresholds: rising(0.05, 0.25),
					Description: "Share of the calls that were refused because the caller is not known or not allowed.",
					Queries:     []Query{query("denied", `sum(rate(keytrail_operations_total{ON, outcome="denied"}[$__rate_interval])) / clamp_min(sum(rate(keytrail_operations_total{ON}[$__rate_interval])), 1e-9) or vector(0)`)}},
				{Kind: Stat, Title: "Calls, p99", Empty: "no calls", Unit: "s", Width: 4, Thresholds: rising(0.05, 0.25),
					Description: "Time from a call's arrival at the engine to its reply, its records on disk, that 99 of 100 calls stay below.",
					Queries:     []Query{query("p99", `histogram_quantile(0.99, sum by (le) (rate(keytrail_call_duration_seconds_bucket{ON}[$__rate_interval]))) >= 0`)}},
				{Kind: Stat, Title: "Failed", Unit: "ops", Width: 4, Thresholds: rising(0.001, 0.1),
					Description: "Recorded calls a second that the vault itself could not carry out.",
					Queries:     []Query{query("failed", `sum(rate(keytrail_operations_total{ON, outcome="failed"}[$__rate_interval])) or vector(0)`)}},
			}},
			{Title: "Calls", Panels: []Panel{
				{Kind: TimeSeries, Title: "Calls by service", Unit: "ops", Stacked: true,
					Description: "Recorded calls a second by service. KMS includes the calls that Secrets Manager makes for its callers.",
					Queries:     []Query{query("{{service}}", `sum by (service) (rate(keytrail_operations_total{ON}[$__rate_interval]))`)}},
				{Kind: TimeSeries, Title: "Calls by outcome", Unit: "ops", Stacked: true,
					Description: "ok; denied: the caller is not known or not allowed; invalid: it cannot be carried out as it was asked; failed: the vault could not.",
					Queries:     []Query{query("{{outcome}}", `sum by (outcome) (rate(keytrail_operations_total{ON}[$__rate_interval]))`)}},
				{Kind: TimeSeries, Title: "Duration, p99 by service", Unit: "s", Thresholds: rising(0.05, 0.25),
					Description: "Time to the reply with the records on disk that 99 of 100 calls stay below. The points are single calls: their link puts the request id into the command lines below.",
					Queries:     []Query{single(query("{{service}}", `histogram_quantile(0.99, sum by (service, le) (rate(keytrail_call_duration_seconds_bucket{ON}[$__rate_interval])))`))}},
			}},
			{Title: "What there is", Height: 5, Panels: []Panel{
				{Kind: Stat, Title: "Customer keys", Unit: "short", Thresholds: []Threshold{{0, plain}},
					Description: "Customer managed KMS keys in any state.",
					Queries:     []Query{query("keys", `sum(keytrail_keys{ON, manager="CUSTOMER"})`)}},
				{Kind: Stat, Title: "Secrets", Unit: "short", Thresholds: []Threshold{{0, plain}},
					Description: "Secrets, those scheduled for deletion included.",
					Queries:     []Query{query("secrets", `sum(keytrail_secrets{ON})`)}},
				{Kind: Stat, Title: "Keys to be deleted", Unit: "short", Thresholds: rising(1, 10),
					Description: "Keys scheduled for deletion. What is encrypted under one cannot be read after its window has ended.",
					Queries:     []Query{query("keys", `sum(keytrail_keys{ON, state="PendingDeletion"})`)}},
				{Kind: Stat, Title: "Principals", Unit: "short", Thresholds: []Threshold{{0, plain}},
					Description: "IAM users, groups and roles.",
					Queries:     []Query{query("{{type}}", `sum by (type) (keytrail_principals{ON})`)}},
				{Kind: Stat, Title: "Sessions", Unit: "short", Thresholds: []Threshold{{0, plain}},
					Description: "Temporary credentials that have not expired.",
					Queries:     []Query{query("sessions", `sum(keytrail_sessions{ON})`)}},
				{Kind: Stat, Title: "Records", Unit: "short", Thresholds: []Threshold{{0, plain}},
					Description: "Records in the log since its beginning.",
					Queries:     []Query{query("records", `sum(keytrail_operations_total{ON})`)}},
			}},
			{Title: "What was changed", Panels: []Panel{
				{Kind: TimeSeries, Title: "Changes by event", Empty: "Nothing was changed", Unit: "ops", Width: 9,
					Description: "State-changing events of the log a second: what was made, changed and deleted.",
					Queries:     []Query{query("{{type}}", `sum by (type) (rate(keytrail_events_total{ON, type!~"Encrypted|Decrypted|DataKey.*|SecretValueRead|SessionIssued"}[$__rate_interval])) and sum by (type) (increase(keytrail_events_total{ON}[$__range])) > 0`)}},
				{Kind: Table, Title: "Alerts", Unit: "short", Width: 6, Column: "Firing", Thresholds: rising(1, 1), Empty: "No alert fires",
					Description: "Alerts of prometheus/alerts.yml that fire now. Their annotations, in Prometheus, say what to do; more is in runbook.md.",
					Queries:     []Query{now(`count by (severity, alertname) (ALERTS{instance=~"$instance", alertname=~"Keytrail.*", alertstate="firing"})`)}},
				{Kind: Text, Title: "Look closer", Unit: "none", Width: 9, Description: "From a picture to the records behind it.",
					Markdown: ask("Every point of these pictures is a number of records. To see them:",
						"keytrail audit query "+span,
						"keytrail audit query --event ScheduleKeyDeletion "+span,
						"keytrail audit explain ${request}",
						"keytrail audit tail",
						lookup("ReadOnly", "false"))},
			}},
		},
	}
}

// request is where an exemplar's link puts its request id.
var request = Variable{Name: "request", Title: "Request id", Text: "REQUEST-ID"}

// The time range of the dashboard, in the words of the command line.
const (
	from = "${__from:date:iso}"
	span = "--since ${__from:date:iso} --until ${__to:date:iso}"
)

// lookup is LookupEvents over the time range.
func lookup(attribute, value string) string {
	return "aws --endpoint-url \"$AWS_ENDPOINT_URL\" cloudtrail lookup-events --start-time ${__from:date:iso} --end-time ${__to:date:iso} \\\n" +
		"    --lookup-attributes AttributeKey=" + attribute + ",AttributeValue=" + value
}

// ask is text with command lines under it.
func ask(text string, commands ...string) string {
	return text + "\n\n```\n" + strings.Join(commands, "\n") + "\n```\n"
}
