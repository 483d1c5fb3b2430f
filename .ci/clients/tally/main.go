// Tally reads the events of go test -json, and of reporters that write the same, and
// prints one line per client, below the output of what failed and the reasons of what
// was skipped. The last line is "N passed, N failed, N skipped"; it fails if a test
// did, or if none ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

type client struct {
	passed, failed, skipped int
	seconds                 float64
	broken                  bool // it did not build, or ended outside of a test
}

type test struct{ client, name string }

func main() {
	clients := map[string]*client{}
	output := map[test][]string{}
	parents := map[test]bool{}
	var results []struct {
		test
		action string
	}
	var building []string
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Println(lines.Text())
			continue
		}
		if e.Action == "build-output" {
			building = append(building, e.Output)
			continue
		}
		name := strings.TrimPrefix(e.Package, "keytrail.test/clients/")
		of := test{name, e.Test}
		switch e.Action {
		case "output":
			output[of] = append(output[of], e.Output)
		case "run":
			for at := strings.LastIndexByte(e.Test, '/'); at > 0; at = strings.LastIndexByte(e.Test[:at], '/') {
				parents[test{name, e.Test[:at]}] = true
			}
		case "pass", "fail", "skip":
			if e.Test != "" {
				results = append(results, struct {
					test
					action string
				}{of, e.Action})
				break
			}
			c := clients[name]
			if c == nil {
				c = &client{}
				clients[name] = c
			}
			c.seconds, c.broken = e.Elapsed, e.Action == "fail"
		}
	}
	for _, r := range results {
		c := clients[r.client]
		if c == nil {
			c = &client{broken: true}
			clients[r.client] = c
		}
		switch {
		case parents[r.test] && r.action != "skip": // its parts are counted
		case r.action == "pass":
			c.passed++
		case r.action == "skip":
			c.skipped++
		default:
			c.failed++
		}
		if r.action != "pass" {
			show(strings.ToUpper(r.action), r.test, output[r.test])
		}
	}
	var all client
	fmt.Println()
	for _, name := range sorted(clients) {
		c := clients[name]
		if c.broken && c.failed == 0 {
			c.failed++
			show("FAIL", test{client: name}, append(building, output[test{client: name}]...))
		}
		if c.passed+c.failed+c.skipped == 0 {
			continue
		}
		fmt.Printf("%-32s %4d passed, %d failed, %d skipped  (%.1f s)\n", name, c.passed, c.failed, c.skipped, c.seconds)
		all.passed, all.failed, all.skipped = all.passed+c.passed, all.failed+c.failed, all.skipped+c.skipped
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", all.passed, all.failed, all.skipped)
	if all.failed > 0 || all.passed == 0 {
		os.Exit(1)
	}
}

// show prints what a test wrote, without the lines that only say that it began.
func show(verdict string, t test, output []string) {
	fmt.Printf("%s %s %s\n", verdict, t.client, t.name)
	for _, line := range output {
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "===") || strings.HasPrefix(trimmed, "---") {
			continue
		}
		fmt.Print("    ", strings.TrimRight(line, "\n"), "\n")
	}
}

func sorted(clients map[string]*client) []string {
	var names []string
	for name := range clients {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
