// Package dashboards holds the dashboards' files to the types that Grafana publishes
// for them. It is a module of its own, so that the program does not depend on them.
package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

func TestMain(m *testing.M) {
	r := cog.NewRuntime()
	r.RegisterPanelcfgVariant(bargauge.VariantConfig())
	r.RegisterPanelcfgVariant(stat.VariantConfig())
	r.RegisterPanelcfgVariant(table.VariantConfig())
	r.RegisterPanelcfgVariant(text.VariantConfig())
	r.RegisterPanelcfgVariant(timeseries.VariantConfig())
	r.RegisterDataqueryVariant(prometheus.VariantConfig())
	os.Exit(m.Run())
}

// words are the values of the enumerations in use, which decoding does not hold to
// them. One that is not listed here is looked up and added.
var words = map[reflect.Type][]string{
	of[dashboard.VariableType]():           {"query", "datasource", "textbox"},
	of[dashboard.DashboardLinkType]():      {"dashboards"},
	of[dashboard.FieldColorModeId]():       {"thresholds", "palette-classic"},
	of[dashboard.ThresholdsMode]():         {"absolute"},
	of[dashboard.MappingType]():            {"value"},
	of[common.LegendDisplayMode]():         {"list", "table", "hidden"},
	of[common.LegendPlacement]():           {"bottom", "right"},
	of[common.TooltipDisplayMode]():        {"single", "multi", "none"},
	of[common.SortOrder]():                 {"asc", "desc", "none"},
	of[common.GraphDrawStyle]():            {"line", "bars", "points"},
	of[common.VisibilityMode]():            {"auto", "never", "always"},
	of[common.StackingMode]():              {"none", "normal", "percent"},
	of[common.GraphThresholdsStyleMode]():  {"off", "line", "dashed", "area", "line+area", "dashed+area"},
	of[common.BigValueColorMode]():         {"value", "background", "background_solid", "none"},
	of[common.BigValueGraphMode]():         {"none", "line", "area"},
	of[common.BigValueJustifyMode]():       {"auto", "center"},
	of[common.BigValueTextMode]():          {"auto", "value", "value_and_name", "name", "none"},
	of[common.PercentChangeColorMode]():    {"standard", "inverted", "same_as_value"},
	of[common.VizOrientation]():            {"auto", "vertical", "horizontal"},
	of[common.BarGaugeDisplayMode]():       {"basic", "lcd", "gradient"},
	of[common.BarGaugeValueMode]():         {"color", "text", "hidden"},
	of[common.BarGaugeNamePlacement]():     {"auto", "top", "left", "hidden"},
	of[common.BarGaugeSizing]():            {"auto", "manual"},
	of[common.TableCellHeight]():           {"sm", "md", "lg", "auto"},
	of[prometheus.QueryEditorMode]():       {"code", "builder"},
	of[prometheus.PromQueryFormat]():       {"time_series", "table", "heatmap"},
	of[text.TextMode]():                    {"html", "markdown", "code"},
	of[dashboard.DashboardLinkPlacement](): {"inControlsMenu"},
}

// transformations and units in use, which the types have as plain strings.
var (
	transformations = map[string]bool{"organize": true, "merge": true}
	unitIDs         = map[string]bool{units.Short: true, units.OpsPerSecond: true, units.Seconds: true, units.BytesIEC: true,
		units.BytesPerSecondIEC: true, units.PercentUnit: true, units.DatetimeISO: true}
)

func of[T any]() reflect.Type { return reflect.TypeFor[T]() }

// faults is what Grafana's types find wrong with a dashboard.
func faults(raw []byte) (all []string) {
	lines := func(err error) {
		if err != nil { // a list, which without entries is an error that says nothing
			all = append(all, strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })...)
		}
	}
	var strict, d dashboard.Dashboard
	lines(strict.UnmarshalJSONStrict(raw)) // for unknown and missing members; it keeps no panels
	lines(json.Unmarshal(raw, &d))
	lines(d.Validate())
	spelled("dashboard", reflect.ValueOf(d), &all)
	for _, p := range d.Panels {
		if p.Panel == nil {
			continue
		}
		for _, t := range p.Panel.Transformations {
			if !transformations[t.Id] {
				all = append(all, fmt.Sprintf("panel %s: transformation %q", *p.Panel.Title, t.Id))
			}
		}
		if c := p.Panel.FieldConfig; c != nil {
			if u := c.Defaults.Unit; u != nil && !unitIDs[*u] {
				all = append(all, fmt.Sprintf("panel %s: unit %q", *p.Panel.Title, *u))
			}
			for _, o := range c.Overrides {
				for _, property := range o.Properties {
					if u, is := property.Value.(string); property.Id == "unit" && (!is || !unitIDs[u]) {
						all = append(all, fmt.Sprintf("panel %s: unit %v", *p.Panel.Title, property.Value))
					}
				}
			}
		}
	}
	return all
}

// spelled looks for values of enumerations that are none.
func spelled(where string, v reflect.Value, all *[]string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			spelled(where, v.Elem(), all)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spelled(where+"."+v.Type().Field(i).Name, v.Field(i), all)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spelled(fmt.Sprintf("%s[%d]", where, i), v.Index(i), all)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			spelled(fmt.Sprintf("%s[%v]", where, key), v.MapIndex(key), all)
		}
	case reflect.String:
		if v.Type().PkgPath() == "" {
			return
		}
		for _, word := range words[v.Type()] {
			if v.String() == word {
				return
			}
		}
		*all = append(*all, fmt.Sprintf("%s: %q is no %s", where, v, v.Type()))
	}
}

func files(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../dashboards/grafana/dashboards/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d dashboards, %v", len(paths), err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		if all[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestSchema(t *testing.T) {
	for path, raw := range files(t) {
		for _, fault := range faults(raw) {
			t.Errorf("%s: %s", filepath.Base(path), fault)
		}
	}
}

// What is misspelt is found.
func TestSchemaFaults(t *testing.T) {
	for path, raw := range files(t) {
		for _, edit := range [][2]string{
			{`"displayMode": "table"`, `"displayMod": "table"`}, {`"displayMode": "table"`, `"displayMode": "tabel"`}, {`"legendFormat"`, `"legend"`},
			{`"refresh": "30s"`, `"refresh": 30`}, {`"drawStyle": "line"`, `"drawStyle": "lines"`}, {`"unit": "ops"`, `"unit": "op/s"`},
			{`"type": "query"`, `"type": "request"`}, {`"mode": "markdown"`, `"mode": "md"`}, {`"schemaVersion": 39`, `"schema": 39`},
		} {
			wrong := strings.ReplaceAll(string(raw), edit[0], edit[1])
			if wrong != string(raw) && len(faults([]byte(wrong))) == 0 {
				t.Errorf("%s: %s is taken", filepath.Base(path), edit[1])
			}
		}
	}
}
