package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

type object = map[string]any

// datasource is what every panel asks: the one that the variable names.
var datasource = object{"type": "prometheus", "uid": "${datasource}"}

// JSON is the dashboard in Grafana's schema 39, which Grafana 10.4 and later load
// as it is, with a newline at the end.
func (d Dashboard) JSON() ([]byte, error) {
	id, y := 0, 0
	next := func() int { id++; return id }
	var panels []object
	for _, row := range d.Rows {
		panels = append(panels, object{"id": next(), "type": "row", "title": row.Title, "collapsed": false,
			"gridPos": place(0, y, 24, 1), "panels": []object{}})
		y++
		height := row.Height
		if height == 0 {
			height = 8
		}
		x := 0
		for i, p := range row.Panels {
			width := p.Width
			if width == 0 {
				width = 24 / len(row.Panels)
			}
			if x+width > 24 {
				return nil, fmt.Errorf("dashboard %s: row %q is wider than 24 columns at panel %d", d.UID, row.Title, i)
			}
			panels = append(panels, p.json(next(), place(x, y, width, height)))
			x += width
		}
		y += height
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(object{
		"uid": d.UID, "title": d.Title, "description": d.Description, "tags": []string{"keytrail"},
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "timezone": "", "refresh": "30s",
		"time": object{"from": "now-6h", "to": "now"}, "annotations": object{"list": []object{epochs()}},
		"links": []object{{"type": "dashboards", "title": "Keytrail", "tags": []string{"keytrail"}, "asDropdown": false, "icon": "external link", "tooltip": "",
			"includeVars": true, "keepTime": true, "targetBlank": false}},
		"templating": object{"list": variables(d.Variables)},
		"panels":     panels,
	})
	return out.Bytes(), err
}

func place(x, y, w, h int) object { return object{"x": x, "y": y, "w": w, "h": h} }

// variables are three on every dashboard, so that links carry them over, and its
// own. All jobs and all instances are those that are listed, hence Keytrail's.
func variables(own []Variable) []object {
	list := []object{
		{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
			"hide": 0, "multi": false, "includeAll": false, "options": []object{},
			"current": object{"selected": true, "text": "default", "value": "default"}},
	}
	for _, v := range []struct{ name, title, query string }{
		{"job", "Job", `label_values(keytrail_log_writable, job)`},
		{"instance", "Instance", `label_values(keytrail_log_writable{job=~"$job"}, instance)`},
	} {
		list = append(list, object{"name": v.name, "label": v.title, "type": "query", "datasource": datasource,
			"definition": v.query, "query": object{"query": v.query, "refId": v.name}, "refresh": 2, "sort": 1,
			"hide": 0, "multi": true, "includeAll": true, "options": []object{},
			"current": object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}}})
	}
	for _, v := range own {
		if v.Label == "" {
			list = append(list, object{"name": v.Name, "label": v.Title, "type": "textbox", "query": v.Text, "hide": 0,
				"options": []object{{"selected": true, "text": v.Text, "value": v.Text}},
				"current": object{"selected": true, "text": v.Text, "value": v.Text}})
			continue
		}
		values := fmt.Sprintf("label_values(%s, %s)", on(v.Query), v.Label)
		list = append(list, object{"name": v.Name, "label": v.Title, "type": "query", "datasource": datasource,
			"definition": values, "query": object{"query": values, "refId": v.Name}, "refresh": 2, "sort": 1,
			"hide": 0, "multi": false, "includeAll": true, "allValue": ".*", "options": []object{},
			"current": object{"selected": true, "text": "All", "value": "$__all"}})
	}
	return list
}

// epochs marks on every picture when a commit was not confirmed.
func epochs() object {
	return object{"name": "Epochs that ended", "enable": true, "hide": false, "iconColor": bad, "datasource": datasource,
		"expr": on(EpochsAnnotation), "titleFormat": "An epoch ended: {{cause}}", "step": "60s", "useValueForTime": false}
}

// EpochsAnnotation is the query of the annotation, with ON as in panels.
const EpochsAnnotation = `sum by (instance, cause) (increase(keytrail_log_epochs_ended_total{ON}[1m])) > 0`

