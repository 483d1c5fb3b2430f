package dashboards

import "strings"

// Dashboard is a dashboard as people think of it: rows of panels. JSON makes of it
// what Grafana loads.
type Dashboard struct {
	UID         string
	Title       string
	Description string
	Variables   []Variable // beside those that all dashboards have
	Rows        []Row
}

// Variable is a choice at the head of a dashboard: of the values of a label, All
// among them, or, without Label, a text that is typed or handed over by a link.
type Variable struct {
	Name  string
	Title string
	Query string // metric{…} whose label's values are the choices, with ON as in panels
	Label string
	Text  string // what stands there at first, without Label
}

// Row is a line of panels under a heading. The panels share the width, 24 columns,
// by their Width or evenly.
type Row struct {
	Title  string
	Height int // grid units of 30 pixels; 0 = 8
	Panels []Panel
}

// Kinds of panels, by Grafana's names.
const (
	Stat       = "stat"
	TimeSeries = "timeseries"
	Table      = "table"
	BarGauge   = "bargauge"
	Text       = "text"
)

// Panel is one picture.
type Panel struct {
	Kind        string
	Title       string
	Description string
	Unit        string // Grafana's unit id, for example "ops", "s", "bytes", "short"
	Width       int    // columns of 24; 0 = its share
	Queries     []Query
	Thresholds  []Threshold       // nil: no colours
	Names       map[string]string // what values mean, for example "1": "yes"
	Stacked     bool
	Column      string // what the value of a Table with one query is called
	Empty       string // what is said instead of "No data", where nothing is good news
	Pick        *Pick
	Markdown    string // of a Text panel
}

// Pick makes the cells of a table's column links that choose what they show in a
// variable of a dashboard.
type Pick struct {
	Column    string
	Dashboard string // UID
	Variable  string
	With      map[string]string // more variables, each with the column of the row that it takes
}

// Query is PromQL with the name of what it gives.
type Query struct {
	Expr    string
	Legend  string // "" = the series' labels
	Instant bool   // the latest value alone; always so in a Table or BarGauge
	Column  string // what the value is called in a Table of several queries
	Unit    string // of that column; "" = the panel's

	Exemplars bool // show single calls with their request ids as well
}

// Threshold colours values from At on; the first one has no At.
type Threshold struct {
	At     float64
	Colour string
}

// Colours that mean something.
const (
	good    = "green"
	notable = "yellow"
	bad     = "red"
	plain   = "blue"
)

// fine up to warn, notable up to alarm, bad from there.
func rising(warn, alarm float64) []Threshold {
	return []Threshold{{0, good}, {warn, notable}, {alarm, bad}}
}

// bad below alarm, notable below warn, fine from there.
func falling(alarm, warn float64) []Threshold {
	return []Threshold{{0, bad}, {alarm, notable}, {warn, good}}
}

// yes is fine with 1 and bad with 0.
func yes() []Threshold { return []Threshold{{0, bad}, {1, good}} }

// writes is fine with 1, bad with 0, and neither with 2, which is a process that
// stands by.
func writes() []Threshold { return append(yes(), Threshold{2, plain}) }

var writesNames = map[string]string{"0": "NO", "1": "yes", "2": "stands by"}

// writing asks which of them each process is.
func writing() Query {
	return query("{{instance}}", `keytrail_log_writable{ON} + on (job, instance) 2 * keytrail_standing_by{ON}`)
}

// on puts the variables of all dashboards into an expression: every metric{…} in it
// is written with ON in place of the first labels. Without the job, the metrics that
// every process has would be those of every process that Prometheus knows.
func on(expr string) string {
	return strings.ReplaceAll(expr, "ON", `job=~"$job", instance=~"$instance"`)
}

func query(legend, expr string) Query { return Query{Expr: on(expr), Legend: legend} }

// older asks for the counts of a metric by age, the youngest first.
func older(metric string) []Query {
	var list []Query
	for _, days := range []string{"30", "90", "180", "365"} {
		list = append(list, query("over "+days+" days", "sum("+metric+`{ON, older_than_days="`+days+`"})`))
	}
	return list
}

// single shows single calls beside the curve.
func single(q Query) Query {
	q.Exemplars = true
	return q
}

func now(expr string) Query { return Query{Expr: on(expr), Instant: true} }

// column is a query of a table with several.
func column(name, unit, expr string) Query {
	return Query{Expr: on(expr), Instant: true, Column: name, Unit: unit}
}
