package shape_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/vault/shape"
)

type formTag struct {
	Key   string `json:"Key" aws:"required,min=1,max=8"`
	Value string `json:"Value"`
}

type formEntry struct {
	Name   string   `json:"Name"`
	Values []string `json:"Values"`
}

type formInput struct {
	Name    string          `json:"Name" aws:"min=1"`
	Count   *int            `json:"Count" aws:"max=10"`
	Force   bool            `json:"Force"`
	Since   shape.Timestamp `json:"Since"`
	Blob    []byte          `json:"Blob"`
	Names   []string        `json:"Names" aws:"each.max=4"`
	Tags    []formTag       `json:"Tags" aws:"max=3"`
	Entries []formEntry     `json:"Entries"`
	One     *formTag        `json:"One"`
}

func TestForm(t *testing.T) {
	s := shape.Of[formInput]()
	for _, c := range []struct {
		name string
		form map[string]string
		want formInput
	}{
		{"nothing", nil, formInput{}},
		{"scalars", map[string]string{"Name": `q"\` + "\n", "Count": "-7", "Force": "true", "Blob": "AQID"},
			formInput{Name: "q\"\\\n", Count: ptr(-7), Force: true, Blob: []byte{1, 2, 3}}},
		{"strange names", map[string]string{"": "x", "Name.": "x", "Nam": "x", "Names.member": "x", "Action": "x"}, formInput{}},
		{"list, gaps and order", map[string]string{"Names.member.10": "c", "Names.member.2": "b", "Names.member.1": "a"}, formInput{Names: []string{"a", "b", "c"}}},
		{"list, positions that are none", map[string]string{"Names.member.1": "a", "Names.member.01": "x", "Names.member.0": "x", "Names.member.-1": "x", "Names.member.x": "x", "Names.member.99999999999": "x"},
			formInput{Names: []string{"a"}}},
		{"empty list", map[string]string{"Names": ""}, formInput{Names: []string{}}},
		{"structures", map[string]string{"Tags.member.1.Key": "a", "Tags.member.2.Key": "b", "Tags.member.2.Value": "2", "One.Key": "o"},
			formInput{Tags: []formTag{{Key: "a"}, {"b", "2"}}, One: &formTag{Key: "o"}}},
		{"list within list", map[string]string{"Entries.member.1.Name": "n", "Entries.member.1.Values.member.1": "v", "Entries.member.1.Values.member.2": "w"},
			formInput{Entries: []formEntry{{"n", []string{"v", "w"}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := s.AppendForm(nil, c.form)
			var got formInput
			if err := s.Decode(body, &got); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s gave\n%+v, want\n%+v", body, got, c.want)
			}
		})
	}
	var at formInput
	if err := s.Decode(s.AppendForm(nil, map[string]string{"Since": "2026-11-24T04:00:00Z"}), &at); err != nil || at.Since.Unix() != 1795492800 {
		t.Errorf("time %v, %v", at.Since, err)
	}
}

// TestFormIsValidatedAsJSON: the same limits, in the same words.
func TestFormIsValidatedAsJSON(t *testing.T) {
	s := shape.Of[formInput]()
	for _, c := range []struct {
		name, value, text string
		syntax            bool
	}{
		{"Name", "", "Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1", false},
		{"Count", "11", "Value '11' at 'count' failed to satisfy constraint: Member must have value less than or equal to 10", false},
		{"Names.member.1", "abcde", "at 'names' failed to satisfy constraint", false},
		{"Tags.member.4.Value", "x", "Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null", false},
		{"Count", "many", "STRING_VALUE can not be converted to an Integer", true},
		{"Count", "", "STRING_VALUE can not be converted to an Integer", true},
		{"Force", "yes", "STRING_VALUE can not be converted to a Boolean", true},
		{"Blob", "?", "can not be converted to a Blob", true},
	} {
		err := s.Decode(s.AppendForm(nil, map[string]string{c.name: c.value}), new(formInput))
		var syntax *shape.SerializationError
		if err == nil || !strings.Contains(err.Error(), c.text) || errors.As(err, &syntax) != c.syntax {
			t.Errorf("%s=%s: %v, want %q", c.name, c.value, err, c.text)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("Name", "x", "Tags.member.1.Key", "k", "Tags.member.2.Value", "v")
	f.Add("Count", "1e9", "Names", "", "Names.member.3", "\xff")
	f.Add("One.", "", "Entries.member.1.Values.member.1", "v", "Since", "-")
	s := shape.Of[formInput]()
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, n3, v3 string) {
		body := s.AppendForm(nil, map[string]string{n1: v1, n2: v2, n3: v3})
		if !json.Valid(body) {
			t.Fatalf("not JSON: %q", body)
		}
		_ = s.Decode(body, new(formInput))
	})
}