func (p Panel) json(id int, grid object) object {
	out := object{"id": id, "type": p.Kind, "title": p.Title, "description": p.Description, "gridPos": grid,
		"datasource": datasource, "transparent": false}
	if p.Kind == Text {
		out["options"] = object{"mode": "markdown", "content": p.Markdown}
		return out
	}
	targets := make([]object, 0, len(p.Queries))
	for i, q := range p.Queries {
		q.Instant = q.Instant || p.Kind == Table || p.Kind == BarGauge
		target := object{"refId": string(rune('A' + i)), "datasource": datasource, "expr": q.Expr, "editorMode": "code",
			"legendFormat": q.Legend, "range": !q.Instant, "instant": q.Instant, "exemplar": q.Exemplars}
		if q.Legend == "" {
			target["legendFormat"] = "__auto"
		}
		if p.Kind == Table {
			target["format"] = "table"
		}
		targets = append(targets, target)
	}
	out["targets"] = targets
	out["fieldConfig"] = object{"defaults": p.defaults(), "overrides": p.overrides()}
	out["options"] = p.options()
	if p.Kind == Table {
		names := object{"Value": p.Column}
		if len(p.Queries) > 1 {
			delete(names, "Value")
			out["transformations"] = []object{{"id": "merge", "options": object{}}}
			for i, q := range p.Queries {
				names["Value #"+string(rune('A'+i))] = q.Column
			}
		}
		steps, _ := out["transformations"].([]object)
		out["transformations"] = append(steps, object{"id": "organize", "options": object{"excludeByName": object{"Time": true, "__name__": true, "job": true},
			"indexByName": object{}, "renameByName": names}})
	}
	return out
}

func (p Panel) defaults() object {
	d := object{"unit": p.Unit, "min": 0, "mappings": []object{}}
	if p.Empty != "" {
		d["noValue"] = p.Empty
	}
	if p.Thresholds != nil {
		var steps []object
		for i, t := range p.Thresholds {
			step := object{"color": t.Colour, "value": t.At}
			if i == 0 {
				step["value"] = nil
			}
			steps = append(steps, step)
		}
		d["color"] = object{"mode": "thresholds"}
		if p.Kind == TimeSeries {
			d["color"] = object{"mode": "palette-classic"}
		}
		d["thresholds"] = object{"mode": "absolute", "steps": steps}
	} else {
		d["color"] = object{"mode": "palette-classic"}
		d["thresholds"] = object{"mode": "absolute", "steps": []object{{"color": plain, "value": nil}}}
	}
	if len(p.Names) > 0 {
		options := object{}
		for i, value := range slices.Sorted(maps.Keys(p.Names)) {
			options[value] = object{"text": p.Names[value], "index": i}
		}
		d["mappings"] = []object{{"type": "value", "options": options}}
	}
	if p.Kind == TimeSeries {
		stacking := object{"mode": "none", "group": "A"}
		fill := 8
		if p.Stacked {
			stacking["mode"], fill = "normal", 40
		}
		marks := "off"
		if p.Thresholds != nil {
			marks = "dashed"
		}
		d["custom"] = object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never", "stacking": stacking,
			"spanNulls": false, "thresholdsStyle": object{"mode": marks}}
	}
	return d
}

func (p Panel) overrides() []object {
	list := []object{}
	override := func(column, property string, value any) {
		list = append(list, object{"matcher": object{"id": "byName", "options": column},
			"properties": []object{{"id": property, "value": value}}})
	}
	if p.Kind == Table && p.Column != "" {
		override(p.Column, "custom.cellOptions", object{"type": "color-text"})
	}
	for _, q := range p.Queries {
		switch {
		case q.Column == "":
		case q.Unit == "": // what the thresholds are for
			override(q.Column, "custom.cellOptions", object{"type": "color-text"})
		default:
			override(q.Column, "unit", q.Unit)
		}
	}
	if k := p.Pick; k != nil {
		url := "/d/" + k.Dashboard + "?${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&var-" + k.Variable + "=${__value.raw:percentencode}"
		for _, variable := range slices.Sorted(maps.Keys(k.With)) {
			url += "&var-" + variable + "=${__data.fields." + k.With[variable] + ":percentencode}"
		}
		override(k.Column, "links", []object{{"title": "Show this one alone", "url": url, "targetBlank": false}})
	}
	return list
}

func (p Panel) options() object {
	last := object{"values": false, "calcs": []string{"lastNotNull"}, "fields": ""}
	switch p.Kind {
	case Stat:
		return object{"reduceOptions": last, "colorMode": "background", "graphMode": "area", "justifyMode": "auto", "textMode": "auto", "orientation": "auto",
			"wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard"}
	case BarGauge:
		return object{"reduceOptions": last, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true,
			"valueMode": "color", "namePlacement": "auto", "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
			"legend": object{"showLegend": false, "displayMode": "list", "placement": "bottom", "calcs": []string{}}}
	case Table:
		return object{"showHeader": true, "cellHeight": "sm", "frameIndex": 0,
			"footer": object{"show": false, "reducer": []string{"sum"}, "countRows": false, "fields": ""}}
	}
	return object{"legend": object{"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": []string{"lastNotNull", "max"}},
		"tooltip": object{"mode": "multi", "sort": "desc"}}
}
