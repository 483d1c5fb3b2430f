package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// WriteJSON writes the result as one JSON object on a line.
func (r *Result) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(struct {
		What             string  `json:"what"`
		Transport        string  `json:"transport,omitempty"`
		Callers          int     `json:"callers"`
		Seconds          int     `json:"seconds"`
		OpsPerS          float64 `json:"ops_per_s"`
		P50              float64 `json:"p50_ms"`
		P99              float64 `json:"p99_ms"`
		RecordsPerCommit float64 `json:"records_per_commit"`
		CPU              float64 `json:"cpu_us_per_op"`
		PeakRSS          float64 `json:"peak_rss_mb"`
		Echo             float64 `json:"echo_ops_per_s"`
		Ceiling          float64 `json:"ceiling_ops_per_s"`
		CeilingCPU       float64 `json:"ceiling_cpu_us_per_op"`
		Ratio            float64 `json:"ratio"`
	}{
		r.What, r.Transport, r.Callers, r.Seconds, round(r.Vault.Rate, 0), round(r.Vault.P50, 3), round(r.Vault.P99, 3),
		round(r.Vault.RecordsPerCommit, 1), round(r.Vault.CPU, 1), round(r.PeakRSS, 1),
		round(r.Echo.Rate, 0), round(r.Append.Rate, 0), round(r.Append.CPU, 1), round(r.Ratio(), 3),
	})
}

// WriteTable writes the result for people.
func (r *Result) WriteTable(w io.Writer) error {
	conns := min(r.Callers, connections)
	if r.Transport == HTTP {
		conns = r.Callers
	}
	fmt.Fprintf(w, "%s over %s, %d callers on %d connections, %d s of each load in %d rounds (medians)\n\n",
		r.What, r.Transport, r.Callers, conns, r.Seconds, rounds)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "load\tops/s\tp50 ms\tp99 ms\tCPU us/op\trecords/commit\t")
	for _, row := range []struct {
		name string
		f    Figures
	}{
		{"echo: request and reply", r.Echo},
		{"ceiling: and one durable append", r.Append},
		{"vault: audited operations", r.Vault},
	} {
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.2f\t%s\t%s\t\n", row.name, row.f.Rate, row.f.P50, row.f.P99,
			known(row.f.CPU), known(row.f.RecordsPerCommit))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nratio vault / ceiling: %.2f, peak memory of the server: %s MiB\n", r.Ratio(), known(r.PeakRSS))
	return err
}

// known is a figure, or a dash for one that the system did not tell.
func known(v float64) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func round(v float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(v*unit) / unit
}
