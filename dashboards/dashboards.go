// Package dashboards is what operators see of a Keytrail: the Grafana dashboards,
// written down here once and kept beside as the JSON that Grafana loads, and the
// tests that hold dashboards, rules and scrape configuration to the metrics that
// the program has.
//
// Nothing of the program imports it, and it imports nothing of the program: it
// knows it by its metrics alone, as Prometheus does.
package dashboards

// All lists the dashboards in the order of their links.
func All() []Dashboard {
	return []Dashboard{overview(), keys(), secrets(), access(), durability()}
}

// File is where Grafana's provisioning finds the dashboard.
func (d Dashboard) File() string { return "grafana/dashboards/" + d.UID + ".json" }
